"""Online tables against a dictionary: several processes write, read, compact and are killed.

Workers take commands on a pipe, one at a time. The parent knows every row that was committed, and
the order of commits by the snapshots' sequence numbers; of a worker that is killed in the middle
of a write it looks whether the row is in the table. A read must give the winners of all rows that
were committed: at once in the process that wrote, within the staleness bound in the others.
"""

import json
import multiprocessing
import os
import random
import signal
import struct
import time

import frazil
import pyarrow as pa
import pytest

DRIVERS = 40
STALENESS_MS = 150
TIMESTAMP = pa.timestamp("us", "UTC")
SCHEMA = pa.schema(
    [
        pa.field("entity_key", pa.binary(), nullable=False),
        pa.field("driver_id", pa.int64()),
        pa.field("event_ts", TIMESTAMP, nullable=False),
        pa.field("created_ts", TIMESTAMP),
        pa.field("number", pa.int64()),
        pa.field("text", pa.string()),
    ]
)
PROPERTY = {
    "version": 1,
    "project": "p",
    "view": "v",
    "entity_key": 1,
    "event_ts": 3,
    "created_ts": 4,
    "join_keys": [{"name": "driver_id", "id": 2, "type": "INT64"}],
    "features": [
        {"name": "number", "id": 5, "type": "INT64"},
        {"name": "text", "id": 6, "type": "STRING"},
    ],
    "ttl_seconds": None,
}


def key_of(driver):
    return struct.pack("<III", 1, 2, 9) + b"driver_id" + struct.pack("<IIq", 4, 8, driver)


def catalog_in(folder):
    return frazil.load_catalog(
        "c", type="sql", uri=f"sqlite:///{folder}/catalog.db", warehouse=f"{folder}/warehouse"
    )


def rows_of(rows):
    """rows: (driver, event, created or None, number)"""
    return pa.table(
        {
            "entity_key": pa.array([key_of(r[0]) for r in rows], pa.binary()),
            "driver_id": pa.array([r[0] for r in rows], pa.int64()),
            "event_ts": pa.array([r[1] for r in rows], TIMESTAMP),
            "created_ts": pa.array([r[2] for r in rows], TIMESTAMP),
            "number": pa.array([r[3] for r in rows], pa.int64()),
            "text": pa.array(["x" * (r[3] % 50) + str(r[3]) for r in rows]),
        }
    )


def varint(data, at):
    value, shift = 0, 0
    while True:
        value |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
        if data[at - 1] < 0x80:
            return value, at


def values_of(data):
    """The whole numbers and texts of a RepeatedValue; the real parser takes seconds to import."""
    at, values = 0, []
    while at < len(data):
        assert data[at] == 0x0A
        size, at = varint(data, at + 1)
        end = at + size
        if data[at] == 4 << 3:
            values.append(varint(data, at + 1)[0])
        else:
            assert data[at] == 2 << 3 | 2
            values.append(data[varint(data, at + 1)[1] : end].decode())
        at = end
    return values


def read_all(table):
    got = table.read([key_of(d) for d in range(DRIVERS)])
    values = iter(values_of(got.values))
    answer = []
    for driver in range(DRIVERS):
        if not got.found[driver]:
            answer.append(None)
            continue
        number, text = next(values), next(values)
        assert text == "x" * (number % 50) + str(number)
        answer.append((got.event_times[driver], number))
    return answer


def work(folder, options, pipe):
    catalog = catalog_in(folder)
    table = frazil.open_online(
        catalog, "ns.t", read_timeout_ms=60000, min_snapshot_age_ms=2000, **options
    )
    while True:
        command, argument = pipe.recv()
        if command == "write":
            pipe.send(table.write(rows_of(argument)).snapshot_id)
        elif command == "read":
            pipe.send(read_all(table))
        elif command == "compact":
            try:
                table.compact(all=argument)
            except frazil.CommitConflictError:
                pass  # another process joins the same files
            pipe.send(None)
        elif command == "prepare":
            table.prepare()
            pipe.send(None)


class Worker:
    def __init__(self, folder, options):
        self.folder, self.options = folder, options
        self.start()

    def start(self):
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=work, args=(self.folder, self.options, theirs))
        self.process.start()
        theirs.close()

    def ask(self, command, argument=None):
        self.pipe.send((command, argument))

    def answer(self):
        return self.pipe.recv()

    def do(self, command, argument=None):
        self.ask(command, argument)
        return self.answer()

    def kill(self):
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.join()
        self.pipe.close()


