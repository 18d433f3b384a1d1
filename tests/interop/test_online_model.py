"""Online tables against a dictionary: processes write, read, compact, restart and are killed at any moment.

Workers take commands on a pipe, one at a time. The parent knows every row that was committed, and the order of commits by the
snapshots' sequence numbers; of a worker that is killed in the middle of a write it looks whether a snapshot holds the rows. A read
must give the winners of all rows that were committed: at once in the process that wrote, within the staleness bound in the others;
and what a process has once seen of a key it must not see replaced by something older.

FRAZIL_MODEL_SEEDS and FRAZIL_MODEL_STEPS: how many runs, and how long.
"""

import multiprocessing
import os
import pathlib
import random
import signal
import threading
import time

import frazil
import pytest
from online_rows import catalog_in, create_online_table, key_of, rows_of, values_of

DRIVERS = 40
EVENTS, EVENT_STEP_S = 20, 10_000  # the times of rows, over two days
STALENESS_MS = 150
SNAPSHOT_AGE_MS = 1000
SPECS = {
    "entity_hash": "bucket(2, driver_id)",
    "timestamp": "hour(event_ts)",
    "hybrid": "bucket(2, driver_id), day(event_ts)",
}


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


def write_together(table, batches):
    """Threads that share commits; their snapshots."""
    answers = [None] * len(batches)

    def write(i):
        answers[i] = table.write(rows_of(batches[i])).snapshot_id

    threads = [threading.Thread(target=write, args=(i,)) for i in range(len(batches))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def work(folder, options, pipe):
    catalog = catalog_in(folder)

    def open_table():
        return frazil.open_online(catalog, "ns.t", read_timeout_ms=60000, min_snapshot_age_ms=SNAPSHOT_AGE_MS, **options)

    table = open_table()
    while True:
        command, argument = pipe.recv()
        answer = None
        if command == "write":
            answer = table.write(rows_of(argument)).snapshot_id
        elif command == "write together":
            answer = write_together(table, argument)
        elif command == "read":
            answer = read_all(table)
        elif command == "compact":
            try:
                table.compact(all=argument)
            except frazil.CommitConflictError:
                pass  # another process joins the same files
        elif command == "prepare":
            table.prepare()
        elif command == "restart":
            table.close()
            table = open_table()
        pipe.send(answer)


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

    def __init__(self, folder, oldest_us):
        self.table = catalog_in(folder).load_table("ns.t")
        self.winners = [None] * DRIVERS
        self.ranks = {}  # of numbers
        self.sequences = {}
        self.oldest_us = oldest_us  # rows before it are past their time to live; None: none are

    def look(self):
        """Snapshots that were not known."""
        self.table.refresh()
        fresh = [s for s in self.table.snapshots() if s.snapshot_id not in self.sequences]
        for each in fresh:
            self.sequences[each.snapshot_id] = each.sequence_number
        return fresh

    def commit(self, rows, snapshot_id):
        if snapshot_id not in self.sequences:
            self.look()
        self.take(rows, self.sequences[snapshot_id])

    def take(self, rows, sequence):
        for position, (driver, event, created, number) in enumerate(rows):
            rank = (event, -1 if created is None else created, sequence, position)
            self.ranks[number] = max(rank, self.ranks.get(number, rank))
            if self.winners[driver] is None or self.winners[driver][0] <= rank:
                self.winners[driver] = (rank, number)

    def look_for(self, rows):
        """A write that was cut off, the only one whose snapshot is not known: did it come to one?"""
        written = [s for s in self.look() if s.operation == "append"]
        assert len(written) <= 1
        for snapshot in written:
            assert snapshot.summary["added-records"] == str(len(rows))
            self.take(rows, snapshot.sequence_number)

    def shown(self, winner):
        if winner is None or (self.oldest_us is not None and winner[0][0] < self.oldest_us):
            return None
        return (winner[0][0], winner[1])

    def state(self):
        return [self.shown(winner) for winner in self.winners]


class Run:
    """One table, its workers, and the steps that are taken at random."""

    def __init__(self, folder, spec, rng):
        self.folder, self.rng, self.number = folder, rng, 0
        self.sent = []  # batches that may be sent once more
        create_online_table(catalog_in(folder), spec)
        more, oldest_us = {}, None
        if rng.random() < 0.3:
            # Between two of the times that rows have, and far from both.
            oldest_s = (rng.randrange(EVENTS // 2) + 0.5) * EVENT_STEP_S
            more, oldest_us = {"key_ttl_seconds": time.time() - oldest_s}, oldest_s * 1e6
        self.cache = pathlib.Path(folder, "cache")
        shared = {"cache_dir": str(self.cache), "max_staleness_ms": STALENESS_MS, **more}
        self.model = Model(folder, oldest_us)
        self.workers = []
        for options in [shared, shared, {"max_staleness_ms": 0, **more}, {"max_staleness_ms": 0, "lookup": "direct", **more}]:
            self.workers.append(Worker(folder, options))
        self.seen = {worker: [None] * DRIVERS for worker in self.workers}

    def some_rows(self, drivers=range(DRIVERS)):
        rows = []
        for _ in range(self.rng.randint(1, 12)):
            self.number += 1
            event = self.rng.randrange(EVENTS) * EVENT_STEP_S * 10**6
            rows.append((self.rng.choice(drivers), event, self.rng.choice([None, 1, 2, 3]), self.number))
        return rows

    def rows_to_send(self):
        """New rows, or for once some that were committed before."""
        if self.sent and self.rng.random() < 0.15:
            return self.rng.choice(self.sent)
        rows = self.some_rows()
        self.sent.append(rows)
        return rows

    def check_order(self, worker, got):
        """Nothing that the worker saw has become older."""
        for driver, value in enumerate(got):
            before = self.seen[worker][driver]
            if before is not None:
                assert value is not None, f"driver {driver} is lost"
                assert self.model.ranks[value[1]][:2] >= self.model.ranks[before[1]][:2], (driver, before, value)
            self.seen[worker][driver] = value

    def answer(self, worker):
        """The worker's answer; meanwhile snapshots are looked at, for a compaction may expire one before the last is made."""
        while not worker.pipe.poll(0.1):
            self.model.look()
        return worker.answer()

    def write(self, worker):
        """The writer has its own rows at once; others' of a moment ago may be missing still."""
        rows = self.rows_to_send()
        self.model.commit(rows, worker.do("write", rows))
        got, wanted = worker.do("read"), self.model.state()
        own = {row[3] for row in rows}
        for driver in range(DRIVERS):
            if wanted[driver] is not None and wanted[driver][1] in own:
                assert got[driver] == wanted[driver]
        self.check_order(worker, got)

    def write_at_once(self):
        """Two processes write while a third compacts or reads; a key read meanwhile is as before or as after."""
        first, second, third = self.rng.sample(self.workers, 3)
        batches = [self.some_rows(), self.some_rows()]
        for each, rows in zip((first, second), batches):
            each.ask("write", rows)
        third.ask(*self.rng.choice([("compact", False), ("compact", True), ("read", None)]))
        answers = [self.answer(each) for each in (first, second)]
        self.model.look()
        read = third.answer()
        for rows, snapshot_id in zip(batches, answers):
            self.model.commit(rows, snapshot_id)
        if read is not None:
            for value in read:
                assert value is None or value[1] in self.model.ranks
            self.check_order(third, read)

    def freeze(self, worker):
        """A compaction stands still, wherever it is, while another process commits."""
        rows = self.some_rows()
        worker.ask("compact", True)
        time.sleep(self.rng.random() * 0.03)
        os.kill(worker.process.pid, signal.SIGSTOP)
        other = self.rng.choice([each for each in self.workers if each is not worker])
        other.ask("write", rows)
        time.sleep(0.03)  # it may be in the middle of a commit, and the other one waits
        os.kill(worker.process.pid, signal.SIGCONT)
        self.answer(worker)
        self.model.commit(rows, self.answer(other))

    def write_together(self, worker):
        batches = [self.some_rows(range(i, DRIVERS, 4)) for i in range(4)]
        worker.ask("write together", batches)
        for rows, snapshot_id in zip(batches, self.answer(worker)):
            self.model.commit(rows, snapshot_id)

    def kill(self, worker):
        """In the middle of a write, a compaction or a build, while another process goes on; then with its cache as it is, or spoiled."""
        self.model.look()
        rows = self.some_rows()
        worker.ask(*self.rng.choice([("write", rows), ("write", rows), ("compact", True), ("prepare", None)]))
        other = self.rng.choice([each for each in self.workers if each is not worker])
        command = self.rng.choice([("compact", False), ("prepare", None), None])
        if command is not None:
            other.ask(*command)
        time.sleep(self.rng.random() * 0.05)
        worker.kill()
        if command is not None:
            other.answer()
        self.model.look_for(rows)
        if self.rng.random() < 0.5:
            self.spoil()
        self.seen[worker] = [None] * DRIVERS
        worker.start()

    def spoil(self):
        """A file of the index is cut, changed or gone. Those who have mapped it keep what they have: nobody writes into files."""
        files = [path for path in self.cache.rglob("*") if path.is_file() and path.name != "lock"]
        if not files:
            return
        path = self.rng.choice(sorted(files))
        content = bytearray(path.read_bytes())
        path.unlink()
        kind = self.rng.randrange(3)
        if kind == 0 and content:
            content[self.rng.randrange(len(content))] ^= 0x41
        if kind == 1:
            del content[len(content) // 2 :]
        if kind != 2:
            path.write_bytes(content)

    def step(self):
        worker, dice = self.rng.choice(self.workers), self.rng.random()
        if dice < 0.4:
            self.write(worker)
        elif dice < 0.55:
            self.write_at_once()
        elif dice < 0.6:
            self.freeze(worker)
        elif dice < 0.64:
            self.write_together(worker)
        elif dice < 0.74:
            self.kill(worker)
        elif dice < 0.82:
            worker.do("compact", self.rng.random() < 0.3)
        elif dice < 0.9:
            self.seen[worker] = [None] * DRIVERS
            worker.do("restart")
        else:
            worker.do("prepare")
        reader = self.rng.choice(self.workers)
        if reader.options["max_staleness_ms"] != 0:
            time.sleep(STALENESS_MS / 1000 + 0.01)
        got = reader.do("read")
        assert got == self.model.state()
        self.check_order(reader, got)


@pytest.mark.parametrize("strategy", SPECS)
@pytest.mark.parametrize("seed", range(int(os.environ.get("FRAZIL_MODEL_SEEDS", "1"))))
def test_model(tmp_path, strategy, seed):
    run = Run(str(tmp_path), SPECS[strategy], random.Random(f"{strategy} {seed}"))
    try:
        for _ in range(int(os.environ.get("FRAZIL_MODEL_STEPS", "30"))):
            run.step()
    finally:
        for worker in run.workers:
            worker.kill()
