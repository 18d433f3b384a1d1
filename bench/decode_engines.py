"""One engine decodes Parquet into Arrow memory, in a process of its own.

Usage: decode_engines.py ENGINE table FOLDER     a folder that join_data.py made: the whole table
       decode_engines.py ENGINE file FILE

The task `file` decodes one Parquet file on one thread and counts processor seconds, of all threads there may be, so that
an engine that reads ahead on others gains nothing by it. All three end with the same thing, a pyarrow.Table that holds
every value: DuckDB is asked for one too (its result is made by its own Arrow writer, batch by batch), since values that
stay inside of an engine help no one. The first of two runs warms up libraries, allocators and the file's pages.
"""

import json
import pathlib
import sys
import time

import join_shape


def table_frazil(folder):
    return join_shape.open_with_frazil(folder).load_table(join_shape.table_of(0)).to_arrow()


def table_pyarrow(folder):
    import pyarrow.dataset as dataset

    return dataset.dataset(join_shape.files_of(folder, 0)).to_table()


def table_duckdb(folder):
    import duckdb

    return duckdb.sql(f"SELECT * FROM read_parquet({join_shape.files_of(folder, 0)!r})").to_arrow_table()


def file_frazil(path):
    import frazil

    return frazil.read_parquet(path).to_arrow  # on the thread that calls


def file_pyarrow(path):
    import pyarrow.parquet as parquet

    return lambda: parquet.read_table(path, use_threads=False)


def file_duckdb(path):
    import duckdb

    connection = duckdb.connect()
    connection.execute("SET threads = 1")
    return lambda: connection.sql(f"FROM read_parquet('{path}')").to_arrow_table()


def check_sums(table):
    """Two numbers a leaf: the sum of numbers or the bytes of strings, and the nulls. Nested columns are taken apart."""
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


def decode_table(engine, folder):
    import pyarrow  # noqa: F401 - its import is nobody's work
    import pyarrow.dataset  # noqa: F401
    from check_rows import digest

    shape = join_shape.load(folder)
    start, cpu = time.perf_counter(), time.process_time()
    table = globals()[f"table_{engine}"](folder)
    used = {"seconds": time.perf_counter() - start, "cpu_seconds": time.process_time() - cpu}
    return {**used, **digest(table.to_batches(), shape.result_columns())}


def decode_file(engine, path):
    read = globals()[f"file_{engine}"](path)
    read()
    start = time.process_time()
    table = read()
    seconds = time.process_time() - start
    return {"seconds": seconds, "cpu_seconds": seconds, "rows": table.num_rows, "sums": check_sums(table)}


def main():
    engine, task, place = sys.argv[1:]
    print(json.dumps(decode_table(engine, pathlib.Path(place)) if task == "table" else decode_file(engine, place)))


if __name__ == "__main__":
    main()
