"""Format version 3 and PyIceberg: tables that frazil wrote, in a catalog of both."""

import frazil
import pyarrow as pa
import pytest

pyiceberg_catalog = pytest.importorskip("pyiceberg.catalog")

SCHEMA = pa.schema([("id", pa.int64()), ("s", pa.string()), ("at", pa.timestamp("ns"))])


def some(first, last):
    ids = list(range(first, last))
    return pa.table({"id": ids, "s": [f"s{i}" for i in ids], "at": [i * 10**15 + i for i in ids]}, schema=SCHEMA)


@pytest.fixture
def catalogs(tmp_path):
    properties = {"type": "sql", "uri": f"sqlite:///{tmp_path}/catalog.db", "warehouse": f"{tmp_path}/warehouse"}
    ours = frazil.load_catalog("shared", **properties)
    ours.create_namespace("d")
    return ours, pyiceberg_catalog.load_catalog("shared", **properties)


def check(ours, theirs, name):
    """The same rows by either, and row ids that PyIceberg finds in the metadata as the specification has them."""
    table, other = ours.load_table(name), theirs.load_table(name)
    mine = table.scan().to_arrow().sort_by("id").to_pylist()
    assert other.scan().to_arrow().sort_by("id").to_pylist() == mine
    assert other.metadata.format_version == 3
    last = 0
    for snapshot in other.metadata.snapshots:
        if snapshot.first_row_id is None:
            continue
        assert snapshot.first_row_id == last
        last += snapshot.added_rows
    assert other.metadata.next_row_id == last
    return mine


@pytest.mark.parametrize("spec", [None, "bucket(4, id)", "day(at)", "truncate(2, s), month(at)"])
def test_pyiceberg_reads_our_tables(catalogs, spec):
    ours, theirs = catalogs
    table = ours.create_table("d.t", SCHEMA, format_version=3, partition_spec=spec)
    table.append(some(0, 30))
    table.append(some(30, 40))
    assert len(check(ours, theirs, "d.t")) == 40
    table.delete("id < 5")
    table.overwrite(some(10, 12), overwrite_filter="id >= 10 and id < 20")
    assert [row["id"] for row in check(ours, theirs, "d.t")] == [*range(5, 12), *range(20, 40)]


@pytest.mark.parametrize("upgraded", [False, True])
def test_pyiceberg_reads_our_deletion_vectors(catalogs, upgraded):
    ours, theirs = catalogs
    schema = SCHEMA.remove(2)  # version 2 has no nanoseconds
    table = ours.create_table(
        "d.t", schema, format_version=2 if upgraded else 3, properties={"write.delete.mode": "merge-on-read"}
    )
    table.append(some(0, 30).select(["id", "s"]))
    if upgraded:
        table.set_properties({"format-version": "3"})
    table.delete("id < 5")
    table.append(some(30, 40).select(["id", "s"]))
    table.delete("id in (3, 7, 8, 31)")
    assert any(task.n_delete_files for task in table.scan().plan_files())
    left = [i for i in range(5, 40) if i not in (7, 8, 31)]
    assert [row["id"] for row in check(ours, theirs, "d.t")] == left
    lineage = table.scan(selected_fields=("id", "_row_id")).to_arrow().to_pylist()
    assert all(row["id"] == row["_row_id"] for row in lineage if row["id"] < 30)
