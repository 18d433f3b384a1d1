"""A digest of rows that does not depend on their order: what tells results of different engines apart.

Usage: check_rows.py FILE.parquet COLUMN...   prints {"rows", "digest"} as JSON

Each row's columns are mixed into 64 bits, exactly (no tolerance for floating-point numbers: nothing is computed
with them), and these are added up modulo 2^64. Timestamps count in microseconds since 1970, whatever their unit.
"""

import json
import sys

import numpy as np
import pyarrow as pa

NULL = np.uint64(0x9E3779B97F4A7C15)
MULTIPLIER = np.uint64(0xFF51AFD7ED558CCD)  # MurmurHash3's finalizer


def bits_of(array):
    """A column's values as 64-bit patterns, nulls as one that is unlikely."""
    if pa.types.is_timestamp(array.type):
        array = array.cast(pa.timestamp("us", array.type.tz)).cast("int64")
    if pa.types.is_integer(array.type):
        array = array.cast("int64")
    nulls = array.is_null().to_numpy(zero_copy_only=False)
    values = array.fill_null(0).to_numpy(zero_copy_only=False)
    bits = values.view(np.uint32).astype(np.uint64) if values.dtype == np.float32 else values.view(np.uint64)
    return np.where(nulls, NULL, bits)


def digest(batches, columns):
    """Rows and digest of record batches."""
    total, rows = np.uint64(0), 0
    for batch in batches:
        mixed = np.zeros(batch.num_rows, np.uint64)
        for name in columns:
            mixed = (mixed ^ bits_of(batch.column(name))) * MULTIPLIER
            mixed ^= mixed >> np.uint64(32)
        with np.errstate(over="ignore"):
            total += mixed.sum(dtype=np.uint64)
        rows += batch.num_rows
    return {"rows": rows, "digest": f"{int(total):016x}"}


def main():
    import pyarrow.parquet as parquet

    file = parquet.ParquetFile(sys.argv[1])
    print(json.dumps(digest(file.iter_batches(columns=sys.argv[2:]), sys.argv[2:])))


if __name__ == "__main__":
    main()
