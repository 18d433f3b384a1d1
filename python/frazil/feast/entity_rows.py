"""Entity rows: a pandas frame, a DuckDB query, or every entity in a range of dates.

Whatever they come from, they become an Arrow table whose event times have a zone. Naive times
are UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from feast.errors import EntityTimestampInferenceException, FeastEntityDFMissingColumnsError
from feast.infra.offline_stores.offline_utils import (
    DEFAULT_ENTITY_DF_EVENT_TIMESTAMP_COL,
    infer_event_timestamp_from_entity_df,
)

from frazil._convert import utc
from frazil.feast.feast_types import TIMESTAMP


@dataclass
class EntityRows:
    table: pa.Table
    timestamp_field: str

    def column_names(self) -> list[str]:
        return list(self.table.column_names)

    def range(self) -> tuple[datetime | None, datetime | None]:
        """The least and the greatest event time."""
        bounds = pc.min_max(self.table.column(self.timestamp_field)).as_py()
        return _datetime(bounds["min"]), _datetime(bounds["max"])

    def require(self, columns: set[str]) -> None:
        missing = columns - set(self.table.column_names)
        if missing:
            raise FeastEntityDFMissingColumnsError(columns, missing)


def _datetime(value: Any) -> datetime | None:
    if value is None:
        return None
    if isinstance(value, pd.Timestamp):
        value = value.floor("us").to_pydatetime()
    return utc(value)


def _times(column: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    """Event times with the zone UTC; their unit stays, so that nothing is lost."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _times(column.cast(kind.value_type), name)
    if pa.types.is_timestamp(kind):
        return column if kind.tz == "UTC" else column.cast(pa.timestamp(kind.unit, "UTC"))
    if pa.types.is_date(kind):
        return column.cast(pa.timestamp("us")).cast(TIMESTAMP)
    if pa.types.is_null(kind) or len(column) == 0:
        return pa.chunked_array([pa.nulls(len(column), TIMESTAMP)])
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return pa.chunked_array([pa.array(_parsed(column.to_pandas(), name))])
    raise ValueError(f"entity column {name!r} holds {kind}, not times")


def _parsed(times: pd.Series, name: str) -> pd.Series:
    try:
        return pd.to_datetime(times, utc=True)
    except (TypeError, ValueError) as error:
        raise ValueError(f"entity column {name!r} does not hold times: {error}") from error


def _arrow(frame: pd.DataFrame) -> pa.Table:
    """A frame column by column: one that Arrow cannot infer is named in the error."""
    columns = {}
    for position, name in enumerate(frame.columns):
        series = frame.iloc[:, position]
        try:
            column = pa.Array.from_pandas(series)
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise ValueError(f"entity column {name!r}: {error}") from error
        if isinstance(column, pa.ChunkedArray):
            columns[str(name)] = column
        else:
            columns[str(name)] = pa.chunked_array([column])
    return pa.table(columns)


def from_frame(frame: pd.DataFrame) -> EntityRows:
    """Entity rows of a pandas frame; the frame is not changed."""
    name = infer_event_timestamp_from_entity_df(dict(zip(frame.columns, frame.dtypes)))
    series = frame[name]
    if series.dtype == object:
        # Datetimes with different zones, or strings.
        frame = frame.assign(**{name: _parsed(series, name)})
    return _with_times(_arrow(frame), name)


def from_arrow(table: pa.Table) -> EntityRows:
    """Entity rows of an Arrow table, such as the result of a query."""
    name = DEFAULT_ENTITY_DF_EVENT_TIMESTAMP_COL
    if name not in table.column_names:
        times = [field.name for field in table.schema if pa.types.is_timestamp(field.type)]
        if len(times) != 1:
            raise EntityTimestampInferenceException(name)
        name = times[0]
    return _with_times(table, name)


def _with_times(table: pa.Table, name: str) -> EntityRows:
    index = table.column_names.index(name)
    times = _times(table.column(index), name)
    return EntityRows(table.set_column(index, name, times), name)
