"""Tasks of the bench's core part, each in a process of its own: tables, materialization, refresh, staleness.

Usage: core_engines.py TASK FOLDER [ARGUMENT...]

  make-online KEYS FEATURES   an online table of float features; key k has k mod 65536 + f / 64 in feature f
  make-offline ROWS           an offline table: rows in time order, keys of two columns at random, five features
  materialize KEYS            the latest row of each key of that table into a new online table
  feast-local KEYS            so many rows, a key each, by Feast's local engine from frazil's offline store into SQLite
  refresh KEYS FEATURES       after each of 20 commits of 1,000 rows by another handle: `seconds` of refresh()
  staleness KEYS FEATURES BOUND_MS   how long after a commit by another process a read shows it
  write-one KEY NUMBER        that other process: prints when the commit was done
"""

import json
import pathlib
import statistics
import subprocess
import sys
import time
from datetime import datetime, timezone

import numpy as np
import pyarrow as pa

import frazil

TIME = pa.timestamp("us", "UTC")
MOMENT_US = int(datetime(2026, 1, 1, tzinfo=timezone.utc).timestamp() * 1e6)
ROWS_A_WRITE = 500_000
ROWS_A_FILE = 1_000_000
N_REFRESHES = 20


def catalog_of(folder):
    catalog = frazil.load_catalog("default", uri=f"sqlite:///{folder}/catalog.db", warehouse=f"{folder}/warehouse")
    catalog.create_namespace_if_not_exists("bench")
    return catalog


# ---- online tables ----


def online_schema(names, kind):
    return pa.schema([pa.field("entity_key", pa.binary(), nullable=False), pa.field("driver_id", pa.int64()),
                      pa.field("event_ts", TIME, nullable=False), pa.field("created_ts", TIME),
                      *(pa.field(name, kind) for name in names)])


def create_online(catalog, identifier, names, kind, feast_type):
    """As the Feast plugin makes it: 16 buckets of the join key, sorted by it, a bloom filter over entity keys."""
    described = {
        "version": 1, "project": "bench", "view": identifier.rpartition(".")[2], "entity_key": 1, "event_ts": 3, "created_ts": 4,
        "join_keys": [{"name": "driver_id", "id": 2, "type": "INT64"}],
        "features": [{"name": name, "id": 5 + i, "type": feast_type} for i, name in enumerate(names)], "ttl_seconds": None}
    return catalog.create_table(identifier, online_schema(names, kind), partition_spec="bucket(16, driver_id)",
                                sort_order="driver_id asc nulls first",
                                properties={"frazil.feast": json.dumps(described), "write.metadata.delete-after-commit.enabled": "true",
                                            "write.parquet.bloom-filter-enabled.column.entity_key": "true"})


def entity_keys(numbers):
    """Serialized keys of one int64 join key, in one buffer."""
    head = (1).to_bytes(4, "little") + (2).to_bytes(4, "little") + (9).to_bytes(4, "little") + b"driver_id" \
        + (4).to_bytes(4, "little") + (8).to_bytes(4, "little")
    size = len(head) + 8
    bytes_ = np.empty((len(numbers), size), np.uint8)
    bytes_[:, : len(head)] = np.frombuffer(head, np.uint8)
    bytes_[:, len(head) :] = numbers.astype("<i8").view(np.uint8).reshape(-1, 8)
    offsets = np.arange(len(numbers) + 1, dtype=np.int32) * size
    return pa.Array.from_buffers(pa.binary(), len(numbers), [None, pa.py_buffer(offsets), pa.py_buffer(bytes_)])


def online_rows(numbers, names, moment_us, offset=0.0):
    columns = {"entity_key": entity_keys(numbers), "driver_id": pa.array(numbers),
               "event_ts": pa.array(np.full(len(numbers), moment_us, np.int64)).cast(TIME)}
    base = (numbers % 65536).astype(np.float32)
    return pa.table({**columns, **{name: pa.array(base + np.float32(offset + i / 64)) for i, name in enumerate(names)}})


def make_online(folder, n_keys, n_features):
    names = [f"f{i}" for i in range(n_features)]
    catalog = catalog_of(folder)
    create_online(catalog, "bench.online", names, pa.float32(), "FLOAT")
    with frazil.open_online(catalog, "bench.online", lookup="direct", compact_automatically=False) as table:
        for first in range(0, n_keys, ROWS_A_WRITE):
            numbers = np.arange(first, min(first + ROWS_A_WRITE, n_keys), dtype=np.int64)
            table.write(online_rows(numbers, names, MOMENT_US))


# ---- materialization ----


def make_offline(folder, n_rows):
    numbers = np.random.default_rng(7)
    table = None
    for first in range(0, n_rows, ROWS_A_FILE):
        n = min(ROWS_A_FILE, n_rows - first)
        key = numbers.integers(0, 2_000_000, n)
        times = MOMENT_US + (np.arange(first, first + n, dtype=np.int64) * 1_000)
        rows = pa.table({"k2000000": pa.array(key), "k200000": pa.array(key % 200_000), "event_timestamp": pa.array(times).cast(TIME),
                         **{f"f{i}": pa.array(numbers.random(n)) for i in range(5)}})
        if table is None:
            table = catalog_of(folder).create_table("bench.offline", rows.schema)
        table.append(rows)


