"""Parquet read and written by frazil alone, against pyarrow and DuckDB: the two scripts of this folder."""

import os
import pathlib
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUILD = pathlib.Path(os.environ.get("FRAZIL_BUILD", ROOT / "build" / "asan"))
FIXTURES = pathlib.Path(os.environ.get("FRAZIL_FIXTURES", ROOT.parent / "shared" / "fixtures"))


def run(script, tool, *arguments):
    program = BUILD / "tests" / tool
    if not program.exists():
        pytest.skip(f"no {program}; make test builds it")
    result = subprocess.run([sys.executable, str(HERE / script), str(program), *arguments], capture_output=True, text=True, timeout=900)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    return result.stdout


def test_files_of_other_implementations_read_as_pyarrow_reads_them():
    if not FIXTURES.is_dir():
        pytest.skip(f"no fixtures at {FIXTURES}")
    assert "equal" in run("parquet_fixtures.py", "parquet_dump")


@pytest.mark.parametrize("seed", ["1", "2"])
def test_files_we_write_read_equal_elsewhere(seed):
    run("parquet_write.py", "parquet_rewrite", seed)
