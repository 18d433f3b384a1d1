"""Feast's monitoring: statistics of features, kept in Iceberg tables of the offline store.

Names, columns and keys of the tables are Feast's, and so is the arithmetic: the columns that are
asked for are read for the window that is asked for, and nothing else. One write is one commit.
NaN and infinities count as nulls.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import date, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from feast.monitoring.metrics_calculator import MetricsCalculator
from feast.monitoring.monitoring_utils import monitoring_table_meta, normalize_monitoring_row

from frazil import Catalog, CommitConflictError, NoSuchTableError, Table
from frazil.feast.feast_types import TIMESTAMP
from frazil.feast.settings import ensure_namespace

_log = logging.getLogger("frazil.feast")
METRIC_TYPES = ("feature", "feature_view", "feature_service", "job")
_ATTEMPTS = 10

_TYPES = {
    "metric_date": pa.date32(),
    "computed_at": TIMESTAMP,
    "max_event_timestamp": TIMESTAMP,
    "started_at": TIMESTAMP,
    "completed_at": TIMESTAMP,
    "is_baseline": pa.bool_(),
    **dict.fromkeys(
        (
            "row_count",
            "null_count",
            "total_row_count",
            "total_features",
            "features_with_nulls",
            "total_feature_views",
        ),
        pa.int64(),
    ),
    **dict.fromkeys(
        (
            "null_rate",
            "avg_null_rate",
            "max_null_rate",
            "mean",
            "stddev",
            "min_val",
            "max_val",
            "p50",
            "p75",
            "p90",
            "p95",
            "p99",
        ),
        pa.float64(),
    ),
}
""" Types of the columns that are no texts. """


def _schema(columns: list[str]) -> pa.Schema:
    return pa.schema([(name, _TYPES.get(name, pa.string())) for name in columns])


# ---- statistics ----


def _finite(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if not pa.types.is_floating(column.type):
        return column
    return pc.if_else(pc.is_finite(column), column, pa.scalar(None, column.type))


def metrics_of(
    read: Callable[[list[str]], pa.Table],
    known: dict[str, str],
    features: list[tuple[str, str]],
    histogram_bins: int,
    top_n: int,
) -> list[dict[str, Any]]:
    """Statistics of features, which are (name, "numeric" or "categorical").

    Args:
        read: gives columns of the table.
        known: column in the table by feature name.
    """
    there = [(name, kind) for name, kind in features if name in known]
    for name in sorted({name for name, _ in features} - set(known)):
        _log.warning("monitoring: there is no column of feature %r; it is left out", name)
    if not there:
        return []
    rows = read(list(dict.fromkeys(known[name] for name, _ in there)))
    table = pa.table({name: _finite(rows.column(known[name])) for name, _ in there})
    return list(MetricsCalculator(histogram_bins, top_n).compute_all(table, there))


# ---- tables ----


def _open(catalog: Catalog, namespace: str, metric_type: str, create: bool) -> Table | None:
    name, columns, _ = monitoring_table_meta(metric_type)
    identifier = f"{namespace}.{name}"
    try:
        return catalog.load_table(identifier)
    except NoSuchTableError:
        if not create:
            return None
    ensure_namespace(catalog, identifier)
    return catalog.create_table_if_not_exists(identifier, _schema(columns))


def ensure_tables(catalog: Catalog, namespace: str) -> None:
    for metric_type in METRIC_TYPES:
        _open(catalog, namespace, metric_type, create=True)


def _cell(name: str, value: Any) -> Any:
    kind = _TYPES.get(name)
    if value is None or value != value:  # NaN, NaT
        return None
    if kind is None:
        return value if isinstance(value, str) else json.dumps(value, default=str)
    if kind == TIMESTAMP or kind == pa.date32():
        if isinstance(value, str):
            value = datetime.fromisoformat(value)
        return value.date() if kind == pa.date32() and isinstance(value, datetime) else value
    return value


def _rows(metric_type: str, metrics: list[dict[str, Any]]) -> pa.Table:
    """The rows of a write; of several with one key the last counts."""
    _, columns, key = monitoring_table_meta(metric_type)
    latest: dict[tuple[Any, ...], dict[str, Any]] = {}
    for metric in metrics:
        row = {name: _cell(name, metric.get(name)) for name in columns}
        if "is_baseline" in row:
            row["is_baseline"] = bool(row["is_baseline"])
        latest[tuple(row[name] for name in key)] = row
    return pa.Table.from_pylist(list(latest.values()), schema=_schema(columns))


def _retried(change: Callable[[], Any]) -> None:
    """Two writers that touch one row meet: the later one looks again."""
    for attempt in range(_ATTEMPTS):
        try:
            change()
            return
        except CommitConflictError:
            if attempt == _ATTEMPTS - 1:
                raise


def save(
    catalog: Catalog, namespace: str, metric_type: str, metrics: list[dict[str, Any]]
) -> None:
    """Update the rows whose key is there, and add the others."""
    if not metrics:
        return
    _, _, key = monitoring_table_meta(metric_type)
    rows = _rows(metric_type, metrics)

    def change() -> None:
        table = _open(catalog, namespace, metric_type, create=True)
        assert table is not None
        table.upsert(rows, join_cols=key)

    _retried(change)


# ---- queries ----


def _literal(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    text = value.isoformat() if isinstance(value, (date, datetime)) else str(value)
    return "'" + text.replace("'", "''") + "'"


def _where(equal: dict[str, Any], columns: list[str]) -> list[str]:
    for name in equal:
        if name not in columns:
            raise ValueError(f"monitoring has no column {name!r}; it has {columns}")
    return [f'"{name}" = {_literal(value)}' for name, value in equal.items() if value is not None]


def query(
    catalog: Catalog,
    namespace: str,
    project: str,
    metric_type: str,
    filters: dict[str, Any] | None,
    start_date: date | None,
    end_date: date | None,
) -> list[dict[str, Any]]:
    """Rows by metric date. An empty project means all of them, as Feast asks for jobs by id."""
    _, columns, key = monitoring_table_meta(metric_type)
    terms = _where({"project_id": project or None, **(filters or {})}, columns)
    for bound, sign in ((start_date, ">="), (end_date, "<=")):
        if bound is not None:
            day = bound.date() if isinstance(bound, datetime) else bound
            terms.append(f"metric_date {sign} {_literal(day)}")
    table = _open(catalog, namespace, metric_type, create=False)
    if table is None:
        return []
    found = table.scan(" and ".join(terms) or None, selected_fields=columns).to_arrow()
    order = ["metric_date", *key]
    rows = found.select(columns).to_pylist()
    rows.sort(key=lambda row: tuple((row[name] is None, str(row[name])) for name in order))
    return [normalize_monitoring_row(row) for row in rows]


def clear_baseline(catalog: Catalog, namespace: str, equal: dict[str, Any]) -> None:
    """Rows of features that were a baseline are none any more; `equal` chooses them."""
    _, columns, key = monitoring_table_meta("feature")
    terms = _where({**equal, "is_baseline": True}, columns)

    def change() -> None:
        table = _open(catalog, namespace, "feature", create=False)
        if table is None:
            return
        rows = table.scan(" and ".join(terms), selected_fields=columns).to_arrow().select(columns)
        if rows.num_rows:
            index = columns.index("is_baseline")
            cleared = rows.set_column(
                index, "is_baseline", pa.repeat(pa.scalar(False), rows.num_rows)
            )
            table.upsert(cleared, join_cols=key)

    _retried(change)
