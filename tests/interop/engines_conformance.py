"""Write docs/conformance/engines.md: tables that frazil makes, read by Spark, PyIceberg and DuckDB.

Usage: engines_conformance.py OUTPUT

Each case makes one table of each format version that has the feature. Every engine reads the table by its metadata
file; the rows are compared with frazil's, which the tests compare with plain Python's. Without Spark (see
tests/interop/spark_engine.py) nothing is written.
"""

import json
import pathlib
import sys
import tempfile
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal

import duckdb_engine
import frazil
import pyarrow as pa
import pyarrow.parquet as pq
from spark_engine import find_spark, run_in_spark
from variant import decode_variant

UTC = timezone.utc
SCHEMA = pa.schema([
    pa.field("id", pa.int64(), nullable=False), ("k", pa.int32()), ("s", pa.string()), ("d", pa.float64()), ("ts", pa.timestamp("us", "UTC"))])


def some(first, last, text="a", more=()):
    """Rows of SCHEMA, and columns after it."""
    ids = range(first, last)
    columns = {
        "id": list(ids), "k": [None if i % 11 == 0 else i % 7 for i in ids], "s": [f"{text}{i % 20}" for i in ids],
        "d": [None if i % 13 == 0 else i / 8 for i in ids],
        "ts": [datetime(1969, 12, 30, 20, tzinfo=UTC) + timedelta(hours=i) for i in ids]}
    table = pa.table(columns, schema=SCHEMA)
    for name, make in more:
        table = table.append_column(name, pa.array([make(i) for i in ids]))
    return table


# ---- cases: a function that makes a table; its docstring is the feature's name ----

CASES = []


def case(*versions):
    def add(make):
        CASES.append((make, versions))
        return make
    return add


def create(catalog, name, version, schema=SCHEMA, **options):
    return catalog.create_table(f"d.{name}", schema, format_version=version, **options)


@case(1, 2, 3)
def appended(catalog, name, version):
    """append, all rows"""
    table = create(catalog, name, version)
    table.append(some(0, 300))
    table.append(some(300, 400, "b"))
    return table


@case(1, 2, 3)
def typed(catalog, name, version):
    """every primitive type but time, which Spark lacks; lists, maps, structs"""
    row = {
        "boolean": True, "int": -7, "long": 1 << 40, "float": 0.5, "double": -1e300, "decimal": Decimal("-123.45"), "wide": Decimal("9" * 30 + ".5"),
        "date": date(1950, 3, 1), "stamp": datetime(1969, 12, 31, 23, 59, 59, 999999),
        "zoned": datetime(2024, 2, 29, 1, tzinfo=UTC), "text": "ü\U0001f600", "bytes": b"\x00\xff", "fixed": b"12345678",
        "list": [1, None, 3], "map": [("a", 1.5), ("b", None)], "struct": {"x": 1, "y": ["p", None]}, "nested": [{"m": [("k", [1, 2])]}, None]}
    kinds = {
        "boolean": pa.bool_(), "int": pa.int32(), "long": pa.int64(), "float": pa.float32(), "double": pa.float64(), "decimal": pa.decimal128(9, 2),
        "wide": pa.decimal128(38, 1), "date": pa.date32(), "stamp": pa.timestamp("us"), "zoned": pa.timestamp("us", "UTC"),
        "text": pa.string(), "bytes": pa.binary(), "fixed": pa.binary(8), "list": pa.list_(pa.int32()), "map": pa.map_(pa.string(), pa.float64()),
        "struct": pa.struct([("x", pa.int64()), ("y", pa.list_(pa.string()))]),
        "nested": pa.list_(pa.struct([("m", pa.map_(pa.string(), pa.list_(pa.int64())))]))}
    schema = pa.schema([("id", pa.int64()), *((f"c_{key}", kind) for key, kind in kinds.items())])
    table = create(catalog, name, version, schema)
    rows = [{"id": 1, **{f"c_{key}": row[key] for key in kinds}}, {"id": 2}]
    table.append(pa.Table.from_pylist(rows, schema=schema))
    return table


