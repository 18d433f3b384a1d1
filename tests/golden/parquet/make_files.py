"""Write the files of this folder: python make_files.py FOLDER"""

import pathlib
import sys

import pyarrow as pa
import pyarrow.parquet as pq

folder = pathlib.Path(sys.argv[1])
schema = pa.schema([("id", pa.int32()), ("tags", pa.list_(pa.string()))])
empty = schema.empty_table()
three = pa.table({"id": pa.array([1, 2, None], pa.int32()), "tags": [["a"], None, ["b", "c"]]}, schema=schema)


def write(name, tables):
    with pq.ParquetWriter(folder / name, schema, store_schema=False) as writer:
        for table in tables:
            writer.write_table(table)


write("empty_groups.parquet", [empty, three, empty, empty, three, empty])
write("zero_rows.parquet", [empty])
write("no_groups.parquet", [])

rows = 240
keys = pa.table({
    "id": pa.array([row * 7919 % rows * 3 for row in range(rows)], pa.int64()),
    "name": [None if row % 40 >= 30 else f"n{row:03d}" for row in range(rows)],
}, schema=pa.schema([
    pa.field("id", pa.int64(), metadata={"PARQUET:field_id": "1"}),
    pa.field("name", pa.string(), metadata={"PARQUET:field_id": "2"}),
]))
pq.write_table(keys, folder / "bloom_and_index.parquet", row_group_size=120, max_rows_per_page=10, write_page_index=True,
               bloom_filter_options={"id": {"ndv": 120, "fpp": 0.001}, "name": {"ndv": 120, "fpp": 0.001}},
               use_dictionary=False, compression="NONE", write_batch_size=10, store_schema=False)
