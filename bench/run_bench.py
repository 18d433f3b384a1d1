"""frazil beside DuckDB, Polars and PyArrow, in one run: time and peak memory, each in a process of its own.

Usage: run_bench.py [--rows N] [--keys N] [--entities N] [--files N] [--rounds N] [--data FOLDER] [--part join,decode,file,write,plan,metadata]

The join: feature rows in several files of an Iceberg table, five features, against entity rows at random times.
Every engine reads the same Parquet files, and its result is compared by count and sums. The decode: the
whole table into Arrow memory. The file part: single Parquet files of every kind on one thread. The write part: bench_write.py.
The plan part: which of 100,000 data files a scan reads. The metadata part: 200 MB of table metadata. Medians over the rounds;
engines take turns, so that a drift of the machine hits all.
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
PLAN_ENGINES = ["frazil", "pyiceberg"]
TABLE_PARTS = {"join", "decode"}


def run_engine(engine, task, folder):
    """Seconds inside the task, peak resident bytes of the process, and the result's check sums."""
    start = time.perf_counter()
    # NumPy, which PyArrow imports, has threads of its own that spin for a while: not an engine's work.
    process = subprocess.Popen([sys.executable, str(HERE / "engines.py"), engine, task, str(folder)],
                               env={**os.environ, "OPENBLAS_NUM_THREADS": "1"}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
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


def compare_files(folder, rows, rounds):
    """A line a file: milliseconds of processor time, how many times longer the others take, peak memory."""
    if not (folder / "rows.txt").exists():
        subprocess.run([sys.executable, str(HERE / "decode_files.py"), str(folder), str(rows)], check=True)
    others = DECODE_ENGINES[1:]
    print(f"\nfile: processor milliseconds on one thread, {(folder / 'rows.txt').read_text()} rows in the numeric files")
    print(f"  {'file':34}" + "".join(f"{engine:>9}" for engine in DECODE_ENGINES)
          + "".join(f"{engine + '/frazil':>16}" for engine in others) + "   peak MB of each")
    ratios = {engine: [] for engine in others}
    for path in sorted(folder.glob("*.parquet")):
        runs = {engine: [] for engine in DECODE_ENGINES}
        for _ in range(rounds):
            for engine in DECODE_ENGINES:
                runs[engine].append(run_engine(engine, "file", path))
        for engine in others:
            if not equal_sums(runs[engine][0], runs["frazil"][0]):
                sys.exit(f"{engine} reads {path.name} differently: {runs[engine][0]} instead of {runs['frazil'][0]}")
        seconds = {engine: statistics.median(run["seconds"] for run in runs[engine]) for engine in DECODE_ENGINES}
        peaks = [statistics.median(run["peak_bytes"] for run in runs[engine]) for engine in DECODE_ENGINES]
        for engine in others:
            ratios[engine].append(seconds[engine] / seconds["frazil"])
        print(f"  {path.name.removesuffix('.parquet'):34}" + "".join(f"{seconds[engine] * 1e3:9.1f}" for engine in DECODE_ENGINES)
              + "".join(f"{ratios[engine][-1]:16.2f}" for engine in others) + "   " + " ".join(f"{peak / 1e6:.0f}" for peak in peaks))
    for engine in others:
        print(f"  {engine}/frazil: geometric mean {statistics.geometric_mean(ratios[engine]):.2f}, least {min(ratios[engine]):.2f}")


def compare_plans(folder, n_files, rounds):
    if not folder.exists():
        subprocess.run([sys.executable, str(HERE / "make_plan_data.py"), str(folder), str(n_files)], check=True)
    print(f"\nplanning {n_files:,} data files: all, one day's by partition, a range of ids by column bounds")
    for task in ["plan", "plan_day", "plan_ids"]:
        compare(task, PLAN_ENGINES, folder, rounds)


def compare_metadata(path, rounds):
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, str(HERE / "make_metadata.py"), str(path), "200"], check=True)
    print(f"\ntable metadata of {path.stat().st_size / 1e6:.0f} MB")
    compare("metadata", PLAN_ENGINES, path, rounds)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument("--keys", type=int, default=200_000)
    parser.add_argument("--entities", type=int, default=1_000_000)
    parser.add_argument("--files", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--data", help="keep the data here, and reuse it when it is there")
    parser.add_argument("--part", default="join,decode,file,write,plan,metadata", help="which of join, decode, file, write, plan and metadata, with commas")
    parser.add_argument("--file-rows", type=int, default=2_000_000)
    parser.add_argument("--plan-files", type=int, default=100_000)
    options = parser.parse_args()
    parts = options.part.split(",")
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(options.data or temporary)
        if TABLE_PARTS & set(parts) and not (folder / "entities.parquet").exists():
            subprocess.run([sys.executable, str(HERE / "make_data.py"), str(folder), str(options.rows), str(options.keys),
                            str(options.entities), str(options.files)], check=True)
        if TABLE_PARTS & set(parts):
            print(f"{options.rows:,} feature rows in {options.files} files, {options.keys:,} keys, {options.entities:,} entity rows, "
                  f"{os.cpu_count()} processors")
        if "join" in parts:
            compare("join", JOIN_ENGINES, folder, options.rounds)
        if "decode" in parts:
            compare("decode", DECODE_ENGINES, folder, options.rounds)
        if "file" in parts:
            compare_files(folder / "decode-files", options.file_rows, options.rounds)
        if "write" in parts:
            subprocess.run([sys.executable, str(HERE / "bench_write.py"), "--rounds", str(options.rounds)], check=True)
        if "plan" in parts:
            compare_plans(folder / "plan", options.plan_files, options.rounds)
        if "metadata" in parts:
            compare_metadata(folder / "large.metadata.json", options.rounds)


if __name__ == "__main__":
    main()
