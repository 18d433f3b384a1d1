"""Writing Parquet: the same Arrow table to one file by frazil and PyArrow, same codec and level, each in a process of its own.

Usage: bench_write.py [--rows N] [--rounds N] [--level N] [--codec NAME] [--threads N...] [--cases NAME...]

frazil appends to a new table, PyArrow calls write_table() with its defaults. With one thread the process is bound to one
processor. Times are of the call alone; memory is the peak above what the process held before it. The file
is read back by PyArrow and compared. Medians over the rounds; engines take turns.
"""

import argparse
import gc
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time

CASES = ["numeric", "repeated", "string", "nested", "events"]
ENGINES = ["frazil", "pyarrow"]


def make(case, rows):
    import numpy as np
    import pyarrow as pa

    random = np.random.default_rng(11)

    def nulls(values, type_=None):
        return pa.array(values, type_, mask=random.random(len(values)) < 0.1)

    def words(n, low, high):
        letters = bytes(random.integers(97, 123, 1 << 20, dtype=np.uint8)).decode()
        starts = random.integers(0, len(letters) - high, n).tolist()
        lengths = random.integers(low, high + 1, n).tolist()
        return [letters[start:start + length] for start, length in zip(starts, lengths)]

    if case == "numeric":
        return pa.table({"i64": random.integers(0, 10**12, rows), "i32": random.integers(0, 10**6, rows, dtype=np.int32),
                         "f64": random.random(rows), "price": nulls(random.integers(0, 10**7, rows) / 100.0),
                         "f32": random.random(rows, dtype=np.float32)})
    if case == "repeated":
        return pa.table({"i64": random.integers(0, 1000, rows) * 10**9, "i32": nulls(random.integers(0, 50_000, rows, dtype=np.int32)),
                         "f64": random.integers(0, 100, rows) / 8.0, "flag": pa.array(random.random(rows) < 0.3)})
    if case == "string":
        rows //= 2
        few = pa.array(words(1000, 5, 20)).take(pa.array(random.integers(0, 1000, rows)))
        return pa.table({"name": nulls(np.array(words(rows, 4, 24), dtype=object), pa.string()), "city": few,
                         "key": pa.array([f"user-{i:09d}" for i in random.integers(0, 10**8, rows).tolist()])})
    if case == "nested":
        rows //= 4
        ends = np.concatenate([[0], np.cumsum(random.integers(0, 6, rows))]).astype(np.int32)
        numbers = pa.ListArray.from_arrays(pa.array(ends), nulls(random.random(ends[-1])))
        point = pa.StructArray.from_arrays([nulls(random.integers(0, 10**6, rows)), pa.array(random.random(rows))], ["a", "b"])
        tags = pa.ListArray.from_arrays(pa.array(ends), pa.array(words(500, 3, 9)).take(pa.array(random.integers(0, 500, ends[-1]))))
        return pa.table({"numbers": numbers, "point": point, "tags": tags})
    times = np.cumsum(random.integers(0, 2_000_000, rows)) + 1_767_225_600_000_000
    return pa.table({"driver_id": random.integers(0, 200_000, rows), "event_timestamp": pa.array(times).cast(pa.timestamp("us", "UTC")),
                     **{f"f{i}": random.random(rows) for i in range(3)}})


def memory(key):
    """VmRSS or VmHWM of this process in bytes."""
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(key))


def measure(call):
    gc.collect()
    pathlib.Path("/proc/self/clear_refs").write_text("5")  # the peak starts again
    held = memory("VmRSS")
    before = resource.getrusage(resource.RUSAGE_SELF)
    start = time.perf_counter()
    call()
    seconds = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_SELF)
    return {"seconds": seconds, "cpu": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, "peak": memory("VmHWM") - held}


def write_frazil(table, folder, codec, level):
    import frazil

    level = {"write.parquet.compression-level": str(level)} if codec in ("zstd", "gzip", "brotli") else {}
    catalog = frazil.load_catalog("bench", uri=f"sqlite:///{folder}/catalog.db", warehouse=str(folder / "warehouse"))
    catalog.create_namespace("b")
    target = catalog.create_table("b.t", schema=table.schema, properties={
        "write.parquet.compression-codec": codec, "write.target-file-size-bytes": str(1 << 40), **level})
    used = measure(lambda: target.append(table))
    files = list(target.scan().plan_files())
    assert len(files) == 1
    return used, files[0].file_path.removeprefix("file://")


def write_pyarrow(table, folder, codec, level):
    import pyarrow.parquet as parquet

    path = folder / "pyarrow.parquet"
    kwargs = {"compression_level": level} if codec in ("zstd", "gzip", "brotli") else {}
    return measure(lambda: parquet.write_table(table, path, compression=codec, **kwargs)), path


def run_engine(engine, case, rows, codec, level, threads):
    if threads == 1:
        os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[-1]})
    table = make(case, rows)
    with tempfile.TemporaryDirectory() as temporary:
        used, path = globals()[f"write_{engine}"](table, pathlib.Path(temporary), codec, level)
        size = os.path.getsize(path)
        import pyarrow.parquet as parquet

        back = parquet.read_table(path, use_threads=False)
        equal = back.num_rows == table.num_rows and all(back[name].cast(table[name].type).equals(table[name]) for name in table.column_names)
    print(json.dumps({**used, "bytes": size, "equal": equal}))


def ask(*arguments):
    result = subprocess.run([sys.executable, __file__, "--child", *map(str, arguments)], capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(f"{arguments} failed:\n{result.stderr[-3000:]}")
    return json.loads(result.stdout.strip().splitlines()[-1])


def compare(case, options, threads):
    runs = {engine: [] for engine in ENGINES}
    for _ in range(options.rounds):
        for engine in ENGINES:
            runs[engine].append(ask(engine, case, options.rows, options.codec, options.level, threads))
    middle = {engine: {key: statistics.median(run[key] for run in runs[engine]) for key in ["seconds", "cpu", "bytes", "peak"]}
              for engine in ENGINES}
    ours = middle["frazil"]
    for engine in ENGINES:
        it = middle[engine]
        print(f"  {case:9} {threads:7} {engine:8} {it['seconds']:8.3f} {it['cpu']:8.3f} {it['bytes'] / 1e6:9.2f} {it['peak'] / 1e6:8.0f} "
              f"{it['seconds'] / ours['seconds']:12.2f} {it['bytes'] / ours['bytes']:12.3f}")
        if not all(run["equal"] for run in runs[engine]):
            sys.exit(f"{engine} {case}: other rows come back")


def main():
    if sys.argv[1:2] == ["--child"]:
        engine, case, rows, codec, level, threads = sys.argv[2:]
        run_engine(engine, case, int(rows), codec, int(level), int(threads))
        return
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=4_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--codec", default="zstd")
    parser.add_argument("--level", type=int, default=3)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--cases", nargs="+", default=CASES, choices=CASES)
    options = parser.parse_args()
    print(f"write: {options.rows:,} numeric rows, {options.codec} level {options.level}, {os.cpu_count()} processors")
    print(f"  {'case':9} {'threads':>7} {'engine':8} {'seconds':>8} {'cpu s':>8} {'MB':>9} {'peak MB':>8} {'time/frazil':>12} {'size/frazil':>12}")
    for case in options.cases:
        for threads in options.threads:
            compare(case, options, threads)


if __name__ == "__main__":
    main()
