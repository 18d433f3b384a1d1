"""Tables of feature rows and frames of entity rows for the join part.

Usage: join_data.py FOLDER SHAPE      SHAPE is a join_shape.Shape as JSON
       join_data.py FOLDER SHAPE ENTITY_ROWS   one more entity frame for a table that is there

Event times lie in one year. Rows come file after file: `time` in time order, `shuffled` at random times of the whole
range in every file, `sorted` by key and then time. Every file is a commit. Deletes take one row in a hundred.
The entity rows have random keys, and random times of the whole range or of its last days.
"""

import json
import os
import pathlib
import subprocess
import sys

import join_shape
import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
from harness import BUILD

import frazil

START_US = 1_767_225_600_000_000  # 2026-01-01
DAY_US = 86_400_000_000


def times(values):
    return pa.array(values, pa.int64()).cast(pa.timestamp("us", tz="UTC"))


def keys_and_times(random, shape, file, n_files, n_rows):
    span = shape.days * DAY_US
    if shape.order == "shuffled":
        return random.integers(0, shape.keys, n_rows), START_US + random.integers(0, span, n_rows)
    if shape.order == "sorted":
        first, end = shape.keys * file // n_files, max(shape.keys * (file + 1) // n_files, shape.keys * file // n_files + 1)
        keys, stamps = random.integers(first, end, n_rows), START_US + random.integers(0, span, n_rows)
        order = np.lexsort((stamps, keys))
        return keys[order], stamps[order]
    low, high = START_US + span * file // n_files, START_US + span * (file + 1) // n_files
    return random.integers(0, shape.keys, n_rows), np.sort(random.integers(low, high, n_rows))


def batches(shape, view):
    """One Arrow table a file."""
    random = np.random.default_rng([1, view])
    n_files = shape.files // shape.views
    for file in range(n_files):
        n_rows = shape.rows // shape.views // n_files
        keys, stamps = keys_and_times(random, shape, file, n_files, n_rows)
        columns = {"driver_id": keys, "event_timestamp": times(stamps)}
        columns |= {name: random.random(n_rows, np.dtype(shape.feature_type)) for name in shape.features_of(view)}
        yield pa.table(columns)


def create_with_frazil(shape, folder, name, rows):
    table = join_shape.open_with_frazil(folder).create_table(name, rows.schema, format_version=shape.format_version)
    return table.append


def create_with_pyiceberg(shape, folder, name, rows):
    catalog = join_shape.open_with_pyiceberg(folder)
    return catalog.create_table(name, rows.schema, properties={"format-version": str(shape.format_version)}).append


def delete_by_keys(folder, name):
    """Equality deletes, which neither frazil nor PyIceberg writes: by the tool of the tests."""
    tool = BUILD / "tests" / "write_deletes"
    if not tool.exists():
        sys.exit(f"no {tool}: make bench builds it, or: ninja -C {BUILD} tests/write_deletes")
    doomed = join_shape.open_with_frazil(folder).load_table(name).scan(
        join_shape.DOOMED, selected_fields=("driver_id", "event_timestamp")).to_arrow()
    path = folder / "deleted.parquet"
    parquet.write_table(doomed, path, row_group_size=len(doomed))
    subprocess.run([tool, join_shape.uri_of(folder), name, "keys", "0", "2", path], check=True)


def write_view(shape, folder, view):
    name, append = join_shape.table_of(view), None
    for rows in batches(shape, view):
        append = append or globals()[f"create_with_{shape.writer}"](shape, folder, name, rows)
        append(rows)
    table = join_shape.open_with_frazil(folder).load_table(name)
    (folder / f"files-{view}.txt").write_text("\n".join(file.file_path.removeprefix("file://") for file in table.scan().plan_files()))
    if shape.deletes == "equality":
        delete_by_keys(folder, name)
    elif shape.deletes:
        table.delete(join_shape.DOOMED, mode="merge-on-read")


def write_entities(shape, folder, n_rows):
    random = np.random.default_rng(2)
    end = START_US + shape.days * DAY_US
    low = end - shape.entity_days * DAY_US if shape.entity_days else START_US
    path = join_shape.entities_of(folder, n_rows)
    parquet.write_table(pa.table({"driver_id": random.integers(0, shape.keys, n_rows),
                                  "event_timestamp": times(random.integers(low, end, n_rows))}), path)


def main():
    folder, shape = pathlib.Path(sys.argv[1]), join_shape.Shape(**json.loads(sys.argv[2]))
    if len(sys.argv) > 3:
        write_entities(shape, folder, int(sys.argv[3]))
        return
    os.makedirs(folder)
    join_shape.open_with_frazil(folder).create_namespace("bench")
    for view in range(shape.views):
        write_view(shape, folder, view)
    write_entities(shape, folder, shape.entities)
    (folder / "shape.json").write_text(json.dumps(shape.__dict__))  # last: the folder is complete


if __name__ == "__main__":
    main()
