"""Format version 3 against Spark: row lineage and new types of tables that either wrote, equal as both read them.
"""

import json
import textwrap

import frazil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from spark_engine import rows, run_in_spark

COLUMNS = ["id", "s", "_row_id", "_last_updated_sequence_number", "_pos"]

# Runs in Spark's Python: makes tables, and Parquet files of what it reads from them and from ours.
SCRIPT = textwrap.dedent("""
    names = []
    def rows(first, last, text):
        return f"select id, concat('{text}', id) s from range({first}, {last})"
    def changed(name, version, mode, by):
        modes = ", ".join(f"'write.{kind}.mode'='{mode}'" for kind in ("delete", "update", "merge"))
        run(f"create table c.d.{name} (id bigint, s string) using iceberg {by} tblproperties ('format-version'='{version}', {modes})")
        run(f"insert into c.d.{name} {rows(0, 200, 'a')}")
        run(f"insert into c.d.{name} {rows(200, 250, 'b')}")
        if version == 2:
            run(f"delete from c.d.{name} where id = 5")
            run(f"alter table c.d.{name} set tblproperties ('format-version'='3')")
            run(f"insert into c.d.{name} {rows(250, 255, 'c')}")
        run(f"update c.d.{name} set s = 'updated' where id % 20 = 3")
        run(f"delete from c.d.{name} where id % 10 = 4")
        run(f"merge into c.d.{name} t using ({rows(240, 260, 'm')}) m on t.id = m.id "
            f"when matched then update set s = m.s when not matched then insert *")
        run(f"delete from c.d.{name} where id between 50 and 60")
        names.append(name)
    changed("moved3", 3, "copy-on-write", "")
    changed("marked3", 3, "merge-on-read", "")
    changed("parted3", 3, "copy-on-write", "partitioned by (bucket(3, id))")
    changed("upgraded3", 2, "merge-on-read", "")
    run("call c.system.rewrite_data_files(table => 'd.parted3', options => map('rewrite-all', 'true'))")
    lineage = "_row_id, _last_updated_sequence_number, _file, _pos"
    for name in names:
        run(f"select *, {lineage} from c.d.{name}").write.parquet(f"{folder}/expected/{name}")
    for name, location in json.load(open(f"{folder}/ours.json")).items():
        table = spark.read.format("iceberg").load(location)
        columns = table.columns
        table.select(*columns, *lineage.split(", ")).write.parquet(f"{folder}/read/{name}")
    run("create table c.d.kinds (id bigint, v variant, s struct<x: int, w: variant>) using iceberg tblproperties ('format-version'='3')")
    run("insert into c.d.kinds select id, if(id % 7 = 3, null, parse_json(cast(id as string))), "
        "named_struct('x', 1, 'w', parse_json(concat('[', id, ']'))) from range(50)")
    spark.read.format("iceberg").load(open(f"{folder}/kinds").read()).selectExpr(
        "id", "to_json(v) v", "u is null and s.u is null u", "s.x x", "to_json(s.w) w").write.parquet(f"{folder}/read/kinds")
""")


def make_ours(folder):
    """Tables of frazil's, by name."""
    catalog = frazil.load_catalog("ours", type="sql", uri=f"sqlite:///{folder}/catalog.db", warehouse=f"{folder}/ours")
    catalog.create_namespace("d")
    schema = pa.schema([("id", pa.int64()), ("s", pa.string())])

    def some(first, last, text):
        return pa.table({"id": list(range(first, last)), "s": [f"{text}{i}" for i in range(first, last)]}, schema=schema)

    tables = {}
    for name, version, spec in [("plain", 3, None), ("parted", 3, "bucket(3, id)"), ("upgraded", 2, "bucket(2, id)")]:
        table = catalog.create_table(f"d.{name}", schema, format_version=version, partition_spec=spec)
        table.append(some(0, 100, "a"))
        table.append(some(100, 150, "b"))
        if version == 2:
            table.delete("id = 7")
            table.set_properties({"format-version": "3"})
            table.append(some(150, 155, "c"))
        table.delete("id < 10")
        table.overwrite(some(20, 25, "d"), overwrite_filter="id >= 20 and id < 30")
        table.delete("id = 22 or id = 120")
        tables[name] = table
    return tables


