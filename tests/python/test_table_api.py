"""Scans, writes, schema evolution, refs and metadata of a table."""

import pathlib
from datetime import datetime, timedelta, timezone

import pyarrow as pa
import pytest

import frazil

T0 = datetime(2024, 1, 1, tzinfo=timezone.utc)


@pytest.fixture
def table(catalog):
    made = catalog.create_table(
        "ns.t",
        pa.schema(
            [
                pa.field("id", pa.int64(), nullable=False),
                pa.field("ts", pa.timestamp("us", "UTC")),
                pa.field("value", pa.float64()),
                pa.field("tags", pa.list_(pa.string())),
                pa.field("place", pa.struct([("city", pa.string()), ("zip", pa.int32())])),
                pa.field("extra", pa.map_(pa.string(), pa.int64())),
            ]
        ),
    )
    return made


def rows(first=0, n=5):
    ids = list(range(first, first + n))
    return pa.table(
        {
            "id": ids,
            "ts": pa.array([T0 + timedelta(hours=i) for i in ids], pa.timestamp("us", "UTC")),
            "value": [i / 2 for i in ids],
            "tags": [[str(i)] * (i % 3) for i in ids],
            "place": [{"city": f"c{i}", "zip": i} for i in ids],
            "extra": pa.array([[("k", i)] for i in ids], pa.map_(pa.string(), pa.int64())),
        }
    )


def test_round_trip_of_nested_types(table):
    result = table.append(rows())
    assert result.rows_added == 5 and result.snapshot_id > 0
    back = table.to_arrow()
    assert back.drop_columns(["place"]).to_pylist() == rows().drop_columns(["place"]).to_pylist()
    assert back.column("place").to_pylist() == rows().column("place").to_pylist()


def test_empty_table(table):
    assert table.to_arrow().num_rows == 0
    assert table.to_arrow().column_names == rows().column_names
    assert table.current_snapshot() is None and table.snapshots() == []


@pytest.mark.parametrize(
    "row_filter, ids",
    [
        ("id = 3", [3]),
        ("id in (1, 4, 9)", [1, 4]),
        ("ts >= '2024-01-01T03:00:00+00:00'", [3, 4]),
        ("value < 1 or id = 4", [0, 1, 4]),
        ("not (id > 1)", [0, 1]),
        ("place.city = 'c2'", [2]),
        ("value is null", []),
        ("id between 2 and 3", [2, 3]),
    ],
)
def test_row_filters(table, row_filter, ids):
    table.append(rows())
    assert table.scan(row_filter).to_arrow().column("id").to_pylist() == ids


def test_selected_fields_and_limit(table):
    table.append(rows())
    out = table.scan(selected_fields=("value", "id"), limit=2).to_arrow()
    assert sorted(out.column_names) == ["id", "value"] and out.num_rows == 2
    assert table.scan(selected_fields=("ID",), case_sensitive=False).to_arrow().num_rows == 5
    with pytest.raises(frazil.InvalidError, match="nope"):
        table.scan(selected_fields=("nope",))
    with pytest.raises(frazil.InvalidError):
        table.scan("id = ")
    with pytest.raises(ValueError):
        table.scan(limit=-2)


def test_snapshots_refs_and_time_travel(table):
    first = table.append(rows(), snapshot_properties={"who": "me"}).snapshot_id
    table.create_tag("v1")
    second = table.append(rows(5)).snapshot_id
    assert table.current_snapshot_id() == second
    assert [s.snapshot_id for s in table.snapshots()] == [first, second]
    assert table.snapshot_by_id(first).summary["who"] == "me"
    assert table.snapshot_by_id(first).operation == "append"
    assert table.refs()["v1"].snapshot_id == first and table.refs()["v1"].type == "tag"
    assert table.scan(ref="v1").count() == 5
    assert table.scan(snapshot_id=first).count() == 5
    assert table.scan().count() == 10
    then = table.snapshot_by_id(first).timestamp_ms
    assert table.scan(as_of=then).count() == 5
    assert table.scan(as_of=datetime.now(timezone.utc)).count() == 10
    assert [h.snapshot_id for h in table.history()] == [first, second]
    with pytest.raises(frazil.NoSuchSnapshotError):
        table.scan(ref="v2")
    with pytest.raises(frazil.NoSuchSnapshotError):
        table.scan(snapshot_id=12345)
    table.create_branch("dev", first)
    assert table.snapshot_by_name("dev").snapshot_id == first
    table.remove_ref("v1")
    assert "v1" not in table.refs()


