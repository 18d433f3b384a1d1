"""Writes manifests and lists with PyIceberg; see README.md."""
import decimal, os, sys, uuid
from pyiceberg.io.pyarrow import PyArrowFileIO
from pyiceberg.manifest import (DataFile, DataFileContent, FileFormat, ManifestEntry, ManifestEntryStatus,
                                ManifestContent, ManifestWriterV2, write_manifest, write_manifest_list)
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import BucketTransform, DayTransform, IdentityTransform
from pyiceberg.typedef import Record
from pyiceberg.types import (DecimalType, DoubleType, LongType, NestedField, StringType,
                             TimestamptzType, UUIDType)

out = sys.argv[1]
io = PyArrowFileIO()
schema = Schema(
    NestedField(1, "id", LongType(), required=True),
    NestedField(2, "region", StringType()),
    NestedField(3, "ts", TimestamptzType()),
    NestedField(4, "price", DecimalType(9, 2)),
    NestedField(5, "score", DoubleType()),
    NestedField(6, "token", UUIDType()), schema_id=0)
spec = PartitionSpec(
    PartitionField(1, 1000, BucketTransform(4), "id_bucket"),
    PartitionField(2, 1001, IdentityTransform(), "region-name"),
    PartitionField(3, 1002, DayTransform(), "ts_day"),
    PartitionField(4, 1003, IdentityTransform(), "price"),
    PartitionField(6, 1004, IdentityTransform(), "token"),
    PartitionField(5, 1005, IdentityTransform(), "score"), spec_id=0)
full = Record(3, "eu", 19724, decimal.Decimal("-12.34"), uuid.UUID("00112233-4455-6677-8899-aabbccddeeff"), 1.5)
nulls = Record(1, None, None, None, None, None)
nan = Record(0, "", -1, decimal.Decimal("0.01"), uuid.UUID(int=0), float("nan"))

def file(version, name, partition, rows, content=DataFileContent.DATA, **more):
    args = dict(content=content, file_path=f"golden/data/{name}.parquet", file_format=FileFormat.PARQUET,
                partition=partition, record_count=rows, file_size_in_bytes=rows * 100, column_sizes={1: 40, 2: 50},
                value_counts={2: rows, 1: rows}, null_value_counts={1: 0, 2: 1}, nan_value_counts={5: 2},
                lower_bounds={1: (7).to_bytes(8, "little"), 2: b"a"}, upper_bounds={1: (9).to_bytes(8, "little"), 2: b"b"},
                split_offsets=[4, 1000], sort_order_id=0)
    args.update(more)
    return DataFile.from_args(_table_format_version=2, **args)

def entry(status, data_file, snapshot_id=None, sequence=None, file_sequence=None):
    return ManifestEntry.from_args(status=status, snapshot_id=snapshot_id, sequence_number=sequence,
                                   file_sequence_number=file_sequence, data_file=data_file)

S = ManifestEntryStatus
class DeletesWriter(ManifestWriterV2):
    def content(self): return ManifestContent.DELETES

    @property
    def _meta(self): return {**super()._meta, "content": "deletes"}

def write(version, name, entries, deletes=False):
    target = io.new_output(f"{out}/v{version}/{name}")
    writer = (DeletesWriter(spec, schema, target, 5001, "deflate") if deletes
              else write_manifest(version, spec, schema, target, 5001, "deflate"))
    with writer:
        for e in entries: writer.add_entry(e)
    manifest = writer.to_manifest_file()
    manifest._data[0] = f"golden/v{version}/{name}"
    return manifest

for version in (1, 2):
    os.makedirs(f"{out}/v{version}", exist_ok=True)
    data = write(version, "data.avro", [
        entry(S.ADDED, file(version, "added", full, 10), 5001),
        entry(S.EXISTING, file(version, "existing", nulls, 20, column_sizes=None, lower_bounds=None, upper_bounds=None,
                               split_offsets=None, sort_order_id=None), 4001, 3, 2),
        entry(S.DELETED, file(version, "deleted", nan, 30), 5001, 2, 2)])
    manifests = [data]
    if version == 2:
        manifests.append(write(version, "deletes.avro", [
            entry(S.ADDED, file(version, "equality", full, 1, DataFileContent.EQUALITY_DELETES, equality_ids=[1, 2])),
            entry(S.ADDED, file(version, "position", nulls, 2, DataFileContent.POSITION_DELETES), None, 4)], deletes=True))
    with write_manifest_list(version, io.new_output(f"{out}/v{version}/list.avro"), 5001, 4001, 6, "null") as writer:
        writer.add_manifests(manifests)
