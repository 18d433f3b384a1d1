"""What calls of a table return."""

from __future__ import annotations

from typing import NamedTuple


class FileTask(NamedTuple):
    """A data file that a scan would read."""

    file_path: str
    file_format: str
    record_count: int
    file_size_in_bytes: int
    spec_id: int
    partition: str
    data_sequence_number: int
    n_delete_files: int


class WriteResult(NamedTuple):
    """What a commit did. snapshot_id is -1 where there was nothing to do."""

    snapshot_id: int
    rows_added: int
    rows_deleted: int
    files_added: int
    files_deleted: int
    delete_files_added: int = 0
    rows_updated: int = 0
    """By upsert; these rows count neither as added nor as deleted."""
