"""Metadata tables and evolution, beside PyIceberg and DuckDB on one SQLite catalog."""

import datetime

import duckdb_engine
import frazil
import pyarrow as pa
import pytest

pyiceberg_catalog = pytest.importorskip("pyiceberg.catalog")

DAY = datetime.date(2024, 1, 1)


@pytest.fixture
def place(tmp_path):
    return {"type": "sql", "uri": f"sqlite:///{tmp_path}/c.db", "warehouse": f"file://{tmp_path}/w"}


@pytest.fixture
def catalog(place):
    made = frazil.load_catalog("c", **place)
    made.create_namespace("ns")
    return made


@pytest.fixture
def theirs(place, catalog):
    return pyiceberg_catalog.load_catalog("c", **place)


def rows(first, n=4):
    return pa.table(
        {
            "id": pa.array(range(first, first + n), pa.int64()),
            "region": ["eu" if i % 2 else None for i in range(first, first + n)],
            "day": [DAY + datetime.timedelta(days=i % 3) for i in range(first, first + n)],
            "score": pa.array([i / 2 for i in range(first, first + n)], pa.float64()),
        }
    )


def evolved(catalog, version):
    """Three specs, a rewritten file, a deleted one, tags and branches."""
    table = catalog.create_table(
        "ns.t", schema=rows(0).schema, partition_spec="region", properties={"format-version": version}
    )
    table.append(rows(0))
    table.append(rows(4))
    with table.update_spec() as update:
        update.add_field("day", "month").add_field("id", "bucket[4]", "shard")
    table.append(rows(8))
    with table.update_spec() as update:
        update.remove_field("region")
    table.append(rows(12))
    table.delete("id = 1")
    table.overwrite(rows(20, 2), "id >= 12")
    first = table.snapshots()[0].snapshot_id
    table.create_tag("t1", first, max_ref_age_ms=10**9)
    table.create_branch("b1", first, 10**10, 10**8, 3)
    return table


def plain(value):
    """Empty and absent metrics are one; times are compared as moments."""
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value] or None
    if isinstance(value, datetime.datetime):
        return value.replace(tzinfo=None)
    return value


def same_columns(ours, yours, key, leave_out=()):
    names = [name for name in yours.column_names if name not in leave_out]
    assert set(names) <= set(ours.column_names)
    ours = sorted((plain(row) for row in ours.to_pylist()), key=key)
    yours = sorted((plain(row) for row in yours.to_pylist()), key=key)
    assert len(ours) == len(yours) > 0
    for mine, other in zip(ours, yours):
        for name in names:
            if isinstance(other[name], dict):  # a struct may have more members here
                mine_struct = {each: mine[name][each] for each in other[name]}
                assert mine_struct == other[name], name
            else:
                assert mine[name] == other[name], name


@pytest.mark.parametrize("version", ["1", "2"])
def test_metadata_tables_are_those_of_pyiceberg(catalog, theirs, version):
    table = evolved(catalog, version)
    other = theirs.load_table("ns.t")
    mine, yours = table.inspect, other.inspect
    same_columns(mine.snapshots(), yours.snapshots(), key=lambda r: r["committed_at"])
    same_columns(mine.history(), yours.history(), key=lambda r: r["made_current_at"])
    same_columns(mine.refs(), yours.refs(), key=lambda r: r["name"])
    same_columns(mine.metadata_log_entries(), yours.metadata_log_entries(), key=lambda r: r["file"])
    same_columns(mine.manifests(), yours.manifests(), key=lambda r: r["path"])
    same_columns(
        mine.all_manifests(), yours.all_manifests(), key=lambda r: (r["path"], r["reference_snapshot_id"])
    )
    snapshots = [None, *(each.snapshot_id for each in table.snapshots())]
    for snapshot in snapshots:
        for kind in ["files", "data_files"]:
            same_columns(
                getattr(mine, kind)(snapshot_id=snapshot),
                getattr(yours, kind)(snapshot_id=snapshot),
                key=lambda r: r["file_path"],
            )
        same_columns(
            mine.entries(snapshot_id=snapshot),
            yours.entries(snapshot_id=snapshot),
            key=lambda r: (r["data_file"]["file_path"], r["status"]),
        )
    # a null of one spec and a field that another lacks are one value here, as in Spark
    for snapshot in snapshots[1:4]:
        same_columns(
            mine.partitions(snapshot_id=snapshot),
            yours.partitions(snapshot_id=snapshot),
            key=lambda r: str({k: v for k, v in r["partition"].items() if v is not None}),
            leave_out=("partition",),
        )
    same_columns(mine.all_files(), yours.all_files(), key=lambda r: (r["file_path"], str(r)))
    same_columns(mine.all_data_files(), yours.all_data_files(), key=lambda r: (r["file_path"], str(r)))
    assert mine.delete_files().num_rows == yours.delete_files().num_rows == 0
    assert mine.all_delete_files().num_rows == 0
    assert {row["key"]: row["value"] for row in mine.properties().to_pylist()} == table.properties
    assert mine.all_entries().num_rows >= mine.entries().num_rows
    assert mine.statistics().num_rows == 0


