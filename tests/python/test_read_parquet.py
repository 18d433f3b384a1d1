"""Single Parquet files without a table."""

import pathlib

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import frazil


@pytest.mark.parametrize("as_path", [str, pathlib.Path])
@pytest.mark.parametrize("codec", ["zstd", "snappy"])
def test_a_file_of_pyarrow_reads_equal(tmp_path, as_path, codec):
    table = pa.table({"n": [1, None, 3], "text": ["a", "", None], "list": [[1, 2], None, []]})
    pq.write_table(table, tmp_path / "t.parquet", compression=codec)
    rows = frazil.read_parquet(as_path(tmp_path / "t.parquet"))
    assert rows.to_arrow().to_pylist() == table.to_pylist()
    assert rows.to_arrow().to_pylist() == table.to_pylist()  # each call reads afresh


def test_errors_name_the_file(tmp_path):
    with pytest.raises(frazil.NotFoundError, match="nothing.parquet"):
        frazil.read_parquet(tmp_path / "nothing.parquet").to_arrow()
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 but no footer")
    with pytest.raises(frazil.CorruptError, match="bad.parquet"):
        frazil.read_parquet(tmp_path / "bad.parquet").to_arrow()
