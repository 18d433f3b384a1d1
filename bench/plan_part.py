"""The plan part, which of many data files a scan reads, and the metadata part, 200 MB of table metadata."""

from __future__ import annotations

import pathlib

import harness
from harness import Engine

ENGINES = ["frazil", "pyiceberg"]
METADATA_MB = 200


def engines(task: str, place: pathlib.Path) -> list[Engine]:
    return [Engine(engine, harness.script("plan_engines.py", engine, task, place)) for engine in ENGINES]


def compare_plans(folder: pathlib.Path, n_files: int, rounds: int) -> None:
    if not folder.exists():
        harness.make_data("make_plan_data.py", folder, n_files)
    for task, words in [("plan", "all"), ("plan_day", "one day's, by partition"), ("plan_ids", "a range of ids, by column bounds")]:
        harness.compare(f"planning {n_files:,} data files: {words}", engines(task, folder), rounds)


def compare_metadata(path: pathlib.Path, rounds: int) -> None:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        harness.make_data("make_metadata.py", path, METADATA_MB)
    harness.compare(f"table metadata of {path.stat().st_size / 1e6:.0f} MB", engines("metadata", path), rounds)
