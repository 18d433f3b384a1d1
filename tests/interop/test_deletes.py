"""Tables with equality and position deletes, made by tests/support/write_deletes.c, read to the same rows by frazil,
DuckDB and Spark, and as plain Python reckons them.

Each function named in CASES makes one table through a Model, which keeps the rows that should be alive: a delete
takes them from what was there before it, and, where its spec is partitioned, only from files of that spec and partition.
The column n is unique in a table, so that rows can be told apart.
"""

import datetime
import decimal
import json
import os
import pathlib
import subprocess

import duckdb_engine
import frazil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from spark_engine import read_in_spark

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCHEMA = pa.schema([
    ("id", pa.int64()), ("region", pa.string()), ("name", pa.string()), ("day", pa.date32()),
    ("amount", pa.decimal128(9, 2)), ("flag", pa.bool_()), ("n", pa.int64()),
])


def make_row(n, **values):
    row = {
        "id": n % 40, "region": ["eu", "us", "asia"][n % 3], "name": f"name {n % 10}",
        "day": datetime.date(1969, 12, 25) + datetime.timedelta(days=n % 12),
        "amount": decimal.Decimal(n % 25 - 12) / 4, "flag": n % 2 == 0, "n": n,
    }
    return row | values


def make_rows(first, last):
    return [make_row(n) for n in range(first, last)]


class Model:
    """A table, and the rows that should be alive in it."""

    def __init__(self, catalogs, name, partition_spec=None, schema=SCHEMA, properties=None):
        self.ours, self.theirs, self.folder, self.tool = catalogs
        self.name = f"d.{name}"
        self.table = self.ours.create_table(self.name, schema, partition_spec=partition_spec, properties=properties or {})
        self.schema = schema
        self.rows = []
        self.history = []  # of (snapshot id, the n of the rows alive)

    def note(self):
        self.table.refresh()
        self.history.append((self.table.current_snapshot_id(), sorted(row["n"] for row in self.rows)))

    def spec_id(self):
        return self.theirs.load_table(self.name).spec().spec_id

    def append(self, rows):
        self.table.refresh()
        self.table.append(pa.Table.from_pylist(rows, schema=self.schema))
        spec_id = self.spec_id()
        self.rows += [row | {"_spec": spec_id} for row in rows]
        self.note()

    def write(self, *arguments, table):
        path = self.folder / "deletes.parquet"
        pq.write_table(table, path)
        command = [self.tool, f"sqlite:///{self.folder}/catalog.db", self.name, *arguments, path]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        self.note()

    def delete_keys(self, columns, keys, spec_id=0, partition=()):
        """Commit the keys under a spec. `partition`: columns that only say where a key is deleted; a key holds their
        values last. A spec without fields is global."""
        names = [*columns, *partition]
        is_global = not self.theirs.load_table(self.name).specs()[spec_id].fields
        dead = set(keys)
        self.rows = [row for row in self.rows
                     if tuple(row[name] for name in names) not in dead or not (is_global or row["_spec"] == spec_id)]
        table = pa.Table.from_pylist([dict(zip(names, key)) for key in keys],
                                     schema=pa.schema([self.schema.field(name) for name in names]))
        self.write("keys", str(spec_id), str(len(columns)), table=table)

    def delete_positions(self, dead, bounded=True):
        """Commit a position delete file a partition, for the rows with these n."""
        dead = set(dead)
        places = {}
        for task in self.table.refresh().scan().plan_files():
            numbers = pq.ParquetFile(task.file_path.removeprefix("file://")).read(["n"])["n"].to_pylist()
            found = [(task.file_path, pos, n) for pos, n in enumerate(numbers) if n in dead]
            places.setdefault((task.spec_id, task.partition), []).extend(found)
        for found in filter(None, places.values()):
            paths, numbers, gone = zip(*sorted(found))
            self.rows = [row for row in self.rows if row["n"] not in gone]
            self.write("positions", "bounded" if bounded else "unbounded",
                       table=pa.table({"file_path": paths, "pos": pa.array(numbers, pa.int64())}))

    def evolve_spec(self, remove=(), add=()):
        with self.theirs.load_table(self.name).update_spec() as update:
            for name in remove:
                update.remove_field(name)
            for source, transform, name in add:
                update.add_field(source, transform, name)
        self.table.refresh()

    def rename(self, old, new):
        with self.table.refresh().update_schema() as update:
            update.rename_column(old, new)
        self.schema = pa.schema([field.with_name(new) if field.name == old else field for field in self.schema])
        self.rows = [{new if name == old else name: value for name, value in row.items()} for row in self.rows]

    def promote(self, name, text, arrow):
        with self.table.refresh().update_schema() as update:
            update.update_column(name, text)
        self.schema = pa.schema([field.with_type(arrow) if field.name == name else field for field in self.schema])


