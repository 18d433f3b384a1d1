"""What the bench's parts share: engines in processes of their own, medians, one table of results a case, targets.

An engine's task is a command that prints a JSON object as its last line: `seconds` inside the task, `cpu_seconds` of
all threads, `peak_bytes` of the process and what tells its result apart (`rows` with `digest` or `sums`). A command that
prints none is timed from outside. Only the standard library is imported here: a process starts out with its parent's
peak, as far as the kernel's accounting goes.
"""

from __future__ import annotations

import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
BUILD = pathlib.Path(os.environ.get("FRAZIL_BUILD", ROOT / "build" / "release")).resolve()

Answer = dict  # seconds, cpu_seconds, peak_bytes, process_seconds, rows, and digest or sums


def script(name: str, *arguments: object) -> list[str]:
    """The command that runs a script of this folder."""
    return [sys.executable, str(HERE / name), *map(str, arguments)]


def make_data(name: str, *arguments: object) -> None:
    subprocess.run(script(name, *arguments), check=True)


def run_task(command: Sequence[str], title: str) -> Answer:
    """Run one task in a process and wait for it."""
    # NumPy, which PyArrow imports, has threads of its own that spin for a while: not an engine's work.
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    with tempfile.TemporaryFile("w+") as errors:
        start = time.perf_counter()
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True)
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.stdout.close()
        process.returncode = os.waitstatus_to_exitcode(status)
        errors.seek(0)
        if status != 0:
            sys.exit(f"{title} failed:\n{errors.read()[-3000:]}")
    lines = output.strip().splitlines()
    told = json.loads(lines[-1]) if lines and lines[-1].startswith("{") else {}
    outside = {"seconds": seconds, "cpu_seconds": usage.ru_utime + usage.ru_stime, "peak_bytes": usage.ru_maxrss * 1024}
    return {**outside, **told, "process_seconds": seconds}


@dataclass
class Engine:
    """One way to do a case's task.

    rounds: at most so often; slow engines run fewer rounds than others.
    finish: completes the answer after a run, outside of its time (such as the digest of a file that it wrote).
    """

    name: str
    command: Sequence[str]
    rounds: int | None = None
    finish: Callable[[Answer], Answer] = field(default=lambda answer: answer)


Medians = dict  # engine's name: {"seconds", "cpu_seconds", "peak_bytes", "process_seconds"}
MEASURES = ["seconds", "cpu_seconds", "peak_bytes", "process_seconds"]


def equal_results(a: Answer, b: Answer) -> bool:
    """Rows and digest are the same; sums of floating-point numbers are as near as adding in another order leaves them."""
    if a["rows"] != b["rows"] or a.get("digest") != b.get("digest"):
        return False
    return all(abs(x - y) <= 1e-6 * max(1.0, abs(x)) for x, y in zip(a.get("sums", []), b.get("sums", []), strict=True))


def measure(title: str, engines: Sequence[Engine], rounds: int) -> dict[str, list[Answer]]:
    """Engines take turns, so that a drift of the machine hits all."""
    runs: dict[str, list[Answer]] = {engine.name: [] for engine in engines}
    for number in range(rounds):
        for engine in engines:
            if number < min(rounds, engine.rounds or rounds):
                runs[engine.name].append(engine.finish(run_task(engine.command, f"{title}: {engine.name}")))
    return runs


def medians(runs: Mapping[str, Sequence[Answer]]) -> Medians:
    return {name: {key: statistics.median(answer[key] for answer in answers) for key in MEASURES} for name, answers in runs.items()}


def compare(title: str, engines: Sequence[Engine], rounds: int, *, memory_of: str | None = None) -> Medians:
    """Measure engines and print them beside the first one. Results that differ from its end the bench.

    memory_of: the engine whose peak memory others are compared with; None: the first.
    """
    runs = measure(title, engines, rounds)
    middle = medians(runs)
    first, memory = engines[0].name, memory_of or engines[0].name
    width = max(20, *(len(engine.name) for engine in engines))
    print(f"\n{title}")
    print(f"  {'engine':{width}} {'seconds':>9} {'cpu s':>9} {'peak MB':>9} {'time/' + first:>14} {'cpu/' + first:>14} "
          f"{'memory/' + memory:>18}  result")
    for engine in engines:
        it = middle[engine.name]
        same = equal_results(runs[engine.name][0], runs[first][0])
        n_rounds = len(runs[engine.name])
        print(f"  {engine.name:{width}} {it['seconds']:9.3f} {it['cpu_seconds']:9.3f} {it['peak_bytes'] / 1e6:9.0f} "
              f"{it['seconds'] / middle[first]['seconds']:14.2f} {it['cpu_seconds'] / middle[first]['cpu_seconds']:14.2f} "
              f"{it['peak_bytes'] / middle[memory]['peak_bytes']:18.2f}  {'equal' if same else 'DIFFERENT'}"
              + (f" ({n_rounds} of {rounds} rounds)" if n_rounds < rounds else ""), flush=True)
        if not same:
            sys.exit(f"{engine.name} gives another result: {runs[engine.name][0]} instead of {runs[first][0]}")
    return middle


class Targets:
    """What was wanted of the comparisons, and what came out."""

    def __init__(self) -> None:
        self._lines: list[tuple[str, float, str, float]] = []

    def at_least(self, title: str, value: float, wanted: float) -> None:
        self._lines.append((title, value, ">=", wanted))

    def at_most(self, title: str, value: float, wanted: float) -> None:
        self._lines.append((title, value, "<=", wanted))

    def print(self) -> None:
        if not self._lines:
            return
        width = max(len(title) for title, *_ in self._lines)
        print(f"\n{'wanted':{width + 2}} {'measured':>9}")
        for title, value, relation, wanted in self._lines:
            met = value >= wanted if relation == ">=" else value <= wanted
            print(f"  {title:{width}} {value:9.2f}  {relation} {wanted:g}  {'met' if met else 'MISSED'}")
        busy = os.getloadavg()[1] / (os.cpu_count() or 1)
        if busy > 1.5:
            print(f"The machine was busy ({busy:.1f} runnable threads a processor): times are of little worth.")