def test_overwrite_and_delete(table):
    table.append(rows())
    result = table.overwrite(rows(10, 1), "id < 2")
    assert (result.rows_added, result.rows_deleted) == (1, 2)
    assert sorted(table.to_arrow().column("id").to_pylist()) == [2, 3, 4, 10]
    assert table.delete("id = 10").rows_deleted == 1
    assert table.delete("id = 10").snapshot_id == -1
    table.overwrite(rows(0, 1))
    assert table.to_arrow().column("id").to_pylist() == [0]
    table.delete("true")
    assert table.scan().count() == 0


def test_append_refuses_what_does_not_fit(table):
    with pytest.raises(frazil.InvalidError, match="nope"):
        table.append(pa.table({"id": [1], "nope": [2]}))
    with pytest.raises(frazil.InvalidError):
        table.append(pa.table({"id": pa.array([None], pa.int64())}))
    with pytest.raises(frazil.InvalidError):
        table.append(pa.table({"id": ["text"]}))
    assert table.current_snapshot() is None


def test_nanoseconds_are_refused_unless_truncated(table):
    fine = pa.table({"id": [1], "ts": pa.array([-1], pa.timestamp("ns", "UTC"))})
    with pytest.raises(frazil.InvalidError):
        table.append(fine)
    table.append(fine, truncate_nanoseconds=True)
    value = table.scan(selected_fields=("ts",)).to_arrow().column("ts").cast(pa.int64())
    assert value.to_pylist() == [-1]  # the floor of -1 ns is -1 us


def test_update_schema(table):
    table.append(rows())
    with table.update_schema() as update:
        update.add_column("count", "int", doc="how many")
        update.add_column("more", pa.list_(pa.float32()))
        update.rename_column("value", "amount")
        update.delete_column("extra")
    schema = table.schema()
    assert schema.find_field("count").doc == "how many"
    assert schema.find_field("more").type == "list<float>"
    assert schema.find_field("amount").id == 3
    assert "extra" not in schema.column_names
    out = table.to_arrow()
    assert out.column("amount").to_pylist() == [i / 2 for i in range(5)]
    assert out.column("count").null_count == 5
    table.update_schema().update_column("count", "long", required=False, doc="n").commit()
    assert table.schema().find_field("count").type == "long"
    assert table.schema().find_field("count").doc == "n"
    with pytest.raises(frazil.InvalidError):
        table.update_schema().update_column("count", "int").commit()
    with pytest.raises(frazil.InvalidError):
        table.update_schema().update_column("count", required=True)
    table.update_schema().make_column_optional("id").commit()
    assert not table.schema().find_field("id").required


def test_a_failed_block_commits_nothing(table):
    before = table.metadata_location
    with pytest.raises(RuntimeError):
        with table.update_schema() as update:
            update.add_column("x", "int")
            raise RuntimeError
    assert table.metadata_location == before


def test_schema_object(table):
    schema = table.schema()
    assert schema.column_names == ["id", "ts", "value", "tags", "place", "extra"]
    field = schema.find_field("id")
    assert (field.id, field.type, field.required, field.doc) == (1, "long", True, None)
    assert schema.find_field("ts").type == "timestamptz"
    assert schema.find_field("place.zip").type == "int"
    assert schema.find_field(1).name == "id"
    assert "list<string>" in str(schema)
    with pytest.raises(ValueError):
        schema.find_field("nope")
    arrow = pa.schema(table.arrow_schema())
    assert arrow.names == schema.column_names
    assert arrow.field("id").metadata[b"PARQUET:field_id"] == b"1"


