"""Tables written by PyIceberg, read by both: types, evolution, partitions, snapshots and filters."""

import datetime
import decimal
import math
import random
import uuid

import frazil
import pyarrow as pa
import pyarrow.parquet
import pytest

sql = pytest.importorskip("pyiceberg.catalog.sql")
from pyiceberg.partitioning import PartitionField, PartitionSpec  # noqa: E402
from pyiceberg.schema import Schema  # noqa: E402
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


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pyiceberg")
    catalog = sql.SqlCatalog("default", uri=f"sqlite:///{folder}/catalog.db", warehouse=f"file://{folder}")
    catalog.create_namespace("ns")
    catalog.folder = folder
    return catalog


@pytest.fixture(scope="module")
def static():
    return frazil.load_catalog("static", type="static")


def plain(value):
    """A value that compares and sorts: NaN equals itself, maps and structs are tuples."""
    if isinstance(value, float) and math.isnan(value):
        return "nan"
    if isinstance(value, dict):
        return tuple(sorted((key, plain(inner)) for key, inner in value.items()))
    if isinstance(value, (list, tuple)):
        return tuple(plain(inner) for inner in value)
    return value.bytes if isinstance(value, uuid.UUID) else value


def rows(table, columns):
    return sorted((tuple(map(plain, row)) for row in zip(*(table.column(name).to_pylist() for name in columns))), key=repr)


def assert_same(got, want):
    assert set(got.column_names) == set(want.column_names)
    assert rows(got, want.column_names) == rows(want, want.column_names)


def check(table, static, filters=()):
    """Everything, every snapshot, every column alone, and each filter."""
    ours = static.load_table(table.metadata_location)
    everything = table.scan().to_arrow()
    assert_same(ours.scan().to_arrow(), everything)
    assert ours.scan(limit=7).to_arrow().num_rows == min(7, everything.num_rows)
    for snapshot in table.metadata.snapshots:
        pinned = dict(snapshot_id=snapshot.snapshot_id)
        assert_same(ours.scan(**pinned).to_arrow(), table.scan(**pinned).to_arrow())
    for name in everything.column_names:
        assert_same(ours.scan(selected_fields=(name,)).to_arrow(), everything.select([name]))
    for text in filters:
        want = table.scan(row_filter=text).to_arrow()
        assert_same(ours.scan(row_filter=text).to_arrow(), want)
        name = everything.column_names[-1]
        assert_same(ours.scan(row_filter=text, selected_fields=(name,)).to_arrow(), want.select([name]))
    return everything.num_rows


TYPES = Schema(
    NestedField(1, "b", BooleanType()),
    NestedField(2, "i", IntegerType()),
    NestedField(3, "l", LongType()),
    NestedField(4, "f", FloatType()),
    NestedField(5, "d", DoubleType()),
    NestedField(6, "dec", DecimalType(12, 3)),
    NestedField(7, "dt", DateType()),
    NestedField(8, "t", TimeType()),
    NestedField(9, "ts", TimestampType()),
    NestedField(10, "tz", TimestamptzType()),
    NestedField(11, "s", StringType()),
    NestedField(12, "u", UUIDType()),
    NestedField(13, "fx", FixedType(5)),
    NestedField(14, "bin", BinaryType()),
    NestedField(
        15,
        "st",
        StructType(
            NestedField(16, "a", LongType()),
            NestedField(17, "b", StringType()),
            NestedField(18, "n", StructType(NestedField(19, "x", DoubleType()))),
        ),
    ),
    NestedField(20, "li", ListType(21, IntegerType(), element_required=False)),
    NestedField(22, "ma", MapType(23, StringType(), 24, LongType(), value_required=False)),
    NestedField(
        25,
        "ls",
        ListType(26, StructType(NestedField(27, "p", IntegerType()), NestedField(28, "q", StringType())), element_required=False),
    ),
)