@case(1, 2, 3)
def partitioned(catalog, name, version):
    """partitions by every transform"""
    table = create(catalog, name, version, partition_spec="k, bucket(3, id), truncate(2, s), month(ts)")
    table.append(some(0, 200))
    return table


@case(2, 3)
def hourly(catalog, name, version):
    """partitions by year, day and hour, void of a dropped one"""
    table = create(catalog, name, version, partition_spec="hour(ts)")
    table.append(some(0, 30))
    with table.update_spec() as update:
        update.remove_field("ts_hour")
        update.add_field("ts", "day", "by_day")
    table.append(some(30, 60))
    with table.update_spec() as update:
        update.remove_field("by_day")
        update.add_field("ts", "year", "by_year")
        update.add_field("id", "bucket[4]", "by_id")
    table.append(some(60, 90))
    table.delete("id = 5 or id = 40 or id = 70")
    return table


@case(1, 2, 3)
def rewritten(catalog, name, version):
    """delete and overwrite, copy-on-write"""
    table = appended(catalog, name, version)
    table.delete("id >= 10 and id < 20")
    table.overwrite(some(50, 60, "new"), overwrite_filter="id >= 50 and id < 70")
    return table


@case(2, 3)
def marked(catalog, name, version):
    """delete, merge-on-read"""
    table = create(catalog, name, version, partition_spec="bucket(2, id)")
    table.append(some(0, 300))
    table.append(some(300, 400, "b"))
    table.delete("id >= 10 and id < 20", mode="merge-on-read")
    table.delete("s = 'a5'", mode="merge-on-read")
    table.delete("id > 390", mode="merge-on-read")
    return table


@case(2, 3)
def granular(catalog, name, version):
    """delete files by partition, then by file"""
    table = create(catalog, name, version, partition_spec="bucket(2, id)", properties={"write.delete.granularity": "partition"})
    table.append(some(0, 300))
    table.append(some(300, 400, "b"))
    table.delete("k = 3", mode="merge-on-read")
    table.set_properties({"write.delete.granularity": "file"})
    table.delete("k = 4", mode="merge-on-read")
    return table


@case(1, 2, 3)
def upserted(catalog, name, version):
    """upsert, copy-on-write"""
    table = appended(catalog, name, version)
    table.upsert(some(290, 420, "upserted"), ["id"], mode="copy-on-write")
    return table


@case(2, 3)
def upserted_marked(catalog, name, version):
    """upsert, merge-on-read"""
    table = create(catalog, name, version, partition_spec="truncate(100, id)")
    table.append(some(0, 300))
    table.upsert(some(290, 420, "upserted"), ["id"], mode="merge-on-read")
    table.upsert(some(0, 5, "again"), ["id"], mode="merge-on-read")
    return table


@case(1, 2, 3)
def evolved(catalog, name, version):
    """columns added, renamed, dropped, widened, moved"""
    table = create(catalog, name, version)
    table.append(some(0, 50))
    with table.update_schema() as update:
        update.add_column("extra", pa.struct([("x", pa.int32()), ("l", pa.list_(pa.string()))]))
        update.rename_column("s", "label")
        update.delete_column("d")
        update.update_column("k", pa.int64())
    with table.update_schema() as update:
        update.move_first("ts")
        update.add_column("d", pa.string())
        update.rename_column("extra.x", "y")
    wide = table.scan().to_arrow().slice(0, 3)
    table.append(wide)
    return table


@case(2, 3)
def respecified(catalog, name, version):
    """partition spec evolved, deletes before and after"""
    table = create(catalog, name, version, partition_spec="k")
    table.append(some(0, 100))
    table.delete("id = 3", mode="merge-on-read")
    with table.update_spec() as update:
        update.remove_field("k")
        update.add_field("id", "truncate[50]", "by_fifty")
    table.append(some(100, 200))
    table.delete("id = 4 or id = 104 or id = 150", mode="merge-on-read")
    table.delete("id = 5 or id = 105", mode="copy-on-write")
    return table


