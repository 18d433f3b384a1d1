"""to_pylist() without pyarrow gives what pyarrow's own gives."""

import datetime
import decimal
import subprocess
import sys
import uuid

import frazil
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

UTC = datetime.timezone.utc
MOMENT = datetime.datetime(2026, 1, 31, 23, 59, 59, 999999)
WHOLE = decimal.Decimal("99999999999999999999999999999999999.999")

# Type: values. Each column gets a null too.
COLUMNS = {
    "flag": (pa.bool_(), [True, False]),
    "i32": (pa.int32(), [-(2**31), 2**31 - 1]),
    "i64": (pa.int64(), [-(2**63), 2**63 - 1]),
    "f32": (pa.float32(), [0.5, float("inf")]),
    "f64": (pa.float64(), [0.1, -0.0]),
    "text": (pa.string(), ["", "na\u00efve \U0001f9ca"]),
    "bytes": (pa.binary(), [b"", b"\x00\xff"]),
    "fixed": (pa.binary(3), [b"abc", b"\x00\x00\x00"]),
    "uuid": (pa.uuid(), [uuid.UUID(int=1), uuid.UUID(int=2**127)]),
    "day": (pa.date32(), [datetime.date(1969, 12, 31), datetime.date(9999, 12, 31)]),
    "clock": (pa.time64("us"), [datetime.time(23, 59, 59, 999999), datetime.time(0)]),
    "stamp": (pa.timestamp("us"), [MOMENT, datetime.datetime(1, 1, 1)]),
    "zoned": (pa.timestamp("us", "UTC"), [MOMENT.replace(tzinfo=UTC), datetime.datetime(1969, 1, 1, tzinfo=UTC)]),
    "small_decimal": (pa.decimal128(9, 2), [decimal.Decimal("-1234567.89"), decimal.Decimal("0.01")]),
    "large_decimal": (pa.decimal128(38, 3), [WHOLE, WHOLE.copy_negate()]),
    "numbers": (pa.list_(pa.int64()), [[], [1, None, 3]]),
    "days": (pa.list_(pa.date32()), [[datetime.date(2000, 2, 29), None], [None]]),
    "struct": (pa.struct([("a", pa.timestamp("us")), ("b", pa.string())]), [{"a": MOMENT, "b": None}, {"a": None, "b": "x"}]),
    "map": (pa.map_(pa.string(), pa.date32()), [[("k", datetime.date(2000, 1, 1)), ("l", None)], []]),
    "deep": (pa.list_(pa.struct([("m", pa.map_(pa.int32(), pa.list_(pa.float64())))])), [[{"m": [(1, [0.5, None]), (2, None)]}, None], []]),
}


def rows_of(name):
    type_, values = COLUMNS[name]
    return pa.table({name: pa.array([*values, None, *values], type_)})


@pytest.mark.parametrize("name", COLUMNS)
def test_each_type_of_a_table(catalog, name):
    rows = rows_of(name)
    table = catalog.create_table("ns.t", rows.schema)
    table.append(rows)
    scan = table.scan()
    assert scan.to_pylist() == scan.to_arrow().to_pylist() == rows.to_pylist()


OTHERS = {
    "i8": pa.array([-128, None, 127], pa.int8()),
    "u8": pa.array([255, None], pa.uint8()),
    "u16": pa.array([65535, None], pa.uint16()),
    "u32": pa.array([2**32 - 1, None], pa.uint32()),
    "u64": pa.array([2**64 - 1, None], pa.uint64()),
    "milliseconds": pa.array([1, None, -1], pa.timestamp("ms")),
    "nanoseconds": pa.array([1000, None], pa.timestamp("ns", "UTC")),
    "clock_ms": pa.array([1, None], pa.time32("ms")),
}


@pytest.mark.parametrize("name", OTHERS)
def test_types_of_parquet_files(tmp_path, name):
    parquet.write_table(pa.table({name: OTHERS[name]}), tmp_path / "f.parquet")
    rows = frazil.read_parquet(tmp_path / "f.parquet")
    assert rows.to_pylist() == rows.to_arrow().to_pylist()


def test_parts_of_a_microsecond_are_refused(tmp_path):
    parquet.write_table(pa.table({"t": pa.array([1001], pa.timestamp("ns"))}), tmp_path / "f.parquet")
    with pytest.raises(frazil.InvalidError, match=r"column 't': 1001 ns.*to_arrow"):
        frazil.read_parquet(tmp_path / "f.parquet").to_pylist()


def test_a_damaged_file_is_told(tmp_path):
    path = tmp_path / "f.parquet"
    parquet.write_table(pa.table({"t": list(range(100_000))}), path, compression="none", use_dictionary=False)
    data = bytearray(path.read_bytes())
    data[4:64] = b"\xff" * 60  # the first page's header
    path.write_bytes(data)
    with pytest.raises(frazil.CorruptError, match=r"f\.parquet"):
        frazil.read_parquet(path).to_pylist()


def test_rows_of_a_join_once_or_kept(catalog):
    rows = pa.table({"id": [1, 2], "event_timestamp": pa.array([MOMENT] * 2, pa.timestamp("us", "UTC")), "f": [0.5, None]})
    table = catalog.create_table("ns.t", rows.schema)
    table.append(rows)

    def join():
        entities = rows.select(["id", "event_timestamp"])
        return frazil.pit_join(entities, [frazil.View(table, "v", ["id"], features=["f"])])

    assert join().to_pylist() == rows.to_pylist()
    kept = join()
    kept.to_arrow()
    assert kept.to_pylist() == kept.to_pylist() == rows.to_pylist()


def test_the_first_row_needs_no_other_library(catalog, tmp_path):
    rows = pa.table({name: pa.array([values[0]], type_) for name, (type_, values) in COLUMNS.items()})
    catalog.create_table("ns.t", rows.schema).append(rows)
    program = f"""
import sys
before = set(sys.modules)
import frazil
catalog = frazil.load_catalog("default", uri="sqlite:///{tmp_path}/catalog.db", warehouse="{tmp_path}/warehouse")
row = catalog.load_table("ns.t").scan(limit=1).to_pylist()[0]
print(sorted(name for name in set(sys.modules) - before if "." not in name))
"""
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    slow = {"typing", "dataclasses", "inspect", "threading", "json", "pyarrow", "pandas", "numpy"}
    assert "frazil" in out
    assert not slow & set(eval(out))
