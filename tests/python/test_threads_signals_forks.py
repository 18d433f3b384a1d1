"""The GIL, Ctrl-C, threads and forks."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import pyarrow as pa
import pytest

import frazil

SCHEMA = pa.schema([("id", pa.int64())])


def numbers(n, first=0):
    return pa.table({"id": pa.array(range(first, first + n), pa.int64())})


def test_threads_append_and_read_together(catalog):
    table = catalog.create_table("ns.t", SCHEMA)
    errors = []

    def work(number):
        try:
            for i in range(3):
                table.append(numbers(10, number * 100 + i * 10))
                table.scan().to_arrow()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert table.refresh().scan().count() == 120


def test_the_gil_is_free_while_rows_are_written(catalog):
    """A producer in Python, called from C, needs the GIL; so does the other thread."""
    table = catalog.create_table("ns.t", SCHEMA)
    ticks = []
    done = threading.Event()

    def tick():
        while not done.is_set():
            ticks.append(time.monotonic())
            time.sleep(0.001)

    thread = threading.Thread(target=tick)
    thread.start()

    def batches():
        for i in range(20):
            time.sleep(0.005)
            yield pa.record_batch({"id": pa.array([i], pa.int64())})

    table.append(pa.RecordBatchReader.from_batches(SCHEMA, batches()))
    done.set()
    thread.join()
    assert len(ticks) > 20

def test_threads_share_an_iterator_over_rows(catalog):
    """Each row comes once, or the thread is told that another one is reading: never a crash."""
    table = catalog.create_table("ns.t", SCHEMA)
    for i in range(10):
        table.append(numbers(1, i))
    for _ in range(20):
        rows = table.scan()._handle.plan_files().rows()
        seen, others, start = [], [], threading.Barrier(4)

        def work():
            start.wait()
            while True:
                try:
                    seen.append(next(rows))
                except StopIteration:
                    return
                except RuntimeError as error:
                    others.append(str(error))

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(set(seen)) == len(seen) == 10
        assert set(others) <= {"another thread is reading these rows"}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_goes_on(catalog, tmp_path):
    table = catalog.create_table("ns.t", SCHEMA)
    table.append(numbers(1000))
    assert table.scan().count() == 1000  # worker threads run
    child = os.fork()
    if child == 0:
        status = 1
        try:
            if table.scan().to_arrow().num_rows == 1000:
                status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0


INTERRUPTED = """
import os, signal, sys, threading, time
import pyarrow as pa
import frazil

folder = sys.argv[1]
catalog = frazil.load_catalog("default", uri=f"sqlite:///{folder}/c.db", warehouse=folder)
catalog.create_namespace_if_not_exists("ns")
table = catalog.create_table("ns.t", pa.schema([("id", pa.int64())]))


def batches():
    # An endless producer: only an interrupt ends it.
    big = pa.record_batch({"id": pa.array(range(100000), pa.int64())})
    while True:
        yield big


reader = pa.RecordBatchReader.from_batches(pa.schema([("id", pa.int64())]), batches())
threading.Timer(1.0, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
start = time.monotonic()
try:
    table.append(reader)
except KeyboardInterrupt:
    print("interrupted", time.monotonic() - start < 10)
except Exception as error:
    # The producer runs Python, so the interrupt may reach it first.
    print("interrupted" if "KeyboardInterrupt" in repr(error) else repr(error), True)
print(table.refresh().scan().count())
table.append(pa.table({"id": [1]}))
print(table.scan().count())
"""


def test_ctrl_c_ends_a_call(tmp_path):
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(INTERRUPTED), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.stdout.split() == ["interrupted", "True", "0", "1"], result.stderr


JOIN_INTERRUPTED = """
import os, signal, sys, threading
import pyarrow as pa
import frazil

folder = sys.argv[1]
catalog = frazil.load_catalog("default", uri=f"sqlite:///{folder}/c.db", warehouse=folder)
catalog.create_namespace_if_not_exists("ns")
stamp = pa.timestamp("us", "UTC")
rows = pa.table({"k": list(range(300000)), "event_timestamp": pa.array(range(300000), stamp), "x": [1.5] * 300000})
table = catalog.create_table("ns.t", rows.schema)
table.append(rows)
view = frazil.View(table, "v", ["k"], features=["x"])
sent = []


def progress(at):
    # While feature rows are read, so in the middle of the join.
    if at.files[1] and not sent:
        sent.append(os.kill(os.getpid(), signal.SIGINT))


try:
    frazil.pit_join(rows.select(["k", "event_timestamp"]), [view], progress=progress)
    print("not interrupted")
except KeyboardInterrupt:
    print("interrupted")
print(frazil.pit_join(rows.select(["k", "event_timestamp"]), [view]).to_arrow().num_rows)
"""


def test_ctrl_c_ends_a_join(tmp_path):
    result = subprocess.run(
        [sys.executable, "-c", JOIN_INTERRUPTED, str(tmp_path)], capture_output=True, text=True, timeout=120
    )
    assert result.stdout.split() == ["interrupted", "300000"], result.stderr


def test_a_context_can_be_cancelled(tmp_path):
    context = frazil._core.Context(n_threads=1)
    catalog = frazil._core.Catalog.open(
        context, "x", {"uri": f"sqlite:///{tmp_path}/c.db", "warehouse": str(tmp_path)}
    )
    catalog.create_namespace("ns", None)
    table = catalog.create_table("ns.t", SCHEMA, 2, None, None, None, None)
    context.cancel()
    with pytest.raises(frazil.CancelledError):
        table.append(numbers(10), None, False, None)
    context.resume()
    table.append(numbers(10), None, False, None)


def test_context_options_are_checked():
    with pytest.raises(frazil.InvalidError):
        frazil._core.Context(n_threads=-1)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
