"""Check what frazil's Parquet writer makes with pyarrow and DuckDB.

Usage: parquet_write.py PARQUET_REWRITE [SEED...]

Tables of every type are written by pyarrow, read and written again by frazil under several options,
and compared: values (by both), page checksums, chunk statistics, and each page's entry in the column
and offset index, which a small reader of Thrift's compact protocol below decodes on its own.
"""
import datetime
import decimal
import math
import random
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

try:
    import duckdb
except ImportError:
    duckdb = None

OPTIONS = [
    [],
    ["v2=1", "page_rows=100", "group_rows=700"],
    ["codec=0", "dictionary_bytes=0", "page_rows=37", "group_rows=1000"],
    ["codec=1", "page_bytes=500", "group_bytes=3000", "batch_rows=11"],
    ["codec=2", "page_rows=64", "dictionary_bytes=600", "v2=1"],
    ["codec=4", "page_rows=50"],
    ["codec=7", "page_bytes=1"],
    ["encodings=0", "dictionary_bytes=0"],
    ["encodings=2", "dictionary_bytes=0", "v2=1", "page_rows=300"],
    # Each encoding on every column whose type has it: several pages, and with pages of nulls alone.
    ["encoding=0", "page_rows=3"],
    ["encoding=5", "page_rows=3"],
    ["encoding=5", "codec=0", "v2=1", "page_rows=400"],
    ["encoding=6", "page_rows=3", "v2=1"],
    ["encoding=6", "codec=0", "page_rows=400"],
    ["encoding=7", "page_rows=3"],
    ["encoding=7", "codec=0", "v2=1", "page_rows=400"],
    ["encoding=9", "page_rows=3"],
    ["encoding=9", "codec=0", "v2=1", "page_rows=400"],
]


# ---- tables ----

def texts(rng):
    word = "".join(rng.choice("abcde\u00e9\u4e16\U0001f600\x7f") for _ in range(rng.randrange(6)))
    return word * (20 if rng.random() < 0.1 else 1)


def value_of(rng, type_):
    if pa.types.is_boolean(type_):
        return rng.random() < 0.5
    if pa.types.is_integer(type_):
        signed = pa.types.is_signed_integer(type_)
        bits = type_.bit_width - (1 if signed else 0)
        top = 2 ** (bits if rng.random() < 0.3 else 4)
        return rng.randrange(-top if signed else 0, top)
    if pa.types.is_float16(type_):
        import numpy as np
        return np.float16(rng.choice([0.0, -0.0, math.nan, 1.5, -7.25, math.inf, 65504.0]))
    if pa.types.is_float32(type_):
        return rng.choice([0.0, -0.0, math.nan, 0.5, -3.25, -math.inf, 1e30])
    if pa.types.is_floating(type_):
        return rng.choice([0.0, -0.0, math.nan, rng.gauss(0, 1e5), math.inf, 1.5])
    if pa.types.is_decimal(type_):
        top = 10 ** type_.precision
        with decimal.localcontext() as context:
            context.prec = 60
            return decimal.Decimal(rng.randrange(-top + 1, top)).scaleb(-type_.scale)
    if pa.types.is_date(type_):
        return datetime.date(1970, 1, 1) + datetime.timedelta(days=rng.randrange(-40000, 40000))
    if pa.types.is_string(type_):
        return texts(rng)
    if pa.types.is_fixed_size_binary(type_):
        return bytes(rng.randrange(256) for _ in range(type_.byte_width))
    if pa.types.is_binary(type_):
        fill = b"\xff" * 70 if rng.random() < 0.05 else b""
        return fill + texts(rng).encode()
    if pa.types.is_timestamp(type_) or pa.types.is_time(type_):
        top = 86_400 * {"ms": 10**3, "us": 10**6, "ns": 10**9}[type_.unit]
        return rng.randrange(0, top) * (1 if pa.types.is_time(type_) else rng.choice([1, -1, 300]))
    if pa.types.is_struct(type_):
        return {f.name: nullable(rng, f.type) if f.nullable else value_of(rng, f.type)
                for f in type_}
    if pa.types.is_map(type_):
        return [(value_of(rng, type_.key_type), nullable(rng, type_.item_type))
                for _ in range(rng.randrange(4))]
    if pa.types.is_list(type_):
        return [nullable(rng, type_.value_type) for _ in range(rng.randrange(4))]
    raise AssertionError(type_)