def test_kinds_and_snapshots_are_checked(catalog):
    table = catalog.create_table("ns.t", schema=rows(0).schema)
    for kind in ["files", "entries", "manifests", "partitions", "snapshots", "all_files", "all_manifests"]:
        assert getattr(table.inspect, kind)().num_rows == 0
    with pytest.raises(frazil.NoSuchSnapshotError, match="no snapshot 5"):
        table.inspect.files(snapshot_id=5)
    with pytest.raises(frazil.InvalidError, match="not of one snapshot"):
        table._handle.inspect("snapshots", 5)
    with pytest.raises(frazil.InvalidError, match="there are snapshots, history"):
        table._handle.inspect("things")


def read_by_all(table, theirs, place, duckdb):
    """The rows as each reader has them, in order of id."""
    import pyarrow.compute as pc

    def listed(data):
        data = data.take(pc.sort_indices(data, sort_keys=[("id", "ascending")]))
        return data.to_pylist()

    mine = listed(table.to_arrow())
    assert listed(theirs.load_table("ns.t").scan().to_arrow()) == mine
    found = duckdb.execute(f"FROM iceberg_scan('{table.metadata_location}')").to_arrow_table()
    assert listed(found) == mine
    return mine


@pytest.fixture
def duckdb():
    return duckdb_engine.connect()


def test_every_step_reads_the_same_everywhere(catalog, theirs, place, duckdb):
    table = catalog.create_table("ns.t", schema=rows(0).schema)
    table.append(rows(0))
    steps = [
        lambda u: u.add_column("note", "string", doc="free text"),
        lambda u: u.rename_column("score", "points"),
        lambda u: u.move_first("day"),
        lambda u: u.move_after("id", "region"),
        lambda u: u.delete_column("note"),
        lambda u: u.add_column("note", "int"),
        lambda u: u.update_column("note", "long"),
        lambda u: u.move_before("note", "region"),
    ]
    for number, step in enumerate(steps):
        with table.update_schema() as update:
            step(update)
        read_by_all(table, theirs, place, duckdb)
        table.append(pa.table({"id": pa.array([100 + number], pa.int64())}))
        found = read_by_all(table, theirs, place, duckdb)
        assert len(found) == 5 + number
    assert table.schema().column_names == ["day", "note", "region", "id", "points"]
    assert theirs.load_table("ns.t").schema().column_names == table.schema().column_names
    for change in [
        lambda u: u.add_field("id", "bucket[3]"),
        lambda u: u.add_identity("region"),
        lambda u: u.remove_field("id_bucket_3"),
        lambda u: u.rename_field("region", "r"),
        lambda u: u.add_field("id", "truncate[10]"),
    ]:
        with table.update_spec() as update:
            change(update)
        table.append(pa.table({"id": pa.array([500], pa.int64()), "region": ["x"]}))
        read_by_all(table, theirs, place, duckdb)
    spec = theirs.load_table("ns.t").spec()
    assert [(f.name, str(f.transform)) for f in spec.fields] == [("r", "identity"), ("id_trunc_10", "truncate[10]")]
    table.update_sort_order().asc("id").desc("day", "month", "nulls-first").commit()
    order = theirs.load_table("ns.t").sort_order()
    assert [str(f.transform) for f in order.fields] == ["identity", "month"]
    table.update_sort_order().commit()
    assert theirs.load_table("ns.t").sort_order().order_id == 0
    assert table._metadata["default-sort-order-id"] == 0


def test_specs_go_on_in_turns_with_pyiceberg(catalog, theirs):
    from pyiceberg.transforms import BucketTransform, DayTransform

    table = catalog.create_table("ns.t", schema=rows(0).schema)
    with table.update_spec() as update:
        update.add_field("id", "bucket[8]")
    other = theirs.load_table("ns.t")
    with other.update_spec() as update:
        update.add_field("day", DayTransform())
        update.remove_field("id_bucket_8")
    table.refresh()
    with table.update_spec() as update:
        update.add_field("id", BucketTransform(8))
    other.refresh()
    assert [(f.field_id, f.name) for f in other.spec().fields] == [(1001, "day_day"), (1000, "id_bucket_8")]
    table.append(rows(0))
    other.refresh().append(rows(4))
    assert table.refresh().scan().count() == 8


