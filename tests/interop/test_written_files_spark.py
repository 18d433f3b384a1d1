"""Files that frazil writes, read by Spark's vectorised Parquet reader: every encoding that is chosen by default."""

import json
import random
import textwrap

import frazil
import pyarrow as pa
import pyarrow.parquet as pq
from spark_engine import run_in_spark

ROWS = 20000
SETTINGS = {
    "defaults": ({}, None),
    "v2": ({"write.parquet.page-version": "v2"}, None),
    "pages": ({"write.parquet.page-row-limit": "700", "write.parquet.row-group-limit": "9000"}, None),
    "sorted": ({f"write.parquet.bloom-filter-enabled.column.{name}": "true" for name in ("id", "name")}, "name desc"),
}

SCRIPT = textwrap.dedent("""
    found = {}
    for name, path in json.load(open(folder + "/paths.json")).items():
        rows = spark.read.parquet(path)
        sums = rows.selectExpr("count(*)", "sum(id)", "count(name)", "sum(length(name))", "sum(place.zip)", "sum(unix_micros(at))",
                               "cast(sum(price) as string)", "sum(day)").collect()[0]
        some = rows.filter("id = 5 or name = 'user-000000011'").collect()
        found[name] = [list(sums), sorted(row["id"] for row in some), sorted(row["name"] for row in some)]
    json.dump(found, open(folder + "/found.json", "w"))
""")


def make_rows():
    rng = random.Random(1)
    ids = list(range(ROWS))
    return pa.table({
        "id": pa.array(ids, pa.int64()),
        "name": pa.array([None if i % 7 == 0 else f"user-{i:09d}" for i in ids]),
        "at": pa.array([i * 1_000_003 + rng.randrange(500) for i in ids], pa.timestamp("us", "UTC")),
        "price": pa.array([i * 37 for i in ids], pa.int64()).cast(pa.decimal128(20, 0)).cast(pa.decimal128(12, 0)),
        "day": pa.array([i // 3 - 200 for i in ids], pa.int32()),
        "place": pa.array([{"city": f"c{i % 9}", "zip": i} for i in ids]),
    })


def test_spark_reads_what_is_written_by_default(tmp_path):
    catalog = frazil.load_catalog("t", uri=f"sqlite:///{tmp_path}/catalog.db", warehouse=str(tmp_path / "warehouse"))
    catalog.create_namespace("n")
    rows, paths, encodings = make_rows(), {}, set()
    for name, (properties, order) in SETTINGS.items():
        table = catalog.create_table(f"n.{name}", schema=rows.schema, properties=properties, sort_order=order)
        table.append(rows)
        [file] = table.scan().plan_files()
        paths[name] = file.file_path.removeprefix("file://")
        group = pq.ParquetFile(paths[name]).metadata.row_group(0)
        encodings |= {encoding for i in range(group.num_columns) for encoding in group.column(i).encodings}
    assert {"DELTA_BINARY_PACKED", "DELTA_BYTE_ARRAY", "RLE_DICTIONARY"} <= encodings
    folder = tmp_path / "spark"
    folder.mkdir()
    (folder / "paths.json").write_text(json.dumps(paths))
    run_in_spark(SCRIPT, folder)
    found = json.loads((folder / "found.json").read_text())
    names = [name for name in rows["name"].to_pylist() if name is not None]
    sums = [ROWS, sum(range(ROWS)), len(names), sum(map(len, names)), sum(range(ROWS)),
            sum(rows["at"].cast(pa.int64()).to_pylist()), str(37 * sum(range(ROWS))), sum(rows["day"].to_pylist())]
    for name in SETTINGS:
        assert found[name] == [sums, [5, 11], ["user-000000005", "user-000000011"]], name