def test_properties(table):
    table.set_properties({"x.y": 1}, z="2")
    assert table.properties["x.y"] == "1" and table.properties["z"] == "2"
    table.remove_properties("z")
    assert "z" not in table.properties


def test_inspect(table):
    table.append(rows())
    assert table.inspect.snapshots().num_rows == 1
    assert table.inspect.history().num_rows == 1
    assert table.inspect.files().num_rows == 1
    assert table.inspect.manifests().num_rows == 1
    assert table.inspect.refs().num_rows == 1
    assert table.inspect.properties().num_rows >= 0


def test_plan_files(table):
    table.append(rows())
    table.append(rows(100))
    files = list(table.scan("id >= 100").plan_files())
    assert len(files) == 1
    assert files[0].record_count == 5 and files[0].file_path.endswith(".parquet")
    assert files[0].n_delete_files == 0


def test_plan_files_needs_no_pyarrow_and_reads_as_it_goes(table):
    for first in range(0, 50, 5):
        table.append(rows(first))
    plan = iter(table.scan().plan_files())
    assert next(plan).record_count == 5
    assert len(list(plan)) == 9
    assert list(plan) == []


def test_plan_files_names_a_lost_manifest(table):
    table.append(rows())
    for manifest in table.inspect.manifests().column("path").to_pylist():
        pathlib.Path(manifest.removeprefix("file://")).unlink()
    with pytest.raises(frazil.FrazilError, match="avro"):
        list(table.scan().plan_files())


def test_manifests_are_cached_when_asked_for(tmp_path):
    location = {"uri": f"sqlite:///{tmp_path}/c.db", "warehouse": str(tmp_path / "w")}
    for cached in ["true", "false"]:
        catalog = frazil.load_catalog("c", **location, **{"io.manifest.cache-enabled": cached})
        if cached == "true":
            catalog.create_namespace("ns")
            catalog.create_table("ns.t", schema=pa.schema([("id", pa.int64())]))
            catalog.load_table("ns.t").append(pa.table({"id": range(5)}))
        scan = catalog.load_table("ns.t").scan()
        if cached == "true":
            assert scan.count() == 5
            manifests = catalog.load_table("ns.t").inspect.manifests().column("path").to_pylist()
            for path in manifests:
                pathlib.Path(path.removeprefix("file://")).rename(tmp_path / "away")
            assert scan.count() == 5
        else:
            with pytest.raises(frazil.FrazilError):
                scan.count()


def test_a_limit_leaves_the_other_manifests_unread(table):
    for first in range(0, 150, 5):
        table.append(rows(first))
    paths = table.inspect.manifests().column("path").to_pylist()
    for path in paths[-5:]:
        pathlib.Path(path.removeprefix("file://")).unlink()
    assert table.scan(limit=3).to_arrow().num_rows == 3
    assert next(iter(table.scan().plan_files())).record_count == 5
    with pytest.raises(frazil.FrazilError):
        table.scan().to_arrow()


def test_refresh_sees_other_handles(catalog, table):
    other = catalog.load_table("ns.t")
    other.append(rows())
    assert table.scan().count() == 0
    assert table.refresh().scan().count() == 5


def test_commits_through_stale_handles_are_retried(catalog, table):
    other = catalog.load_table("ns.t")
    other.append(rows())
    table.append(rows(5))
    assert catalog.load_table("ns.t").scan().count() == 10


def test_bytes_in_filters(catalog):
    made = catalog.create_table("ns.b", pa.schema([("k", pa.binary())]), partition_spec="bucket(8, k)")
    keys = [b"", b"\0", b"a\0b", b"'", bytes(range(256))]
    made.append(pa.table({"k": pa.array(keys, pa.binary())}))
    for key in keys:
        assert made.scan(f"k = x'{key.hex()}'").to_arrow().column("k").to_pylist() == [key]
    assert made.scan(f"k in (X'{keys[4].hex().upper()}', x'00')").count() == 2
    assert made.scan("k = 'nope'").count() == 0
    for bad in ("k = x'0'", "k = x'zz'", "k = x'00"):
        with pytest.raises(frazil.InvalidError):
            made.scan(bad)