# ---- the tables ----


def single_key(make):
    t = make()
    t.append(make_rows(0, 100))
    t.append(make_rows(100, 150))
    t.delete_keys(["id"], [(3,), (7,), (39,), (1000,)])
    t.delete_keys(["id"], [(8,)])
    t.delete_keys(["name"], [("name 2",)])
    t.append(make_rows(150, 170))


def composite_key(make):
    t = make()
    t.append(make_rows(0, 120))
    t.delete_keys(["id", "region"], [(5, "eu"), (5, "us"), (6, "asia"), (7, "nowhere")])
    t.delete_keys(["name", "flag", "day"], [("name 4", True, datetime.date(1970, 1, 1)), ("name 4", False, datetime.date(1970, 1, 1))])
    t.delete_keys(["region", "id"], [("eu", 6), ("asia", 8)])


def keys_of_every_kind(make):
    """Several delete files with keys of several kinds in one table."""
    t = make()
    t.append(make_rows(0, 200))
    t.delete_keys(["day"], [(datetime.date(1969, 12, 31),), (datetime.date(1970, 1, 2),)])
    t.delete_keys(["amount"], [(decimal.Decimal("-3.00"),), (decimal.Decimal("2.75"),)])
    t.append(make_rows(200, 260))
    t.delete_keys(["amount", "day"], [(decimal.Decimal("0.25"), datetime.date(1969, 12, 26)), (decimal.Decimal("1.00"), datetime.date(1969, 12, 30))])
    t.delete_keys(["flag", "region"], [(True, "eu")])
    t.delete_keys(["id"], [(i,) for i in range(0, 40, 3)])


def inserted_again(make):
    """A delete leaves what has its own sequence number or a later one."""
    t = make()
    t.append(make_rows(0, 40))
    for again in range(3):
        t.delete_keys(["id"], [(5,), (6 + again,)])
        t.append([make_row(1000 + again, id=5, name=f"again {again}"), make_row(1100 + again, id=6 + again)])
    t.append([make_row(2000, id=5), make_row(2001, id=20)])
    t.delete_keys(["id"], [(20,)])


def every_row(make):
    """Files with no row left, and one that was appended later."""
    t = make()
    t.append(make_rows(0, 60))
    t.delete_keys(["flag"], [(True,), (False,)])
    t.append(make_rows(60, 65))
    t.append(make_rows(65, 70))
    t.delete_positions(range(65, 70))


def null_keys(make):
    """A null key deletes the rows with null."""
    t = make()
    t.append(make_rows(0, 30) + [make_row(100 + i, name=None, id=i) for i in range(10)] + [make_row(120, name=None, id=None), make_row(121, id=None)])
    t.delete_keys(["name", "id"], [(None, 3), ("name 4", 4), (None, None)])
    t.append([make_row(130, name=None, id=3)])
    t.delete_keys(["id"], [(None,), (9,)])
    t.append([make_row(131, id=None)])


def null_key_alone(make):
    t = make()
    t.append(make_rows(0, 30) + [make_row(100 + i, name=None) for i in range(10)])
    t.delete_keys(["name"], [(None,)])
    t.append([make_row(200, name=None)])


def rows_with_null(make):
    """Keys without null leave rows with null alone."""
    t = make()
    t.append(make_rows(0, 30) + [make_row(100 + i, name=None, id=None if i < 5 else i) for i in range(10)])
    t.delete_keys(["id"], [(0,), (7,)])
    t.delete_keys(["name", "id"], [("", 8), ("name 9", 9)])


def by_region(make):
    """Deleted in one partition only: the key alone is also in others."""
    t = make("region")
    t.append(make_rows(0, 120))
    t.append(make_rows(120, 160))
    t.delete_keys(["id"], [(4, "eu"), (5, "us"), (5, "asia"), (6, "nowhere")], partition=["region"])
    t.append(make_rows(160, 200))
    t.delete_keys(["id", "name"], [(7, "name 7", "us"), (7, "name 7", "asia")], partition=["region"])


