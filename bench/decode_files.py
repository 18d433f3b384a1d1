"""The files of the bench's decode part: numeric, string and nested columns, each with zstd and snappy.

Usage: decode_files.py FOLDER ROWS

PyArrow writes them with its defaults, but for the codec and for what a case's name says; one comes from DuckDB. Rows are
those of the numeric files: strings have a half, nested columns a quarter of them.
"""

import pathlib
import sys

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet

CODECS = ["zstd", "snappy"]
NULL_SHARE = 0.2
random = np.random.default_rng(7)


def with_nulls(array):
    return pa.array(array.to_numpy(zero_copy_only=False), array.type, mask=random.random(len(array)) < NULL_SHARE)


def all_with_nulls(table):
    return pa.table({name: with_nulls(table[name].combine_chunks()) for name in table.column_names})


def distinct_numbers(rows):
    """Identifiers, counts and amounts: hardly any value twice, compressible as such columns are."""
    return pa.table({
        "i64": pa.array(10**12 + random.integers(0, 10 * rows, rows)),
        "i32": pa.array(np.arange(rows, dtype=np.int32) + random.integers(0, 1000, rows, dtype=np.int32)),
        "f64": pa.array(random.integers(0, 10**7, rows) / 100.0),
        "noise": pa.array(random.random(rows)),
    })


def repeated_numbers(rows):
    """Few different values, as dictionaries are for: 10, 1000 and 50 000."""
    return pa.table({
        "i64": pa.array(random.integers(0, 10, rows) * 10**9),
        "i32": pa.array(random.integers(0, 1000, rows, dtype=np.int32) * 7),
        "f64": pa.array(random.integers(0, 50_000, rows) / 8.0),
    })


def texts(rows, low, high):
    """Distinct texts of low to high letters."""
    letters = bytes(random.integers(97, 123, rows * (high + 1) // 2 + high, dtype=np.uint8)).decode()
    starts = random.integers(0, len(letters) - high, rows)
    lengths = random.integers(low, high + 1, rows)
    return pa.array([letters[start:start + length] for start, length in zip(starts.tolist(), lengths.tolist())])


def repeated_texts(rows, n_distinct, low, high):
    return texts(n_distinct, low, high).take(pa.array(random.integers(0, n_distinct, rows)))


def strings(rows):
    return {
        "string-repeated": pa.table({"few": repeated_texts(rows, 30, 4, 12), "some": repeated_texts(rows, 5000, 8, 24)}),
        "string-short": pa.table({"short": texts(rows, 4, 14)}),
        "string-long": pa.table({"long": texts(rows // 4, 40, 200)}),
    }


def offsets_of(rows, longest):
    lengths = random.integers(0, longest + 1, rows)
    return pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32()), int(lengths.sum())


def lists_of(rows, make):
    """Lists of 0 to 8 items, one in ten of them null."""
    offsets, n_items = offsets_of(rows, 8)
    return pa.ListArray.from_arrays(offsets, make(n_items), mask=pa.array(random.random(rows) < 0.1))


def structs_of(rows):
    fields = {"id": pa.array(random.integers(0, 10**9, rows)), "score": with_nulls(pa.array(random.random(rows))),
              "kind": repeated_texts(rows, 20, 3, 9)}
    return pa.StructArray.from_arrays(list(fields.values()), list(fields), mask=pa.array(random.random(rows) < 0.1))


def nested(rows):
    offsets, n_items = offsets_of(rows, 6)
    pairs = pa.MapArray.from_arrays(offsets, repeated_texts(n_items, 200, 4, 12), pa.array(random.integers(0, 10**6, n_items)))
    return {
        "nested-list": pa.table({"list": lists_of(rows, lambda n: pa.array(random.integers(0, 10**6, n)))}),
        "nested-list-struct": pa.table({"list": lists_of(rows // 2, structs_of)}),
        "nested-map": pa.table({"map": pairs}),
        "nested-struct": pa.table({"struct": structs_of(rows * 2)}),
    }


def cases(rows):
    """Name, table and the writer's options."""
    plain = {"use_dictionary": False}
    distinct, repeated = distinct_numbers(rows), repeated_numbers(rows)
    yield "numeric-plain", distinct, plain
    yield "numeric-plain-nulls", all_with_nulls(distinct), plain
    yield "numeric-dictionary", repeated, {}
    yield "numeric-dictionary-nulls", all_with_nulls(repeated), {}
    texts_of = strings(rows // 2)
    for name, table in texts_of.items():
        yield name, table, {}
    yield "string-short-plain", texts_of["string-short"], plain
    yield "string-short-nulls", all_with_nulls(texts_of["string-short"]), {}
    yield "string-repeated-nulls", all_with_nulls(texts_of["string-repeated"]), {}
    for name, table in nested(rows // 4).items():
        yield name, table, {}
    split = distinct.select(["f64", "noise"])  # DuckDB refuses integers in this encoding
    yield "split-streams", split, {**plain, "column_encoding": dict.fromkeys(split.column_names, "BYTE_STREAM_SPLIT")}
    yield "delta-numbers", distinct.select(["i64", "i32"]), {
        **plain, "column_encoding": {"i64": "DELTA_BINARY_PACKED", "i32": "DELTA_BINARY_PACKED"}}
    short = texts_of["string-short"]["short"].combine_chunks()
    yield "delta-lengths", pa.table({"text": short}), {**plain, "column_encoding": {"text": "DELTA_LENGTH_BYTE_ARRAY"}}
    yield "delta-strings", pa.table({"text": short.sort()}), {**plain, "column_encoding": {"text": "DELTA_BYTE_ARRAY"}}


def write_with_duckdb(table, path, codec):
    duckdb.register("mixed", table)
    duckdb.sql(f"COPY (FROM mixed) TO '{path}' (FORMAT parquet, COMPRESSION {codec})")


def main():
    folder, rows = pathlib.Path(sys.argv[1]), int(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    for name, table, options in cases(rows):
        for codec in CODECS:
            parquet.write_table(table, folder / f"{name}.{codec}.parquet", compression=codec, **options)
    numbers, few = distinct_numbers(rows // 2), strings(rows // 2)["string-repeated"]
    mixed = pa.table({**{name: numbers[name] for name in numbers.column_names}, **{name: few[name] for name in few.column_names}})
    for codec in CODECS:
        write_with_duckdb(mixed, folder / f"duckdb-mixed.{codec}.parquet", codec)
    (folder / "rows.txt").write_text(str(rows))


if __name__ == "__main__":
    main()
