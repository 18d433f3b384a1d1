"""Single Parquet files, without a table."""

from __future__ import annotations

import os

from frazil import _core
from frazil._context import context as _context
from frazil.table import Rows


class ParquetFile(Rows):
    """The rows of a Parquet file, read when asked, on the thread that asks."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)

    def __repr__(self) -> str:
        return f"ParquetFile({self.path!r})"

    def _stream(self) -> _core.Stream:
        return _core.read_parquet(_context(), self.path)


def read_parquet(path: str | os.PathLike[str]) -> ParquetFile:
    """A Parquet file by path or file URI."""
    return ParquetFile(path)