def test_identifier_fields_and_refs(catalog, theirs):
    schema = pa.schema([pa.field("id", pa.int64(), nullable=False), pa.field("at", pa.date32(), nullable=False)])
    table = catalog.create_table("ns.t", schema=schema)
    table.update_schema().set_identifier_fields("id", "at").commit()
    assert theirs.load_table("ns.t").schema().identifier_field_names() == {"id", "at"}
    table.update_schema().set_identifier_fields("at").commit()
    assert theirs.load_table("ns.t").schema().identifier_field_names() == {"at"}
    data = pa.table([[1], [DAY]], schema=schema)
    ids = [table.append(data).snapshot_id for _ in range(3)]
    with table.manage_snapshots() as manage:
        manage.create_tag(ids[0], "first", max_ref_age_ms=5000)
        manage.create_branch(ids[1], "dev", 6000, 7000, 8)
        manage.set_current_snapshot(ref_name="first")
    other = theirs.load_table("ns.t")
    refs = other.metadata.refs
    assert refs["first"].snapshot_id == ids[0] and refs["first"].max_ref_age_ms == 5000
    assert (refs["dev"].max_ref_age_ms, refs["dev"].max_snapshot_age_ms, refs["dev"].min_snapshots_to_keep) == (
        6000,
        7000,
        8,
    )
    assert other.current_snapshot().snapshot_id == ids[0]
    with pytest.raises(frazil.InvalidError, match="is a branch, not a tag"):
        table.manage_snapshots().remove_tag("dev").commit()
    table.manage_snapshots().remove_branch("dev").remove_tag("first").set_current_snapshot(ids[2]).commit()
    assert set(theirs.load_table("ns.t").metadata.refs) == {"main"}
    with pytest.raises(frazil.InvalidError, match="a tag has no"):
        table._handle.set_ref("x", False, ids[0], -1, 5, -1)


def test_defaults_of_version_3(catalog):
    table = catalog.create_table("ns.t", schema=rows(0).schema, properties={"format-version": "2"})
    table.append(rows(0, 2))
    table.upgrade_table_version(3)
    assert table.format_version == 3
    with table.update_schema() as update:
        update.add_column("n", "int", required=True, default_value=7)
        update.add_column("at", "timestamptz", default_value=datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc))
        update.add_column("raw", "binary", default_value=b"\x00\xff")
    found = table.to_arrow().to_pylist()
    assert [row["n"] for row in found] == [7, 7]
    assert found[0]["at"] == datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc)
    assert found[0]["raw"] == b"\x00\xff"
    table.update_schema().set_default_value("n", 8).commit()
    with table.update_schema() as update:
        update.update_column("day", "timestamp")
    table.append(pa.table({"id": pa.array([9], pa.int64())}))
    found = {row["id"]: row for row in table.to_arrow().to_pylist()}
    assert [found[each]["n"] for each in (0, 1, 9)] == [7, 7, 8]
    assert found[0]["day"] == datetime.datetime(2024, 1, 1)
    with pytest.raises(frazil.InvalidError, match="is not supported"):
        table.update_schema().set_default_value("n", object())


def test_statistics_are_read_by_pyiceberg(catalog, theirs, tmp_path):
    table = catalog.create_table("ns.t", schema=rows(0).schema)
    snapshot = table.append(rows(0)).snapshot_id
    footer = (
        '{"blobs":[{"type":"apache-datasketches-theta-v1","fields":[1],"snapshot-id":%d,'
        '"sequence-number":1,"offset":4,"length":3,"properties":{"ndv":"4"}}],"properties":{}}' % snapshot
    ).encode()
    path = tmp_path / "s.puffin"
    path.write_bytes(b"PFA1abcPFA1" + footer + len(footer).to_bytes(4, "little") + bytes(4) + b"PFA1")
    table.set_statistics(snapshot, str(path))
    (file,) = theirs.load_table("ns.t").metadata.statistics
    assert file.snapshot_id == snapshot and file.statistics_path == str(path)
    assert file.file_size_in_bytes == path.stat().st_size
    assert file.file_footer_size_in_bytes == len(footer) + 16
    (blob,) = file.blob_metadata
    assert blob.fields == [1] and blob.properties == {"ndv": "4"} and blob.snapshot_id == snapshot
    (row,) = table.inspect.statistics().to_pylist()
    assert row["blob_type"] == "apache-datasketches-theta-v1" and row["blob_properties"] == [("ndv", "4")]
    assert table.statistics()[0]["snapshot-id"] == snapshot
    # and the other way round: what they set is kept
    other = theirs.load_table("ns.t")
    with other.update_statistics() as update:
        update.remove_statistics(snapshot)
    with other.update_statistics() as update:
        update.set_statistics(file)
    table.refresh().append(rows(4))
    assert table.statistics()[0]["blob-metadata"][0]["fields"] == [1]
    table.remove_statistics(snapshot)
    assert theirs.load_table("ns.t").metadata.statistics == []
    with pytest.raises(frazil.NotFoundError):
        table.remove_statistics(snapshot)


def test_appended_rows_alone(catalog, theirs):
    table = catalog.create_table("ns.t", schema=rows(0).schema)
    first = table.append(rows(0)).snapshot_id
    theirs.load_table("ns.t").append(rows(4))
    table.refresh().delete("id = 0")
    table.append(rows(8, 2))
    found = table.scan(from_snapshot_id=first).to_arrow()["id"].to_pylist()
    assert sorted(found) == [4, 5, 6, 7, 8, 9]
    assert len(list(table.scan(from_snapshot_id=first).plan_files())) == 2
    with pytest.raises(frazil.NoSuchSnapshotError, match="no snapshot 77"):
        table.scan(from_snapshot_id=77)