def nullable(rng, type_):
    return None if rng.random() < 0.15 else value_of(rng, type_)


PRIMITIVES = [
    pa.bool_(), pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(),
    pa.uint64(), pa.float16(), pa.float32(), pa.float64(), pa.decimal128(5, 2), pa.decimal128(9, 0),
    pa.decimal128(18, 6), pa.decimal128(19, 3), pa.decimal128(38, 10), pa.date32(), pa.time32("ms"),
    pa.time64("us"), pa.time64("ns"), pa.timestamp("us"), pa.timestamp("us", "UTC"),
    pa.timestamp("ns"), pa.timestamp("ns", "UTC"), pa.string(), pa.binary(), pa.binary(5),
]
NESTED = [
    pa.list_(pa.field("element", pa.string())),
    pa.list_(pa.field("element", pa.list_(pa.field("element", pa.int32())))),
    pa.struct([pa.field("x", pa.int64()), pa.field("y", pa.string(), nullable=False)]),
    pa.map_(pa.string(), pa.float64()),
    pa.list_(pa.field("element", pa.struct([pa.field("a", pa.list_(pa.field("element", pa.int8()))),
                                            pa.field("b", pa.decimal128(20, 2))]))),
    pa.struct([pa.field("m", pa.map_(pa.int32(), pa.list_(pa.field("element", pa.string()))))]),
]


def make_table(seed, n_rows):
    rng = random.Random(seed)
    fields, columns = [], []
    for i, type_ in enumerate(PRIMITIVES + NESTED):
        for required in (False, True):
            fields.append(pa.field(f"c{i}{'r' if required else ''}", type_, nullable=not required))
            make = value_of if required else nullable
            columns.append(pa.array([make(rng, type_) for _ in range(n_rows)], type=type_))
    fields.append(pa.field("empty", pa.int32()))
    columns.append(pa.array([None] * n_rows, type=pa.int32()))
    fields.append(pa.field("rising", pa.int64()))
    columns.append(pa.array(range(n_rows), type=pa.int64()))
    return pa.table(columns, schema=pa.schema(fields))


# ---- a reader of thrift's compact protocol ----

class Compact:
    def __init__(self, data, at):
        self.data, self.at = data, at

    def varint(self):
        value = shift = 0
        while True:
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    def signed(self):
        value = self.varint()
        return (value >> 1) ^ -(value & 1)

    def value(self, kind):
        if kind in (1, 2):  # inside of lists: one byte
            self.at += 1
            return self.data[self.at - 1] == 1
        if kind == 3:
            self.at += 1
            return self.data[self.at - 1]
        if kind in (4, 5, 6):
            return self.signed()
        if kind == 8:
            size = self.varint()
            self.at += size
            return self.data[self.at - size:self.at]
        if kind in (9, 10):
            head = self.data[self.at]
            self.at += 1
            n = head >> 4 if head >> 4 != 15 else self.varint()
            return [self.value(head & 15) for _ in range(n)]
        if kind == 12:
            return self.struct()
        raise AssertionError(f"thrift type {kind}")

    def struct(self):
        fields, field_id = {}, 0
        while True:
            head = self.data[self.at]
            self.at += 1
            if head == 0:
                return fields
            field_id = field_id + (head >> 4) if head >> 4 else self.signed()
            kind = head & 15
            fields[field_id] = kind == 1 if kind in (1, 2) else self.value(kind)


# ---- comparing ----

