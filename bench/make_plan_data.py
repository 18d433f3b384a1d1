"""A table of many data files, for planning: metadata alone, the files themselves are never read.

Usage: make_plan_data.py FOLDER FILES

PyIceberg writes it: one snapshot a day of events, a thousand files each, partitioned by day, with ten columns of
bounds and counts. Ids ascend within a day, so that a filter on the id finds few files by their bounds.
"""

import datetime
import pathlib
import struct
import sys

from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import DayTransform
from pyiceberg.typedef import Record
from pyiceberg.types import DoubleType, LongType, NestedField, StringType, TimestamptzType

FILES_A_DAY = 1000
ROWS_A_FILE = 100_000
FIRST_DAY = datetime.date(2024, 1, 1)


def schema():
    fields = [NestedField(1, "id", LongType()), NestedField(2, "event_ts", TimestamptzType()), NestedField(3, "name", StringType())]
    fields += [NestedField(4 + i, f"value_{i}", DoubleType()) for i in range(7)]
    return Schema(*fields)


def data_file(location, day, number):
    """One file of a day, with its metrics."""
    days = (FIRST_DAY - datetime.date(1970, 1, 1)).days + day
    first = days * 86_400_000_000 + number * 86_400_000
    first_id = number * ROWS_A_FILE
    lower = {1: struct.pack("<q", first_id), 2: struct.pack("<q", first), 3: b"name-%06d" % number}
    upper = {1: struct.pack("<q", first_id + ROWS_A_FILE - 1), 2: struct.pack("<q", first + 86_399_999), 3: b"name-%06dz" % number}
    for i in range(7):
        lower[4 + i] = struct.pack("<d", -float(i + number))
        upper[4 + i] = struct.pack("<d", float(i + number))
    columns = range(1, 11)
    return DataFile.from_args(
        content=DataFileContent.DATA, file_path=f"{location}/data/event_ts_day={FIRST_DAY + datetime.timedelta(day)}/{number:05d}-{day:05d}.parquet",
        file_format=FileFormat.PARQUET, partition=Record(days), record_count=ROWS_A_FILE, file_size_in_bytes=6_000_000 + number,
        column_sizes=dict.fromkeys(columns, 600_000), value_counts=dict.fromkeys(columns, ROWS_A_FILE), null_value_counts=dict.fromkeys(columns, 0),
        nan_value_counts={4 + i: 0 for i in range(7)}, lower_bounds=lower, upper_bounds=upper, key_metadata=None, split_offsets=[4],
        equality_ids=None, sort_order_id=None, spec_id=0)


def main():
    folder, n_files = pathlib.Path(sys.argv[1]).resolve(), int(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    catalog = SqlCatalog("bench", uri=f"sqlite:///{folder}/catalog.db", warehouse=f"file://{folder}/warehouse")
    catalog.create_namespace("bench")
    spec = PartitionSpec(PartitionField(2, 1000, DayTransform(), "event_ts_day"))
    table = catalog.create_table("bench.events", schema(), partition_spec=spec, properties={"commit.manifest-merge.enabled": "false"})
    for day in range((n_files + FILES_A_DAY - 1) // FILES_A_DAY):
        with table.transaction() as transaction, transaction.update_snapshot().fast_append() as append:
            for number in range(min(FILES_A_DAY, n_files - day * FILES_A_DAY)):
                append.append_data_file(data_file(table.location(), day, number))


if __name__ == "__main__":
    main()
