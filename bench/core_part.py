"""The core part: the C API's reads, native materialization, refresh and staleness, without Feast around them.

Reads are measured in C (lookup_bench.c), the rest in processes of core_engines.py. Feast's local engine materializes a slice: so
many rows as it does in about twenty seconds.
"""

from __future__ import annotations

import json
import pathlib
import shutil
import subprocess
from dataclasses import dataclass

import harness
from harness import Answer, Targets

STALENESS_MS = 200


@dataclass(frozen=True)
class Scale:
    """Sizes of the tables; what is measured is the same."""

    read_keys: int = 10_000_000
    refresh_keys: int = 2_000_000
    offline_rows: int = 20_000_000
    materialized: tuple[int, ...] = (200_000, 2_000_000)
    feast_keys: int = 200_000
    features: int = 10


QUICK = Scale(200_000, 200_000, 1_000_000, (200_000,), 20_000)


class CorePart:
    def __init__(self, folder: pathlib.Path, scale: Scale, rounds: int, targets: Targets) -> None:
        self.folder, self.scale, self.rounds, self.targets = folder, scale, rounds, targets

    def ask(self, task: str, folder: pathlib.Path, *arguments: object) -> Answer:
        return harness.run_task(harness.script("core_engines.py", task, folder, *arguments), f"core: {task}")

    def made(self, task: str, *arguments: object) -> pathlib.Path:
        """A folder with what a task makes; kept from earlier runs where it was finished."""
        folder = self.folder / "-".join([task, *map(str, arguments)])
        if not (folder / "done").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            self.ask(task, folder, *arguments)
            (folder / "done").touch()
        return folder

    def run(self) -> None:
        self.run_reads()
        self.run_refresh()
        self.run_materialize()

    def run_reads(self) -> None:
        n_keys, n_features = self.scale.read_keys, self.scale.features
        place = self.made("make-online", n_keys, n_features)
        shutil.rmtree(place / "cache", ignore_errors=True)  # the first run builds the index, as this build of the library lays it out
        command = [str(harness.BUILD / "bench" / "lookup_bench"), f"sqlite:///{place}/catalog.db", f"{place}/warehouse", "bench.online",
                   f"{place}/cache", str(n_keys)]
        runs = [json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout) for _ in range(self.rounds + 1)]
        built, runs = runs[0], runs[1:] or runs
        middle = {name: sorted(run[name] for run in runs)[len(runs) // 2] for name in runs[0]}
        print(f"\ncore, {n_keys:,} keys of {n_features} float features, one thread")
        print(f"  index: {middle['index_bytes'] / n_keys:.1f} bytes a key, {middle['resident_bytes'] / 1e6:.0f} MB resident; "
              f"prepared in {built['prepare']:.2f} s ({built['builds']} builds), opened from files in {middle['prepare']:.3f} s")
        print(f"  1,000 random keys into a matrix: {middle['batch'] * 1e6:.1f} us, p99 {middle['batch_p99'] * 1e6:.1f} us")
        print(f"  1 warm key: {middle['warm_key'] * 1e6:.3f} us, p99 {middle['warm_key_p99'] * 1e6:.3f} us", flush=True)
        self.targets.at_most("core: us of 1,000 random keys x 10 floats", middle["batch"] * 1e6, 100)
        self.targets.at_most("core: us of 1 warm key", middle["warm_key"] * 1e6, 1)

    def run_refresh(self) -> None:
        n_keys, n_features = self.scale.refresh_keys, self.scale.features
        place = self.made("make-online", n_keys, n_features)
        it = self.ask("refresh", place, n_keys, n_features)
        print(f"\ncore, {n_keys:,} keys: refresh after 1,000 new rows: {it['seconds'] * 1e3:.1f} ms, longest of {it['rows']} "
              f"{it['p99_seconds'] * 1e3:.1f} ms")
        self.targets.at_most("core: ms of a refresh after 1,000 new rows", it["seconds"] * 1e3, 50)
        it = self.ask("staleness", place, n_keys, n_features, STALENESS_MS)
        print(f"  a commit by another process is read after {it['seconds'] * 1e3:.0f} ms, longest of {it['rows']} "
              f"{it['p99_seconds'] * 1e3:.0f} ms; the bound is {STALENESS_MS} ms", flush=True)
        self.targets.at_most("core: staleness / max_staleness_ms, longest", it["p99_seconds"] * 1e3 / STALENESS_MS, 1)
        shutil.rmtree(place)  # it has other values now

    def run_materialize(self) -> None:
        place = self.made("make-offline", self.scale.offline_rows)
        slice_ = self.ask("feast-local", self.folder, self.scale.feast_keys)
        print(f"\ncore, materialization from a table of {self.scale.offline_rows:,} rows of 5 features")
        print(f"  {'':34} {'seconds':>9} {'cpu s':>9} {'peak MB':>9} {'keys/s':>10}")
        print(f"  {'Feast, local engine, SQLite':34} {slice_['seconds']:9.2f} {slice_['cpu_seconds']:9.2f} {slice_['peak_bytes'] / 1e6:9.0f} "
              f"{slice_['keys_per_second']:10.0f}  ({slice_['rows']:,} rows, a key each)")
        for n_keys in self.scale.materialized:
            runs = sorted((self.ask("materialize", place, n_keys) for _ in range(self.rounds)), key=lambda it: it["seconds"])
            it = runs[len(runs) // 2]
            print(f"  {f'frazil, {n_keys:,} keys':34} {it['seconds']:9.2f} {it['cpu_seconds']:9.2f} {it['peak_bytes'] / 1e6:9.0f} "
                  f"{it['keys_per_second']:10.0f}", flush=True)
            self.targets.at_least(f"core: keys/s materialized, {n_keys:,} keys, frazil / Feast's local engine",
                                  it["keys_per_second"] / slice_["keys_per_second"], 100)
