"""Online tables: the latest feature values of each entity key, read by key.

    with frazil.open_online(catalog, "online.demo_driver_stats_online", cache_dir=".frazil") as table:
        values, found, event_times = table.read([key], ["conv_rate"])

The newest row of a key has the greatest event time, then the greatest created time, then was
committed last. Reads go through a lookup index that follows the table's snapshots, and directly to
the table's files until it is there. A handle may be used by several threads.
"""

from __future__ import annotations

from typing import NamedTuple

from frazil import _convert, _core
from frazil.exceptions import InvalidError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import date, datetime
    from typing import Any

    from frazil.catalog import Catalog, Identifier
    from frazil.table import Table

_INT64_MIN, _INT64_MAX = -(1 << 63), (1 << 63) - 1
_LOOKUPS = {"index": 0, "direct": 1}


class OnlineColumn(NamedTuple):
    """A join key or feature; value_type is the number of Feast's ValueType."""

    name: str
    column: str
    field_id: int
    value_type: int


class OnlineLayout(NamedTuple):
    """Which columns of the table are what. ttl_seconds is the feature view's."""

    project: str
    view: str
    ttl_seconds: float | None
    entity_key: str
    event_ts: str
    created_ts: str
    join_keys: tuple[OnlineColumn, ...]
    features: tuple[OnlineColumn, ...]


class OnlineWriteResult(NamedTuple):
    """What a write did. The snapshot may hold other writers' rows too; -1 where there were none."""

    snapshot_id: int
    rows: int


class OnlineCompactResult(NamedTuple):
    """What a compaction did. snapshot_id is -1 where nothing was due."""

    snapshot_id: int
    files_before: int
    files_after: int
    bytes_before: int
    bytes_after: int
    rows_before: int
    rows_after: int
    snapshots_expired: int


class OnlineRows(NamedTuple):
    """What a read found."""

    values: bytes
    """ One serialized feast.types.RepeatedValue: for every key that was found, in order, one Value
    a feature. A null is a Value with nothing set. """
    found: bytes
    """ A byte a key: 1 where there is a row. """
    event_times: memoryview
    """ An int64 a key: microseconds since 1970 UTC; 0 where there is no row. """


def open_online(
    catalog: Catalog,
    identifier: Identifier,
    *,
    lookup: str = "index",
    cache_dir: str | None = None,
    max_staleness_ms: int = 1000,
    read_timeout_ms: int = 100,
    key_ttl_seconds: float | None = None,
    commit_timeout_ms: int = 60000,
    compact_automatically: bool = True,
    min_snapshot_age_ms: int = 60000,
) -> "OnlineTable":
    """Open an online table. Reads no row: see OnlineTable.prepare().

    Args:
        lookup: "index", or "direct": from the table's files on every read, for processes that
            start cold.
        cache_dir: folder of lookup indexes, which processes share; None keeps them in memory.
        max_staleness_ms: how late others' commits may be seen; 0 asks the catalog on every read.
            A process always sees its own.
        read_timeout_ms: bound of one read; 0 is none. Building the index never counts.
        key_ttl_seconds: rows older than this read as absent, and compaction drops them.
        commit_timeout_ms: how long a write goes on when other processes commit first.
        min_snapshot_age_ms: compaction expires snapshots in whose place another has been for so
            long.
    """
    if lookup not in _LOOKUPS:
        raise InvalidError(f"lookup {lookup!r} is neither 'index' nor 'direct'")
    handle = _core.open_online(
        catalog._handle,
        _convert.identifier_of(identifier),
        _LOOKUPS[lookup],
        cache_dir,
        max_staleness_ms,
        read_timeout_ms,
        round((key_ttl_seconds or 0) * 1_000_000),
        commit_timeout_ms,
        compact_automatically,
        min_snapshot_age_ms,
    )
    return OnlineTable(handle)


