"""Writers in several processes on one table: every row is there."""

import multiprocessing

import frazil
import pyarrow as pa

WRITERS = 8
APPENDS = 50


def open_catalog(folder):
    return frazil.load_catalog("shared", uri=f"sqlite:///{folder}/catalog.db", warehouse=f"{folder}/warehouse")


def write(folder, writer, barrier):
    barrier.wait()
    table = open_catalog(folder).load_table("t.shared")
    for number in range(APPENDS):
        table.append(pa.table({"writer": [writer], "number": [number]}))


def test_eight_processes_append_fifty_times_each(tmp_path):
    catalog = open_catalog(tmp_path)
    catalog.create_namespace("t")
    catalog.create_table("t.shared", schema=pa.schema([("writer", pa.int64()), ("number", pa.int64())]))
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(WRITERS)
    processes = [context.Process(target=write, args=(str(tmp_path), writer, barrier)) for writer in range(WRITERS)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(600)
    assert [process.exitcode for process in processes] == [0] * WRITERS
    table = catalog.load_table("t.shared")
    rows = table.scan().to_arrow().to_pylist()
    assert sorted((row["writer"], row["number"]) for row in rows) == [(w, n) for w in range(WRITERS) for n in range(APPENDS)]
    assert len(table.snapshots()) == WRITERS * APPENDS
