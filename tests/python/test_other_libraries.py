"""Rows in from and out to pyarrow, pandas, Polars and DuckDB, and plain Arrow producers."""

import gc
import weakref

import pandas as pd
import pyarrow as pa
import pytest

import frazil

SCHEMA = pa.schema([("id", pa.int64()), ("name", pa.string())])
ROWS = pa.table({"id": [1, 2, 3], "name": ["a", None, "c"]}, schema=SCHEMA)


class OnlyStream:
    def __init__(self, table):
        self.table = table

    def __arrow_c_stream__(self, requested_schema=None):
        return self.table.__arrow_c_stream__(requested_schema)


class OnlyArray:
    def __init__(self, batch):
        self.batch = batch

    def __arrow_c_array__(self, requested_schema=None):
        return self.batch.__arrow_c_array__(requested_schema)


@pytest.fixture
def table(catalog):
    return catalog.create_table("ns.t", SCHEMA)


@pytest.mark.parametrize(
    "data",
    [
        ROWS,
        ROWS.to_batches()[0],
        ROWS.to_reader(),
        ROWS.to_pandas(),
        ROWS.to_pylist(),
        OnlyStream(ROWS),
        OnlyArray(ROWS.to_batches()[0]),
        OnlyArray(ROWS.to_batches()[0].slice(0, 3)),
    ],
    ids=["table", "batch", "reader", "pandas", "dicts", "stream", "array", "sliced"],
)
def test_in(table, data):
    table.append(data)
    assert table.to_arrow().to_pylist() == ROWS.to_pylist()


def test_slices(table):
    table.append(OnlyArray(ROWS.to_batches()[0].slice(1, 2)))
    assert table.to_arrow().to_pylist() == ROWS.slice(1, 2).to_pylist()


def test_pandas_index_with_a_name_is_a_column(table):
    frame = pd.DataFrame({"name": ["a", "b"]}, index=pd.Index([7, 8], name="id"))
    table.append(frame)
    assert table.to_arrow().column("id").to_pylist() == [7, 8]


def test_generator_reader(table):
    def batches():
        for i in range(10):
            yield pa.record_batch({"id": [i], "name": [str(i)]}, schema=SCHEMA)

    table.append(pa.RecordBatchReader.from_batches(SCHEMA, batches()))
    assert table.scan().count() == 10


def test_a_failing_producer_leaves_nothing(table):
    def batches():
        yield ROWS.to_batches()[0]
        raise ValueError("producer broke")

    with pytest.raises(frazil.FrazilError, match="producer broke"):
        table.append(pa.RecordBatchReader.from_batches(SCHEMA, batches()))
    assert table.current_snapshot() is None


def test_polars(table):
    polars = pytest.importorskip("polars")
    table.append(polars.from_arrow(ROWS))
    assert table.scan().to_polars().to_dicts() == ROWS.to_pylist()


def test_duckdb(table):
    duckdb = pytest.importorskip("duckdb")
    table.append(duckdb.sql("select 1::bigint as id, 'x' as name"))
    connection = table.scan().to_duckdb("t")
    assert connection.execute("select id, name from t").fetchall() == [(1, "x")]


def test_out(table):
    table.append(ROWS)
    scan = table.scan()
    assert scan.to_arrow().equals(scan.to_arrow())
    assert pa.table(table).num_rows == 3
    assert pa.table(scan).num_rows == 3
    assert scan.to_pandas().shape == (3, 2)
    reader = scan.to_arrow_batch_reader()
    assert isinstance(reader, pa.RecordBatchReader)
    assert sum(batch.num_rows for batch in reader) == 3


def test_streams_outlive_everything(catalog, table):
    table.append(ROWS)
    reader = table.scan().to_arrow_batch_reader()
    del table, catalog
    gc.collect()
    assert reader.read_all().num_rows == 3


def test_batches_outlive_their_stream(table):
    table.append(ROWS)
    reader = table.scan().to_arrow_batch_reader()
    batch = reader.read_next_batch()
    del reader
    gc.collect()
    assert batch.to_pylist() == ROWS.to_pylist()


def test_unread_streams_are_released(table):
    table.append(ROWS)
    for _ in range(100):
        table.scan()._stream()
        table.scan().__arrow_c_stream__()
    gc.collect()


def test_a_stream_is_handed_out_once(table):
    stream = table.scan()._stream()
    stream.__arrow_c_stream__()
    with pytest.raises(ValueError, match="used up"):
        stream.__arrow_c_stream__()
    with pytest.raises(ValueError, match="used up"):
        stream.__arrow_c_schema__()


def test_a_used_capsule_is_refused(table):
    capsule = ROWS.__arrow_c_stream__()
    table._handle.append(capsule, None, False, None)
    with pytest.raises(ValueError, match="used up"):
        table._handle.append(capsule, None, False, None)


def test_what_is_no_table_is_refused(table):
    for data in (5, "text", None, [1, 2]):
        with pytest.raises(TypeError):
            table.append(data)
    with pytest.raises(TypeError):
        table._handle.append(5, None, False, None)


def test_a_table_appended_to_itself(table):
    table.append(ROWS)
    table.append(table.scan())
    assert table.scan().count() == 6


def test_handles_do_not_leak(catalog):
    table = catalog.create_table("ns.t", SCHEMA)
    ref = weakref.ref(table)
    scan = table.scan()
    del table
    gc.collect()
    assert scan.count() == 0
    del scan
    gc.collect()
    assert ref() is None


def test_core_types_cannot_be_made_by_hand():
    for kind in (frazil._core.Stream, frazil._core.Table, frazil._core.Catalog, frazil._core.Scan):
        with pytest.raises(TypeError):
            kind()
