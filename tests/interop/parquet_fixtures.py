"""Compare frazil's Parquet reader with pyarrow's, value by value.

Usage: parquet_fixtures.py PARQUET_DUMP [FILE-OR-FOLDER...]

Without files, the fixtures of other implementations are read ($FRAZIL_FIXTURES, or
../shared/fixtures beside the project). Prints one line a file and fails if any differs.
"""
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = Path(os.environ.get("FRAZIL_FIXTURES", ROOT.parent / "shared" / "fixtures"))

# pyarrow does not compare checksums unless asked, and reads past these two files' damage.
REFUSED = {"datapage_v1-corrupt-checksum.parquet", "rle-dict-uncompressed-corrupt-checksum.parquet"}

# Rows where pyarrow is wrong: it takes INT96's Julian day as unsigned, Spark wrote 290000-12-30.
SPARED = {"int96_from_spark.parquet": {5}}


def plain(value, type_):
    """A pyarrow value as parquet_dump prints it."""
    if value is None:
        return None
    if isinstance(type_, pa.BaseExtensionType):
        type_ = type_.storage_type
    if pa.types.is_dictionary(type_):
        type_ = type_.value_type
    if pa.types.is_struct(type_):
        fields = [type_.field(i) for i in range(type_.num_fields)]
        return [plain(item, field.type) for (_, item), field in zip(value, fields)]
    if pa.types.is_map(type_):
        return [[plain(k, type_.key_type), plain(v, type_.item_type)] for k, v in value]
    if pa.types.is_list(type_) or pa.types.is_large_list(type_):
        return [plain(item, type_.value_type) for item in value]
    if pa.types.is_decimal(type_):
        unscaled = int(value.scaleb(type_.scale).to_integral_exact())
        return unscaled.to_bytes(16, "little", signed=True).hex()
    if isinstance(value, str):
        return value.encode().hex()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, float):
        if math.isnan(value):
            return "nan"
        return ("inf" if value > 0 else "-inf") if math.isinf(value) else value
    return value


def rows_of_column(array):
    """A column as Python values, with times as integers and structs as pairs."""
    type_ = array.type
    if isinstance(type_, pa.BaseExtensionType):
        array = array.storage
        type_ = array.type
    if pa.types.is_temporal(type_):
        bits = pa.int32() if type_.bit_width == 32 else pa.int64()
        return array.view(bits).to_pylist()
    if pa.types.is_struct(type_):
        columns = [rows_of_column(array.field(i)) for i in range(type_.num_fields)]
        rows = zip(*columns) if columns else [()] * len(array)
        return [list(enumerate(row)) if ok else None
                for row, ok in zip(rows, array.is_valid().to_pylist())]
    if pa.types.is_map(type_):
        keys, items = rows_of_column(array.keys), rows_of_column(array.items)
        return cut(array, list(zip(keys, items)))
    if pa.types.is_list(type_) or pa.types.is_large_list(type_):
        return cut(array, rows_of_column(array.values))
    return array.to_pylist()


def cut(array, items):
    offsets = array.offsets.to_pylist()
    return [items[a:b] if ok else None
            for a, b, ok in zip(offsets, offsets[1:], array.is_valid().to_pylist())]


def with_pyarrow(path):
    return plain_table(pq.ParquetFile(path, coerce_int96_timestamp_unit="us").read())


def plain_table(table):
    """Names and rows of a pyarrow table, as parquet_dump prints them."""
    columns = []
    for name, column in zip(table.column_names, table.columns):
        values = []
        for chunk in column.chunks:
            values += rows_of_column(chunk)
        columns.append([plain(value, column.type) for value in values])
    return list(table.column_names), [list(row) for row in zip(*columns)]


def with_frazil(dump, path, *args):
    run = subprocess.run([dump, str(path), *args], capture_output=True, text=True)
    if run.returncode != 0:
        raise RuntimeError(run.stderr.strip().splitlines()[0] if run.stderr else "crash")
    lines = run.stdout.splitlines()
    names = [bytes.fromhex(name).decode() for name, _ in json.loads(lines[0])]
    return names, [json.loads(line) for line in lines[1:]]


def compare(dump, path):
    """("equal" | "refused" | "differs" | "only pyarrow" | "only frazil", details)"""
    try:
        expected = with_pyarrow(path)
    except Exception as error:  # pyarrow raises many kinds
        expected = error
    try:
        ours = with_frazil(dump, path)
    except RuntimeError as error:
        ours = error
    if isinstance(expected, Exception) or isinstance(ours, Exception):
        if isinstance(expected, Exception) and isinstance(ours, Exception):
            return "refused", str(ours)
        if path.name in REFUSED and isinstance(ours, Exception):
            return "refused", str(ours)
        if isinstance(ours, Exception):
            return "only pyarrow", str(ours)
        return "only frazil", f"{len(ours[1])} rows; pyarrow: {str(expected)[:100]}"
    if ours[0] != expected[0]:
        return "differs", f"columns {ours[0]} != {expected[0]}"
    if len(ours[1]) != len(expected[1]) and expected[0]:
        return "differs", f"{len(ours[1])} rows != {len(expected[1])}"
    for i, (a, b) in enumerate(zip(ours[1], expected[1])):
        if a != b and i not in SPARED.get(path.name, ()):
            return "differs", f"row {i}: {str(a)[:200]} != {str(b)[:200]}"
    # The same rows in small batches, and some rows by ranges.
    if with_frazil(dump, path, "7")[1] != ours[1]:
        return "differs", "batches of 7 rows"
    n = len(ours[1])
    ranges = [(i, min(i + 1 + i % 3, n)) for i in range(1, n, max(5, n // 300))]
    if ranges:
        text = ",".join(f"{a}:{b}" for a, b in ranges)
        wanted = [row for a, b in ranges for row in ours[1][a:b]]
        if with_frazil(dump, path, "100", text)[1] != wanted:
            return "differs", "ranges of rows"
    return "equal", f"{n} rows"


def main():
    dump = sys.argv[1]
    given = [Path(arg) for arg in sys.argv[2:]] or [
        FIXTURES / "parquet-testing" / "data", FIXTURES / "iceberg" / "encodings"]
    files = []
    for path in given:
        files += sorted(p for p in path.rglob("*.parquet*") if p.is_file()) if path.is_dir() else [path]
    if not files:
        print(f"no fixtures in {FIXTURES}: skipped")
        return 0
    counts = {}
    for path in files:
        verdict, details = compare(dump, path)
        counts[verdict] = counts.get(verdict, 0) + 1
        print(f"{verdict:13} {path.name}: {details}")
    print(counts)
    return 1 if counts.get("differs") or counts.get("only pyarrow") else 0


if __name__ == "__main__":
    sys.exit(main())