class OnlineTable:
    """An online table that is open; made by open_online()."""

    def __init__(self, handle: _core.Online) -> None:
        self._handle = handle

    def __enter__(self) -> "OnlineTable":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """End the handle; calls that are under way end first."""
        self._handle.close()

    @property
    def layout(self) -> OnlineLayout:
        project, view, ttl, entity_key, event_ts, created_ts, keys, features = (
            self._handle.describe()
        )
        return OnlineLayout(
            project,
            view,
            None if ttl < 0 else ttl,
            entity_key,
            event_ts,
            created_ts,
            tuple(OnlineColumn(*key) for key in keys),
            tuple(OnlineColumn(*feature) for feature in features),
        )

    # -- reading --

    def read(self, keys: Sequence[bytes], features: Sequence[str] | None = None) -> OnlineRows:
        """The newest rows of serialized entity keys; None reads all features of the layout."""
        names = None if features is None else tuple(features)
        values, found, times = self._handle.read(tuple(keys), names)
        return OnlineRows(values, found, memoryview(times).cast("q"))

    def read_messages(
        self, keys: Sequence[bytes], features: Sequence[str] | None = None
    ) -> OnlineRows:
        """The same for serialized feast.types.EntityKey messages."""
        names = None if features is None else tuple(features)
        values, found, times = self._handle.read_messages(tuple(keys), names)
        return OnlineRows(values, found, memoryview(times).cast("q"))

    def read_vectors(
        self,
        values: Mapping[str, Sequence[bytes]],
        features: Sequence[str] | None = None,
    ) -> bytes:
        """The newest rows for a response: what may be merged into a
        feast.serving.GetOnlineFeaturesResponse to give it one FeatureVector a feature.

        Args:
            values: of each join key its values, a row each, as serialized feast.types.Value.
        """
        names = None if features is None else tuple(features)
        columns = tuple(map(tuple, values.values()))
        return self._handle.read_vectors(tuple(values), columns, names)

    def is_fresh(self) -> bool:
        """Would a read be answered at once, without a file or the catalog? For event loops."""
        return self._handle.is_fresh()

    def prepare(self) -> None:
        """Build the index, or bring it up to date, and wait for it."""
        self._handle.prepare()

    def refresh(self) -> bool:
        """Look at the catalog now. True where something was new."""
        return self._handle.refresh()

    def stats(self) -> dict[str, int]:
        """Numbers since the table was opened: sizes of the index, reads, commits."""
        return self._handle.stats()

    # -- writing --

    def write(self, data: Any) -> OnlineWriteResult:
        """Write rows in one commit, shared with writers that wait at the same time."""
        return OnlineWriteResult(*self._handle.write(_convert.as_stream(data)))

    def materialize(
        self,
        source: Table,
        timestamp_field: str,
        *,
        created_timestamp_column: str | None = None,
        start: datetime | date | None = None,
        end: datetime | date | None = None,
        row_filter: str | None = None,
        snapshot_id: int | None = None,
        ref: str | None = None,
        as_of: datetime | date | str | int | None = None,
        from_snapshot_id: int | None = None,
        join_keys: Mapping[str, str] | None = None,
        features: Mapping[str, str] | None = None,
        progress: Callable[[int, int, int], object] | None = None,
    ) -> OnlineWriteResult:
        """Write the latest row of each key of an offline table, in one commit.

        Args:
            start, end: window of event time, both included.
            snapshot_id, ref, as_of: the source as it was then; at most one.
            from_snapshot_id: only rows of the source that were appended after this snapshot.
            join_keys: join key to the source's column, where they differ in name.
            features: feature to the source's column, where they differ in name.
            progress: told (rows read, rows in the source's files, keys written) about ten times a
                second; an exception ends the call, and nothing is written.
        """
        result = self._handle.materialize(
            source._handle,
            _convert.scan_options(
                row_filter, None, snapshot_id, ref, as_of, from_snapshot_id=from_snapshot_id
            ),
            timestamp_field,
            created_timestamp_column,
            _INT64_MIN if start is None else _convert.microseconds_of(start),
            _INT64_MAX if end is None else _convert.microseconds_of(end),
            tuple((join_keys or {}).items()),
            tuple((features or {}).items()),
            progress,
        )
        return OnlineWriteResult(*result)

    # -- upkeep --

    def compact(self, *, all: bool = False, keep_snapshots: bool = False) -> OnlineCompactResult:
        """Join files, keeping the newest row of a key, and expire old snapshots.

        Args:
            all: every file of each partition, not just what is due.
            keep_snapshots: expire none.
        """
        return OnlineCompactResult(*self._handle.compact(all, keep_snapshots))
