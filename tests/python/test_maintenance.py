"""Table.maintenance: what it does, what it returns, what other libraries read afterwards."""

import pathlib
import random
from datetime import datetime, timedelta, timezone

import pyarrow as pa
import pytest

import frazil

SCHEMA = pa.schema([("id", pa.int64()), ("name", pa.string()), ("amount", pa.float64())])


def rows(first, n):
    ids = list(range(first, first + n))
    return pa.table({"id": ids, "name": [f"n{i % 7}" for i in ids], "amount": [i / 4 for i in ids]}, schema=SCHEMA)


def sorted_ids(table):
    return sorted(table.scan().to_arrow()["id"].to_pylist())


@pytest.fixture
def table(catalog):
    made = catalog.create_table("ns.kept", SCHEMA)
    for i in range(6):
        made.append(rows(i * 10, 10))
    return made


def test_compact(table):
    assert table.maintenance.compact("id < 0", rewrite_all=True) == (-1, 0, 0, 0, 0, 0, 0)
    result = table.maintenance.compact(sort_order="id desc", snapshot_properties={"by": "night"})
    assert (result.files_before, result.files_after, result.rows) == (6, 1, 60)
    assert result.snapshot_id == table.current_snapshot().snapshot_id
    assert table.current_snapshot().summary["by"] == "night"
    assert table.scan().to_arrow()["id"].to_pylist() == list(range(59, -1, -1))
    with pytest.raises(frazil.InvalidError, match="delete_ratio"):
        table.maintenance.compact(delete_ratio=2.0)


def test_manifests_and_expiry(table):
    result = table.maintenance.rewrite_manifests()
    assert (result.manifests_before, result.manifests_after) == (6, 1)
    assert table.maintenance.rewrite_manifests().snapshot_id == -1
    first, current = table.history()[0].snapshot_id, table.current_snapshot().snapshot_id
    assert table.maintenance.expire_snapshots(snapshot_ids=[first], dry_run=True).snapshots == 1
    with pytest.raises(frazil.InvalidError, match="main"):
        table.maintenance.expire_snapshots(snapshot_ids=[current])
    assert table.maintenance.expire_snapshots().snapshots == 0
    later = datetime.now(timezone.utc) + timedelta(hours=1)
    result = table.maintenance.expire_snapshots(later, retain_last=2)
    assert (result.snapshots, result.manifest_lists) == (5, 5)
    assert sorted_ids(table) == list(range(60))


def test_orphans_and_verification(table):
    folder = pathlib.Path(table.location().removeprefix("file://"))
    lost = folder / "data" / "lost.parquet"
    lost.write_bytes(b"x")
    assert table.maintenance.remove_orphan_files().num_rows == 0
    with pytest.raises(frazil.InvalidError, match="allow_recent"):
        table.maintenance.remove_orphan_files(timedelta(hours=1))
    soon = datetime.now(timezone.utc) + timedelta(hours=1)
    found = table.maintenance.remove_orphan_files(soon, allow_recent=True)
    assert [pathlib.Path(path).name for path in found["path"].to_pylist()] == ["lost.parquet"]
    assert found["removed"].to_pylist() == [False] and lost.exists()
    found = table.maintenance.remove_orphan_files(soon, allow_recent=True, dry_run=False)
    assert found["removed"].to_pylist() == [True] and not lost.exists()
    result = table.maintenance.verify(all_snapshots=True, read_data=True)
    assert result.is_sound and result.findings == [] and result.snapshots == 6 and result.files == 6
    sorted(folder.glob("data/*.parquet"))[0].unlink()
    result = table.maintenance.verify()
    assert not result.is_sound and [finding.check for finding in result.findings] == ["file-missing"]


@pytest.mark.parametrize("version", [2, 3])
def test_others_read_what_was_maintained(catalog, version):
    """PyIceberg and DuckDB read a compacted table to the rows it had before."""
    pyiceberg = pytest.importorskip("pyiceberg.table")
    duckdb = pytest.importorskip("duckdb")
    table = catalog.create_table("ns.shared", SCHEMA, format_version=version, partition_spec="bucket(3, id)")
    chance = random.Random(version)
    expected = set()
    for i in range(5):
        table.append(rows(i * 20, 20))
        expected |= set(range(i * 20, i * 20 + 20))
        gone = chance.randrange(i * 20 + 20)
        table.delete(f"id = {gone}")
        expected.discard(gone)
    before = table.scan().to_arrow().sort_by("id")
    table.maintenance.compact(sort_order="id", rewrite_all=True)
    table.maintenance.rewrite_manifests()
    soon = datetime.now(timezone.utc) + timedelta(hours=1)
    table.maintenance.expire_snapshots(soon)
    table.maintenance.remove_orphan_files(soon, allow_recent=True, dry_run=False)
    assert table.maintenance.verify(read_data=True).findings == []
    assert set(before["id"].to_pylist()) == expected
    assert table.scan().to_arrow().sort_by("id").equals(before)
    theirs = pyiceberg.StaticTable.from_metadata(table.metadata_location)
    assert theirs.scan().to_arrow().sort_by("id").to_pylist() == before.to_pylist()
    files = [task.file_path.removeprefix("file://") for task in table.scan().plan_files()]
    assert duckdb.read_parquet(files).aggregate("count(*), sum(id)").fetchone() == (len(expected), sum(expected))