class Model:
    """All rows that are known to be committed, and the winner of each driver."""

    def __init__(self, folder):
        self.table = catalog_in(folder).load_table("ns.t")
        self.winners = [None] * DRIVERS
        self.sequences = {}

    def commit(self, rows, snapshot_id):
        if snapshot_id not in self.sequences:
            self.table.refresh()
            for each in self.table.snapshots():
                self.sequences[each.snapshot_id] = each.sequence_number
        self.take(rows, self.sequences[snapshot_id])

    def take(self, rows, sequence):
        for position, (driver, event, created, number) in enumerate(rows):
            rank = (event, -1 if created is None else created, sequence, position)
            if self.winners[driver] is None or self.winners[driver][0] <= rank:
                self.winners[driver] = (rank, number)

    def look_for(self, rows):
        """A write that was cut off: is it in the table?"""
        self.table.refresh()
        present = set(self.table.scan(selected_fields=["number"]).to_arrow()["number"].to_pylist())
        found = [row for row in rows if row[3] in present]
        if found:
            # No other write ran meanwhile: it is the last one but for compactions.
            self.take(found, max(s.sequence_number for s in self.table.snapshots()))

    def state(self):
        return [None if w is None else (w[0][0], w[1]) for w in self.winners]


@pytest.mark.parametrize("seed", range(int(os.environ.get("FRAZIL_MODEL_SEEDS", "1"))))
def test_model(tmp_path, seed):
    rng = random.Random(seed)
    folder = str(tmp_path)
    catalog = catalog_in(folder)
    catalog.create_namespace("ns")
    catalog.create_table(
        "ns.t",
        SCHEMA,
        partition_spec=rng.choice(["bucket(2, driver_id)", "hour(event_ts)"]),
        sort_order="driver_id",
        properties={"frazil.feast": json.dumps(PROPERTY)},
    )
    cache = str(tmp_path / "cache")
    workers = [
        Worker(folder, {"cache_dir": cache, "max_staleness_ms": STALENESS_MS}),
        Worker(folder, {"cache_dir": cache, "max_staleness_ms": STALENESS_MS}),
        Worker(folder, {"max_staleness_ms": 0}),
        Worker(folder, {"max_staleness_ms": 0, "lookup": "direct"}),
    ]
    model = Model(folder)
    number = 0

    def some_rows():
        nonlocal number
        rows = []
        for _ in range(rng.randint(1, 12)):
            number += 1
            created = rng.choice([None, 1, 2, 3])
            rows.append((rng.randrange(DRIVERS), rng.randrange(20) * 10**9, created, number))
        return rows

    try:
        for _ in range(int(os.environ.get("FRAZIL_MODEL_STEPS", "40"))):
            worker = rng.choice(workers)
            dice = rng.random()
            if dice < 0.45:
                rows = some_rows()
                model.commit(rows, worker.do("write", rows))
                # Its own rows, at once; others' of a moment ago may be missing still.
                got, wanted = worker.do("read"), model.state()
                own = {row[3] for row in rows}
                for driver in range(DRIVERS):
                    if wanted[driver] is not None and wanted[driver][1] in own:
                        assert got[driver] == wanted[driver]
            elif dice < 0.6:
                pair = rng.sample(workers, 2)
                batches = [some_rows(), some_rows()]
                for each, rows in zip(pair, batches):
                    each.ask("write", rows)
                answers = [each.answer() for each in pair]
                for rows, snapshot_id in zip(batches, answers):
                    model.commit(rows, snapshot_id)
            elif dice < 0.7:
                rows = some_rows()
                worker.ask(*rng.choice([("write", rows), ("compact", True), ("prepare", None)]))
                time.sleep(rng.random() * 0.05)
                worker.kill()
                model.look_for(rows)
                worker.start()
            elif dice < 0.8:
                worker.do("compact", rng.random() < 0.3)
            else:
                worker.do("prepare")
            reader = rng.choice(workers)
            if reader.options["max_staleness_ms"] != 0:
                time.sleep(STALENESS_MS / 1000 + 0.01)
            assert reader.do("read") == model.state()
    finally:
        for worker in workers:
            worker.kill()