@case(2, 3)
def upgraded(catalog, name, version):
    """upgraded from version 1 with deletes at each version"""
    table = create(catalog, name, 1)
    table.append(some(0, 100))
    table.delete("id = 1")
    table.upgrade_table_version(2)
    table.append(some(100, 150))
    table.delete("id = 2 or id = 102", mode="merge-on-read")
    if version == 3:
        table.upgrade_table_version(3)
        table.append(some(150, 160))
        table.delete("id = 3 or id = 103", mode="merge-on-read")
    return table


@case(3)
def defaults(catalog, name, version):
    """default values, initial and write"""
    table = create(catalog, name, version)
    table.append(some(0, 20))
    with table.update_schema() as update:
        update.add_column("n", pa.int64(), default_value=34)
        update.add_column("t", pa.string(), default_value="none", required=True)
        update.add_column("day", pa.date32(), default_value=date(2024, 2, 29))
    table.append(some(20, 30))
    table.append(some(30, 33, more=[("n", lambda i: i), ("t", str)]))
    return table


@case(3)
def nanoseconds(catalog, name, version):
    """timestamps of nanoseconds"""
    schema = pa.schema([("id", pa.int64()), ("ns", pa.timestamp("ns")), ("nstz", pa.timestamp("ns", "UTC"))])
    table = create(catalog, name, version, schema, partition_spec="day(ns)")
    values = [-1, 0, 1, 1704067200000000001, 86399999999999, None]
    table.append(pa.table({"id": range(6), "ns": pa.array(values, pa.timestamp("ns")), "nstz": pa.array(values, pa.timestamp("ns", "UTC"))}, schema=schema))
    return table


@case(3)
def unknown(catalog, name, version):
    """a column of type unknown"""
    schema = pa.schema([("id", pa.int64()), ("nothing", pa.null())])
    table = create(catalog, name, version, schema)
    table.append(pa.table({"id": [1, 2]}, schema=pa.schema([("id", pa.int64())])))
    return table


@case(3)
def variant(catalog, name, version):
    """variants, unshredded"""
    binary = [pa.field("metadata", pa.binary(), nullable=False), pa.field("value", pa.binary(), nullable=False)]
    column = pa.field("v", pa.struct(binary), metadata={"ARROW:extension:name": "arrow.parquet.variant", "ARROW:extension:metadata": ""})
    schema = pa.schema([("id", pa.int64()), column])
    table = create(catalog, name, version, schema)
    values = [{"metadata": b"\x01\x00\x00", "value": b"\x0c\x05"}, None, {"metadata": b"\x01\x00\x00", "value": b"\x09hi"}]  # 5, null, "hi"
    table.append(pa.Table.from_arrays([pa.array([1, 2, 3]), pa.array(values, pa.struct(binary))], schema=schema))
    table.delete("id = 2", mode="merge-on-read")
    return table


@case(2, 3)
def branched(catalog, name, version):
    """a branch and a tag (main is read)"""
    table = create(catalog, name, version)
    table.append(some(0, 50))
    table.create_tag("before")
    table.create_branch("audit")
    table.append(some(50, 60), branch="audit")
    table.delete("id < 5", branch="audit")
    table.delete("id >= 40")
    return table


@case(1, 2, 3)
def sorted_files(catalog, name, version):
    """files sorted by the table's order"""
    table = create(catalog, name, version, sort_order="k desc nulls last, bucket(4, id), s")
    table.append(some(0, 200))
    return table


@case(2, 3)
def compacted(catalog, name, version):
    """compacted after merge-on-read deletes"""
    table = create(catalog, name, version, partition_spec="bucket(2, id)")
    for first in range(0, 120, 10):
        table.append(some(first, first + 10))
    table.delete("id >= 10 and id < 20", mode="merge-on-read")
    table.maintenance.compact(rewrite_all=True)
    table.delete("id = 50", mode="merge-on-read")
    return table


