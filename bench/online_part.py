"""The online part: frazil's store behind Feast beside Feast's SQLite and Redis stores and a scan of buckets by PyIceberg.

Redis runs on loopback while the part does. A case is a number of keys and of features; every store is loaded through its own
online_write_batch for LOAD_SECONDS, and read with keys at random. Frazil's table gets the keys that are left another way; the others
are asked for those that they have: a smaller table is to their advantage.
"""

from __future__ import annotations

import contextlib
import pathlib
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence

import harness
from harness import Answer, Targets

# keys, features
CASES = [(200_000, 5), (200_000, 50), (2_000_000, 5), (2_000_000, 50)]
QUICK_CASES = [(20_000, 5)]
LOAD_SECONDS = 10
STORES = ["frazil", "sqlite", "redis", "pyiceberg"]
TASKS = {"read-1": "online_read, 1 key", "read-100": "online_read, 100 keys",
         "serve-1": "get_online_features, 1 key", "serve-100": "get_online_features, 100 keys"}
WANTED = {"read-1": {"sqlite": 3, "pyiceberg": 1000}, "read-100": {"sqlite": 10, "redis": 10}}


@contextlib.contextmanager
def redis_server(folder: pathlib.Path) -> Iterator[int]:
    """A Redis on a free port of the loopback interface, without files."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no",
                               "--dir", str(folder)], stdout=subprocess.DEVNULL)
    try:
        for _ in range(200):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.1):
                break
            time.sleep(0.05)
        yield port
    finally:
        server.terminate()
        server.wait()


class OnlinePart:
    def __init__(self, folder: pathlib.Path, rounds: int, targets: Targets) -> None:
        self.folder, self.rounds, self.targets = folder, rounds, targets

    def run(self, cases: Sequence[tuple[int, int]]) -> None:
        for n_keys, n_features in cases:
            with tempfile.TemporaryDirectory() as scratch, redis_server(pathlib.Path(scratch)) as port:
                self.run_case(n_keys, n_features, pathlib.Path(scratch), port)

    def ask(self, store: str, task: str, case: tuple[int, int], place: pathlib.Path, port: int, load_seconds: int = 0) -> Answer:
        command = harness.script("online_engines.py", store, task, *case, place, port, load_seconds)
        return harness.run_task(command, f"online {case}: {store} {task}")

    def run_case(self, n_keys: int, n_features: int, scratch: pathlib.Path, port: int) -> None:
        case, title = (n_keys, n_features), f"online, {n_keys:,} keys of {n_features} features"
        places = {store: self.folder / f"{store}-{n_keys}-{n_features}" for store in STORES}
        places["redis"] = scratch / "redis"
        places["pyiceberg"] = places["frazil"]
        print(f"\n{title}: loading", flush=True)
        print(f"  {'store':10} {'rows/s':>9} {'cpu s':>9} {'peak MB':>9} {'keys':>10}")
        loads, cases = {}, {store: case for store in STORES}
        for store in ["frazil", "sqlite", "redis"]:
            shutil.rmtree(places[store], ignore_errors=True)
            places[store].mkdir(parents=True)
            loads[store] = self.ask(store, "load", case, places[store], port, LOAD_SECONDS)
            cases[store] = (int(loads[store]["rows"]), n_features)
            print(f"  {store:10} {loads[store]['rows_per_second']:9.0f} {loads[store]['cpu_seconds']:9.2f} "
                  f"{loads[store]['peak_bytes'] / 1e6:9.0f} {cases[store][0]:10,}", flush=True)
        self.targets.at_least(f"{title}: rows/s written, frazil / sqlite",
                              loads["frazil"]["rows_per_second"] / loads["sqlite"]["rows_per_second"], 3)
        self.compare_reads(title, cases, places, port)
        shutil.rmtree(places["frazil"])

    def compare_reads(self, title: str, cases: dict[str, tuple[int, int]], places: dict[str, pathlib.Path], port: int) -> None:
        """Milliseconds of a call, median and 99th percentile, in processes that take turns."""
        runs: dict[str, list[Answer]] = {store: [] for store in places}
        for _ in range(self.rounds):
            for store, place in places.items():
                runs[store].append(self.ask(store, "read", cases[store], place, port))
        for task, words in TASKS.items():
            self.print_reads(f"{title}: {words}", task, {store: [it[task] for it in answers] for store, answers in runs.items() if task in answers[0]})
        last = runs["frazil"][-1]
        print(f"  frazil: opened with its index in {last['initialize_seconds']:.3f} s; {last['index_bytes_per_key']:.0f} bytes of index a key; "
              f"{last['resident_bytes'] / 1e6:.0f} MB resident, {last['resident_before_bytes'] / 1e6:.0f} MB before it was opened")
        print("  peak MB of the readers: " + ", ".join(f"{store} {answers[-1]['peak_bytes'] / 1e6:.0f}" for store, answers in runs.items()), flush=True)

    def print_reads(self, title: str, task: str, runs: dict[str, list[Answer]]) -> None:
        print(f"\n{title}\n  {'store':10} {'ms':>9} {'p99 ms':>9} {'cpu ms':>9} {'ms/frazil':>10}")
        middle = {store: {key: statistics.median(answer[key] for answer in answers) for key in ["seconds", "p99_seconds", "cpu_seconds"]}
                  for store, answers in runs.items()}
        for store, it in middle.items():
            ratio = it["seconds"] / middle["frazil"]["seconds"]
            print(f"  {store:10} {it['seconds'] * 1e3:9.3f} {it['p99_seconds'] * 1e3:9.3f} {it['cpu_seconds'] * 1e3:9.3f} {ratio:10.2f}", flush=True)
            if wanted := WANTED.get(task, {}).get(store):
                self.targets.at_least(f"{title}: time, {store} / frazil", ratio, wanted)
