"""One SQLite catalog, two libraries: what frazil writes, PyIceberg and DuckDB read, and the reverse."""

import datetime
import decimal
import gzip
import json
import pathlib
import sqlite3
import uuid

import duckdb_engine
import frazil
import pyarrow as pa
import pyarrow.compute as pc
import pytest

pyiceberg_catalog = pytest.importorskip("pyiceberg.catalog")
from pyiceberg.exceptions import NamespaceAlreadyExistsError, NoSuchTableError, TableAlreadyExistsError  # noqa: E402
from pyiceberg.expressions import GreaterThanOrEqual  # noqa: E402
from pyiceberg.partitioning import PartitionField, PartitionSpec  # noqa: E402
from pyiceberg.schema import Schema  # noqa: E402
from pyiceberg.table import StaticTable  # noqa: E402
from pyiceberg.transforms import IdentityTransform  # noqa: E402
from pyiceberg.types import (  # noqa: E402
    BinaryType,
    BooleanType,
    DateType,
    DecimalType,
    DoubleType,
    FixedType,
    FloatType,
    IntegerType,
    ListType,
    LongType,
    MapType,
    NestedField,
    StringType,
    StructType,
    TimestampType,
    TimestamptzType,
    TimeType,
    UUIDType,
)

UTC = datetime.timezone.utc

# Every type with values at its edges; the last row of each is null.
COLUMNS = {
    "boolean": (pa.bool_(), [True, False, None]),
    "int": (pa.int32(), [-(2**31), 2**31 - 1, None]),
    "long": (pa.int64(), [-(2**63), 2**63 - 1, None]),
    "float": (pa.float32(), [-0.0, 3.4028234663852886e38, None]),
    "double": (pa.float64(), [float("inf"), 5e-324, None]),
    "small_decimal": (pa.decimal128(9, 2), [decimal.Decimal("-9999999.99"), decimal.Decimal("0.01"), None]),
    "large_decimal": (pa.decimal128(38, 10), [decimal.Decimal("-1234567890123456789012345678.0123456789"), decimal.Decimal("1E-10"), None]),
    "date": (pa.date32(), [datetime.date(1, 1, 1), datetime.date(9999, 12, 31), None]),
    "time": (pa.time64("us"), [datetime.time(0, 0), datetime.time(23, 59, 59, 999999), None]),
    "timestamp": (pa.timestamp("us"), [datetime.datetime(1969, 12, 31, 23, 59, 59, 999999), datetime.datetime(2262, 1, 1), None]),
    "timestamptz": (pa.timestamp("us", tz="UTC"), [datetime.datetime(1969, 12, 31, 23, 59, 59, 999999, UTC), datetime.datetime(2262, 1, 1, tzinfo=UTC), None]),
    "string": (pa.string(), ["", "näïve \U0001f9ca", None]),
    "binary": (pa.binary(), [b"", bytes(range(256)), None]),
    "fixed": (pa.binary(4), [b"\0\0\0\0", b"\xff\xfe\xfd\xfc", None]),
    "list": (pa.list_(pa.int64()), [[], [1, None, 3], None]),
    "struct": (pa.struct([("x", pa.int32()), ("y", pa.list_(pa.string()))]), [{"x": 1, "y": ["a", None]}, {"x": None, "y": None}, None]),
    "map": (pa.map_(pa.string(), pa.float64()), [[], [("a", 1.5), ("b", None)], None]),
}
ROWS = pa.table({name: pa.array(values, type) for name, (type, values) in COLUMNS.items()})


@pytest.fixture
def folder(tmp_path):
    return tmp_path


def properties(folder):
    return {"type": "sql", "uri": f"sqlite:///{folder}/catalog.db", "warehouse": f"{folder}/warehouse"}


@pytest.fixture
def ours(folder):
    return frazil.load_catalog("shared", **properties(folder))


@pytest.fixture
def theirs(folder, ours):
    return pyiceberg_catalog.load_catalog("shared", **properties(folder))


def same_rows(a, b):
    """Equal as Python values: the two may choose large or small string layouts."""
    return a.to_pylist() == b.to_pylist()


def sorted_by(table, column):
    return table.take(pc.sort_indices(table, sort_keys=[(column, "ascending")]))


# ---- the catalog ----


