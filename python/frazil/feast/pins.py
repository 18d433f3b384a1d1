"""Which version of a table a job reads, and what keeps that version from expiring.

A pin is a part of a scan's arguments: snapshot_id, ref or as_of, at most one, and from_snapshot_id
for the rows that were appended since. Snapshots that are named by id get a tag of the name
`feast-<id>`, when `feast apply` validates the source or else when they are first read, so that
expiry keeps them. Tags, branches and times are left as they are.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any, NamedTuple

from frazil import (
    AuthError,
    CommitConflictError,
    CommitUnknownError,
    NoSuchSnapshotError,
    StorageError,
    Table,
    UnsupportedError,
)
from frazil._convert import milliseconds_of

_log = logging.getLogger("frazil.feast")
_FOREVER_MS = (1 << 63) - 1


class TableRead(NamedTuple):
    """A table as a job reads it; see `IcebergRetrievalJob.snapshots`."""

    view: str | None
    """ The feature view, by the name it has in the request; None: the job reads no view. """
    table: str
    """ The full name. """
    snapshot_id: int | None
    """ None: the table has no snapshot. """
    committed_at: datetime | None
    """ When that snapshot was made. """
    since_snapshot_id: int | None = None
    """ Only rows that were appended after it are read; None: all rows. """


def chosen_snapshot(table: Table, pin: dict[str, Any]) -> int | None:
    """The snapshot that a scan with this pin reads; None: the table has none."""
    if pin.get("snapshot_id") is not None:
        return int(pin["snapshot_id"])
    if pin.get("ref") is not None:
        ref = table.refs().get(pin["ref"])
        if ref is None:
            raise NoSuchSnapshotError(
                f"table {table.identifier!r} has no branch or tag {pin['ref']!r}; "
                f"it has {sorted(table.refs())}"
            )
        return ref.snapshot_id
    if pin.get("as_of") is not None:
        moment = milliseconds_of(pin["as_of"])
        earlier = [each for each in table.history() if each.timestamp_ms <= moment]
        if not earlier:
            first = min((each.timestamp_ms for each in table.history()), default=None)
            since = "it has no snapshot" if first is None else f"its first is of {_moment(first)}"
            raise NoSuchSnapshotError(
                f"table {table.identifier!r} has no snapshot as early as {pin['as_of']}: {since}"
            )
        return earlier[-1].snapshot_id
    return table.current_snapshot_id()


def _moment(timestamp_ms: int) -> datetime:
    return datetime.fromtimestamp(timestamp_ms / 1000, timezone.utc)


def _read_of(table: Table, pin: dict[str, Any], view: str | None) -> TableRead:
    snapshot_id = chosen_snapshot(table, pin)
    snapshot = None if snapshot_id is None else table.snapshot_by_id(snapshot_id)
    return TableRead(
        view,
        table.identifier,
        snapshot_id,
        None if snapshot is None else _moment(snapshot.timestamp_ms),
        pin.get("from_snapshot_id"),
    )


class OpenedTable:
    """A table as one job reads it: opened once, so that the job stays with what it saw first."""

    def __init__(self, open_table: Callable[[], Table], pin: dict[str, Any], view: str | None = None):
        self.pin = pin
        self._open = open_table
        self._view = view
        self._table: Table | None = None

    def load(self) -> Table:
        if self._table is None:
            table = self._open()
            keep(table, self.pin)
            self._table = table
        return self._table

    def read(self) -> TableRead:
        return _read_of(self.load(), self.pin, self._view)


# ---- keeping ----

_lock = threading.Lock()
_looked_at: set[tuple[str, int]] = set()


def _forever(table: Table, snapshot_id: int) -> bool:
    """Does a tag keep the snapshot already?"""
    aged = "history.expire.max-ref-age-ms" in table.properties
    for ref in table.refs().values():
        age = ref.max_ref_age_ms
        if ref.snapshot_id == snapshot_id and ref.type == "tag":
            if age == _FOREVER_MS or (age is None and not aged):
                return True
    return False


def keep(table: Table, pin: dict[str, Any]) -> None:
    """Tag the snapshots that a pin names by id, once a process.

    A snapshot that is gone is an error. That the catalog is read-only, or that it refuses, is only
    logged: the rows can be read all the same.
    """
    for snapshot_id in (pin.get("snapshot_id"), pin.get("from_snapshot_id")):
        if snapshot_id is not None:
            _keep_one(table, int(snapshot_id))


def _keep_one(table: Table, snapshot_id: int) -> None:
    with _lock:
        if (table.uuid, snapshot_id) in _looked_at:
            return
    if table.snapshot_by_id(snapshot_id) is None:
        known = [str(each.snapshot_id) for each in table.snapshots()[-5:]]
        raise NoSuchSnapshotError(
            f"table {table.identifier!r} has no snapshot {snapshot_id} to be pinned at: it was never "
            f"there, or it expired; the latest are {', '.join(known) or 'none'}"
        )
    try:
        if not _forever(table, snapshot_id):
            table.create_tag(f"feast-{snapshot_id}", snapshot_id, max_ref_age_ms=_FOREVER_MS)
    except (
        UnsupportedError,
        AuthError,
        StorageError,
        CommitConflictError,
        CommitUnknownError,
    ) as error:
        _log.warning(
            "snapshot %d of table %r is pinned, but could not be tagged, so expiry may remove it; "
            "let someone who may write create the tag, or pin the source by an existing tag=: %s",
            snapshot_id,
            table.identifier,
            error,
        )
    with _lock:
        _looked_at.add((table.uuid, snapshot_id))
