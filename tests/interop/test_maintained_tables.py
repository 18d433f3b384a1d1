"""Maintenance of tables that others wrote, and tables that were maintained here as others read them.

Tables of PyIceberg and Spark verify without a finding, whole; after compaction and rewritten manifests their rows are
what they were, to frazil, PyIceberg and Spark. What wants Spark wants what test_read_spark.py wants.
"""

import datetime
import decimal
import json
import textwrap

import frazil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from spark_engine import run_in_spark

SCHEMA = pa.schema([("id", pa.int64()), ("s", pa.string())])
LATER = datetime.datetime(2100, 1, 1, tzinfo=datetime.timezone.utc)


def ids_of(table):
    return sorted(table.scan().to_arrow()["id"].to_pylist())


def findings(table):
    result = table.maintenance.verify(all_snapshots=True, read_data=True)
    assert result.files > 0
    return [(finding.check, finding.message) for finding in result.findings]


def maintain(table):
    table.maintenance.compact(rewrite_all=True, sort_order="id")
    table.maintenance.rewrite_manifests()
    table.maintenance.expire_snapshots(LATER)
    table.maintenance.remove_orphan_files(LATER, allow_recent=True, dry_run=False)


# ---- PyIceberg ----


def many_kinds(n=300):
    start = datetime.datetime(2024, 1, 1)
    return pa.table({
        "id": pa.array(range(n), pa.int64()),
        "i": pa.array([k % 17 if k % 5 else None for k in range(n)], pa.int32()),
        "s": [f"a string longer than its bound {k % 23}" for k in range(n)],
        "f": pa.array([float("nan") if k % 11 == 0 else k / 3 for k in range(n)], pa.float32()),
        "zero": [-0.0 if k % 2 else 0.0 for k in range(n)],
        "dec": pa.array([decimal.Decimal(k) / 4 for k in range(n)], pa.decimal128(20, 2)),
        "day": [datetime.date(1969, 12, 1) + datetime.timedelta(days=k % 90) for k in range(n)],
        "ts": pa.array([start + datetime.timedelta(hours=k) for k in range(n)], pa.timestamp("us")),
        "b": [bytes([k % 256] * 20) for k in range(n)],
        "l": [[k] * (k % 3) for k in range(n)],
        "st": [{"x": k if k % 4 else None} for k in range(n)],
    })


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("column, transform", [(None, None), ("id", "bucket[4]"), ("ts", "day"), ("i", "identity"), ("s", "truncate[5]"), ("day", "month")])
def test_pyiceberg_tables(tmp_path, version, column, transform):
    sql = pytest.importorskip("pyiceberg.catalog.sql")
    from pyiceberg.transforms import parse_transform

    uri = f"sqlite:///{tmp_path}/catalog.db"
    theirs = sql.SqlCatalog("default", uri=uri, warehouse=f"file://{tmp_path}/lake")
    theirs.create_namespace("ns")
    data = many_kinds()
    made = theirs.create_table("ns.t", schema=data.schema, properties={"format-version": str(version)})
    if column is not None:
        with made.update_spec() as update:
            update.add_field(column, parse_transform(transform), "part")
    made.append(data.slice(0, 200))
    made.append(data.slice(200))
    made.delete("id = 7 or id = 210")
    table = frazil.load_catalog("default", uri=uri, warehouse=f"{tmp_path}/lake").load_table("ns.t")
    assert findings(table) == []
    expected = [k for k in range(300) if k not in (7, 210)]
    maintain(table)
    assert findings(table) == []
    assert ids_of(table) == expected
    read = theirs.load_table("ns.t").scan().to_arrow().sort_by("id")
    kept = data.filter(pa.array([k in set(expected) for k in range(300)]))
    assert str(read.to_pylist()) == str(kept.to_pylist())  # as text: NaN differs from itself


# ---- Spark ----

SCRIPT = textwrap.dedent("""
    for version in (2, 3):
        for mode in ("copy-on-write", "merge-on-read"):
            name = f"t{version}{mode[0]}"
            run(f"create table c.d.{name} (id bigint, s string) using iceberg partitioned by (bucket(3, id)) "
                f"tblproperties ('format-version'='{version}', 'write.delete.mode'='{mode}', 'write.delete.granularity'='partition')")
            for first in range(0, 500, 100):
                run(f"insert into c.d.{name} select id, concat('s', id) s from range({first}, {first + 100})")
            run(f"delete from c.d.{name} where id % 10 = 4")
            run(f"delete from c.d.{name} where id between 150 and 160")
    read = {}
    for name, location in json.load(open(f"{folder}/ours.json")).items():
        read[name] = sorted(row.id for row in spark.read.format("iceberg").load(location).select("id").collect())
    json.dump(read, open(f"{folder}/read.json", "w"))
""")


def ours(catalog, version):
    """Appends, both kinds of deletes, and all of the maintenance."""
    table = catalog.create_table(f"d.ours{version}", SCHEMA, format_version=version, partition_spec="bucket(2, id)")
    for first in range(0, 300, 50):
        table.append(pa.table({"id": list(range(first, first + 50)), "s": [f"s{i}" for i in range(first, first + 50)]}, schema=SCHEMA))
    table.delete("id < 10", mode="merge-on-read")
    maintain(table)
    table.delete("id = 100 or id = 250", mode="merge-on-read")
    table.maintenance.rewrite_manifests()
    return table


def test_spark_tables(tmp_path):
    folder = tmp_path / "lake"
    folder.mkdir()
    catalog = frazil.load_catalog("ours", uri=f"sqlite:///{folder}/catalog.db", warehouse=f"{folder}/ours")
    catalog.create_namespace("d")
    made = {f"ours{version}": ours(catalog, version) for version in (2, 3)}
    (folder / "ours.json").write_text(json.dumps({name: table.metadata_location for name, table in made.items()}))
    run_in_spark(SCRIPT, folder)
    read = json.loads((folder / "read.json").read_text())
    for name, table in made.items():
        assert findings(table) == []
        assert read[name] == ids_of(table) == [i for i in range(10, 300) if i not in (100, 250)]
    expected = [i for i in range(500) if i % 10 != 4 and not 150 <= i <= 160]
    for name in ("t2c", "t2m", "t3c", "t3m"):
        versions = sorted((folder / "d" / name / "metadata").glob("v*.metadata.json"), key=lambda path: int(path.name[1:].split(".")[0]))
        catalog.register_table(f"d.{name}", str(versions[-1]))
        table = catalog.load_table(f"d.{name}")
        assert findings(table) == [], name
        assert ids_of(table) == expected
        maintain(table)
        assert findings(table) == [], name
        assert ids_of(table) == expected
        assert len(pq.read_table([task.file_path.removeprefix("file:") for task in table.scan().plan_files()])) == len(expected)
