"""What other engines make of the files that frazil writes into tables: bloom filters, sort orders, encodings, page versions."""

import math
import random

import duckdb
import frazil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

ROWS = 6000


def make_rows(seed=3):
    rng = random.Random(seed)
    ids = rng.sample(range(10**9), ROWS)
    return pa.table({
        "id": pa.array(ids, pa.int64()),
        "name": pa.array([None if i % 7 == 0 else f"user-{i:09d}" for i in ids]),
        "score": pa.array([math.nan if i % 13 == 0 else -0.0 if i % 17 == 0 else (i % 1000) / 4 for i in ids]),
        "at": pa.array(sorted(rng.randrange(10**15) for _ in ids), pa.timestamp("us", "UTC")),
        "place": pa.array([{"city": f"c{i % 9}", "zip": i % 100} for i in ids]),
    })


@pytest.fixture
def new_table(tmp_path):
    catalog = frazil.load_catalog("t", uri=f"sqlite:///{tmp_path}/catalog.db", warehouse=str(tmp_path / "warehouse"))
    catalog.create_namespace("n")

    def make(rows, **options):
        table = catalog.create_table("n.t", schema=rows.schema, **options)
        table.append(rows)
        return table
    return make


def paths(table):
    return [file.file_path.removeprefix("file://") for file in table.scan().plan_files()]


def test_duckdb_probes_our_bloom_filters(new_table):
    rows = make_rows()
    table = new_table(rows, properties={
        "write.parquet.bloom-filter-enabled.column.id": "true", "write.parquet.bloom-filter-enabled.column.name": "true",
        "write.parquet.bloom-filter-enabled.column.place.city": "true", "write.parquet.bloom-filter-fpp.column.id": "0.001",
        "write.parquet.bloom-filter-ndv.column.name": "6000", "write.parquet.row-group-limit": "1500",
        "write.parquet.bloom-filter-enabled.column.gone": "true"})
    [path] = paths(table)

    def excluded(column, value):
        found = duckdb.execute(f"SELECT row_group_id, bloom_filter_excludes FROM parquet_bloom_probe('{path}', '{column}', ?)", [value]).fetchall()
        return [excludes for _, excludes in sorted(found)]

    ids, names = rows["id"].to_pylist(), rows["name"].to_pylist()
    for i in range(0, ROWS, 50):
        assert not excluded("id", ids[i])[i // 1500]
        if names[i] is not None:
            assert not excluded("name", names[i])[i // 1500]
    wrong = sum(excludes is False for i in range(200) for excludes in excluded("id", 10**9 + i))
    assert wrong < 10, "too many false positives, or no filter at all"
    wrong = sum(excludes is False for i in range(200) for excludes in excluded("name", f"nobody-{i}"))
    assert wrong < 40
    sizes = duckdb.sql(f"SELECT path_in_schema, bloom_filter_length FROM parquet_metadata('{path}')").fetchall()
    assert {name for name, size in sizes if size} == {"id", "name", "place, city"}
    assert duckdb.sql(f"SELECT count(*) FROM '{path}' WHERE id = {ids[4321]}").fetchone() == (1,)


def test_files_say_what_they_are_sorted_by(new_table):
    rows = make_rows()
    table = new_table(rows, sort_order="name desc nulls last, id asc")
    [path] = paths(table)
    file = pq.ParquetFile(path)
    columns = [(c.column_index, c.descending, c.nulls_first) for c in file.metadata.row_group(0).sorting_columns]
    assert columns == [(1, True, False), (0, False, True)]
    pairs = sorted(zip(rows["id"].to_pylist(), rows["name"].to_pylist()))
    pairs.sort(key=lambda pair: (pair[1] is not None, pair[1] or ""), reverse=True)
    read = file.read()
    assert read["id"].to_pylist() == [number for number, _ in pairs]
    assert read["name"].to_pylist() == [name for _, name in pairs]
    files = table.inspect.files().to_pylist()
    assert [entry["sort_order_id"] for entry in files] == [1]


def test_transformed_sort_fields_are_not_sorting_columns(new_table):
    rows = make_rows()
    table = new_table(rows, sort_order="bucket(4, id), at desc")
    [path] = paths(table)
    assert not pq.ParquetFile(path).metadata.row_group(0).sorting_columns
    assert [entry["sort_order_id"] for entry in table.inspect.files().to_pylist()] == [1]
    assert sorted(pq.read_table(path)["id"].to_pylist()) == sorted(rows["id"].to_pylist())


@pytest.mark.parametrize("properties", [
    {},
    {"frazil.parquet.encodings": "basic"},
    {"frazil.parquet.encodings": "all", "write.parquet.page-version": "v2"},
    {"write.parquet.page-version": "v2", "write.parquet.page-row-limit": "500"},
    *({"write.parquet.compression-codec": codec, "write.parquet.dict-size-bytes": "0"}
      for codec in ["uncompressed", "snappy", "gzip", "zstd", "brotli", "lz4"]),
    {"write.parquet.compression-level": "9"},
], ids=str)
def test_every_setting_reads_equal(new_table, properties):
    rows = make_rows()
    table = new_table(rows, properties=properties)
    [path] = paths(table)
    read = pq.read_table(path, page_checksum_verification=True)
    for name in rows.column_names:
        if name == "place":
            assert read[name].to_pylist() == rows[name].to_pylist()
        else:
            assert read[name].cast(rows.schema.field(name).type).to_pandas().equals(rows[name].to_pandas())
    sums = "count(*), sum(id), count(name), sum(hash(name) % 1000003), sum(hash(\"at\") % 1000003), sum(place.zip), min(place.city)"
    assert duckdb.sql(f"SELECT {sums} FROM '{path}'").fetchone() == duckdb.sql(f"SELECT {sums} FROM rows").fetchone()
    codec = properties.get("write.parquet.compression-codec", "zstd").upper()
    found = pq.ParquetFile(path).metadata.row_group(0).column(0)
    assert found.compression == codec
    encodings = {encoding for i in range(6) for encoding in pq.ParquetFile(path).metadata.row_group(0).column(i).encodings}
    delta = {"DELTA_BINARY_PACKED", "DELTA_LENGTH_BYTE_ARRAY", "DELTA_BYTE_ARRAY"}
    assert bool(encodings & delta) == (properties.get("frazil.parquet.encodings") != "basic")
