"""One engine reads a table from an S3 store, in a process of its own.

Usage: storage_engines.py make ENDPOINT FOLDER ROWS     the table, and the entities to be joined with it
       storage_engines.py ENGINE scan|join ENDPOINT FOLDER

The catalog is a SQLite file in FOLDER, the files are in the bucket `lake`. A scan reads every column and adds up its values, so that all
bytes are decoded and none has to be kept. A join finds for each entity the row of its key at or before its time, with two features of
eight. PyIceberg has no join: what it reads is joined by DuckDB.
"""

import json
import pathlib
import sys
import time

import numpy as np
import pyarrow as pa
import pyarrow.compute as compute

KEYS = 200_000
ENTITIES = 100_000
ROWS_A_FILE = 1_000_000
TIME = pa.timestamp("us", "UTC")
START_US = 1_767_225_600_000_000
NUMBERS = ["key", *(f"f{i}" for i in range(8))]
JOINED = ["f0", "f1"]
ACCESS_KEY, SECRET_KEY = "frazil-test-key", "frazil/test+secret=key"


def properties(endpoint, folder):
    return {"type": "sql", "uri": f"sqlite:///{folder}/catalog.db", "warehouse": "s3://lake/bench", "s3.endpoint": endpoint,
            "s3.access-key-id": ACCESS_KEY, "s3.secret-access-key": SECRET_KEY, "s3.region": "us-east-1", "s3.request-timeout": "120"}


def make(endpoint, folder, n_rows):
    import frazil
    import pyarrow.parquet as parquet

    numbers = np.random.default_rng(7)
    catalog = frazil.load_catalog("default", **properties(endpoint, folder))
    catalog.create_namespace_if_not_exists("bench")
    table = None
    for first in range(0, n_rows, ROWS_A_FILE):
        n = min(ROWS_A_FILE, n_rows - first)
        times = START_US + np.arange(first, first + n, dtype=np.int64) * 1000
        rows = pa.table({"key": numbers.integers(0, KEYS, n), "event_ts": pa.array(times).cast(TIME),
                         **{f"f{i}": numbers.random(n) for i in range(8)}})
        table = table or catalog.create_table("bench.rows", rows.schema)
        table.append(rows)
    times = START_US + numbers.integers(0, n_rows, ENTITIES) * 1000
    entities = {"row": np.arange(ENTITIES), "key": numbers.integers(0, KEYS, ENTITIES), "event_ts": pa.array(times).cast(TIME)}
    parquet.write_table(pa.table(entities), f"{folder}/entities.parquet")


def entities_of(folder):
    import pyarrow.parquet as parquet

    return parquet.read_table(f"{folder}/entities.parquet")


def sums_of(batches, names):
    rows, sums = 0, [0.0] * len(names)
    for batch in batches:
        rows += batch.num_rows
        for i, name in enumerate(names):
            sums[i] += compute.sum(batch.column(name)).as_py() or 0
    return {"rows": rows, "sums": [float(each) for each in sums]}


class Frazil:
    def __init__(self, endpoint, folder):
        import frazil
        from frazil import pit

        self.pit, self.folder = pit, folder
        self.catalog = frazil.load_catalog("default", **properties(endpoint, folder))

    def scan(self):
        scan = self.catalog.load_table("bench.rows").scan()
        return sums_of(scan.to_arrow_batch_reader(), NUMBERS)

    def join(self):
        view = self.pit.View(self.catalog.load_table("bench.rows"), "rows", ["key"], "event_ts", features=JOINED)
        return sums_of(self.pit.pit_join(entities_of(self.folder), [view], "event_ts").to_arrow_batch_reader(), JOINED)


class PyIceberg:
    def __init__(self, endpoint, folder):
        from pyiceberg.catalog import load_catalog

        self.folder = folder
        self.table = load_catalog("default", **properties(endpoint, folder)).load_table("bench.rows")

    def scan(self):
        return sums_of(self.table.scan().to_arrow_batch_reader(), NUMBERS)

    def join(self):
        import duckdb

        connection = duckdb.connect()
        connection.register("source", self.table.scan(selected_fields=("key", "event_ts", *JOINED)).to_arrow())
        return joined_by_duckdb(connection, "source", self.folder)


class DuckDB:
    def __init__(self, endpoint, folder):
        import frazil

        self.folder = folder
        self.connection = connection_with_iceberg(endpoint)
        location = frazil.load_catalog("default", **properties(endpoint, folder)).load_table("bench.rows").metadata_location
        self.source = f"iceberg_scan('{location}')"

    def scan(self):
        wanted = ", ".join(f"sum({name})" for name in NUMBERS)
        rows, *sums = self.connection.sql(f"SELECT count(*), {wanted} FROM {self.source}").fetchone()
        return {"rows": rows, "sums": [float(each) for each in sums]}

    def join(self):
        return joined_by_duckdb(self.connection, self.source, self.folder)


def connection_with_iceberg(endpoint):
    import duckdb_engine

    connection = duckdb_engine.connect()
    connection.sql(f"CREATE SECRET (TYPE s3, KEY_ID '{ACCESS_KEY}', SECRET '{SECRET_KEY}', REGION 'us-east-1', URL_STYLE 'path', "
                   f"USE_SSL false, ENDPOINT '{endpoint.removeprefix('http://')}')")
    return connection


def joined_by_duckdb(connection, source, folder):
    connection.register("entities", entities_of(folder))
    wanted = ", ".join(f"sum({name})" for name in JOINED)
    rows, *sums = connection.sql(f"SELECT count(*), {wanted} FROM entities e ASOF LEFT JOIN {source} s "
                                 "ON e.key = s.key AND e.event_ts >= s.event_ts").fetchone()
    return {"rows": rows, "sums": [float(each) for each in sums]}


ENGINES = {"frazil": Frazil, "pyiceberg": PyIceberg, "duckdb": DuckDB}


def main():
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "interop"))
    if sys.argv[1] == "make":
        make(*sys.argv[2:4], int(sys.argv[4]))
        return
    name, task, endpoint, folder = sys.argv[1:]
    start, cpu_start = time.perf_counter(), time.process_time()
    answer = getattr(ENGINES[name](endpoint, folder), task)()
    print(json.dumps({"seconds": time.perf_counter() - start, "cpu_seconds": time.process_time() - cpu_start, **answer}))


main()