def variant(value):
    """A small whole number in the binary form, without a dictionary of names."""
    return {"metadata": bytes([1, 0, 0]), "value": bytes([0x0C, value])}


def make_kinds(folder):
    """Variants, and columns of type unknown, which data files do not hold."""
    catalog = frazil.load_catalog("kinds", type="sql", uri=f"sqlite:///{folder}/kinds.db", warehouse=f"{folder}/kinds_of")
    catalog.create_namespace("d")
    parts = pa.struct([pa.field("metadata", pa.binary(), False), pa.field("value", pa.binary(), False)])
    v = pa.field("v", parts, metadata={"ARROW:extension:name": "arrow.parquet.variant", "ARROW:extension:metadata": ""})
    inner = pa.struct([("u", pa.null()), ("x", pa.int32()), v.with_name("w")])
    schema = pa.schema([("u", pa.null()), ("id", pa.int64()), v, ("s", inner)])
    table = catalog.create_table("d.kinds", schema, format_version=3)
    rows = [
        {"u": None, "id": i, "v": None if i % 5 == 2 else variant(i), "s": {"u": None, "x": i, "w": variant(100 - i)}}
        for i in range(40)
    ]
    table.append(pa.Table.from_pylist(rows, schema=schema))
    assert sorted(table.to_arrow().to_pylist(), key=lambda row: row["id"]) == rows
    return table


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    folder = tmp_path_factory.mktemp("spark") / "lake"
    folder.mkdir()
    tables = make_ours(folder)
    (folder / "ours.json").write_text(json.dumps({name: table.metadata_location for name, table in tables.items()}))
    (folder / "kinds").write_text(make_kinds(folder).metadata_location)
    run_in_spark(SCRIPT, folder)
    return folder, tables


def check_lineage(table, want):
    """Every row with its lineage as Spark reads it, and from the same file."""
    got = table.scan(selected_fields=[*COLUMNS, "_file"]).to_arrow()
    assert rows(got, COLUMNS) == rows(want, COLUMNS)
    assert {row[-1].rsplit("/")[-1] for row in rows(got, ["_file"])} == {row[-1].rsplit("/")[-1] for row in rows(want, ["_file"])}
    ids = got["_row_id"].to_pylist()
    assert None not in ids and len(set(ids)) == len(ids) and max(ids) < table._metadata["next-row-id"]


@pytest.mark.parametrize("name", ["moved3", "marked3", "parted3", "upgraded3"])
def test_lineage_that_spark_wrote(lake, name):
    folder, _ = lake
    table = frazil.load_catalog("static", type="static").load_table(str(folder / "d" / name))
    want = pq.read_table(str(folder / "expected" / name))
    assert len(want) > 200 and len(set(want["_last_updated_sequence_number"].to_pylist())) > 2
    check_lineage(table, want)


@pytest.mark.parametrize("name", ["plain", "parted", "upgraded"])
def test_lineage_that_frazil_wrote(lake, name):
    folder, tables = lake
    want = pq.read_table(str(folder / "read" / name))
    assert len(want) > 100
    check_lineage(tables[name], want)


def test_variants_that_frazil_wrote(lake):
    folder, _ = lake
    got = sorted(pq.read_table(str(folder / "read" / "kinds")).to_pylist(), key=lambda row: row["id"])
    assert got == [
        {"id": i, "v": None if i % 5 == 2 else str(i), "u": True, "x": i, "w": str(100 - i)} for i in range(40)
    ]


def test_variants_that_spark_wrote(lake):
    folder, _ = lake
    table = frazil.load_catalog("static", type="static").load_table(str(folder / "d" / "kinds"))
    got = {row["id"]: row for row in table.to_arrow().to_pylist()}
    assert len(got) == 50
    for i, row in got.items():
        assert row["v"] is None if i % 7 == 3 else row["v"]["value"] == variant(i)["value"]
        # an array of one element: header, count, two offsets, the element
        assert row["s"]["w"]["value"] == bytes([3, 1, 0, 2]) + variant(i)["value"]
    assert table.scan(row_filter="v is null").to_arrow()["id"].to_pylist() == [i for i in range(50) if i % 7 == 3]
