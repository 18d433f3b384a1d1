"""Make the bench's data: an Iceberg table of feature rows, file after file in time order, and entity rows.

Usage: make_data.py FOLDER ROWS KEYS ENTITIES FILES
"""

import pathlib
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet

import frazil

START_US = 1_767_225_600_000_000  # 2026-01-01
SPAN_US = 365 * 86_400_000_000


def times(values):
    return pa.array(values, pa.int64()).cast(pa.timestamp("us", tz="UTC"))


def main():
    folder = pathlib.Path(sys.argv[1])
    rows, keys, entities, files = map(int, sys.argv[2:6])
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(1)
    catalog = frazil.load_catalog("bench", uri=f"sqlite:///{folder}/catalog.db", warehouse=str(folder / "warehouse"))
    catalog.create_namespace("bench")
    table = None
    per_file = rows // files
    for file in range(files):
        low = START_US + SPAN_US * file // files
        stamps = np.sort(random.integers(low, low + SPAN_US // files, per_file))
        columns = {"driver_id": random.integers(0, keys, per_file), "event_timestamp": times(stamps)}
        columns |= {f"f{i}": random.random(per_file) for i in range(5)}
        batch = pa.table(columns)
        if table is None:
            table = catalog.create_table("bench.features", schema=batch.schema)
        table.append(batch)
    paths = [file.file_path for file in table.scan().plan_files()]
    (folder / "files.txt").write_text("\n".join(path.removeprefix("file://") for path in paths))
    parquet.write_table(pa.table({"driver_id": random.integers(0, keys, entities),
                                  "event_timestamp": times(random.integers(START_US, START_US + SPAN_US, entities))}),
                        folder / "entities.parquet")


if __name__ == "__main__":
    main()
