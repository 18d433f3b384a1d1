"""Many small writes into an online table that compacts itself, in a process of its own.

Usage: upkeep_engines.py FOLDER WRITES ROWS KEYS

Writes WRITES batches of ROWS rows for keys at random, 16 buckets, and prints what became of the table: the most files in a bucket, at the
end and at any time, data bytes written over those that the writes brought, bytes below the table at the end and at most over its live data.
"""

import json
import pathlib
import random
import struct
import sys
import time

import frazil
import pyarrow as pa

BUCKETS = 16
FEATURES = 10
SNAPSHOT_AGE_MS = 2000  # what a reader may take: staleness and one read
LOOK_EVERY = 10  # writes
TIMESTAMP = pa.timestamp("us", "UTC")
SCHEMA = pa.schema([pa.field("entity_key", pa.binary(), nullable=False), pa.field("driver_id", pa.int64()),
                    pa.field("event_ts", TIMESTAMP, nullable=False), pa.field("created_ts", TIMESTAMP),
                    *(pa.field(f"f{i}", pa.float64()) for i in range(FEATURES))])
LAYOUT = {"version": 1, "project": "bench", "view": "upkeep", "entity_key": 1, "event_ts": 3, "created_ts": 4,
          "join_keys": [{"name": "driver_id", "id": 2, "type": "INT64"}],
          "features": [{"name": f"f{i}", "id": 5 + i, "type": "DOUBLE"} for i in range(FEATURES)], "ttl_seconds": None}


def rows_of(keys, moment, numbers):
    head = struct.pack("<III", 1, 2, 9) + b"driver_id" + struct.pack("<II", 4, 8)
    times = pa.array([moment] * len(keys), TIMESTAMP)
    columns = [pa.array([head + struct.pack("<q", key) for key in keys], pa.binary()), pa.array(keys, pa.int64()), times, times,
               *(pa.array([numbers.random() for _ in keys]) for _ in range(FEATURES))]
    return pa.table(columns, schema=SCHEMA)


def bytes_below(folder):
    """Of files; one that compaction removes meanwhile counts no more."""
    total = 0
    for path in pathlib.Path(folder).rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:
            pass
    return total


class Watch:
    """What is seen of the table from outside, between writes."""

    def __init__(self, table, folder):
        self.table, self.folder = table, folder
        self.added = {}  # bytes that a snapshot's commit brought, and whether a write made it
        self.files_most, self.bytes_most = 0, 0

    def look(self):
        self.table.refresh()
        for snapshot in self.table.snapshots():
            if snapshot.snapshot_id not in self.added:
                size = int(snapshot.summary.get("added-files-size", 0))
                self.added[snapshot.snapshot_id] = (size, snapshot.operation == "append")
        files = {}
        for task in self.table.inspect.files().to_pylist():
            bucket = json.dumps(task["partition"])
            files[bucket] = files.get(bucket, 0) + 1
        self.files = max(files.values(), default=0)
        self.live_bytes = sum(self.table.inspect.files()["file_size_in_bytes"].to_pylist())
        self.bytes = bytes_below(self.folder)
        self.files_most, self.bytes_most = max(self.files_most, self.files), max(self.bytes_most, self.bytes)

    def amplification(self):
        written = sum(size for size, _ in self.added.values())
        return written / sum(size for size, is_write in self.added.values() if is_write)


def main():
    folder, n_writes, n_rows, n_keys = pathlib.Path(sys.argv[1]), *map(int, sys.argv[2:5])
    catalog = frazil.load_catalog("c", type="sql", uri=f"sqlite:///{folder}/catalog.db", warehouse=f"{folder}/warehouse")
    catalog.create_namespace("bench")
    table = catalog.create_table("bench.t", SCHEMA, partition_spec=f"bucket({BUCKETS}, driver_id)", sort_order="driver_id",
                                 properties={"frazil.feast": json.dumps(LAYOUT)})
    numbers, seconds, start_us = random.Random(7), 0.0, 1_700_000_000_000_000
    watch = Watch(table, folder / "warehouse")
    with frazil.open_online(catalog, "bench.t", read_timeout_ms=0, min_snapshot_age_ms=SNAPSHOT_AGE_MS) as online:
        online.prepare()
        for number in range(n_writes):
            rows = rows_of([numbers.randrange(n_keys) for _ in range(n_rows)], start_us + number, numbers)
            start = time.perf_counter()
            online.write(rows)
            seconds += time.perf_counter() - start
            if number % LOOK_EVERY == 0:
                watch.look()
    watch.look()
    metadata = folder / "warehouse"
    print(json.dumps({
        "rows": n_writes * n_rows, "seconds": seconds, "files": watch.files, "files_most": watch.files_most,
        "amplification": watch.amplification(), "live_bytes": watch.live_bytes, "bytes": watch.bytes, "bytes_most": watch.bytes_most,
        "metadata_files": sum(1 for _ in metadata.rglob("*.metadata.json")), "manifests": sum(1 for _ in metadata.rglob("*.avro")),
        "snapshots": len(table.snapshots()),
    }))


if __name__ == "__main__":
    main()