@case(2, 3)
def compacted_sorted(catalog, name, version):
    """compacted and sorted"""
    table = create(catalog, name, version)
    for first in range(0, 100, 10):
        table.append(some(first, first + 10))
    table.maintenance.compact(sort_order="k asc nulls first, s desc", rewrite_all=True)
    return table


@case(1, 2, 3)
def few_manifests(catalog, name, version):
    """manifests rewritten, snapshots expired"""
    table = create(catalog, name, version, partition_spec="k")
    for first in range(0, 60, 5):
        table.append(some(first, first + 5))
    table.delete("id = 7")
    table.maintenance.rewrite_manifests()
    table.maintenance.expire_snapshots(older_than=datetime.now(UTC) + timedelta(days=1), retain_last=1)
    return table


@case(2, 3)
def bloom(catalog, name, version):
    """bloom filters"""
    table = create(catalog, name, version, properties={
        "write.parquet.bloom-filter-enabled.column.id": "true", "write.parquet.bloom-filter-enabled.column.s": "true"})
    table.append(some(0, 5000))
    return table


def with_codec(codec):
    def make(catalog, name, version):
        table = create(catalog, name, version, properties={"write.parquet.compression-codec": codec})
        table.append(some(0, 500))
        return table
    make.__name__ = f"codec_{codec}"
    make.__doc__ = f"data files in {codec}"
    return make


for codec in ["uncompressed", "snappy", "gzip", "lz4", "brotli", "zstd"]:
    case(2)(with_codec(codec))


# ---- the engines ----

READ_TABLES = """
said = {}
for name, location in json.load(open(f"{folder}/locations.json")).items():
    try:
        table = spark.read.format("iceberg").load(location)
        for column, kind in table.dtypes:
            if kind == "void":
                table = table.drop(column)
            if kind == "variant":
                table = table.selectExpr(*(f"to_json({name}) {name}" if name == column else name for name in table.columns))
        table.write.parquet(f"{folder}/spark/{name}")
    except Exception as error:
        lines = str(error).strip().splitlines()
        said[name] = ([line for line in lines if line.startswith("Caused by: ")] or lines)[-1 if len(lines) > 1 else 0][:300]
json.dump(said, open(f"{folder}/spark.json", "w"))
"""


def run_spark(folder):
    """What each table reads as: a function that gives a pyarrow table or raises."""
    run_in_spark(READ_TABLES, folder)
    said = json.loads((folder / "spark.json").read_text())

    def read(name, location):
        if name in said:
            raise RuntimeError(said[name])
        return pq.read_table(str(folder / "spark" / name))
    return read


def read_pyiceberg(name, location):
    from pyiceberg.table import StaticTable

    return StaticTable.from_metadata(location).scan().to_arrow()


def open_duckdb():
    connection = duckdb_engine.connect()
    return lambda name, location: connection.execute(f"FROM iceberg_scan('{location}')").to_arrow_table()


# ---- comparison ----

def plain(value):
    """A value that compares equal between engines: what each calls a map or a zone differs."""
    if isinstance(value, dict):
        return tuple(plain(inner) for inner in value.values())
    if isinstance(value, (list, tuple)):
        return tuple(plain(inner) for inner in value)
    if isinstance(value, datetime):
        return value.replace(tzinfo=None)
    return value


def is_variant(kind):
    return getattr(kind, "extension_name", "") == "arrow.parquet.variant" or (
        pa.types.is_struct(kind) and [kind.field(i).name for i in range(kind.num_fields)] == ["metadata", "value"])


