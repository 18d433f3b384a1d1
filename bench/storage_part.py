"""The storage part: a table in an S3 store that answers late, by engines beside each other, and what each asks for.

A proxy holds every request for LATENCY_MS and counts; the store verifies signatures and runs on this machine, so bandwidth is that of
its processors, which it shares with the engines.
"""

from __future__ import annotations

import pathlib
import shutil
import sys
from dataclasses import dataclass

import harness
from harness import Answer, Engine, Targets
from latency_proxy import LatencyProxy, latency_proxy

LATENCY_MS = 20
ENGINES = ["frazil", "pyiceberg", "duckdb"]
FASTER_WANTED = 2


@dataclass(frozen=True)
class Scale:
    rows: int = 25_000_000  # 2 GB: 80 bytes a row that do not compress

    @property
    def title(self) -> str:
        return f"{self.rows * 80 / 1e9:g} GB in S3, {LATENCY_MS} ms a request"


QUICK = Scale(1_000_000)


class StoragePart:
    def __init__(self, folder: pathlib.Path, scale: Scale, rounds: int, targets: Targets) -> None:
        self.folder, self.scale, self.rounds, self.targets = folder, scale, rounds, targets

    def run(self) -> None:
        sys.path.insert(0, str(harness.ROOT / "tests" / "interop"))
        import servers

        try:
            with servers.s3(self._made_folder()) as store, latency_proxy(store["s3.endpoint"], LATENCY_MS / 1e3) as proxy:
                self._make(store["s3.endpoint"])
                for task in ["scan", "join"]:
                    self._compare(task, proxy)
        except servers.NotAvailable as missing:
            print(f"\nstorage: NOT RUN: {missing}")

    def _made_folder(self) -> pathlib.Path:
        if not (self.folder / "done").exists():
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.mkdir(parents=True)
        return self.folder

    def _make(self, endpoint: str) -> None:
        if not (self.folder / "done").exists():
            harness.make_data("storage_engines.py", "make", endpoint, self.folder, self.scale.rows)
            (self.folder / "done").touch()

    def _compare(self, task: str, proxy: LatencyProxy) -> None:
        title = f"storage, {task} of {self.scale.title}"
        asked: dict[str, tuple[int, int]] = {}

        def counted(name: str):
            def finish(answer: Answer) -> Answer:
                asked[name] = proxy.take_counts()
                return answer

            return finish

        proxy.take_counts()
        engines = [Engine(name, harness.script("storage_engines.py", name, task, proxy.url, self.folder), rounds=None if name == "frazil" else 3,
                          finish=counted(name)) for name in ENGINES]
        middle = harness.compare(title, engines, self.rounds)
        for name, (requests, n_bytes) in asked.items():
            print(f"  {name}: {requests:,} requests, {n_bytes / 1e6:,.0f} MB answered", flush=True)
        for name in ENGINES[1:]:
            self.targets.at_least(f"{title}: time of {name} / frazil", middle[name]["seconds"] / middle["frazil"]["seconds"], FASTER_WANTED)
            self.targets.at_most(f"{title}: requests of frazil / {name}", asked["frazil"][0] / asked[name][0], 1)
            self.targets.at_most(f"{title}: bytes of frazil / {name}", asked["frazil"][1] / asked[name][1], 1)