def test_row_ids_count_from_the_start_of_the_file(catalog):
    """Whatever row groups and pages are left out."""
    small = {"write.parquet.page-row-limit": "100", "write.parquet.row-group-limit": "3000"}
    schema = pa.schema([("id", pa.int64()), ("s", pa.string())])
    table = catalog.create_table("ns.pages", schema, format_version=3, properties=small)
    n = 20000
    table.append(pa.table({"id": range(n), "s": [f"s{i % 7}" for i in range(n)]}))
    for row_filter, want in [
        ("id > 5050 and id < 5060", range(5051, 5060)),
        ("id in (3, 7777, 19999)", [3, 7777, 19999]),
        ("id < 250 or id >= 19900", [*range(250), *range(19900, n)]),
    ]:
        got = table.scan(row_filter=row_filter, selected_fields=("_row_id", "_pos", "s")).to_arrow()
        assert got["_row_id"].to_pylist() == list(want) == got["_pos"].to_pylist()
    table.delete("id = 5055")
    got = table.scan(row_filter="id > 5053 and id < 5058", selected_fields=("_row_id", "_pos")).to_arrow()
    assert got.to_pydict() == {"_row_id": [5054, 5056, 5057], "_pos": [5054, 5055, 5056]}
    assert table.scan(selected_fields=("_file",)).to_arrow().num_rows == n - 1


@pytest.mark.parametrize("mode", ["copy-on-write", "merge-on-read"])
def test_lineage_is_kept_by_whoever_writes_rows_again(catalog, mode):
    """Updated rows keep their id, moved ones also the commit that last changed them."""
    schema = pa.schema([("id", pa.int64()), ("s", pa.string())])
    modes = {"write.update.mode": mode, "write.delete.mode": mode}
    table = catalog.create_table("ns.lineage", schema, format_version=3, properties=modes)

    def some(first, last, text):
        return pa.table({"id": range(first, last), "s": [text] * (last - first)}, schema=schema)

    def lineage():
        names = ("id", "_row_id", "_last_updated_sequence_number")
        rows = table.scan(selected_fields=names).to_arrow().to_pylist()
        return {row["id"]: (row["_row_id"], row["_last_updated_sequence_number"]) for row in rows}

    table.append(some(0, 10, "a"))
    table.append(some(10, 20, "b"))
    table.upsert(some(8, 12, "u"), ["id"])
    table.upsert(some(18, 23, "v"), ["id"])
    table.delete("id = 3")
    seen = lineage()
    changed = {**{i: 3 for i in range(8, 12)}, **{i: 4 for i in range(18, 23)}}
    for i in range(20):
        if i != 3:
            assert seen.pop(i) == (i, changed.get(i, 1 if i < 10 else 2))
    assert sorted(seen) == [20, 21, 22] and {last for _, last in seen.values()} == {4}
    assert len({row_id for row_id, _ in seen.values()}) == 3 and min(seen.values())[0] >= 20
    before = lineage()
    table.maintenance.rewrite_manifests()
    assert lineage() == before
    table.maintenance.compact()
    assert len(list(table.scan().plan_files())) == 1 and lineage() == before


def test_a_scan_explains_itself(catalog):
    table = catalog.create_table("ns.explained", pa.schema([("id", pa.int64()), ("x", pa.float64())]))
    for first in (0, 100, 200):
        table.append(pa.table({"id": range(first, first + 100), "x": [0.5] * 100}))
    scan = table.scan("id >= 150 and id < 180", selected_fields=("x",))
    plan = scan.explain()
    assert (plan["files_total"], plan["files_pruned_by_bounds"], plan["files_planned"]) == (3, 2, 1)
    assert plan["rows_planned"] == 100 and plan["rows_read"] == 0
    assert scan.report()["files_planned"] == 0
    assert scan.to_arrow().num_rows == 30
    done = scan.report()
    assert done["rows_matched"] == 30 and done["files_planned"] == 1
    assert done["requests"] > 0 and done["bytes_read"] > done["bytes_wanted"] > 0