def rows_of(table, names):
    columns = []
    for name in names:
        column = table.column(name)
        if is_variant(column.type):
            column = [getattr(value, "as_py", lambda: value)() for value in column]
            columns.append([None if v is None else json.dumps(decode_variant(v["metadata"], v["value"])) for v in column])
            continue
        if pa.types.is_timestamp(column.type):
            scale = {"us": 1000, "ns": 1}[column.type.unit]
            column = [None if value is None else value * scale for value in column.cast(pa.int64()).to_pylist()]
        else:
            column = [plain(value) for value in column.to_pylist()]
        columns.append(column)
    return sorted(zip(*columns), key=repr)


def judge(ours, read, name, location):
    try:
        theirs = read(name, location)
    except Exception as error:  # each engine raises its own kinds
        line = (str(error).strip().splitlines() or ["no message"])[0]
        for path in [str(pathlib.Path(location).parents[1]), "file://"]:
            line = line.replace(path, "")
        return f"refuses: {line[:90]}".replace("|", "\\|")
    names = [field.name for field in ours.schema if not pa.types.is_null(field.type)]
    missing = set(names) - set(theirs.column_names)
    if missing:
        return f"**without {', '.join(sorted(missing))}**"
    return "equal" if rows_of(ours, names) == rows_of(theirs, names) else "**different**"


# What Spark has no type or codec for.
SPARK_LACKS = {"nanoseconds_3", "codec_brotli_2"}

NOTES = """PyIceberg reads a null list of structs as an empty one. Rows of a type that an engine does not have are refused by it when
it reads the schema, or needs a codec that is not among its own. Data files are written with the encodings that every reader here knows (`frazil.parquet.encodings`)."""


def main():
    import duckdb
    import pyiceberg

    output = pathlib.Path(sys.argv[1])
    if find_spark() is None:
        print("no pyspark, or no Iceberg runtime for it (make test-spark has them): docs/conformance/engines.md stays as it is")
        return 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        catalog = frazil.load_catalog("ours", type="sql", uri=f"sqlite:///{folder}/catalog.db", warehouse=f"file://{folder}/lake")
        catalog.create_namespace("d")
        tables = {}
        for make, versions in CASES:
            for version in versions:
                name = f"{make.__name__}_{version}"
                tables[name] = make(catalog, name, version)
        locations = {name: table.metadata_location for name, table in tables.items()}
        (folder / "locations.json").write_text(json.dumps(locations))
        engines = {"Spark": run_spark(folder), "PyIceberg": read_pyiceberg, "DuckDB": open_duckdb()}
        lines = []
        cells = {engine: [] for engine in engines}
        for make, versions in CASES:
            for version in versions:
                name = f"{make.__name__}_{version}"
                ours = tables[name].scan().to_arrow()
                row = [judge(ours, read, name, locations[name]) for read in engines.values()]
                for engine, cell in zip(engines, row):
                    cells[engine].append((name, cell))
                lines.append(f"| {make.__doc__} | {version} | {len(ours):,} | " + " | ".join(row) + " |")
    version = pathlib.Path(find_spark()[1]).stem.rsplit("-", 1)[1]
    totals = "\n".join(f"- {engine}: {sum(cell == 'equal' for _, cell in found)} of {len(found)} equal" for engine, found in cells.items())
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(f"""# Tables of frazil's in other engines

Made by `make conformance`: each line is a table that frazil made, read by Spark 4.1 (Iceberg {version}), PyIceberg {pyiceberg.__version__} and
DuckDB {duckdb.__version__}. Equal means the same rows, every column, as frazil reads them; "refuses" gives the engine's own words.

{totals}

{NOTES}

| feature | version | rows | Spark | PyIceberg | DuckDB |
|---|---|---|---|---|---|
""" + "\n".join(lines) + "\n")
    wrong = {engine: [(name, cell) for name, cell in found if cell != "equal"] for engine, found in cells.items()}
    print(f"{output}:\n{totals}")
    for engine, found in wrong.items():
        for name, cell in found:
            print(f"  {engine} {name}: {cell}")
    return 1 if {name for name, _ in wrong["Spark"]} - SPARK_LACKS else 0


if __name__ == "__main__":
    sys.exit(main())
