"""One engine plans a scan or reads table metadata, in a process of its own.

Usage: plan_engines.py ENGINE TASK FOLDER-OR-FILE     TASK is one of FILTERS, or metadata
"""

import json
import pathlib
import sys
import time

FILTERS = {
    "plan": None,  # every file
    "plan_day": "event_ts >= '2024-01-02T00:00:00+00:00' and event_ts < '2024-01-03T00:00:00+00:00'",  # by partition
    "plan_ids": "id >= 5000000 and id < 5200000",  # by column bounds: a few files of every manifest
}


def plan_frazil(folder, row_filter):
    import frazil

    table = frazil.load_catalog("bench", uri=f"sqlite:///{folder}/catalog.db", warehouse=str(folder / "warehouse")).load_table("bench.events")
    return lambda: [file.record_count for file in table.scan(row_filter).plan_files()]


def plan_pyiceberg(folder, row_filter):
    from pyiceberg.catalog.sql import SqlCatalog

    table = SqlCatalog("bench", uri=f"sqlite:///{folder}/catalog.db", warehouse=f"file://{folder}/warehouse").load_table("bench.events")
    scan = table.scan(row_filter=row_filter) if row_filter else table.scan()
    return lambda: [task.file.record_count for task in scan.plan_files()]


def metadata_frazil(path):
    import frazil

    catalog = frazil.load_catalog("static", type="static")
    return lambda: [catalog.load_table(path).current_snapshot_id()]


def metadata_pyiceberg(path):
    from pyiceberg.table import StaticTable

    return lambda: [StaticTable.from_metadata(path).metadata.current_snapshot_id]


def main():
    engine, task, place = sys.argv[1:]
    if task == "metadata":
        run = globals()[f"metadata_{engine}"](place)
    else:
        run = globals()[f"plan_{engine}"](pathlib.Path(place), FILTERS[task])
    start, cpu = time.perf_counter(), time.process_time()
    numbers = run()
    print(json.dumps({"seconds": time.perf_counter() - start, "cpu_seconds": time.process_time() - cpu,
                      "rows": len(numbers), "sums": [float(sum(numbers))]}))


if __name__ == "__main__":
    main()
