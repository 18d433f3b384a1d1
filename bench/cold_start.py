"""The cold start part: a process that starts, opens a catalog and a table, and prints the table's first row.

Times are of the whole process, as it is a process's start that is felt. PyIceberg's row comes out of its usual call, which
makes a pyarrow.Table; frazil's with to_pylist(), and beside it by way of a pyarrow.Table too.
"""

from __future__ import annotations

import pathlib
import sys

import harness
import join_shape
from harness import Engine, Targets

FRAZIL = """
import frazil
catalog = frazil.load_catalog("default", uri={uri!r}, warehouse={warehouse!r})
row = catalog.load_table({table!r}).scan(limit=1).to_pylist()[0]
"""
THROUGH_PYARROW = FRAZIL.replace("to_pylist()[0]", "to_arrow().to_pylist()[0]")
PYICEBERG = """
from pyiceberg.catalog import load_catalog
catalog = load_catalog("default", type="sql", uri={uri!r}, warehouse="file://" + {warehouse!r})
row = catalog.load_table({table!r}).scan(limit=1).to_arrow().to_pylist()[0]
"""
REPORT = """
import json
print(json.dumps({{"rows": 1, "digest": str({{name: str(value) for name, value in row.items()}})}}))
"""
WANTED = 20


def program(text: str, folder: pathlib.Path) -> list[str]:
    values = {"uri": join_shape.uri_of(folder), "warehouse": f"{folder}/warehouse", "table": join_shape.table_of(0)}
    return [sys.executable, "-c", (text + REPORT).format(**values)]


def compare(folder: pathlib.Path, rounds: int, targets: Targets) -> None:
    engines = {"frazil": FRAZIL, "frazil and pyarrow": THROUGH_PYARROW, "pyiceberg": PYICEBERG}
    it = harness.compare("cold start: a process prints the first row of the dense table",
                         [Engine(name, program(text, folder)) for name, text in engines.items()], rounds)
    targets.at_least("cold start: time, pyiceberg / frazil", it["pyiceberg"]["seconds"] / it["frazil"]["seconds"], WANTED)
