"""Deletes and overwrites by mode, upserts, and commits to branches."""

import pyarrow as pa
import pytest

import frazil

SCHEMA = pa.schema(
    [
        pa.field("id", pa.int64(), nullable=False),
        ("place", pa.struct([("city", pa.string())])),
        ("tags", pa.list_(pa.string())),
    ]
)


def rows(*ids, city="c", tags=()):
    return pa.Table.from_pylist(
        [{"id": i, "place": {"city": city}, "tags": list(tags)} for i in ids], schema=SCHEMA
    )


@pytest.fixture
def table(catalog):
    made = catalog.create_table("ns.t", SCHEMA)
    made.append(rows(*range(10)))
    return made


def ids(table, ref=None):
    return sorted(table.scan(ref=ref).to_arrow()["id"].to_pylist())


def test_delete_by_mode(table):
    result = table.delete("id = 3", mode="merge-on-read")
    assert (result.rows_deleted, result.delete_files_added, result.files_added) == (1, 1, 0)
    result = table.delete("id = 4", mode="copy-on-write")
    assert (result.rows_deleted, result.delete_files_added, result.files_added) == (1, 0, 1)
    table.set_properties({"write.delete.mode": "merge-on-read"})
    assert table.delete("id = 5").delete_files_added == 1
    result = table.overwrite(rows(100), "id = 6", mode="merge-on-read")
    assert (result.rows_deleted, result.rows_added, result.delete_files_added) == (1, 1, 1)
    assert ids(table) == [0, 1, 2, 7, 8, 9, 100]
    with pytest.raises(ValueError, match="neither 'copy-on-write' nor 'merge-on-read'"):
        table.delete("id = 7", mode="sometimes")


@pytest.mark.parametrize("mode", [None, "copy-on-write", "merge-on-read"])
def test_upsert(table, mode):
    given = pa.concat_tables([rows(2, 20), rows(3, 4, city="new"), rows(5, tags=["a", "b"])])
    result = table.upsert(given, ["id"], {"job": "nightly"}, mode=mode)
    assert (result.rows_added, result.rows_updated, result.rows_deleted) == (1, 3, 0)
    assert table.current_snapshot().summary["job"] == "nightly"
    assert ids(table) == [*range(10), 20]
    found = {row["id"]: row for row in table.to_arrow().to_pylist()}
    assert [found[i]["place"]["city"] for i in (2, 3, 4, 5)] == ["c", "new", "new", "c"]
    assert found[5]["tags"] == ["a", "b"]
    assert table.upsert(given, ["id"], mode=mode).snapshot_id == -1


def test_upsert_of_what_cannot_be(table):
    with pytest.raises(frazil.exceptions.InvalidError, match="have one key: id=1"):
        table.upsert(rows(1, 2, 1), ["id"])
    with pytest.raises(frazil.exceptions.InvalidError, match="no join columns"):
        table.upsert(rows(1))
    with pytest.raises(frazil.exceptions.InvalidError, match="cannot be a key"):
        table.upsert(rows(1), ["tags"])
    with pytest.raises(TypeError):
        table.upsert(rows(1), ["id", 5])
    with pytest.raises(frazil.exceptions.InvalidError, match="'place' is not in the data"):
        table.upsert(rows(1).select(["id"]), ["id"])
    assert ids(table) == [*range(10)]


def test_branches(table):
    table.create_branch("audit")
    table.append(rows(50), branch="audit")
    table.delete("id < 5", branch="audit", mode="merge-on-read")
    table.overwrite(rows(60), "id = 9", branch="audit")
    result = table.upsert(rows(50, 70, city="new"), ["id"], branch="audit")
    assert (result.rows_added, result.rows_updated) == (1, 1)
    assert ids(table, "audit") == [5, 6, 7, 8, 50, 60, 70]
    assert ids(table) == ids(table, "main") == [*range(10)]
    with pytest.raises(frazil.exceptions.NotFoundError, match="branch 'nope' does not exist"):
        table.append(rows(1), branch="nope")
    table.create_tag("v1")
    with pytest.raises(frazil.exceptions.InvalidError, match="is a tag"):
        table.delete("true", branch="v1")