def key_of(column):
    """How bounds of a leaf are decoded and ordered: (decode, is_text)."""
    physical, logical = column.physical_type, str(column.logical_type)
    unsigned = "isSigned=false" in logical
    if physical == "BOOLEAN":
        return lambda b: b[0]
    if physical == "INT32":
        return lambda b: struct.unpack("<I" if unsigned else "<i", b)[0]
    if physical == "INT64":
        return lambda b: struct.unpack("<Q" if unsigned else "<q", b)[0]
    if physical == "FLOAT":
        return lambda b: struct.unpack("<f", b)[0]
    if physical == "DOUBLE":
        return lambda b: struct.unpack("<d", b)[0]
    if logical.startswith("Decimal"):
        return lambda b: int.from_bytes(b, "big", signed=True)
    if logical.startswith("Float16"):
        return lambda b: struct.unpack("<e", b)[0]
    return bytes


def leaf_values(table, column):
    """All values of a top-level leaf, in the form of its bounds; None for nulls."""
    array = table.column(column.path).combine_chunks()
    type_ = array.type
    if pa.types.is_temporal(type_):
        array = array.view(pa.int32() if type_.bit_width == 32 else pa.int64())
    values = array.to_pylist()
    if pa.types.is_decimal(type_):
        with decimal.localcontext() as context:
            context.prec = 60
            return [None if v is None else int(v.scaleb(type_.scale)) for v in values]
    if pa.types.is_string(type_):
        return [None if v is None else v.encode() for v in values]
    if pa.types.is_boolean(type_):
        return [None if v is None else int(v) for v in values]
    return values


def is_bound(value):
    return value is not None and not (isinstance(value, float) and math.isnan(value))


def check_bounds(where, values, low, high, decode):
    some = [float(v) if type(v).__name__ == "float16" else v for v in values if v is not None]
    some = [v for v in some if is_bound(v)]
    assert (low is not None) == bool(some), f"{where}: bounds without values, or none with values"
    if not some:
        return
    low_value, high_value = decode(low), decode(high)
    assert low_value <= min(some) and max(some) <= high_value, f"{where}: not a bound"
    exact = not isinstance(low_value, bytes) or len(max(some, key=len)) <= 64
    if exact:
        assert low_value == min(some) and high_value == max(some), f"{where}: loose bound"
    if low_value == 0 and isinstance(low_value, float):
        assert math.copysign(1, low_value) == -1, f"{where}: +0.0 below"
    if high_value == 0 and isinstance(high_value, float):
        assert math.copysign(1, high_value) == 1, f"{where}: -0.0 above"


def check_chunk(data, table, group, chunk, column, first_row, n_rows):
    where = f"{'.'.join(chunk[3][3][i].decode() for i in range(len(chunk[3][3])))} group {group}"
    offsets = Compact(data, chunk[4])
    pages = offsets.struct()[1]
    assert offsets.at == chunk[4] + chunk[5], f"{where}: offset index length"
    starts = [page[3] for page in pages] + [n_rows]
    assert starts[0] == 0 and starts == sorted(set(starts)), f"{where}: first rows {starts}"
    at = chunk[3][9]
    for page in pages:
        assert page[1] == at, f"{where}: page offset"
        header = Compact(data, at).struct()
        assert header[1] in (0, 3), f"{where}: page type {header[1]}"
        at += page[2]
    first_page = chunk[3].get(11, chunk[3][9])
    assert at == first_page + chunk[3][7], f"{where}: chunk length"
    if "." in column.path or column.max_repetition_level or column.max_definition_level > 1:
        return
    decode = key_of(column)
    values = leaf_values(table, column)[first_row:first_row + n_rows]
    stats = chunk[3][12]
    assert stats[3] == values.count(None), f"{where}: null count"
    check_bounds(where, values, stats.get(6), stats.get(5), decode)
    pages_of_values = [values[a:b] for a, b in zip(starts, starts[1:])]
    only_nans = any(any(v is not None for v in p) and
                    not any(is_bound(float(v) if type(v).__name__ == "float16" else v)
                            for v in p if v is not None) for p in pages_of_values)
    assert (6 not in chunk) == only_nans, f"{where}: column index"
    if only_nans:
        return
    reader = Compact(data, chunk[6])
    index = reader.struct()
    assert reader.at == chunk[6] + chunk[7], f"{where}: column index length"
    lows, highs = [], []
    for i, page in enumerate(pages_of_values):
        is_null = all(v is None for v in page)
        assert index[1][i] == is_null, f"{where}: null page {i}"
        assert index[5][i] == page.count(None), f"{where}: nulls of page {i}"
        check_bounds(f"{where} page {i}", page, None if is_null else index[2][i],
                     None if is_null else index[3][i], decode)
        if not is_null:
            lows.append(decode(index[2][i]))
            highs.append(decode(index[3][i]))
    if index[4] == 1:
        assert lows == sorted(lows) and highs == sorted(highs), f"{where}: not ascending"
    elif index[4] == 2:
        assert lows == sorted(lows)[::-1] and highs == sorted(highs)[::-1], f"{where}: not descending"
    else:
        assert lows != sorted(lows) or highs != sorted(highs), f"{where}: is ascending"