def by_region_with_null(make):
    t = make("region")
    t.append(make_rows(0, 60) + [make_row(100 + i, id=i, region=None) for i in range(20)])
    t.delete_keys(["id"], [(4, None), (5, "us")], partition=["region"])


def by_region_and_key(make):
    """The partition's column is part of the key."""
    t = make("region")
    t.append(make_rows(0, 120))
    t.delete_keys(["region", "id"], [("eu", i) for i in range(0, 40, 4)] + [("us", 1)])
    t.append(make_rows(120, 160))


def by_bucket(make):
    t = make("bucket(4, id)")
    t.append(make_rows(0, 120))
    t.append(make_rows(120, 160))
    t.delete_keys(["id"], [(i,) for i in range(0, 40, 7)])
    t.append(make_rows(160, 180))
    t.delete_keys(["id", "region"], [(1, "us"), (2, "eu"), (3, "eu")])


def by_bucket_and_region(make):
    t = make("bucket(4, id), region")
    t.append(make_rows(0, 200))
    t.delete_keys(["id", "region"], [(i, "eu") for i in range(0, 40, 3)])
    t.delete_keys(["name", "id"], [("name 5", 5, "us"), ("name 5", 15, "us"), ("name 6", 16, "asia")], partition=["region"])


def global_keys(make):
    """Deletes of a spec without fields reach the files of every spec."""
    t = make()
    t.append(make_rows(0, 60))
    t.evolve_spec(add=[("region", "identity", "region")])
    t.append(make_rows(60, 150))
    t.delete_keys(["id"], [(2,), (11,), (30,)])
    t.append(make_rows(150, 200))
    t.delete_keys(["name", "flag"], [("name 8", True), ("name 3", False)])


def global_and_local_keys(make):
    t = make()
    t.append(make_rows(0, 60))
    t.evolve_spec(add=[("region", "identity", "region")])
    t.append(make_rows(60, 150))
    t.delete_keys(["id"], [(3, "us"), (3, "eu"), (12, "eu")], spec_id=1, partition=["region"])
    t.append(make_rows(150, 200))
    t.delete_keys(["id"], [(2,), (3,)])


def evolved_spec(make):
    """Equality deletes of one of two specs."""
    t = make("region")
    t.append(make_rows(0, 40))
    t.evolve_spec(remove=["region"], add=[("id", "bucket[4]", "id_bucket")])
    t.append([make_row(n, id=n) for n in range(40, 100)])
    t.delete_keys(["id"], [(i,) for i in range(45, 55)], spec_id=1)


def evolved_spec_with_more(make):
    """As above with a field more, and positions in files of both."""
    t = make("region")
    t.append(make_rows(0, 40))
    t.evolve_spec(add=[("id", "bucket[4]", "id_bucket")])
    t.append([make_row(n, id=n) for n in range(40, 100)])
    t.delete_keys(["region", "id"], [(["eu", "us", "asia"][i % 3], i) for i in range(45, 55)], spec_id=1)
    t.delete_positions(range(0, 100, 9), bounded=False)


def evolved_spec_scope(make):
    """Deletes of a partitioned spec reach the files of that spec only."""
    t = make("region")
    t.append(make_rows(0, 90))
    t.evolve_spec(remove=["region"], add=[("id", "bucket[4]", "id_bucket")])
    t.append(make_rows(90, 180))
    t.delete_keys(["id"], [(i,) for i in range(10)], spec_id=1)
    t.delete_keys(["id"], [(i, "eu") for i in range(5, 20)], partition=["region"])
    t.append(make_rows(180, 200))
    t.evolve_spec(remove=["id_bucket"])
    t.append(make_rows(200, 240))
    t.delete_keys(["id"], [(22,), (21,)], spec_id=1)
    t.delete_keys(["id"], [(25,), (26,)], spec_id=t.spec_id())


def positions(make):
    """Of several files in one delete file, with and without bounds, and twice of the same file."""
    t = make(properties={"write.parquet.row-group-limit": "50", "write.parquet.page-row-limit": "10"})
    t.append(make_rows(0, 300))
    t.append(make_rows(300, 400))
    t.append(make_rows(400, 450))
    t.delete_positions([0, 1, 49, 50, 149, 299, 300, 399])
    t.delete_positions([*range(100, 140), 399, 398, 449], bounded=False)
    t.delete_positions(range(410, 430))
    t.append(make_rows(450, 460))


def positions_in_partitions(make):
    t = make("region, bucket(2, id)")
    t.append(make_rows(0, 200))
    t.append(make_rows(200, 260))
    t.delete_positions(range(0, 260, 7))
    t.evolve_spec(remove=["id_bucket"])
    t.append(make_rows(260, 300))
    t.delete_positions(range(3, 300, 11), bounded=False)