def test_names_are_shared(ours, theirs):
    ours.create_namespace("a")
    theirs.create_namespace("b", {"owner": "them"})
    theirs.create_namespace(("n", "deep"))
    assert sorted(theirs.list_namespaces()) == [("a",), ("b",), ("n",)]
    assert ours.list_namespaces() == [("a",), ("b",), ("n",)]
    assert ours.list_namespaces("n") == [("n", "deep")]
    with pytest.raises(frazil.NamespaceAlreadyExistsError):
        ours.create_namespace("b")
    with pytest.raises(NamespaceAlreadyExistsError):
        theirs.create_namespace("a")
    schema = pa.schema([("id", pa.int64())])
    ours.create_table("a.mine", schema)
    theirs.create_table("a.yours", schema)
    assert sorted(theirs.list_tables("a")) == [("a", "mine"), ("a", "yours")]
    assert ours.list_tables("a") == [("a", "mine"), ("a", "yours")]
    with pytest.raises(TableAlreadyExistsError):
        theirs.create_table("a.mine", schema)
    ours.rename_table("a.yours", "b.ours")
    theirs.rename_table("a.mine", "b.theirs")
    assert ours.list_tables("b") == [("b", "ours"), ("b", "theirs")]
    theirs.drop_table("b.ours")
    ours.drop_table("b.theirs")
    with pytest.raises(NoSuchTableError):
        theirs.load_table("b.theirs")
    with pytest.raises(frazil.NoSuchTableError):
        ours.load_table("b.ours")
    theirs.drop_namespace("b")
    ours.drop_namespace("a")
    assert ours.list_namespaces() == [("n",)]


def test_the_tables_of_the_database_are_theirs(folder, ours, theirs):
    def layout(path):
        with sqlite3.connect(path) as database:
            return {
                name: database.execute(f"SELECT name, type, \"notnull\", pk FROM pragma_table_info('{name}')").fetchall()
                for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
            }

    pyiceberg_catalog.load_catalog("other", **{**properties(folder), "uri": f"sqlite:///{folder}/other.db"})
    assert layout(folder / "catalog.db") == layout(folder / "other.db")
    ours.create_namespace("a")
    ours.create_table("a.t", pa.schema([("id", pa.int64())])).append(pa.table({"id": [1]}))
    with sqlite3.connect(folder / "catalog.db") as database:
        (row,) = database.execute("SELECT * FROM iceberg_tables").fetchall()
        assert row[:3] == ("shared", "a", "t") and row[5] == "TABLE"
        assert row[3] == ours.load_table("a.t").metadata_location
        assert pathlib.Path(row[4]).exists() and row[4] != row[3]
        assert database.execute("SELECT * FROM iceberg_namespace_properties").fetchall() == [("shared", "a", "exists", "true")]


def test_a_database_of_the_first_java_layout_is_shared(folder):
    with sqlite3.connect(folder / "catalog.db") as database:
        database.executescript(
            "CREATE TABLE iceberg_tables(catalog_name VARCHAR(255) NOT NULL,table_namespace VARCHAR(255) NOT NULL,"
            "table_name VARCHAR(255) NOT NULL,metadata_location VARCHAR(1000),previous_metadata_location VARCHAR(1000),"
            "PRIMARY KEY (catalog_name, table_namespace, table_name));"
            "CREATE TABLE iceberg_namespace_properties(catalog_name VARCHAR(255) NOT NULL,namespace VARCHAR(255) NOT NULL,"
            "property_key VARCHAR(255),property_value VARCHAR(1000),PRIMARY KEY (catalog_name, namespace, property_key));"
        )
    ours = frazil.load_catalog("shared", **properties(folder))
    theirs = pyiceberg_catalog.load_catalog("shared", **properties(folder))
    theirs.create_namespace("a")
    ours.create_table("a.t", pa.schema([("id", pa.int64())])).append(pa.table({"id": [1]}))
    theirs.load_table("a.t").append(pa.table({"id": [2]}))
    assert sorted(ours.load_table("a.t").scan().to_arrow()["id"].to_pylist()) == [1, 2]


# ---- rows ----


