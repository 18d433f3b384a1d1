"""The join part: frazil's point-in-time join beside the ways there are without it, over the same Parquet files.

Every case has a table (or five) that join_data.py writes once. `frazil` is the Python call, as its peers are; `frazil pit`
the command, which writes a Parquet file: its time is that of the whole process, and its peak memory the one that counts,
as nobody else's copy of the entity rows is in it. `duckdb copy` writes such a file too.
"""

from __future__ import annotations

import dataclasses
import json
import pathlib
import shutil
from dataclasses import dataclass

import harness
import join_shape
from harness import Engine, Medians, Targets
from join_shape import Shape


@dataclass(frozen=True)
class Scale:
    """Rows and files of the cases."""

    rows: int = 20_000_000
    keys: int = 200_000
    entities: int = 1_000_000
    files: int = 20
    sparse_rows: int = 5_000_000
    sparse_entities: int = 10_000
    small_files: int = 1000
    spill_entities: int = 20_000_000
    spill_limit_mb: int = 1024
    growth: int = 5


QUICK = Scale(rows=1_000_000, keys=20_000, entities=100_000, sparse_rows=400_000, sparse_entities=2_000, small_files=100,
              spill_entities=2_000_000, spill_limit_mb=128)


class JoinPart:
    """The cases, by name."""

    CASES = ["dense", "sparse", "deletes", "views", "sorted", "small-files", "many-entities"]
    LONG_CASES = ["growth"]

    def __init__(self, folder: pathlib.Path, scale: Scale, rounds: int, targets: Targets) -> None:
        self.folder, self.scale, self.rounds, self.targets = folder, scale, rounds, targets

    # -- data --

    def dense(self, **options) -> Shape:
        scale = self.scale
        return Shape(**{"rows": scale.rows, "keys": scale.keys, "entities": scale.entities, "files": scale.files, **options})

    def table(self, name: str, shape: Shape) -> pathlib.Path:
        """The folder of a table of this shape, made unless it is there."""
        folder = self.folder / name
        if not (folder / "shape.json").exists() or join_shape.load(folder) != shape:
            shutil.rmtree(folder, ignore_errors=True)
            harness.make_data("join_data.py", folder, json.dumps(dataclasses.asdict(shape)))
        return folder

    # -- engines --

    def python(self, engine: str, name: str, folder: pathlib.Path, entities: int | None = None, rounds: int | None = None) -> Engine:
        path = join_shape.entities_of(folder, entities or join_shape.load(folder).entities)
        return Engine(name, harness.script("join_engines.py", engine, folder, path), rounds)

    def writes(self, name: str, command: list[str], folder: pathlib.Path, output: pathlib.Path, rounds: int | None) -> Engine:
        """A command that writes its result to a file, which is digested afterwards."""

        def finish(answer):
            check = harness.run_task(harness.script("check_rows.py", output, *join_shape.load(folder).result_columns()), name)
            output.unlink()
            return {**answer, "rows": check["rows"], "digest": check["digest"]}

        return Engine(name, command, rounds, finish)

    def pit(self, folder: pathlib.Path, *options: str, entities: int | None = None, rounds: int | None = None) -> Engine:
        shape, output = join_shape.load(folder), folder / "pit.parquet"
        command = [str(harness.BUILD / "cli" / "frazil"), "--uri", join_shape.uri_of(folder), "--warehouse", f"{folder}/warehouse",
                   "pit", str(join_shape.entities_of(folder, entities or shape.entities)), "--output", str(output), *options]
        for view in range(shape.views):
            command += [join_shape.table_of(view), "--on", "driver_id", "--timestamp", "event_timestamp"]
            command += ["--ttl", f"{shape.ttl_days}d"] if shape.ttl_days else []
        return self.writes("frazil pit", command, folder, output, rounds)

    def compare(self, title: str, engines: list[Engine]) -> Medians:
        return harness.compare(title, engines, self.rounds, memory_of="frazil pit")

    # -- cases --

    def run(self, case: str) -> None:
        getattr(self, "run_" + case.replace("-", "_"))()

    def run_dense(self) -> None:
        for order, wanted in [("time", 3.5), ("shuffled", 2.5)]:
            for writer in ["frazil", "pyiceberg"]:
                title = f"dense: rows {'in time order' if order == 'time' else 'shuffled'}, written by {writer}"
                self.dense_table(title, self.table(f"dense-{order}-{writer}", self.dense(order=order, writer=writer)), wanted,
                                 all_peers=(order, writer) == ("time", "frazil"))

    def dense_table(self, title: str, folder: pathlib.Path, wanted: float, all_peers: bool) -> None:
        engines = [self.python("frazil", "frazil", folder), self.pit(folder), self.python("duckdb", "duckdb", folder)]
        engines += [self.python("polars", "polars", folder)]
        if all_peers:
            engines += [self.python("feast_frazil", "feast with frazil", folder, rounds=2),
                        self.python("feast_duckdb", "feast with duckdb", folder, rounds=1)]
        it = self.compare(title, engines)
        scan = harness.medians(harness.measure(title, [self.python("duckdb_scan", "scan", folder)], self.rounds))["scan"]
        print(f"  DuckDB's bare scan of the same columns takes {scan['seconds']:.3f} s ({scan['cpu_seconds']:.3f} cpu s): frazil's join is "
              f"{it['frazil']['seconds'] / scan['seconds']:.2f} times that ({it['frazil']['cpu_seconds'] / scan['cpu_seconds']:.2f} in cpu)")
        self.faster(title, it, "duckdb", wanted)
        self.targets.at_least(f"{title}: memory, duckdb / frazil pit", it["duckdb"]["peak_bytes"] / it["frazil pit"]["peak_bytes"], 8)
        self.targets.at_most(f"{title}: time, frazil / bare scan", it["frazil"]["seconds"] / scan["seconds"], 1.4)
        if "time order" in title:
            self.faster(title, it, "polars", 3)
        if all_peers:
            self.faster(title, it, "feast with duckdb", 15)

    def faster(self, title: str, it: Medians, engine: str, wanted: float) -> None:
        self.targets.at_least(f"{title}: time, {engine} / frazil", it[engine]["seconds"] / it["frazil"]["seconds"], wanted)

    def run_sparse(self) -> None:
        scale = self.scale
        for writer in ["frazil", "pyiceberg"]:
            shape = Shape(rows=scale.sparse_rows, keys=scale.keys, entities=scale.sparse_entities, files=20, writer=writer,
                          features=50, feature_type="float32", days=20, entity_days=2, ttl_days=1)
            folder = self.table(f"sparse-{writer}", shape)
            title = f"sparse and wide, written by {writer}"
            it = self.compare(title, [self.python("frazil", "frazil", folder), self.pit(folder), self.python("duckdb", "duckdb", folder),
                                      self.python("duckdb_filtered", "duckdb, filter by hand", folder)])
            self.faster(title, it, "duckdb", 15)
            self.faster(title, it, "duckdb, filter by hand", 4)

    def run_deletes(self) -> None:
        through_pyiceberg = ("pyiceberg_duckdb", "pyiceberg + duckdb")
        for kind, version, (peer, name) in [("positions", 2, through_pyiceberg), ("vectors", 3, through_pyiceberg),
                                            ("equality", 2, ("duckdb_anti_join", "duckdb, anti join by hand"))]:
            folder = self.table(f"deletes-{kind}", self.dense(deletes=kind, format_version=version))
            title = f"merge-on-read, 1% deleted: {kind}"
            it = self.compare(title, [self.python("frazil", "frazil", folder), self.pit(folder), self.python(peer, name, folder)])
            if kind == "equality":
                print("  PyIceberg reads no equality deletes.")
            else:
                self.faster(title, it, name, 6)

    def run_views(self) -> None:
        folder = self.table("views", self.dense(views=5))
        self.compare("five views at once, of five tables", [self.python("frazil", "frazil", folder), self.pit(folder),
                                                            self.python("duckdb", "duckdb", folder), self.python("polars", "polars", folder)])

    def run_sorted(self) -> None:
        folder = self.table("sorted", self.dense(order="sorted"))
        self.compare("a table sorted by key and time", [self.python("frazil", "frazil", folder), self.pit(folder),
                                                        self.python("duckdb", "duckdb", folder)])

    def run_small_files(self) -> None:
        folder = self.table("small-files", self.dense(files=self.scale.small_files))
        self.compare(f"{self.scale.small_files:,} small files", [self.python("frazil", "frazil", folder), self.pit(folder),
                                                                 self.python("duckdb", "duckdb", folder)])

    def run_many_entities(self) -> None:
        """More entity rows than the memory limit holds."""
        shape, n_rows, limit_mb = self.dense(), self.scale.spill_entities, self.scale.spill_limit_mb
        folder = self.table("dense-time-frazil", shape)
        if not join_shape.entities_of(folder, n_rows).exists():
            harness.make_data("join_data.py", folder, json.dumps(dataclasses.asdict(shape)), n_rows)
        title = f"{n_rows:,} entity rows under {limit_mb} MB"
        it = harness.compare(title, [self.pit(folder, "--memory-limit", f"{limit_mb}MB", entities=n_rows, rounds=2),
                                     self.python("duckdb", "duckdb", folder, n_rows, rounds=1)], self.rounds)
        self.targets.at_most(f"{title}: peak MB", it["frazil pit"]["peak_bytes"] / 2**20, limit_mb)

    def run_growth(self) -> None:
        """The dense case, and the same with more feature rows: time grows no faster than rows, memory does not."""
        middle = []
        for factor in [1, self.scale.growth]:
            shape = self.dense(rows=self.scale.rows * factor, files=self.scale.files * factor)
            folder = self.table("dense-time-frazil" if factor == 1 else "dense-time-grown", shape)
            middle.append(self.compare(f"{shape.rows:,} feature rows", [
                self.python("frazil", "frazil", folder), self.pit(folder), self.python("duckdb", "duckdb", folder, rounds=1)]))
        for engine, measure, wanted in [("frazil", "seconds", self.scale.growth), ("frazil pit", "peak_bytes", 1.15)]:
            grown = middle[1][engine][measure] / middle[0][engine][measure]
            self.targets.at_most(f"{self.scale.growth} times the feature rows: {measure.removesuffix('_bytes')} of {engine}", grown, wanted)
