"""Maintenance of tables: compaction, manifests, expiry, orphan files, verification.

Every call works beside readers and writers, and removes files only after the commit that no longer
needs them.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from frazil import _convert, _core

if TYPE_CHECKING:
    import pyarrow


class CompactResult(NamedTuple):
    """What a compaction did. snapshot_id is -1 where there was nothing to do."""

    snapshot_id: int
    files_before: int
    files_after: int
    bytes_before: int
    bytes_after: int
    rows: int
    delete_files_removed: int


class ManifestsResult(NamedTuple):
    """What a rewrite of manifests did. snapshot_id is -1 where there was nothing to do."""

    snapshot_id: int
    manifests_before: int
    manifests_after: int


class ExpireResult(NamedTuple):
    """What an expiry forgot, and the files it removed (with dry_run: would remove)."""

    snapshots: int
    refs: int
    data_files: int
    delete_files: int
    manifests: int
    manifest_lists: int
    statistics_files: int


class Finding(NamedTuple):
    """Something that is not as it should be. An "error" loses rows or reads wrong ones."""

    severity: str
    check: str
    object: str
    message: str
    advice: str


class VerifyResult(NamedTuple):
    """What a verification looked at and found."""

    findings: list[Finding]
    snapshots: int
    manifests: int
    files: int
    errors: int
    warnings: int

    @property
    def is_sound(self) -> bool:
        """No error was found; warnings do not count."""
        return self.errors == 0


_When = datetime | date | timedelta | str | int | None


def _milliseconds(when: _When) -> int:
    """Milliseconds since 1970; a timedelta is an age; None: 0."""
    if isinstance(when, timedelta):
        return int(time.time() * 1000 - when.total_seconds() * 1000)
    return _convert.milliseconds_of(when, "older_than")


class Maintenance:
    """Keeps a table small, fast and sound. See `Table.maintenance`."""

    def __init__(self, table: _core.Table) -> None:
        self._table = table

    def compact(
        self,
        row_filter: str | None = None,
        *,
        target_file_bytes: int = 0,
        min_file_bytes: int = 0,
        max_file_bytes: int = 0,
        min_input_files: int = 0,
        max_group_bytes: int = 0,
        delete_ratio: float = 0.0,
        sort_order: str | None = None,
        rewrite_all: bool = False,
        snapshot_properties: Mapping[str, object] | None = None,
    ) -> CompactResult:
        """Write small, large and much-deleted files anew, in files of the target size.

        The rows stay what they are. `row_filter` limits it to files that may hold matching rows;
        `sort_order` sorts the rows ("" by the table's own order); 0 stands for the default.
        """
        return CompactResult._make(
            self._table.compact(
                row_filter,
                target_file_bytes,
                min_file_bytes,
                max_file_bytes,
                min_input_files,
                max_group_bytes,
                delete_ratio,
                sort_order,
                rewrite_all,
                _convert.properties_of(snapshot_properties),
            )
        )

    def rewrite_manifests(self) -> ManifestsResult:
        """Join manifests and order their entries by partition."""
        return ManifestsResult._make(self._table.rewrite_manifests())

    def expire_snapshots(
        self,
        older_than: _When = None,
        *,
        retain_last: int = 0,
        snapshot_ids: Iterable[int] = (),
        dry_run: bool = False,
        keep_files: bool = False,
    ) -> ExpireResult:
        """Forget old snapshots, and remove the files that no kept snapshot leads to.

        `older_than` is a time (naive ones are UTC), an age (timedelta) or milliseconds since 1970;
        None: by the table's properties.
        """
        return ExpireResult._make(
            self._table.expire_snapshots(
                _milliseconds(older_than), retain_last, tuple(snapshot_ids), dry_run, keep_files
            )
        )

    def remove_orphan_files(
        self,
        older_than: _When = None,
        *,
        location: str | None = None,
        dry_run: bool = True,
        allow_recent: bool = False,
    ) -> "pyarrow.Table":
        """Find, and with dry_run=False remove, files below the table that nothing leads to.

        One row a file: path, size_bytes, modified_at, removed. Files younger than three days are
        left alone; `older_than` less than a day ago needs `allow_recent`.
        """
        return _convert.to_arrow(
            self._table.remove_orphans(
                _milliseconds(older_than), location, not dry_run, allow_recent
            )
        )

    def verify(self, *, all_snapshots: bool = False, read_data: bool = False) -> VerifyResult:
        """Check the whole table: every file is there and holds what its manifest says."""
        stream, *counts = self._table.verify(all_snapshots, read_data)
        findings = _convert.guarded(lambda: [Finding._make(row) for row in stream.rows()])
        return VerifyResult(findings, *counts)
