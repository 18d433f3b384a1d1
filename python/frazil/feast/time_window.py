"""A window of event times as a row filter, in the form that a column's type takes."""

from __future__ import annotations

from datetime import datetime, timedelta

import frazil
from frazil import Table
from frazil._convert import quoted, utc


def _literal(moment: datetime, iceberg_type: str, upper: bool) -> str:
    """A bound of a window in the text form that the column's type takes."""
    moment = utc(moment)
    if iceberg_type == "date":
        # A date is its first moment: a lower bound within a day excludes that day.
        whole = moment.date()
        midnight = datetime(whole.year, whole.month, whole.day, tzinfo=moment.tzinfo)
        if not upper and moment != midnight:
            whole += timedelta(days=1)
        return f"'{whole.isoformat()}'"
    zone = "+00:00" if "tz" in iceberg_type else ""
    return f"'{moment.replace(tzinfo=None).isoformat()}{zone}'"


def no_column(table: Table, column: str) -> frazil.InvalidError:
    return frazil.InvalidError(
        f"table {table.identifier!r} has no column {column!r}; it has "
        f"{table.schema().column_names}"
    )


def column_type(table: Table, column: str) -> str:
    """The type of a column; of a column that is gone, the type that it had last: a table that is
    held at an earlier snapshot has the columns of its time."""
    schemas = table.schemas()
    older = (schemas[number] for number in sorted(schemas, reverse=True))
    for schema in (table.schema(), *older):
        if column in schema.column_names:
            return schema.find_field(column).type
    raise no_column(table, column)


def window(
    table: Table, column: str, start: datetime | None, end: datetime | None
) -> str | None:
    """A row filter for start <= column <= end."""
    kind = column_type(table, column)
    parts = []
    if start is not None:
        parts.append(f"{quoted(column)} >= {_literal(start, kind, upper=False)}")
    if end is not None:
        parts.append(f"{quoted(column)} <= {_literal(end, kind, upper=True)}")
    return " and ".join(parts) or None