@pytest.mark.parametrize("version", [1, 2])
def test_they_read_every_type_we_write(ours, theirs, version):
    ours.create_namespace("a")
    ours.create_table("a.t", ROWS.schema, format_version=version).append(ROWS)
    table = theirs.load_table("a.t")
    assert table.metadata.format_version == version
    assert same_rows(table.scan().to_arrow(), ROWS)
    for name in ["int", "long", "small_decimal", "date", "timestamptz", "string", "boolean"]:
        value = COLUMNS[name][1][1]
        if isinstance(value, (datetime.date, datetime.datetime)):
            value = value.isoformat()
        found = table.scan(row_filter=GreaterThanOrEqual(name, value)).to_arrow() if name != "boolean" else table.scan(f"{name} = false").to_arrow()
        assert found.num_rows == 1, name


def test_we_read_every_type_they_write(ours, theirs):
    theirs.create_namespace("a")
    theirs.create_table("a.t", ROWS.schema).append(ROWS)
    table = ours.load_table("a.t")
    assert same_rows(table.scan().to_arrow(), ROWS)
    for name in ["int", "long", "small_decimal", "date", "timestamptz", "string"]:
        value = COLUMNS[name][1][1]
        literal = str(value) if isinstance(value, (int, decimal.Decimal)) else f"'{value.isoformat() if hasattr(value, 'isoformat') else value}'"
        assert table.scan(f"{name} = {literal}").to_arrow().num_rows == 1, name


def test_uuids_pass_both_ways(ours, theirs):
    theirs.create_namespace("a")
    schema = Schema(NestedField(1, "id", LongType(), required=True), NestedField(2, "u", UUIDType(), required=False))
    table = theirs.create_table("a.t", schema)
    values = [uuid.UUID(int=1), uuid.UUID("f79c3e09-677c-4bbd-a479-3f349cb785e7")]
    rows = pa.table({"id": pa.array([1, 2], pa.int64()), "u": pa.array([v.bytes for v in values], pa.binary(16))}, schema=pa.schema([pa.field("id", pa.int64(), nullable=False), ("u", pa.binary(16))]))
    mine = ours.load_table("a.t")
    mine.append(rows)
    table.refresh()

    def as_uuids(arrow):
        return [v if isinstance(v, uuid.UUID) else uuid.UUID(bytes=v) for v in arrow["u"].to_pylist()]

    assert as_uuids(table.scan().to_arrow()) == values
    assert as_uuids(mine.scan(f"u = '{values[1]}'").to_arrow()) == values[1:]


def test_writers_take_turns(ours, theirs):
    ours.create_namespace("a")
    mine = ours.create_table("a.t", pa.schema([("id", pa.int64()), ("who", pa.string())]))
    yours = theirs.load_table("a.t")
    for number in range(6):  # each handle is stale when its turn comes
        if number % 2 == 0:
            mine.append(pa.table({"id": [number], "who": ["mine"]}))
        else:
            yours.refresh()
            yours.append(pa.table({"id": [number], "who": ["yours"]}))
    for table in [mine.refresh(), yours.refresh()]:
        assert sorted(table.scan().to_arrow()["id"].to_pylist()) == list(range(6))
    summary = yours.current_snapshot().summary
    assert summary["total-records"] == "6" and summary["total-data-files"] == "6"
    mine.append(pa.table({"id": [6], "who": ["mine"]}))
    assert mine.refresh().current_snapshot().summary["total-records"] == "7"
    assert mine.current_snapshot().summary["engine-name"] == "frazil"


def test_their_retry_goes_on_top_of_our_commit(ours, theirs):
    ours.create_namespace("a")
    mine = ours.create_table("a.t", pa.schema([("id", pa.int64())]))
    yours = theirs.load_table("a.t")
    mine.append(pa.table({"id": [1]}))
    yours.append(pa.table({"id": [2]}))
    mine.append(pa.table({"id": [3]}))
    assert sorted(mine.scan().to_arrow()["id"].to_pylist()) == [1, 2, 3]
    assert sorted(yours.refresh().scan().to_arrow()["id"].to_pylist()) == [1, 2, 3]


