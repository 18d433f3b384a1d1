"""Random appends, deletes, overwrites and upserts by frazil, against a plain Python model, PyIceberg, DuckDB and Spark.

Each case is a table of one format version and partitioning, changed in one mode or in both by turns. After every step
frazil's rows and the counts of the commit are compared with the model; at the end, and in between, the other engines
read the table as well.
"""

import random

import duckdb_engine
import frazil
import pyarrow as pa
import pytest
from spark_engine import read_in_spark

SCHEMA = pa.schema([("id", pa.int64()), ("region", pa.string()), ("name", pa.string()), ("score", pa.float64())])
REGIONS = ["eu", "us", "asia", None]
STEPS = 14

# name: (format version, partition spec, modes to draw from, granularity)
MERGE, COPY = "merge-on-read", "copy-on-write"
CASES = {
    "plain2": ("2", None, [MERGE], "file"),
    "shared2": ("2", None, [MERGE], "partition"),
    "buckets2": ("2", "bucket(4, id)", [MERGE], "file"),
    "regions2": ("2", "region", [MERGE, COPY], "partition"),
    "copied2": ("2", "bucket(4, id)", [COPY], "file"),
    "plain3": ("3", None, [MERGE], "file"),
    "buckets3": ("3", "bucket(4, id)", [MERGE], "file"),
    "regions3": ("3", "region", [MERGE, COPY], "file"),
    "copied3": ("3", None, [COPY], "file"),
    "upgraded": ("2", "region", [MERGE, COPY], "partition"),
}


def make_row(chance, key):
    return {
        "id": key, "region": chance.choice(REGIONS), "name": chance.choice(["a", "b", "c", None]),
        "score": chance.choice([None, 0.5, 1.5]),
    }


def as_key(row):
    return tuple((value is not None, value) for value in row.values())


def ordered(rows):
    return sorted(rows, key=as_key)


class Changed:
    """A table and the rows that should be in it; ids are unique but for those that are null."""

    def __init__(self, catalog, name):
        version, spec, self.modes, granularity = CASES[name]
        properties = {"format-version": version, "write.delete.granularity": granularity}
        self.table = catalog.create_table(f"d.{name}", SCHEMA, partition_spec=spec, properties=properties)
        self.name = name
        self.rows = []
        self.chance = random.Random(name)

    def data(self, rows):
        return pa.Table.from_pylist(rows, schema=SCHEMA)

    def fresh_ids(self, n):
        taken = {row["id"] for row in self.rows}
        return self.chance.sample([key for key in range(400) if key not in taken], n)

    def condition(self):
        """A filter, and what it means: rows for which it is true."""
        first = self.chance.randrange(0, 400)
        last = first + self.chance.randrange(1, 150)
        return self.chance.choice([
            (f"id >= {first} and id < {last}", lambda row: row["id"] is not None and first <= row["id"] < last),
            (f"region = 'eu' and id < {last}",
             lambda row: row["region"] == "eu" and row["id"] is not None and row["id"] < last),
            (f"name is null and id > {first}",
             lambda row: row["name"] is None and row["id"] is not None and row["id"] > first),
            (f"score < 1 or id = {first}",
             lambda row: (row["score"] is not None and row["score"] < 1) or row["id"] == first),
        ])

    def append(self):
        rows = [make_row(self.chance, key) for key in [*self.fresh_ids(30), None]]
        assert self.table.append(self.data(rows)).rows_added == len(rows)
        self.rows += rows

    def delete(self, mode):
        text, is_true = self.condition()
        kept = [row for row in self.rows if not is_true(row)]
        result = self.table.delete(text, mode=mode)
        assert result.rows_deleted == len(self.rows) - len(kept)
        assert (result.snapshot_id == -1) == (len(kept) == len(self.rows))
        self.rows = kept

    def overwrite(self, mode):
        text, is_true = self.condition()
        kept = [row for row in self.rows if not is_true(row)]
        added = [make_row(self.chance, key) for key in self.fresh_ids(5)]
        result = self.table.overwrite(self.data(added), text, mode=mode)
        assert (result.rows_deleted, result.rows_added) == (len(self.rows) - len(kept), 5)
        self.rows = kept + added

    def upsert(self, mode):
        known = {row["id"]: row for row in self.rows if row["id"] is not None}
        keys = self.chance.sample(sorted(known), min(12, len(known))) + self.fresh_ids(6) + [None]
        self.chance.shuffle(keys)
        rows = [make_row(self.chance, key) for key in keys]
        for row in rows:
            if row["id"] in known and self.chance.random() < 0.2:
                row.update(known[row["id"]])
        result = self.table.upsert(self.data(rows), ["id"], mode=mode)
        new = [row for row in rows if row["id"] not in known]
        changed = [row for row in rows if row["id"] in known and row != known[row["id"]]]
        assert (result.rows_added, result.rows_updated, result.rows_deleted) == (len(new), len(changed), 0)
        gone = {row["id"] for row in changed}
        self.rows = [row for row in self.rows if row["id"] is None or row["id"] not in gone] + new + changed

    def step(self):
        mode = self.chance.choice(self.modes)
        self.chance.choice([self.append, lambda: self.delete(mode), lambda: self.delete(mode),
                            lambda: self.overwrite(mode), lambda: self.upsert(mode), lambda: self.upsert(mode)])()

    def check(self):
        assert ordered(self.table.scan().to_arrow().to_pylist()) == ordered(self.rows)


