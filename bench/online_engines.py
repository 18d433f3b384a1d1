"""One online store behind Feast, one task, in a process of its own.

Usage: online_engines.py STORE TASK KEYS FEATURES FOLDER [PORT [LOAD_SECONDS]]

STORE is frazil, sqlite or redis (on PORT), or pyiceberg, which reads frazil's table: the buckets that hold the keys. TASK:
  load     writes every key with online_write_batch; prints rows a second, of the calls alone. LOAD_SECONDS, where it is not 0, ends
           them after so many seconds; frazil's table then gets its other keys as Arrow batches. `rows` tells how many keys are there
  read     random keys, of each of KINDS `seconds`, the median of a call, `p99_seconds`, and `cpu_seconds` of all threads, the mean:
           read-1 and read-100 by the store's online_read, serve-1 and serve-100 by FeatureStore.get_online_features
Before reads a store is initialized, as Feast's server does it: `initialize_seconds`; and where it has an index `index_bytes_per_key`
and `resident_bytes`, of the process with Python and Feast, and how much of that there was before the store: `resident_before_bytes`.
"""

import asyncio
import json
import os
import pathlib
import random
import statistics
import sys
import time
from datetime import datetime, timezone

MOMENT = datetime(2026, 1, 1, tzinfo=timezone.utc)
ROWS_A_WRITE = 10_000
READ_SECONDS = 2  # how long reads of one kind are repeated
CALLS_MIN = 8
ROWS_A_FILL = 250_000
KINDS = ["read-1", "read-100", "serve-1", "serve-100"]


def store_config(store, folder, port):
    if store == "sqlite":
        return {"type": "sqlite", "path": f"{folder}/online.db"}
    if store == "redis":
        return {"type": "redis", "connection_string": f"127.0.0.1:{port}"}
    return {"type": "frazil.feast.IcebergOnlineStore", "uri": f"sqlite:///{folder}/catalog.db", "warehouse": f"{folder}/warehouse",
            "read_timeout_ms": 0}


class Store:
    """A Feast repo with one view of float features over one integer key."""

    def __init__(self, store, n_features, folder, port):
        from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
        from feast.types import Float64, Int64

        self.is_frazil = store == "frazil"
        self.names = [f"f{i}" for i in range(n_features)]
        config = RepoConfig(project="bench", provider="local", registry=f"{folder}/registry.db", repo_path=str(folder),
                            online_store=store_config(store, folder, port), entity_key_serialization_version=3)
        driver = Entity(name="driver_id", join_keys=["driver_id"], value_type=ValueType.INT64)
        view = FeatureView(name="stats", entities=[driver], source=FileSource(path=f"{folder}/none.parquet", timestamp_field="event_timestamp"),
                           schema=[Field(name="driver_id", dtype=Int64), *(Field(name=name, dtype=Float64) for name in self.names)])
        self.feast = FeatureStore(config=config)
        if not pathlib.Path(folder, "registry.db").exists():
            self.feast.apply([driver, view])
        self.config, self.view = config, self.feast.get_feature_view("stats")
        self.online = self.feast._get_provider().online_store

    def initialize(self):
        before, start = resident_bytes(), time.perf_counter()
        asyncio.run(self.online.initialize(self.config))
        return {"initialize_seconds": time.perf_counter() - start, "resident_before_bytes": before}

    def index(self):
        stats = self.online._opened(self.config, self.view).stats()
        return {"index_bytes_per_key": (stats["file_bytes"] + stats["memory_bytes"]) / stats["keys"], "resident_bytes": resident_bytes()}

    def write(self, rows):
        self.online.online_write_batch(self.config, self.view, rows, None)

    def fill(self, first, end):
        """The keys that were not written in time, into frazil's table, without a Value each."""
        import numpy as np
        import pyarrow as pa

        from core_engines import TIME, entity_keys

        table = self.online._opened(self.config, self.view)
        for start in range(first, end, ROWS_A_FILL):
            keys = np.arange(start, min(start + ROWS_A_FILL, end), dtype=np.int64)
            moments = np.full(len(keys), int(MOMENT.timestamp() * 1e6), np.int64)
            table.write(pa.table({"entity_key": entity_keys(keys), "driver_id": pa.array(keys), "event_ts": pa.array(moments).cast(TIME),
                                  **{name: pa.array(value_of(keys, i)) for i, name in enumerate(self.names)}}))

    def entity_keys(self, keys):
        return [entity_key(key) for key in keys]

    def read(self, keys):
        return self.online.online_read(self.config, self.view, keys, list(self.names))  # Redis adds to the list

    def read_values(self, found):
        """Of each key its features' values, in order, or None."""
        return [None if values is None else [values[name].double_val for name in self.names] for _, values in found]

    def entity_rows(self, keys):
        return [{"driver_id": key} for key in keys]

    def serve(self, rows):
        return self.feast.get_online_features([f"stats:{name}" for name in self.names], rows).to_dict()

    def served_values(self, found):
        return [list(row) for row in zip(*(found[name] for name in self.names))]