@pytest.mark.parametrize("version", [1, 2])
def test_deletes_and_overwrites_of_both_agree(ours, theirs, version):
    ours.create_namespace("a")
    rows = pa.table({"id": pa.array(range(100), pa.int64()), "who": ["x"] * 100})
    mine = ours.create_table("a.t", rows.schema, partition_spec="who" if version == 1 else None, format_version=version)
    mine.append(rows)
    mine.append(rows.slice(0, 10))
    result = mine.delete("id >= 50 and id < 60")
    assert result.rows_deleted == 10
    yours = theirs.load_table("a.t")
    assert sorted(yours.scan().to_arrow()["id"].to_pylist()) == sorted([*range(50), *range(60, 100), *range(10)])
    yours.delete("id < 5")
    mine.refresh()
    assert mine.scan().count() == 90
    mine.overwrite(pa.table({"id": [1000], "who": ["mine"]}), overwrite_filter="id >= 90")
    yours.refresh()
    assert yours.scan().to_arrow().num_rows == 81
    yours.overwrite(pa.table({"id": [2000], "who": ["yours"]}), overwrite_filter="id = 1000")
    mine.refresh()
    assert mine.scan("id >= 1000").to_arrow().to_pylist() == [{"id": 2000, "who": "yours"}]
    mine.overwrite(pa.table({"id": [7], "who": ["end"]}))
    yours.refresh()
    assert yours.scan().to_arrow().to_pylist() == [{"id": 7, "who": "end"}]
    assert yours.current_snapshot().summary["total-records"] == "1"
    assert yours.current_snapshot().summary["total-data-files"] == "1"


def test_partitions_and_their_pruning_agree(ours, theirs):
    theirs.create_namespace("a")
    schema = Schema(NestedField(1, "region", StringType()), NestedField(2, "day", DateType()), NestedField(3, "n", LongType()))
    spec = PartitionSpec(
        PartitionField(source_id=1, field_id=1000, transform=IdentityTransform(), name="region"),
        PartitionField(source_id=2, field_id=1001, transform=IdentityTransform(), name="day"),
    )
    yours = theirs.create_table("a.t", schema, partition_spec=spec)
    days = [datetime.date(2024, 1, 1), datetime.date(2024, 1, 2), None]
    rows = pa.table({"region": ["eu", "us", None] * 3, "day": pa.array([d for d in days for _ in range(3)], pa.date32()), "n": pa.array(range(9), pa.int64())})
    mine = ours.load_table("a.t")
    mine.append(rows)
    yours.refresh()
    yours.append(rows)
    mine.refresh()
    assert len(list(mine.scan("region = 'eu' and day = '2024-01-01'").plan_files())) == 2
    assert len(list(yours.scan("region = 'eu' and day = '2024-01-01'").plan_files())) == 2
    for text, count in [("region = 'eu'", 6), ("region is null", 6), ("day = '2024-01-02' and region = 'us'", 2), ("day is null", 6), ("n < 3", 6)]:
        assert mine.scan(text).count() == count, text
        assert yours.scan(text).to_arrow().num_rows == count, text
    paths = {f.file.file_path.split("/data/")[1].rsplit("/", 1)[0] for f in yours.scan().plan_files()}
    assert "region=eu/day=2024-01-01" in paths and "region=null/day=null" in paths
    mine.delete("region = 'eu'")
    yours.refresh()
    assert yours.scan().to_arrow().num_rows == 12


@pytest.mark.parametrize("spec", ["bucket(8, id)", "truncate(10, id)", "truncate(2, name)", "day(at)", "hour(at)", "month(at)", "year(at)", "bucket(4, name), day(at)"])
def test_they_prune_by_our_transforms(ours, theirs, spec):
    ours.create_namespace("a")
    start = datetime.datetime(2023, 12, 30, tzinfo=UTC)
    rows = pa.table({"id": pa.array(range(-20, 80), pa.int64()), "name": [f"n{i:03}" for i in range(100)], "at": pa.array([start + datetime.timedelta(hours=7 * i) for i in range(100)], pa.timestamp("us", tz="UTC"))})
    mine = ours.create_table("a.t", rows.schema, partition_spec=spec)
    mine.append(rows)
    yours = theirs.load_table("a.t")
    assert same_rows(sorted_by(yours.scan().to_arrow(), "id"), rows)
    for text in ["id = 33", "id < -5", "name = 'n042'", "at >= '2024-01-20T00:00:00+00:00'", "at = '2023-12-31T04:00:00+00:00'"]:
        got = sorted_by(yours.scan(text).to_arrow(), "id")
        want = sorted_by(mine.scan(text).to_arrow(), "id")
        assert same_rows(got, want) and got.num_rows > 0, text