@pytest.fixture(scope="module")
def changed(tmp_path_factory):
    """All tables, each after its steps, with metadata files of versions in between."""
    folder = tmp_path_factory.mktemp("merge")
    ours = frazil.load_catalog("c", uri=f"sqlite:///{folder}/catalog.db", warehouse=f"file://{folder}/warehouse")
    ours.create_namespace("d")
    tables = {}
    for name in CASES:
        self = tables[name] = Changed(ours, name)
        self.append()
        self.append()
        for step in range(STEPS):
            self.step()
            self.check()
            if name == "upgraded" and step == STEPS // 2:
                self.table.set_properties({"format-version": "3"})
    tables["folder"] = folder
    return tables


@pytest.mark.parametrize("name", CASES)
def test_a_fresh_look_gives_the_same(changed, name):
    changed[name].table.refresh()
    changed[name].check()
    modes = CASES[name][2]
    total = changed[name].table.current_snapshot().summary["total-delete-files"]
    assert modes != [COPY] or total == "0"


def test_delete_files_are_there(changed):
    """What the other engines read is merge-on-read indeed: of both kinds."""
    suffixes = {path.name.rsplit("-deletes.", 1)[1] for path in changed["folder"].rglob("*-deletes.*")}
    assert suffixes == {"parquet", "puffin"}
    alive = {name for name in CASES if any(task.n_delete_files for task in changed[name].table.scan().plan_files())}
    assert alive == {name for name in CASES if CASES[name][2] != [COPY]}


@pytest.mark.parametrize("name", CASES)
def test_pyiceberg_reads_the_same(changed, name):
    catalog = pytest.importorskip("pyiceberg.catalog")
    folder = changed["folder"]
    theirs = catalog.load_catalog("c", type="sql", uri=f"sqlite:///{folder}/catalog.db", warehouse=f"file://{folder}/warehouse")
    found = theirs.load_table(f"d.{name}").scan().to_arrow().to_pylist()
    assert ordered(found) == ordered(changed[name].rows)


@pytest.fixture
def duck():
    """A database a test: one error of the extension ends its database."""
    return duckdb_engine.connect()


@pytest.mark.parametrize("name", CASES)
def test_duckdb_reads_the_same(changed, duck, name):
    columns = SCHEMA.names
    location = changed[name].table.refresh().metadata_location
    found = duck.execute(f"SELECT {', '.join(columns)} FROM iceberg_scan('{location}')").fetchall()
    assert ordered(dict(zip(columns, row)) for row in found) == ordered(changed[name].rows)


def test_spark_reads_the_same(changed, tmp_path):
    found = read_in_spark({name: changed[name].table.refresh().metadata_location for name in CASES}, tmp_path)
    assert [name for name in CASES if ordered(found[name]) != ordered(changed[name].rows)] == []
