"""The decode parts: a whole table into Arrow memory, and single Parquet files of every kind on one thread."""

from __future__ import annotations

import pathlib
import statistics
import sys

import harness
from harness import Engine

ENGINES = ["frazil", "pyarrow", "duckdb"]


def engines(task: str, place: pathlib.Path) -> list[Engine]:
    return [Engine(engine, harness.script("decode_engines.py", engine, task, place)) for engine in ENGINES]


def compare_table(folder: pathlib.Path, rounds: int) -> None:
    harness.compare("decode: the dense table into Arrow memory", engines("table", folder), rounds)


def compare_files(folder: pathlib.Path, rows: int, rounds: int) -> None:
    """A line a file: milliseconds of processor time, how many times longer the others take, peak memory."""
    if not (folder / "rows.txt").exists():
        harness.make_data("decode_files.py", folder, rows)
    others = ENGINES[1:]
    print(f"\nfile: processor milliseconds on one thread, {(folder / 'rows.txt').read_text()} rows in the numeric files")
    print(f"  {'file':34}" + "".join(f"{engine:>9}" for engine in ENGINES)
          + "".join(f"{engine + '/frazil':>16}" for engine in others) + "   peak MB of each")
    ratios: dict[str, list[float]] = {engine: [] for engine in others}
    for path in sorted(folder.glob("*.parquet")):
        for engine, ratio in compare_file(path, rounds).items():
            ratios[engine].append(ratio)
    for engine in others:
        print(f"  {engine}/frazil: geometric mean {statistics.geometric_mean(ratios[engine]):.2f}, least {min(ratios[engine]):.2f}")


def compare_file(path: pathlib.Path, rounds: int) -> dict[str, float]:
    """How many times longer than frazil the others take."""
    runs = harness.measure(path.name, engines("file", path), rounds)
    others = ENGINES[1:]
    for engine in others:
        if not harness.equal_results(runs[engine][0], runs["frazil"][0]):
            sys.exit(f"{engine} reads {path.name} differently: {runs[engine][0]} instead of {runs['frazil'][0]}")
    it = harness.medians(runs)
    ratios = {engine: it[engine]["seconds"] / it["frazil"]["seconds"] for engine in others}
    print(f"  {path.name.removesuffix('.parquet'):34}" + "".join(f"{it[engine]['seconds'] * 1e3:9.1f}" for engine in ENGINES)
          + "".join(f"{ratios[engine]:16.2f}" for engine in others)
          + "   " + " ".join(f"{it[engine]['peak_bytes'] / 1e6:.0f}" for engine in ENGINES), flush=True)
    return ratios