# ---- evolution ----


def test_schemas_evolve_in_both(ours, theirs):
    ours.create_namespace("a")
    mine = ours.create_table("a.t", pa.schema([("id", pa.int32()), ("name", pa.string()), ("gone", pa.float32())]))
    mine.append(pa.table({"id": pa.array([1], pa.int32()), "name": ["a"], "gone": pa.array([0.5], pa.float32())}))
    with mine.update_schema() as update:
        update.rename_column("name", "label")
        update.add_column("score", "double")
        update.delete_column("gone")
        update.update_column("id", "long")
    yours = theirs.load_table("a.t")
    assert yours.scan().to_arrow().to_pylist() == [{"id": 1, "label": "a", "score": None}]
    assert [(f.field_id, f.name, str(f.field_type)) for f in yours.schema().fields] == [(1, "id", "long"), (2, "label", "string"), (4, "score", "double")]
    with yours.update_schema() as update:
        update.add_column("extra", StructType(NestedField(1, "x", IntegerType(), required=False)))
        update.rename_column("label", "title")
    yours.append(pa.table({"id": [2**40], "title": ["b"], "score": [1.5], "extra": pa.array([{"x": 7}], pa.struct([("x", pa.int32())]))}))
    mine.refresh()
    assert sorted_by(mine.scan().to_arrow(), "id").to_pylist() == [
        {"id": 1, "title": "a", "score": None, "extra": None},
        {"id": 2**40, "title": "b", "score": 1.5, "extra": {"x": 7}},
    ]
    with mine.update_schema() as update:
        update.add_column(("extra", "y"), "string")
    assert str(theirs.load_table("a.t").schema().find_field("extra.y").field_type) == "string"
    assert mine.scan("title = 'b'").count() == 1


def test_refs_and_properties_are_shared(ours, theirs):
    ours.create_namespace("a")
    mine = ours.create_table("a.t", pa.schema([("id", pa.int64())]), properties={"owner": "me"})
    mine.append(pa.table({"id": [1]}))
    first = mine.current_snapshot_id()
    mine.create_tag("first")
    mine.append(pa.table({"id": [2]}))
    mine.set_properties({"k": "v"})
    yours = theirs.load_table("a.t")
    assert yours.properties["owner"] == "me" and yours.properties["k"] == "v"
    assert yours.scan(snapshot_id=yours.snapshot_by_name("first").snapshot_id).to_arrow()["id"].to_pylist() == [1]
    yours.manage_snapshots().create_branch(first, "dev").commit()
    with yours.transaction() as change:
        change.remove_properties("k")
    mine.refresh()
    assert mine.scan(ref="dev").to_arrow()["id"].to_pylist() == [1]
    assert "k" not in mine.properties


# ---- metadata files ----


def test_they_read_our_compressed_metadata(ours, theirs):
    ours.create_namespace("a")
    mine = ours.create_table("a.t", pa.schema([("id", pa.int64())]), properties={"write.metadata.compression-codec": "gzip"})
    mine.append(pa.table({"id": [1]}))
    assert mine.metadata_location.endswith(".gz.metadata.json")
    assert json.loads(gzip.decompress(pathlib.Path(mine.metadata_location).read_bytes()))["format-version"] == 2
    assert theirs.load_table("a.t").scan().to_arrow()["id"].to_pylist() == [1]


def test_tables_without_a_catalog(folder, ours, theirs):
    theirs.create_namespace("a")
    yours = theirs.create_table("a.t", pa.schema([("id", pa.int64())]))
    yours.append(pa.table({"id": [1, 2]}))
    files = frazil.load_catalog("files", type="static", warehouse=f"{folder}/warehouse")
    place = yours.location().removeprefix("file://")
    for name in [place, yours.metadata_location, "a.t", "a/t"]:
        assert files.load_table(name).scan().to_arrow()["id"].to_pylist() == [1, 2], name
    with pytest.raises(frazil.UnsupportedError, match="read-only"):
        files.load_table(place).append(pa.table({"id": [3]}))
    mine = ours.load_table("a.t")
    mine.append(pa.table({"id": [3]}))
    assert StaticTable.from_metadata(mine.metadata_location).scan().to_arrow().num_rows == 3


