"""Point-in-time join and latest row per key.

For an entity row with key k and time t, and a view with time-to-live d, candidates are feature
rows with key k, event time <= t and, where d is given, event time >= t - d, both ends included.
The winner has the greatest event time, then the greatest created time, then was committed last.
Every entity row comes back once, in its order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from frazil import _convert, _core
from frazil._context import context as _context
from frazil.exceptions import InvalidError
from frazil.table import Rows, Table

if TYPE_CHECKING:
    import pyarrow

_INT64_MIN, _INT64_MAX = -(1 << 63), (1 << 63) - 1


@dataclass
class View:
    """A table of feature rows, and how it is joined.

    Args:
        table: the table.
        name: prefix of full feature names, and used in errors.
        join_keys: entity column to table column, or the names that both have. None: every
            feature row is a candidate for every entity row.
        timestamp_field: the column of event times.
        created_timestamp_column: decides among equal event times.
        ttl: how old a feature row may be; None is any age.
        features: column names, or (column, name in the result) pairs, or a mapping of these.
        created_cutoff: candidates also need created time <= the entity row's time.
        snapshot_id, ref, as_of: at most one; the current snapshot by default.
        row_filter: only these feature rows.
        from_snapshot_id: only feature rows that were appended after this snapshot.
    """

    table: Table
    name: str
    join_keys: Mapping[str, str] | Sequence[str] = ()
    timestamp_field: str = "event_timestamp"
    created_timestamp_column: str | None = None
    ttl: timedelta | None = None
    features: Iterable[str | tuple[str, str]] | Mapping[str, str] = ()
    created_cutoff: bool = False
    snapshot_id: int | None = None
    ref: str | None = None
    as_of: datetime | date | str | int | None = None
    row_filter: str | None = None
    case_sensitive: bool = field(default=True, kw_only=True)
    from_snapshot_id: int | None = field(default=None, kw_only=True)

    def _tuple(self) -> tuple[Any, ...]:
        keys = self.join_keys
        pairs = keys.items() if isinstance(keys, Mapping) else ((key, key) for key in keys)
        features = self.features
        if isinstance(features, Mapping):
            features = tuple(features.items())
        scan = _convert.scan_options(
            self.row_filter,
            None,
            self.snapshot_id,
            self.ref,
            self.as_of,
            None,
            self.case_sensitive,
            self.from_snapshot_id,
        )
        return (
            self.name,
            self.table._handle,
            scan,
            tuple(tuple(pair) for pair in pairs),
            self.timestamp_field,
            self.created_timestamp_column or None,
            _convert.ttl_microseconds(self.ttl),
            self.created_cutoff,
            tuple((each, None) if isinstance(each, str) else tuple(each) for each in features),
        )


class OneTimeRows(Rows):
    """Rows that can be read once as a stream; to_arrow() keeps them for more."""

    def __init__(self, stream: _core.Stream) -> None:
        self._once: _core.Stream | None = stream
        self._kept: "pyarrow.Table | None" = None

    def _stream(self) -> Any:
        if self._kept is not None:
            return self._kept
        if self._once is None:
            raise InvalidError("the rows have been read already: keep what to_arrow() returns")
        stream, self._once = self._once, None
        return stream

    def to_pylist(self) -> list[dict[str, Any]]:
        return super().to_pylist() if self._kept is None else self._kept.to_pylist()

    def to_arrow(self) -> "pyarrow.Table":
        """The rows as one chunk a column."""
        if self._kept is None:
            self._kept = _convert.to_arrow_one_chunk(self._stream())
        return self._kept


class JoinedRows(OneTimeRows):
    """What pit_join() returns: rows, and what was read for them."""

    def __init__(self, pair: tuple[_core.Stream, object], names: Sequence[str]) -> None:
        super().__init__(pair[0])
        self._reports = pair[1]
        self._names = tuple(names)

    def report(self) -> list[dict[str, Any]]:
        """What the join has read so far, one dict a view with the keys of explain_join().

        Winners are known, and `search` is complete, when pit_join() returns; `fetch` is when the
        rows have been read.
        """
        return _named(self._names, _core.join_reports(self._reports))


def _named(names: Sequence[str], reports: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"view": name, **report} for name, report in zip(names, reports)]


class PitProgress(NamedTuple):
    """How far a join is.

    The counts of a view begin anew with it; `files` and `rows` are (done, total), of the view's
    data files and feature rows, and (0, 0) while entity rows are read.
    """

    entity_rows: int
    view: int
    n_views: int
    files: tuple[int, int]
    rows: tuple[int, int]


def pit_join(
    entity: Any,
    views: Sequence[View],
    timestamp_field: str = "event_timestamp",
    full_feature_names: bool = False,
    *,
    memory_limit_mb: int | None = None,
    spill_dir: str | None = None,
    progress: Callable[[PitProgress], Any] | None = None,
) -> JoinedRows:
    """Join feature views to entity rows, point-in-time-correctly.

    Entity rows are read as a stream, and the rows come back as one. Those beyond the memory limit
    go through temporary files.

    Args:
        entity: the entity rows, in any form that Table.append() takes.
        views: each is pruned and read on its own.
        timestamp_field: the entity column of times; naive times are UTC.
        full_feature_names: name features "view__feature".
        memory_limit_mb: half of the machine's memory by default.
        spill_dir: the folder of temporary files, "/tmp" by default.
        progress: called with a PitProgress about ten times a second, on this thread; what it
            raises ends the join.
    """
    told = None if progress is None else (lambda *counts: progress(PitProgress(*counts)))
    arguments = _arguments(
        entity, views, timestamp_field, full_feature_names, memory_limit_mb, spill_dir, told
    )
    return JoinedRows(_core.pit_join(*arguments), [view.name for view in views])


def _arguments(
    entity: Any,
    views: Sequence[View],
    timestamp_field: str,
    full_feature_names: bool,
    memory_limit_mb: int | None,
    spill_dir: str | None,
    told: Callable[..., Any] | None,
) -> tuple[Any, ...]:
    return (
        _context(memory_limit_mb, spill_dir=spill_dir),
        _convert.as_stream(entity),
        tuple(view._tuple() for view in views),
        timestamp_field,
        full_feature_names,
        told,
    )


def explain_join(
    entity: Any,
    views: Sequence[View],
    timestamp_field: str = "event_timestamp",
    *,
    memory_limit_mb: int | None = None,
    spill_dir: str | None = None,
) -> list[dict[str, Any]]:
    """What pit_join() of these would read, and how much is left out why: one dict a view.

    Entity rows are read, of the tables manifests and the footers and indexes of the files that are
    left, but no feature row.

    Returns:
        dicts with the keys of `frazil explain pit --json`: `view`, its name; `entity_rows` and
        `entity_rows_won` (with a winner); `slices` and `windows`, passes over the table and fetches
        of features, more than one where the memory limit asks for it; `spilled_bytes`; `rows_swept`
        and `rows_filled`, feature rows by the way they competed; `search`, the pass over keys and
        times, and `fetch`, of the winners' features, each a dict with the keys of Scan.explain().
        What only a run can know is 0: JoinedRows.report() has it.
    """
    arguments = _arguments(
        entity, views, timestamp_field, True, memory_limit_mb, spill_dir, None
    )
    return _named([view.name for view in views], _core.pit_explain(*arguments))


def latest_per_key(
    table: Table,
    key_columns: Iterable[str],
    timestamp_field: str,
    created_timestamp_column: str | None = None,
    start: datetime | date | None = None,
    end: datetime | date | None = None,
    columns: Iterable[str] | None = None,
    row_filter: str | None = None,
    snapshot_id: int | None = None,
    ref: str | None = None,
    as_of: datetime | date | str | int | None = None,
    from_snapshot_id: int | None = None,
) -> OneTimeRows:
    """The latest row of each key with start <= event time <= end.

    Rows with a null key count as a key of their own. Without key columns: one row for the table.
    """
    return OneTimeRows(
        _core.latest_per_key(
            table._handle,
            _convert.scan_options(
                row_filter, None, snapshot_id, ref, as_of, from_snapshot_id=from_snapshot_id
            ),
            tuple(key_columns),
            timestamp_field,
            created_timestamp_column or None,
            _INT64_MIN if start is None else _convert.microseconds_of(start),
            _INT64_MAX if end is None else _convert.microseconds_of(end),
            None if columns is None else tuple(columns),
        )
    )
