"""The shape of the join part's data, and where its pieces lie: for those who make it and those who read it."""

from __future__ import annotations

import json
import pathlib
from dataclasses import dataclass

DOOMED = "f0 < 0.01"  # the rows that are deleted: features are uniform in [0, 1)


@dataclass(frozen=True)
class Shape:
    """rows, files: of all views together. entity_days: entity times lie in the last days; 0: anywhere. ttl_days 0: none."""

    rows: int
    keys: int
    entities: int
    files: int
    writer: str = "frazil"  # or pyiceberg
    order: str = "time"  # or shuffled, sorted
    features: int = 5
    feature_type: str = "float64"
    views: int = 1
    days: int = 365
    entity_days: int = 0
    ttl_days: int = 0
    format_version: int = 2
    deletes: str = ""  # or positions, vectors (with format_version 3), equality

    def features_of(self, view: int) -> list[str]:
        prefix = f"v{view}_" if self.views > 1 else ""
        return [f"{prefix}f{i}" for i in range(self.features)]

    def all_features(self) -> list[str]:
        return [name for view in range(self.views) for name in self.features_of(view)]

    def result_columns(self) -> list[str]:
        return ["driver_id", "event_timestamp", *self.all_features()]


def load(folder: pathlib.Path) -> Shape:
    return Shape(**json.loads((folder / "shape.json").read_text()))


def table_of(view: int) -> str:
    return f"bench.features{view}"


def files_of(folder: pathlib.Path, view: int) -> list[str]:
    """The data files, in the order of their rows."""
    return (folder / f"files-{view}.txt").read_text().splitlines()


def entities_of(folder: pathlib.Path, n_rows: int) -> pathlib.Path:
    return folder / f"entities-{n_rows}.parquet"


def uri_of(folder: pathlib.Path) -> str:
    return f"sqlite:///{folder}/catalog.db"


def open_with_frazil(folder: pathlib.Path):
    import frazil

    return frazil.load_catalog("default", uri=uri_of(folder), warehouse=f"{folder}/warehouse")


def open_with_pyiceberg(folder: pathlib.Path):
    from pyiceberg.catalog.sql import SqlCatalog

    return SqlCatalog("default", uri=uri_of(folder), warehouse=f"file://{folder}/warehouse")