def both_kinds(make):
    t = make()
    t.append(make_rows(0, 200))
    t.delete_positions(range(0, 50, 3))
    t.delete_keys(["id"], [(1,), (2,)])
    t.append(make_rows(200, 260))
    t.delete_positions([200, 201, 259])
    t.delete_keys(["region", "name"], [("eu", "name 3"), ("us", "name 5")])
    t.append([make_row(300, id=1), make_row(301, id=1)])
    t.delete_positions([301])


def both_kinds_in_partitions(make):
    t = make("bucket(3, id)")
    t.append(make_rows(0, 120))
    t.delete_keys(["id"], [(i,) for i in range(0, 40, 5)])
    t.delete_positions(range(1, 120, 5))
    t.append(make_rows(120, 160))
    t.delete_positions(range(121, 160, 6))
    t.delete_keys(["id", "flag"], [(i, i % 2 == 0) for i in range(0, 40, 8)])


def renamed_key(make):
    """A key is a field id: the file keeps the column's old name, and another column may take it."""
    t = make()
    t.append(make_rows(0, 80))
    t.delete_keys(["id"], [(3,), (4,)])
    t.rename("id", "key")
    t.append([make_row(n) | {"key": n % 40} for n in range(80, 120)])
    t.delete_keys(["key", "region"], [(5, "us"), (6, "eu")])
    t.rename("region", "id")
    t.delete_keys(["id", "name"], [("eu", "name 9"), ("asia", "name 1")])
    t.delete_positions([0, 118])


def key_promoted_before(make):
    """Delete files with the wider type over data files with either."""
    t = make(schema=pa.schema([("id", pa.int32()), ("n", pa.int64())]))
    t.append([{"id": n, "n": n} for n in range(50)])
    t.promote("id", "long", pa.int64())
    t.append([{"id": 2**33 + n, "n": 100 + n} for n in range(10)])
    t.delete_keys(["id"], [(2**33 + 5,), (3,)])


def key_promoted_after(make):
    t = make(schema=pa.schema([("id", pa.int32()), ("n", pa.int64())]))
    t.append([{"id": n, "n": n} for n in range(50)])
    t.delete_keys(["id"], [(5,), (3,)])
    t.promote("id", "long", pa.int64())


def promoted_key(make):
    """Delete files with ints as the key, then longs, over data files with either."""
    t = make(schema=pa.schema([("id", pa.int32()), ("region", pa.string()), ("amount", pa.decimal128(5, 2)), ("n", pa.int64())]))
    t.append([{"id": n - 10, "region": "x", "amount": decimal.Decimal(n), "n": n} for n in range(50)])
    t.delete_keys(["id"], [(-10,), (-1,), (0,), (5,)])
    t.promote("id", "long", pa.int64())
    t.promote("amount", "decimal(18, 2)", pa.decimal128(18, 2))
    t.append([{"id": 2**33 + n, "region": "y", "amount": decimal.Decimal(10) ** 12 + n, "n": 100 + n} for n in range(10)])
    t.append([{"id": 5, "region": "z", "amount": decimal.Decimal(1), "n": 200}])
    t.delete_keys(["id"], [(2**33 + 5,), (-3,), (2**32 - 5,)])
    t.delete_keys(["amount"], [(decimal.Decimal(20),), (decimal.Decimal(10) ** 12 + 1,)])
    t.delete_keys(["id", "amount"], [(15, decimal.Decimal(25)), (16, decimal.Decimal(27))])


CASES = {case.__name__: case for case in [
    single_key, composite_key, keys_of_every_kind, inserted_again, every_row, null_keys, null_key_alone, rows_with_null,
    by_region, by_region_with_null, by_region_and_key, by_bucket, by_bucket_and_region, global_keys, global_and_local_keys,
    evolved_spec, evolved_spec_with_more, evolved_spec_scope, positions, positions_in_partitions, both_kinds,
    both_kinds_in_partitions, renamed_key, key_promoted_before, key_promoted_after, promoted_key,
]}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    sql_catalog = pytest.importorskip("pyiceberg.catalog.sql")
    tool = pathlib.Path(os.environ.get("FRAZIL_BUILD", ROOT / "build" / "asan")) / "tests" / "write_deletes"
    if not tool.exists():
        pytest.skip(f"no {tool}; make test builds it")
    folder = tmp_path_factory.mktemp("deletes")
    uri, warehouse = f"sqlite:///{folder}/catalog.db", f"{folder}/warehouse"
    ours = frazil.load_catalog("default", uri=uri, warehouse=warehouse)
    ours.create_namespace("d")
    catalogs = (ours, sql_catalog.SqlCatalog("default", uri=uri, warehouse=warehouse), folder, tool)
    made = {}
    for name, case in CASES.items():
        def make(partition_spec=None, **options):
            made[name] = Model(catalogs, name, partition_spec, **options)
            return made[name]
        case(make)
    return made


