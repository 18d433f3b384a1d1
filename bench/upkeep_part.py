"""The upkeep part: what a thousand writes of 1,000 rows leave of an online table that compacts itself."""

from __future__ import annotations

import pathlib
import shutil

import harness
from harness import Targets

FILES_WANTED = 16
AMPLIFICATION_WANTED = 5
STORAGE_WANTED = 4  # bytes below the table at most, over its live data: what is compacted stays until its snapshot expires


def run(folder: pathlib.Path, n_writes: int, targets: Targets) -> None:
    n_rows, n_keys = 1000, 200 * n_writes
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    title = f"upkeep, {n_writes:,} writes of {n_rows:,} rows, {n_keys:,} keys in 16 buckets"
    it = harness.run_task(harness.script("upkeep_engines.py", folder, n_writes, n_rows, n_keys), title)
    print(f"\n{title}")
    print(f"  {it['rows'] / it['seconds']:,.0f} rows/s written, {it['seconds'] / n_writes * 1e3:.1f} ms a write")
    print(f"  files in the fullest bucket: {it['files']} at the end, {it['files_most']} at most")
    print(f"  data bytes written / brought: {it['amplification']:.2f}")
    print(f"  {it['live_bytes'] / 1e6:.0f} MB live; below the table {it['bytes'] / 1e6:.0f} MB at the end, {it['bytes_most'] / 1e6:.0f} MB at most")
    print(f"  {it['metadata_files']} metadata files, {it['manifests']} manifests and lists, {it['snapshots']} snapshots", flush=True)
    targets.at_most(f"{title}: files in a bucket, at any time", it["files_most"], FILES_WANTED)
    targets.at_most(f"{title}: write amplification", it["amplification"], AMPLIFICATION_WANTED)
    targets.at_most(f"{title}: bytes at most / live", it["bytes_most"] / it["live_bytes"], STORAGE_WANTED)