def materialize(folder, n_keys):
    catalog = catalog_of(folder)
    identifier = f"bench.latest_{n_keys}"
    if catalog.table_exists(identifier):
        catalog.drop_table(identifier, purge=True)
    names = [f"f{i}" for i in range(5)]
    create_online(catalog, identifier, names, pa.float64(), "DOUBLE")
    source = catalog.load_table("bench.offline")
    with frazil.open_online(catalog, identifier, lookup="direct", compact_automatically=False) as table:
        start, cpu_start = time.perf_counter(), time.process_time()
        result = table.materialize(source, "event_timestamp", join_keys={"driver_id": f"k{n_keys}"})
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu_start
    return {"seconds": seconds, "cpu_seconds": cpu, "rows": result.rows, "keys_per_second": result.rows / seconds}


def feast_local(folder, n_keys):
    import warnings

    warnings.simplefilter("ignore")
    from feast import Entity, FeatureStore, FeatureView, Field, RepoConfig, ValueType
    from feast.types import Float64, Int64

    from frazil.feast import FrazilSource

    folder = pathlib.Path(folder, "feast-local")
    folder.mkdir(parents=True, exist_ok=True)
    catalog = catalog_of(folder)
    names = [f"f{i}" for i in range(5)]
    if not catalog.table_exists("bench.rows"):
        numbers = np.arange(n_keys, dtype=np.int64)
        rows = pa.table({"driver_id": pa.array(numbers), "event_timestamp": pa.array(MOMENT_US + numbers).cast(TIME),
                         **{name: pa.array(numbers / 7) for name in names}})
        catalog.create_table("bench.rows", rows.schema).append(rows)
    config = RepoConfig(project="bench", provider="local", registry=f"{folder}/registry.db", repo_path=str(folder),
                        offline_store={"type": "frazil.feast.IcebergOfflineStore", "uri": f"sqlite:///{folder}/catalog.db",
                                       "warehouse": f"{folder}/warehouse"},
                        online_store={"type": "sqlite", "path": f"{folder}/online.db"}, entity_key_serialization_version=3)
    driver = Entity(name="driver_id", join_keys=["driver_id"], value_type=ValueType.INT64)
    view = FeatureView(name="stats", entities=[driver], source=FrazilSource(table="bench.rows", timestamp_field="event_timestamp"),
                       schema=[Field(name="driver_id", dtype=Int64), *(Field(name=name, dtype=Float64) for name in names)])
    store = FeatureStore(config=config)
    store.apply([driver, view])
    start, cpu_start = time.perf_counter(), time.process_time()
    store.materialize(datetime(2025, 12, 31, tzinfo=timezone.utc), datetime(2026, 12, 31, tzinfo=timezone.utc))
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu_start
    return {"seconds": seconds, "cpu_seconds": cpu, "rows": n_keys, "keys_per_second": n_keys / seconds}


# ---- what others commit ----


def opened(folder, **options):
    return frazil.open_online(catalog_of(folder), "bench.online", cache_dir=f"{folder}/cache", read_timeout_ms=0,
                              compact_automatically=False, **options)


def read_first(table, key):
    from feast.protos.feast.types.Value_pb2 import RepeatedValue

    found = table.read([entity_keys(np.array([key])).to_pylist()[0]], ["f0"])
    return RepeatedValue.FromString(found.values).val[0].float_val


def refresh(folder, n_keys, n_features):
    names = [f"f{i}" for i in range(n_features)]
    times = []
    with opened(folder, max_staleness_ms=3_600_000) as reader, opened(folder, lookup="direct") as writer:
        reader.prepare()
        read_first(reader, 0)  # imports Feast's messages
        # The first refresh of a process also finds what its own start left; later ones are what a server sees.
        for number in range(N_REFRESHES + 1):
            numbers = np.random.default_rng(number).choice(n_keys, 1_000, replace=False)
            moment = time.time_ns() // 1_000
            writer.write(online_rows(numbers, names, moment, offset=0.5))
            start = time.perf_counter()
            reader.refresh()
            times.append(time.perf_counter() - start)
            assert read_first(reader, int(numbers[0])) == int(numbers[0]) % 65536 + 0.5
        stats = reader.stats()
    times = sorted(times[1:])
    return {"seconds": statistics.median(times), "p99_seconds": times[-1], "builds": stats["builds"], "rows": N_REFRESHES}


def write_one(folder, key, number):
    with opened(folder, lookup="direct") as table:
        n_features = len(table.layout.features)
        table.write(online_rows(np.array([key]), [f"f{i}" for i in range(n_features)], time.time_ns() // 1_000, offset=number))
        print(json.dumps({"committed": time.time()}))


def staleness(folder, n_keys, n_features, bound_ms):
    """Reads go on all the time, as in a server; `seconds` from the other process's commit to the read that shows it."""
    lags = []
    with opened(folder, max_staleness_ms=bound_ms) as table:
        table.prepare()
        read_first(table, 0)  # imports Feast's messages
        for number in range(1, 11):
            key = number * 37 % n_keys
            wanted = key % 65536 + number
            writer = subprocess.Popen([sys.executable, __file__, "write-one", folder, str(key), str(number)], stdout=subprocess.PIPE)
            while read_first(table, key) != wanted:
                time.sleep(0.001)
            seen = time.time()
            lags.append(max(0.0, seen - json.loads(writer.communicate()[0])["committed"]))
    return {"seconds": statistics.median(lags), "p99_seconds": max(lags), "rows": len(lags)}


TASKS = {"make-online": make_online, "make-offline": make_offline, "materialize": materialize, "feast-local": feast_local,
         "refresh": refresh, "staleness": staleness, "write-one": write_one}


def main():
    task, folder, *numbers = sys.argv[1:]
    answer = TASKS[task](folder, *map(int, numbers))
    if answer is not None:
        print(json.dumps(answer))


if __name__ == "__main__":
    main()