class BucketScan:
    """What reading takes with PyIceberg alone: a scan of the buckets that the keys are in."""

    def __init__(self, n_features, folder):
        from pyiceberg.catalog.sql import SqlCatalog

        self.names = [f"f{i}" for i in range(n_features)]
        catalog = SqlCatalog("default", uri=f"sqlite:///{folder}/catalog.db", warehouse=f"file://{folder}/warehouse")
        ((name),) = [each for namespace in catalog.list_namespaces() for each in catalog.list_tables(namespace)]
        self.table = catalog.load_table(name)

    def entity_keys(self, keys):
        return keys

    def read(self, keys):
        from pyiceberg.expressions import In

        return keys, self.table.scan(In("driver_id", keys), selected_fields=("driver_id", *self.names)).to_arrow().to_pylist()

    def read_values(self, found):
        keys, rows = found
        values = {row["driver_id"]: [row[name] for name in self.names] for row in rows}
        return [values.get(key) for key in keys]


def entity_key(key):
    from feast.protos.feast.types.EntityKey_pb2 import EntityKey
    from feast.protos.feast.types.Value_pb2 import Value

    return EntityKey(join_keys=["driver_id"], entity_values=[Value(int64_val=key)])


def resident_bytes():
    return int(pathlib.Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


def value_of(key, feature):
    return key + feature / 64  # exact


def rows_of(first, end, names):
    from feast.protos.feast.types.Value_pb2 import Value

    return [(entity_key(key), {name: Value(double_val=value_of(key, i)) for i, name in enumerate(names)}, MOMENT, None)
            for key in range(first, end)]


def load(store, n_keys, load_seconds):
    seconds, cpu, end = 0.0, 0.0, 0
    for first in range(0, n_keys, ROWS_A_WRITE):
        if load_seconds and seconds > load_seconds:
            break
        end = min(first + ROWS_A_WRITE, n_keys)
        rows = rows_of(first, end, store.names)
        start, cpu_start = time.perf_counter(), time.process_time()
        store.write(rows)
        seconds += time.perf_counter() - start
        cpu += time.process_time() - cpu_start
    answer = {"seconds": seconds, "cpu_seconds": cpu, "rows": end, "rows_per_second": end / seconds}
    if store.is_frazil and end < n_keys:
        store.fill(end, n_keys)
        answer["rows"] = n_keys
    return answer


def measure_reads(prepare, read, values_of, n_keys, n_each, n_features):
    """Times of the calls alone, after some that warm up; every value that comes back is compared."""
    numbers = random.Random(7)
    times, cpu, until = [], 0.0, None
    while until is None or time.perf_counter() < until or len(times) < CALLS_MIN:
        keys = [numbers.randrange(n_keys) for _ in range(n_each)]
        asked = prepare(keys)
        start, cpu_start = time.perf_counter(), time.process_time()
        found = read(asked)
        seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu_start
        assert values_of(found) == [[value_of(key, i) for i in range(n_features)] for key in keys], "another value came back"
        if until is None:
            until = time.perf_counter() + READ_SECONDS
        else:
            times.append(seconds)
            cpu += cpu_seconds
    times.sort()
    return {"seconds": statistics.median(times), "p99_seconds": times[int(len(times) * 0.99)], "cpu_seconds": cpu / len(times), "rows": n_each}


def read(name, store, n_keys, n_features):
    answer = {} if name == "pyiceberg" else store.initialize()
    for kind in KINDS:
        how, n_each = kind.split("-")
        if how == "serve" and name == "pyiceberg":
            continue
        calls = (store.entity_rows, store.serve, store.served_values) if how == "serve" else (store.entity_keys, store.read, store.read_values)
        answer[kind] = measure_reads(*calls, n_keys, int(n_each), n_features)
    return answer | (store.index() if name == "frazil" else {})


def main():
    name, task, n_keys, n_features, folder = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5]
    port = sys.argv[6] if len(sys.argv) > 6 else None
    store = BucketScan(n_features, folder) if name == "pyiceberg" else Store(name, n_features, folder, port)
    if task == "load":
        answer = load(store, n_keys, float(sys.argv[7]) if len(sys.argv) > 7 else 0)
    else:
        answer = read(name, store, n_keys, n_features)
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