def check_inside(path, table):
    data = path.read_bytes()
    size = struct.unpack("<I", data[-8:-4])[0]
    footer = Compact(data, len(data) - 8 - size)
    meta = footer.struct()
    assert footer.at == len(data) - 8, "footer length"
    assert meta[3] == table.num_rows
    schema = pq.ParquetFile(path).schema
    first_row = 0
    for ordinal, group in enumerate(meta[4]):
        assert group[7] == ordinal
        assert group[5] == group[1][0][3].get(11, group[1][0][3][9]), "row group offset"
        assert group[6] == sum(chunk[3][7] for chunk in group[1])
        assert group[2] == sum(chunk[3][6] for chunk in group[1])
        for i, chunk in enumerate(group[1]):
            check_chunk(data, table, ordinal, chunk, schema.column(i), first_row, group[3])
        first_row += group[3]
    assert first_row == table.num_rows
    return len(meta[4])


def same(a, b):
    return a.equals(b) or repr(a.to_pylist()) == repr(b.to_pylist())


def check_duckdb(source, path):
    """DuckDB reads both files; it has no 16-bit floats, and 128-bit rows of nested types are slow."""
    query = ("SELECT * FROM read_parquet(?) EXCEPT ALL SELECT * FROM read_parquet(?)")
    columns = duckdb.execute("DESCRIBE SELECT * FROM read_parquet(?)", [str(path)]).fetchall()
    query = query.replace("*", ", ".join(f'CAST("{name}" AS VARCHAR)' for name, *_ in columns))
    for a, b in ((source, path), (path, source)):
        rest = duckdb.execute(query, [str(a), str(b)]).fetchall()
        assert not rest, f"duckdb: {len(rest)} rows differ: {str(rest[0])[:300]}"


def main():
    rewrite = sys.argv[1]
    seeds = [int(text) for text in sys.argv[2:]] or [1, 2, 3]
    with tempfile.TemporaryDirectory() as folder:
        source, path = Path(folder) / "in.parquet", Path(folder) / "out.parquet"
        for seed in seeds:
            table = make_table(seed, [0, 1500, 1, 300][seed % 4])
            pq.write_table(table, source, store_schema=False)
            before = pq.read_table(source)
            for options in OPTIONS:
                run = subprocess.run([rewrite, str(source), str(path), *options],
                                     capture_output=True, text=True)
                assert run.returncode == 0, run.stderr
                after = pq.read_table(path, page_checksum_verification=True)
                assert after.num_rows == before.num_rows
                for name in before.column_names:
                    assert after.schema.field(name).type == before.schema.field(name).type, name
                    assert same(before.column(name), after.column(name)), f"column {name} differs"
                n_groups = check_inside(path, after)
                # DuckDB has BYTE_STREAM_SPLIT for floats alone.
                if duckdb is not None and "encoding=9" not in options:
                    check_duckdb(source, path)
                print(f"equal: seed {seed}, {table.num_rows} rows, {n_groups} row groups,"
                      f" {' '.join(options) or 'defaults'}")


if __name__ == "__main__":
    main()
