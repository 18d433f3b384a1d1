"""frazil beside DuckDB, Polars and PyArrow, in one run: time and peak memory, each in a process of its own.

Usage: run_bench.py [--rows N] [--keys N] [--entities N] [--files N] [--rounds N] [--data FOLDER]

The join: feature rows in several files of an Iceberg table, five features, against entity rows at random times.
Every engine reads the same Parquet files, and its result is compared by count and sums. The decode: the
whole table into Arrow memory. Medians over the rounds; engines take turns, so that a drift of the machine hits all.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
JOIN_ENGINES = ["frazil", "duckdb", "polars"]
DECODE_ENGINES = ["frazil", "pyarrow", "duckdb"]


def run_engine(engine, task, folder):
    """Seconds inside the task, peak resident bytes of the process, and the result's check sums."""
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, str(HERE / "engines.py"), engine, task, str(folder)],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    output, errors = process.stdout.read(), process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"{engine} {task} failed:\n{errors[-3000:]}")
    answer = json.loads(output.strip().splitlines()[-1])
    answer["process_seconds"] = time.perf_counter() - start
    answer["peak_bytes"] = usage.ru_maxrss * 1024
    return answer


def equal_sums(a, b):
    return a["rows"] == b["rows"] and all(abs(x - y) <= 1e-6 * max(1.0, abs(x)) for x, y in zip(a["sums"], b["sums"]))


def compare(task, engines, folder, rounds):
    runs = {engine: [] for engine in engines}
    for _ in range(rounds):
        for engine in engines:
            runs[engine].append(run_engine(engine, task, folder))
    print(f"\n{task}")
    print(f"  {'engine':10} {'seconds':>9} {'peak MB':>9} {'time/frazil':>12} {'memory/frazil':>14}  result")
    ours = {key: statistics.median(run[key] for run in runs["frazil"]) for key in ["seconds", "peak_bytes"]}
    for engine in engines:
        seconds = statistics.median(run["seconds"] for run in runs[engine])
        peak = statistics.median(run["peak_bytes"] for run in runs[engine])
        same = equal_sums(runs[engine][0], runs["frazil"][0])
        print(f"  {engine:10} {seconds:9.2f} {peak / 1e6:9.0f} {seconds / ours['seconds']:12.2f} "
              f"{peak / ours['peak_bytes']:14.2f}  {'equal' if same else 'DIFFERENT'}")
        if not same:
            sys.exit(f"{engine} gives another result: {runs[engine][0]} instead of {runs['frazil'][0]}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument("--keys", type=int, default=200_000)
    parser.add_argument("--entities", type=int, default=1_000_000)
    parser.add_argument("--files", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--data", help="keep the data here, and reuse it when it is there")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(options.data or temporary)
        if not (folder / "entities.parquet").exists():
            subprocess.run([sys.executable, str(HERE / "make_data.py"), str(folder), str(options.rows), str(options.keys),
                            str(options.entities), str(options.files)], check=True)
        print(f"{options.rows:,} feature rows in {options.files} files, {options.keys:,} keys, {options.entities:,} entity rows, "
              f"{os.cpu_count()} processors")
        compare("join", JOIN_ENGINES, folder, options.rounds)
        compare("decode", DECODE_ENGINES, folder, options.rounds)


if __name__ == "__main__":
    main()
