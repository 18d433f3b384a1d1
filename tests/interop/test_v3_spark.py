"""Format version 3 against Spark: row lineage of tables that either wrote, equal as both read it.

Wants what test_read_spark.py wants, and is skipped without.
"""

import json
import textwrap

import frazil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from test_read_spark import rows, run_in_spark

COLUMNS = ["id", "s", "_row_id", "_last_updated_sequence_number", "_pos"]

# Runs in Spark's Python: makes tables, and Parquet files of what it reads from them and from ours.
SCRIPT = textwrap.dedent("""
    import json
    import sys
    from pyspark.sql import SparkSession
    folder, jar = sys.argv[1:]
    spark = (SparkSession.builder.master("local[2]").config("spark.jars", jar)
      .config("spark.ui.enabled", "false").config("spark.driver.memory", "1g")
      .config("spark.driver.bindAddress", "127.0.0.1").config("spark.driver.host", "127.0.0.1")
      .config("spark.sql.extensions", "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions")
      .config("spark.sql.catalog.c", "org.apache.iceberg.spark.SparkCatalog")
      .config("spark.sql.catalog.c.type", "hadoop").config("spark.sql.catalog.c.warehouse", folder)
      .config("spark.sql.session.timeZone", "UTC").config("spark.sql.shuffle.partitions", "2").getOrCreate())
    run = spark.sql
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


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    folder = tmp_path_factory.mktemp("spark") / "lake"
    folder.mkdir()
    tables = make_ours(folder)
    (folder / "ours.json").write_text(json.dumps({name: table.metadata_location for name, table in tables.items()}))
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
