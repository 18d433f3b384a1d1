"""One engine, one task, in a process of its own: prints {"seconds", "rows", "sums"} as JSON.

Usage: engines.py ENGINE TASK FOLDER-OR-FILE

The task `file` decodes one Parquet file on one thread and counts processor seconds, of all threads there may be, so that
an engine that reads ahead on others gains nothing by it. All three end with the same thing, a pyarrow.Table that holds
every value: DuckDB is asked for one too (its result is made by its own Arrow writer, batch by batch), since values that
stay inside of an engine help no one. The first of two runs warms up libraries, allocators and the file's pages.
"""

import json
import pathlib
import sys
import time

FEATURES = [f"f{i}" for i in range(5)]


def paths(folder):
    return (folder / "files.txt").read_text().splitlines()


def report(seconds, table, columns):
    import pyarrow.compute as compute

    sums = [compute.sum(table[name].cast("float64") if name in FEATURES else table[name].cast("int64")).as_py() or 0 for name in columns]
    print(json.dumps({"seconds": seconds, "rows": table.num_rows, "sums": [float(value) for value in sums]}))


def frazil_table(folder):
    import frazil

    return frazil.load_catalog("bench", uri=f"sqlite:///{folder}/catalog.db", warehouse=str(folder / "warehouse")).load_table("bench.features")


def join_frazil(folder):
    import frazil
    import pyarrow.parquet as parquet

    start = time.perf_counter()
    entities = parquet.read_table(folder / "entities.parquet")
    view = frazil.View(frazil_table(folder), name="stats", join_keys={"driver_id": "driver_id"},
                       timestamp_field="event_timestamp", features=FEATURES)
    result = frazil.pit_join(entities, [view]).to_arrow()
    return time.perf_counter() - start, result, FEATURES


def join_duckdb(folder):
    import duckdb

    start = time.perf_counter()
    result = duckdb.sql(f"""
        SELECT e.*, {', '.join(FEATURES)} FROM read_parquet('{folder}/entities.parquet') e
        ASOF LEFT JOIN read_parquet({paths(folder)!r}) f
        ON e.driver_id = f.driver_id AND e.event_timestamp >= f.event_timestamp""").to_arrow_table()
    return time.perf_counter() - start, result, FEATURES


def join_polars(folder):
    import polars

    start = time.perf_counter()
    entities = polars.read_parquet(folder / "entities.parquet").sort("event_timestamp")
    features = polars.read_parquet(paths(folder)).sort("event_timestamp")
    result = entities.join_asof(features, on="event_timestamp", by="driver_id", strategy="backward").to_arrow()
    return time.perf_counter() - start, result, FEATURES


def decode_frazil(folder):
    start = time.perf_counter()
    result = frazil_table(folder).scan().to_arrow()
    return time.perf_counter() - start, result, ["driver_id", *FEATURES]


def decode_pyarrow(folder):
    import pyarrow.dataset as dataset

    start = time.perf_counter()
    result = dataset.dataset(paths(folder)).to_table()
    return time.perf_counter() - start, result, ["driver_id", *FEATURES]


def decode_duckdb(folder):
    import duckdb

    start = time.perf_counter()
    result = duckdb.sql(f"SELECT * FROM read_parquet({paths(folder)!r})").to_arrow_table()
    return time.perf_counter() - start, result, ["driver_id", *FEATURES]


def read_frazil(path):
    import frazil

    return frazil.read_parquet(path).to_arrow  # on the thread that calls


def read_pyarrow(path):
    import pyarrow.parquet as parquet

    return lambda: parquet.read_table(path, use_threads=False)


def read_duckdb(path):
    import duckdb

    connection = duckdb.connect()
    connection.execute("SET threads = 1")
    return lambda: connection.sql(f"FROM read_parquet('{path}')").to_arrow_table()


def report_file(engine, path):
    read = globals()[f"read_{engine}"](path)
    read()
    start = time.process_time()
    table = read()
    seconds = time.process_time() - start
    print(json.dumps({"seconds": seconds, "rows": table.num_rows, "sums": check_sums(table)}))


PLAN_FILTERS = {
    "plan": None,  # every file
    "plan_day": "event_ts >= '2024-02-01T00:00:00+00:00' and event_ts < '2024-02-02T00:00:00+00:00'",  # by partition
    "plan_ids": "id >= 5000000 and id < 5200000",  # by column bounds: a few files of every manifest
}


def plan_frazil(folder, row_filter):
    import frazil

    table = frazil.load_catalog("bench", uri=f"sqlite:///{folder}/catalog.db", warehouse=str(folder / "warehouse")).load_table("bench.events")
    start = time.perf_counter()
    counts = [file.record_count for file in table.scan(row_filter).plan_files()]
    return time.perf_counter() - start, counts


def plan_pyiceberg(folder, row_filter):
    from pyiceberg.catalog.sql import SqlCatalog

    table = SqlCatalog("bench", uri=f"sqlite:///{folder}/catalog.db", warehouse=f"file://{folder}/warehouse").load_table("bench.events")
    start = time.perf_counter()
    scan = table.scan(row_filter=row_filter) if row_filter else table.scan()
    counts = [task.file.record_count for task in scan.plan_files()]
    return time.perf_counter() - start, counts


def report_plan(engine, task, folder):
    seconds, counts = globals()[f"plan_{engine}"](folder, PLAN_FILTERS[task])
    print(json.dumps({"seconds": seconds, "rows": len(counts), "sums": [float(sum(counts))]}))


def metadata_frazil(path):
    import frazil

    catalog = frazil.load_catalog("static", type="static")
    start = time.perf_counter()
    table = catalog.load_table(path)
    return time.perf_counter() - start, table.current_snapshot_id()


def metadata_pyiceberg(path):
    from pyiceberg.table import StaticTable

    start = time.perf_counter()
    table = StaticTable.from_metadata(path)
    return time.perf_counter() - start, table.metadata.current_snapshot_id


def report_metadata(engine, path):
    seconds, snapshot_id = globals()[f"metadata_{engine}"](path)
    print(json.dumps({"seconds": seconds, "rows": 1, "sums": [float(snapshot_id)]}))


def check_sums(table):
    """A number a leaf: the sum of numbers, the bytes of strings. Nested columns are taken apart."""
    import pyarrow as pa
    import pyarrow.compute as compute

    sums = []
    pending = [table[name].combine_chunks() for name in table.column_names]
    while pending:
        array = pending.pop(0)
        if pa.types.is_struct(array.type):
            pending += array.flatten()
        elif pa.types.is_map(array.type):
            pending += [array.keys, array.items]
        elif pa.types.is_nested(array.type):
            pending.append(array.flatten())
        else:
            text = pa.types.is_string(array.type)
            sums.append(float(compute.sum(compute.binary_length(array) if text else array).as_py() or 0))
            sums.append(array.null_count)
    return sums


def main():
    engine, task = sys.argv[1], sys.argv[2]
    if task == "file":
        report_file(engine, sys.argv[3])
        return
    if task == "metadata":
        report_metadata(engine, sys.argv[3])
        return
    folder = pathlib.Path(sys.argv[3])
    if task in PLAN_FILTERS:
        report_plan(engine, task, folder)
        return
    report(*globals()[f"{task}_{engine}"](folder))


if __name__ == "__main__":
    main()