def typed_row(i, generator):
    def maybe(value):
        return None if generator.random() < 0.15 else value

    return {
        "b": maybe(i % 2 == 0),
        "i": maybe(i),
        "l": maybe(i * 10**10),
        "f": maybe(i / 4),
        "d": maybe(i / 3 if i % 17 else math.nan),
        "dec": maybe(decimal.Decimal(i * 7919 - 50000).scaleb(-3)),
        "dt": maybe(datetime.date(1960, 1, 1) + datetime.timedelta(days=i * 13)),
        "t": maybe(datetime.time(i % 24, i % 60, i % 59, i)),
        "ts": maybe(datetime.datetime(1969, 12, 1) + datetime.timedelta(seconds=i * 4001, microseconds=i)),
        "tz": maybe(datetime.datetime(2023, 1, 1, tzinfo=UTC) + datetime.timedelta(hours=i * 7)),
        "s": maybe(f"str-{i % 50}-{'ü' * (i % 3)}"),
        "u": maybe(uuid.UUID(int=i * 12345678901234567).bytes),
        "fx": maybe(b"%05d" % i),
        "bin": maybe(bytes([i % 256]) * (i % 7)),
        "st": maybe({"a": maybe(i), "b": maybe(str(i)), "n": maybe({"x": maybe(i * 0.5)})}),
        "li": maybe([maybe(k) for k in range(i % 5)]),
        "ma": maybe({f"k{k}": maybe(k) for k in range(i % 4)}),
        "ls": maybe([maybe({"p": maybe(k), "q": maybe(f"q{k}")}) for k in range(i % 3)]),
    }


@pytest.mark.parametrize("version", ["1", "2"])
def test_every_type(lake, static, version):
    table = lake.create_table(
        f"ns.types{version}", TYPES, properties={"format-version": version, "write.parquet.row-group-limit": "100"}
    )
    generator = random.Random(7)
    for first in (0, 400, 800):
        batch = [typed_row(i, generator) for i in range(first, first + 400)]
        table.append(pa.Table.from_pylist(batch, schema=table.schema().as_arrow()))
    filters = [
        "i > 100 and i < 300",
        "s is null",
        "d is nan",
        "ts < '1970-01-01T00:00:00'",
        "b = true or dt >= '1970-05-05'",
        "l in (10000000000, 50000000000)",
        "s like 'str-1%'",
        "st.a > 1000",
        "st.n.x > 300.5",
        "f is null and i != 7",
        "d != 1.0",
    ]
    assert check(table, static, filters) == 1200


def test_identity_partitions(lake, static):
    schema = Schema(
        NestedField(1, "id", LongType()),
        NestedField(2, "region", StringType()),
        NestedField(3, "ts", TimestamptzType()),
        NestedField(4, "k", IntegerType()),
    )
    spec = PartitionSpec(
        PartitionField(2, 1000, IdentityTransform(), "region"), PartitionField(4, 1001, IdentityTransform(), "k")
    )
    table = lake.create_table("ns.parts", schema, partition_spec=spec)
    generator = random.Random(3)
    start = datetime.datetime(2023, 1, 1, tzinfo=UTC)
    for first in (0, 300):
        batch = [
            {
                "id": i,
                "region": generator.choice(["eu", "us", None, "a/b c"]),
                "ts": start + datetime.timedelta(hours=i * 3),
                "k": i % 3,
            }
            for i in range(first, first + 300)
        ]
        table.append(pa.Table.from_pylist(batch, schema=table.schema().as_arrow()))
    table.delete("id >= 100 and id < 130")
    filters = [
        "region = 'eu'",
        "region is null",
        "region = 'a/b c' and k = 1",
        "k != 2 and id > 400",
        "ts >= '2023-02-01T00:00:00+00:00' and id < 500",
    ]
    assert check(table, static, filters) == 570
    ours = static.load_table(table.metadata_location)
    assert sum(file.record_count for file in ours.scan(row_filter="k = 1").plan_files()) < 250