# ---- what the engines read ----


def plain(rows, columns):
    """Rows as comparable texts; times and decimals by their usual form."""
    return sorted(json.dumps([row[name] for name in columns], default=str) for row in rows)


@pytest.mark.parametrize("name", CASES)
def test_rows_that_are_left(models, name):
    model = models[name]
    columns = model.schema.names
    table = model.table.refresh()
    assert any(task.n_delete_files for task in table.scan().plan_files())
    assert model.rows
    expected = pa.Table.from_pylist(model.rows, schema=model.schema).to_pylist()  # decimals get their scale
    assert plain(table.scan().to_arrow().to_pylist(), columns) == plain(expected, columns)
    assert table.scan().count() == len(model.rows)


@pytest.mark.parametrize("name", CASES)
def test_columns_and_filters(models, name):
    """Keys that are neither selected nor filtered by are compared all the same."""
    model = models[name]
    table = model.table.refresh()
    numbers = sorted(row["n"] for row in model.rows)
    assert sorted(table.scan(selected_fields=("n",)).to_arrow()["n"].to_pylist()) == numbers
    for first, last in [(0, 5), (20, 61), (95, 125), (449, 2001)]:
        got = table.scan(f"n >= {first} and n < {last}", selected_fields=("n",)).to_arrow()["n"].to_pylist()
        assert sorted(got) == [n for n in numbers if first <= n < last]
    if "region" in model.schema.names:
        want = sorted(row["n"] for row in model.rows if row["region"] == "eu")
        assert sorted(table.scan("region = 'eu'", selected_fields=("n",)).to_arrow()["n"].to_pylist()) == want


@pytest.mark.parametrize("name", CASES)
def test_each_snapshot(models, name):
    model = models[name]
    assert len(model.history) > 1
    for snapshot_id, numbers in model.history:
        got = model.table.refresh().scan(snapshot_id=snapshot_id).to_arrow()["n"].to_pylist()
        assert sorted(got) == numbers, snapshot_id


@pytest.fixture
def duck():
    """A database a test: one error of the extension ends its database."""
    return duckdb_engine.connect()


# Where DuckDB 1.5.5 is wrong: there Python's reckoning and Spark, which agree, stand alone.
NULL_ROW = "a key without null deletes rows with null"
PARTITION = "a key is deleted in every partition of the delete file's spec"
SPECS = "equality deletes in a partition, beside files whose partition has a null or no value, are an internal error"
PROMOTED = "an equality delete file from before its key column was promoted is an internal error"
DUCKDB_WRONG = {
    "null_keys": NULL_ROW, "rows_with_null": NULL_ROW,
    "by_region": PARTITION, "by_bucket_and_region": PARTITION, "global_and_local_keys": PARTITION,
    "by_region_with_null": SPECS, "evolved_spec_scope": SPECS,
    "key_promoted_after": PROMOTED, "promoted_key": PROMOTED,
}


@pytest.mark.parametrize("name", [name for name in CASES if name not in DUCKDB_WRONG])
def test_duckdb_reads_the_same(models, duck, name):
    model = models[name]
    columns = model.schema.names
    listed = ", ".join(f'"{column}"' for column in columns)
    found = duck.execute(f"SELECT {listed} FROM iceberg_scan('{model.table.refresh().metadata_location}')").fetchall()
    ours = model.table.scan().to_arrow().to_pylist()
    assert plain(ours, columns) == plain([dict(zip(columns, row)) for row in found], columns)


def test_spark_reads_the_same(models, tmp_path):
    tables = {name: model.table.refresh().metadata_location for name, model in models.items()}
    found = read_in_spark(tables, tmp_path)
    differ = []
    for name, model in models.items():
        columns = model.schema.names
        if plain(found[name], columns) != plain(model.table.scan().to_arrow().to_pylist(), columns):
            differ.append(name)
    assert differ == []
