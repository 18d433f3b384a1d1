"""Table metadata of about 200 MB: a table that was appended to for years and never expired a snapshot.

Usage: make_metadata.py FILE MEGABYTES
"""

import json
import pathlib
import random
import sys
import uuid

LOCATION = "file:///data/warehouse/demo/events"


def summary(number):
    counts = {"added-data-files": 4, "added-records": 100_000 + number % 100, "added-files-size": 6_000_000 + number, "changed-partition-count": 1,
              "total-records": number * 100_000, "total-files-size": number * 6_000_000, "total-data-files": number * 4,
              "total-delete-files": 0, "total-position-deletes": 0, "total-equality-deletes": 0}
    return {"operation": "append", "spark.app.id": f"local-{1_700_000_000_000 + number // 100}"} | {key: str(value) for key, value in counts.items()}


def main():
    path, n_bytes = pathlib.Path(sys.argv[1]), int(sys.argv[2]) * 1_000_000
    numbers = random.Random(1)
    snapshots, log, size, parent = [], [], 0, None
    while size < n_bytes:
        number = len(snapshots)
        snapshot = {"sequence-number": number + 1, "snapshot-id": numbers.getrandbits(62), "timestamp-ms": 1_700_000_000_000 + number * 60_000}
        if parent is not None:
            snapshot["parent-snapshot-id"] = parent
        parent = snapshot["snapshot-id"]
        snapshot["manifest-list"] = f"{LOCATION}/metadata/snap-{parent}-0-{uuid.UUID(int=numbers.getrandbits(128))}.avro"
        snapshot["summary"] = summary(number)
        snapshot["schema-id"] = 0
        snapshots.append(snapshot)
        log.append({"snapshot-id": parent, "timestamp-ms": snapshot["timestamp-ms"]})
        size += len(json.dumps(snapshot, separators=(",", ":"))) + 70
    field = {"id": 1, "name": "id", "required": False, "type": "long"}
    metadata = {
        "format-version": 2, "table-uuid": str(uuid.UUID(int=numbers.getrandbits(128))), "location": LOCATION, "last-sequence-number": len(snapshots),
        "last-updated-ms": log[-1]["timestamp-ms"], "last-column-id": 1, "current-schema-id": 0,
        "schemas": [{"type": "struct", "schema-id": 0, "fields": [field]}], "default-spec-id": 0, "partition-specs": [{"spec-id": 0, "fields": []}],
        "last-partition-id": 999, "default-sort-order-id": 0, "sort-orders": [{"order-id": 0, "fields": []}], "properties": {},
        "current-snapshot-id": parent, "snapshots": snapshots, "snapshot-log": log, "metadata-log": [],
        "refs": {"main": {"snapshot-id": parent, "type": "branch"}}, "statistics": [], "partition-statistics": []}
    path.write_text(json.dumps(metadata, separators=(",", ":")))


if __name__ == "__main__":
    main()