def test_schema_evolution(lake, static):
    schema = Schema(
        NestedField(1, "id", IntegerType()),
        NestedField(2, "f", FloatType()),
        NestedField(3, "dec", DecimalType(5, 2)),
        NestedField(4, "gone", StringType()),
        NestedField(5, "st", StructType(NestedField(6, "a", IntegerType()), NestedField(7, "b", StringType()))),
        NestedField(8, "keep", StringType()),
    )
    table = lake.create_table("ns.evolved", schema)
    old = [
        {
            "id": i,
            "f": i / 2,
            "dec": decimal.Decimal(i).scaleb(-2),
            "gone": "g",
            "st": None if i % 5 == 0 else {"a": i, "b": "b"},
            "keep": f"k{i}",
        }
        for i in range(50)
    ]
    table.append(pa.Table.from_pylist(old, schema=table.schema().as_arrow()))
    with table.update_schema() as update:
        update.update_column("id", LongType())
        update.update_column("f", DoubleType())
        update.update_column("dec", DecimalType(12, 2))
        update.delete_column("gone")
        update.rename_column("keep", "kept")
        update.add_column("added", StringType())
        update.add_column(("st", "c"), LongType())
        update.update_column(("st", "a"), LongType())
        update.move_first("keep")
        update.rename_column(("st", "b"), "bb")
    new = [
        {
            "kept": f"k{i}",
            "id": i * 10**10,
            "f": i / 3,
            "dec": decimal.Decimal(i * 10**7).scaleb(-2),
            "st": {"a": i * 10**10, "bb": "n", "c": i},
            "added": "x",
        }
        for i in range(50, 80)
    ]
    table.append(pa.Table.from_pylist(new, schema=table.schema().as_arrow()))
    with table.update_schema() as update:
        update.add_column("gone", LongType())  # the name again, another column
    filters = ["id > 40", "kept = 'k7'", "added is null", "st.c > 60", "st.a >= 20000000000", "f > 10.2", "gone is null"]
    assert check(table, static, filters) == 80


def test_partition_evolution(lake, static):
    schema = Schema(
        NestedField(1, "id", LongType()), NestedField(2, "day", DateType()), NestedField(3, "v", StringType())
    )
    table = lake.create_table("ns.respeced", schema)

    def append(first, last):
        batch = [
            {"id": i, "day": datetime.date(2024, 1, 1) + datetime.timedelta(days=i % 5), "v": str(i % 3)}
            for i in range(first, last)
        ]
        table.append(pa.Table.from_pylist(batch, schema=table.schema().as_arrow()))

    append(0, 40)
    with table.update_spec() as update:
        update.add_field("day", IdentityTransform(), "by_day")
    append(40, 80)
    with table.update_spec() as update:
        update.remove_field("by_day")
        update.add_field("v", IdentityTransform(), "by_v")
    append(80, 120)
    table.delete("id = 5 or id = 45 or id = 85")
    assert check(table, static, ["day = '2024-01-03'", "v = '1'", "id >= 40 and id < 90"]) == 117


def test_name_mapping(lake, static):
    schema = Schema(
        NestedField(1, "id", LongType()),
        NestedField(2, "name", StringType()),
        NestedField(3, "li", ListType(4, IntegerType(), element_required=False)),
        NestedField(5, "st", StructType(NestedField(6, "a", LongType()))),
    )
    table = lake.create_table("ns.mapped", schema)
    types = [("id", pa.int64()), ("name", pa.string()), ("li", pa.list_(pa.int32())), ("st", pa.struct([("a", pa.int64())]))]
    foreign = [{"id": i, "name": str(i), "li": [i, None], "st": {"a": i}} for i in range(30)]
    path = f"{lake.folder}/without-ids.parquet"
    pa.parquet.write_table(pa.Table.from_pylist(foreign, schema=pa.schema(types)), path)
    table.add_files([f"file://{path}"])
    with table.update_schema() as update:
        update.rename_column("name", "title")
        update.rename_column(("st", "a"), "aa")
    assert check(table, static, ["title = '7'", "st.aa > 25"]) == 30


def test_many_files_and_refs(lake, static):
    schema = Schema(NestedField(1, "id", LongType()), NestedField(2, "v", StringType()))
    table = lake.create_table("ns.many", schema)
    for first in range(0, 120, 10):
        batch = [{"id": i, "v": str(i)} for i in range(first, first + 10)]
        table.append(pa.Table.from_pylist(batch, schema=table.schema().as_arrow()))
        if first == 30:
            table.manage_snapshots().create_tag(table.current_snapshot().snapshot_id, "four").commit()
    assert check(table, static, ["id = 55", "v >= '9'"]) == 120
    ours = static.load_table(table.metadata_location)
    assert ours.scan(ref="four").to_arrow().num_rows == 40
    assert len(list(ours.scan(row_filter="id = 55").plan_files())) == 1


def test_an_empty_table(lake, static):
    table = lake.create_table("ns.empty", TYPES)
    got = static.load_table(table.metadata_location).scan().to_arrow()
    assert got.num_rows == 0 and got.column_names == [field.name for field in TYPES.fields]
