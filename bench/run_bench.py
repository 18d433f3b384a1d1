"""frazil beside DuckDB, Polars, PyArrow, PyIceberg and Feast's own stores, in one run: time and peak memory, each in a
process of its own, medians over the rounds.

Usage: run_bench.py [--part PART,...] [--quick | --full] [--rounds N] [--data FOLDER]

Parts: join (or one of its cases: dense, sparse, deletes, views, sorted, small-files, many-entities, growth), cold-start, online,
core, server, storage, upkeep, decode, file, write, plan, metadata. --quick is a smoke run of small data in about two minutes; --full adds growth,
the dense join with 100 million feature rows. Results are compared for equality, and a difference ends the run. What was wanted of the
figures is printed at the end. Data is made in a temporary folder, or kept in the one that --data names and used again.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import subprocess
import tempfile

import cold_start
import core_part
import decode_part
import harness
import join_part
import online_part
import plan_part
import server_part
import storage_part
import upkeep_part
from join_part import JoinPart

PARTS = ["join", "cold-start", "online", "core", "server", "storage", "upkeep", "decode", "file", "write", "plan", "metadata"]


class Bench:
    """The parts at one scale, over one folder of data."""

    def __init__(self, folder: pathlib.Path, quick: bool, full: bool, rounds: int) -> None:
        self.folder, self.quick, self.full, self.rounds = folder, quick, full, rounds
        self.targets = harness.Targets()
        self.join = JoinPart(folder / "join", join_part.QUICK if quick else join_part.Scale(), rounds, self.targets)

    def dense(self) -> pathlib.Path:
        return self.join.table("dense-time-frazil", self.join.dense())

    def run(self, part: str) -> None:
        if part == "join":
            for case in JoinPart.CASES + (JoinPart.LONG_CASES if self.full else []):
                self.join.run(case)
        elif part in JoinPart.CASES + JoinPart.LONG_CASES:
            self.join.run(part)
        else:
            getattr(self, "run_" + part.replace("-", "_"))()

    def run_cold_start(self) -> None:
        cold_start.compare(self.dense(), self.rounds, self.targets)

    def run_online(self) -> None:
        cases = online_part.QUICK_CASES if self.quick else online_part.CASES
        online_part.OnlinePart(self.folder / "online", self.rounds, self.targets).run(cases)

    def run_server(self) -> None:
        scale = server_part.QUICK if self.quick else server_part.WHOLE
        server_part.ServerPart(self.folder / "server", scale, self.targets).run()

    def run_storage(self) -> None:
        scale = storage_part.QUICK if self.quick else storage_part.Scale()
        storage_part.StoragePart(self.folder / "storage", scale, self.rounds, self.targets).run()

    def run_upkeep(self) -> None:
        upkeep_part.run(self.folder / "upkeep", 100 if self.quick else 1_000, self.targets)

    def run_core(self) -> None:
        scale = core_part.QUICK if self.quick else core_part.Scale()
        core_part.CorePart(self.folder / "core", scale, self.rounds, self.targets).run()

    def run_decode(self) -> None:
        decode_part.compare_table(self.dense(), self.rounds)

    def run_file(self) -> None:
        decode_part.compare_files(self.folder / "decode-files", 200_000 if self.quick else 2_000_000, self.rounds)

    def run_write(self) -> None:
        rows = 400_000 if self.quick else 4_000_000
        subprocess.run(harness.script("bench_write.py", "--rounds", self.rounds, "--rows", rows), check=True)

    def run_plan(self) -> None:
        n_files = 2_000 if self.quick else 100_000
        plan_part.compare_plans(self.folder / f"plan-{n_files}", n_files, self.rounds)

    def run_metadata(self) -> None:
        plan_part.compare_metadata(self.folder / "large.metadata.json", self.rounds)


def parse_arguments() -> argparse.Namespace:
    known = PARTS + JoinPart.CASES + JoinPart.LONG_CASES
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", help=f"with commas, of {', '.join(known)}")
    parser.add_argument("--rounds", type=int, help="of every comparison; slow peers run fewer (default: 5, quick: 1)")
    parser.add_argument("--data", type=pathlib.Path, help="keep the data here, and use what is there")
    scale = parser.add_mutually_exclusive_group()
    scale.add_argument("--quick", action="store_true")
    scale.add_argument("--full", action="store_true")
    options = parser.parse_args()
    options.parts = options.part.split(",") if options.part else ["join", "cold-start"] if options.quick else PARTS
    unknown = [part for part in options.parts if part not in known]
    if unknown:
        parser.error(f"no part {unknown[0]!r}; there are {', '.join(known)}")
    return options


def main() -> None:
    options = parse_arguments()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (options.data or pathlib.Path(temporary)).resolve() / ("quick" if options.quick else "whole")
        folder.mkdir(parents=True, exist_ok=True)
        print(f"{os.cpu_count()} processors; seconds of wall time, cpu seconds of all threads, peak resident memory")
        bench = Bench(folder, options.quick, options.full, options.rounds or (1 if options.quick else 5))
        for part in options.parts:
            bench.run(part)
        bench.targets.print()


if __name__ == "__main__":
    main()