def test_their_manifests_and_snapshots_agree_with_ours(ours, theirs):
    ours.create_namespace("a")
    mine = ours.create_table("a.t", pa.schema([("id", pa.int64()), ("s", pa.string())]))
    mine.append(pa.table({"id": [1, 2], "s": ["a" * 40, None]}))
    mine.append(pa.table({"id": [3], "s": ["b"]}))
    mine.delete("id = 3")
    yours = theirs.load_table("a.t")
    operations = [s["operation"] for s in yours.inspect.snapshots().to_pylist()]
    assert operations == ["append", "append", "delete"]
    (file,) = yours.inspect.files().to_pylist()
    assert file["record_count"] == 2
    assert dict(file["null_value_counts"]) == {1: 0, 2: 1}
    assert file["readable_metrics"]["id"]["lower_bound"] == 1 and file["readable_metrics"]["id"]["upper_bound"] == 2
    assert file["readable_metrics"]["s"]["lower_bound"] == "a" * 16
    entries = yours.inspect.entries().to_pylist()
    assert sorted((e["status"], e["sequence_number"]) for e in entries) == [(1, 1), (2, 2)]


# ---- DuckDB ----


@pytest.fixture
def duck():
    return duckdb_engine.connect()


def test_duckdb_reads_what_we_write(ours, duck):
    ours.create_namespace("a")
    columns = [name for name in ROWS.column_names if name not in ("fixed", "large_decimal")]
    rows = ROWS.select(columns)
    mine = ours.create_table("a.t", rows.schema)
    mine.append(rows)
    mine.append(rows)
    mine.delete("int = 2147483647")
    query = f"SELECT * FROM iceberg_scan('{mine.metadata_location}')"
    assert duck.execute(f"SELECT count(*), count(long), min(string), max(timestamptz) FROM ({query})").fetchall()[0][:3] == (4, 2, "")
    with mine.update_schema() as update:
        update.rename_column("string", "text")
    query = f"SELECT text FROM iceberg_scan('{mine.metadata_location}') WHERE text IS NOT NULL"
    assert duck.execute(query).fetchall() == [("",), ("",)]
    mine = ours.create_table("a.p", pa.schema([("id", pa.int64()), ("at", pa.timestamp("us"))]), partition_spec="bucket(4, id), day(at)")
    mine.append(pa.table({"id": list(range(50)), "at": [datetime.datetime(2024, 1, 1 + i % 5) for i in range(50)]}))
    query = f"SELECT count(*) FROM iceberg_scan('{mine.metadata_location}') WHERE \"at\" >= '2024-01-04'"
    assert duck.execute(query).fetchall() == [(20,)]


HOSTILE_COLUMNS = ['with "quotes"', '"', "`back`tick", "it's", "a.b", "x, y) desc", "select", "two words", "a/b=c", "ünï", "16"]


@pytest.mark.parametrize("name", HOSTILE_COLUMNS)
def test_partitioned_by_a_column_of_any_name(ours, theirs, name):
    """The name is quoted in the spec and in filters; PyIceberg reads the same rows and partitions."""
    ours.create_namespace("a")
    quoted = '"' + name.replace('"', '""') + '"'
    rows = pa.table({name: pa.array([1, 1, 2, None], pa.int64()), "other": ["a", "b", "c", "d"]})
    for number, spec in enumerate((quoted, f"bucket(4, {quoted})")):
        table = ours.create_table(f"a.t{number}", rows.schema, partition_spec=spec, sort_order=f"{quoted} desc")
        table.append(rows)
        assert table.scan(f"{quoted} = 1").to_arrow()["other"].to_pylist() == ["a", "b"]
        yours = theirs.load_table(f"a.t{number}")
        assert yours.spec().fields[0].name == (name if number == 0 else f"{name}_bucket")
        back = yours.scan().to_arrow()
        assert sorted(back["other"].to_pylist()) == ["a", "b", "c", "d"] and back.column_names == [name, "other"]
        assert set(back[name].to_pylist()) == {1, 2, None}
        files = yours.inspect.files().num_rows
        assert files == (3 if number == 0 else len(list(table.scan().plan_files())))
        table.delete(f"{quoted} = 2")
        assert sorted(yours.refresh().scan().to_arrow()["other"].to_pylist()) == ["a", "b", "d"]
