"""DuckDB: what turns an SQL entity frame into rows, and the point-in-time join as a query.

The tables that a query names are Iceberg tables of the offline store's catalog. They are handed
to DuckDB as Arrow streams, under the names that the query uses.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa

from frazil import Catalog, NotFoundError, Table
from frazil._convert import guarded, utc


def connect() -> Any:
    try:
        import duckdb
    except ImportError as error:
        raise ImportError(
            "an SQL entity_df and engine: duckdb need DuckDB: pip install 'frazil[duckdb]'"
        ) from error
    connection = duckdb.connect(database=":memory:")
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def quoted_path(identifier: str) -> str:
    return ".".join(quoted(part) for part in identifier.split("."))


def moment(value: datetime) -> str:
    return f"TIMESTAMPTZ '{utc(value).isoformat(sep=' ')}'"


@dataclass
class SqlView:
    """A feature view in the form of a query."""

    name: str
    relation: str
    """ What stands after FROM. """
    join_keys: tuple[tuple[str, str], ...]
    """ Entity column, table column. """
    timestamp_field: str
    created_timestamp_column: str | None
    ttl: timedelta | None
    features: tuple[tuple[str, str], ...]
    """ Table column, name in the result. """
    created_cutoff: bool = False


@dataclass
class Sources:
    """The tables that a query reads, by the name that it uses."""

    catalog: Catalog
    namespace: str
    tables: dict[str, tuple[Table, dict[str, Any]]] = field(default_factory=dict)
    """ Where they are known: each with the arguments of its scan. Else the query is searched. """

    def find(self, name: str) -> Table | None:
        """The Iceberg table that a query means by a name."""
        candidates = [name] if "." in name else [f"{self.namespace}.{name}", name]
        for candidate in candidates:
            try:
                return self.catalog.load_table(candidate)
            except NotFoundError:
                continue
            except ValueError:
                continue
        return None


def _register(connection: Any, name: str, data: Any) -> None:
    """Make `data` a relation of that name; a dotted name is a schema's, or a database's."""
    parts = name.split(".")
    if len(parts) == 1:
        connection.register(name, data)
        return
    hidden = "__frazil_" + "_".join(parts)
    connection.register(hidden, data)
    if len(parts) > 3:
        raise ValueError(f"{name!r}: DuckDB knows names of three parts at most")
    if len(parts) == 3:
        connection.execute(f"ATTACH IF NOT EXISTS ':memory:' AS {quoted(parts[0])}")
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted_path('.'.join(parts[:-1]))}")
    if len(parts) == 3:
        # A view of another database cannot see a registered object.
        connection.execute(f"CREATE TABLE {quoted_path(name)} AS SELECT * FROM {quoted(hidden)}")
    else:
        connection.execute(f"CREATE VIEW {quoted_path(name)} AS SELECT * FROM {quoted(hidden)}")


def _table_names(connection: Any, sql: str) -> list[str]:
    """The tables that a user's query names, found in its syntax tree. Those that are none of ours
    are common table expressions, or DuckDB's to find or to report as missing."""
    text = connection.execute("SELECT json_serialize_sql(?)", [sql]).fetchall()[0][0]
    tree = json.loads(text)
    if tree.get("error"):
        raise ValueError(f"entity_df as SQL: {tree.get('error_message')}")
    names: set[str] = set()
    nodes: list[Any] = [tree]
    while nodes:
        node = nodes.pop()
        if isinstance(node, list):
            nodes.extend(node)
        elif isinstance(node, dict):
            nodes.extend(node.values())
            if node.get("type") == "BASE_TABLE":
                path = (node.get("catalog_name"), node.get("schema_name"), node.get("table_name"))
                names.add(".".join(part for part in path if part))
    return sorted(names)


def _fetch(connection: Any, sql: str) -> pa.Table:
    result = connection.execute(sql)
    return (getattr(result, "to_arrow_table", None) or result.fetch_arrow_table)()


def run(sql: str, sources: Sources, given: dict[str, pa.Table] | None = None) -> pa.Table:
    """The rows of a query over Iceberg tables and given ones."""
    connection = connect()
    try:
        named: dict[str, Any] = dict(given or {})
        for name, (table, options) in sources.tables.items():
            named[name] = table.scan(**options)
        if not sources.tables:
            for name in _table_names(connection, sql):
                found = None if name in named else sources.find(name)
                if found is not None:
                    named[name] = found.scan()
        for name, data in named.items():
            _register(connection, name, data)
        return guarded(lambda: _fetch(connection, sql))
    finally:
        connection.close()


# ---- the join ----


def _time(expression: str) -> str:
    return f"CAST({expression} AS TIMESTAMPTZ)"


def _interval(ttl: timedelta) -> str:
    return f"INTERVAL '{ttl // timedelta(microseconds=1)} microseconds'"


def _order(view: SqlView) -> str:
    order = f"{_time('f.' + quoted(view.timestamp_field))} DESC"
    if view.created_timestamp_column:
        order += f", {_time('f.' + quoted(view.created_timestamp_column))} DESC NULLS LAST"
    return order


def _latest_of_each_time(view: SqlView) -> str:
    """The feature rows, one for each key and event time: an ASOF join takes any of several."""
    keys = [f"f.{quoted(column)}" for _, column in view.join_keys]
    distinct = ", ".join([*keys, "f." + quoted(view.timestamp_field)])
    return (
        f"SELECT DISTINCT ON ({distinct}) * FROM {view.relation} AS f"
        f" WHERE f.{quoted(view.timestamp_field)} IS NOT NULL"
        f" ORDER BY {', '.join(keys + [_order(view)])}"
    )


def _as_of(view: SqlView, number: int, entity_time: str) -> str:
    time = _time("f." + quoted(view.timestamp_field))
    on = [f"e.{quoted(mine)} = f.{quoted(theirs)}" for mine, theirs in view.join_keys]
    on.append(f"{entity_time} >= {time}")
    columns = [f"f.{quoted(column)} AS f{i}" for i, (column, _) in enumerate(view.features)]
    where = f" WHERE {time} >= {entity_time} - {_interval(view.ttl)}" if view.ttl else ""
    return (
        f"v{number} AS (SELECT {', '.join(['e.__row', *columns])} FROM entity AS e"
        f" ASOF JOIN ({_latest_of_each_time(view)}) AS f ON {' AND '.join(on)}{where})"
    )


def _ranked(view: SqlView, number: int, entity_time: str) -> str:
    """With the created cutoff the latest row of a time depends on the entity row."""
    time = _time("f." + quoted(view.timestamp_field))
    on = [f"e.{quoted(mine)} = f.{quoted(theirs)}" for mine, theirs in view.join_keys]
    on.append(f"{time} <= {entity_time}")
    if view.ttl:
        on.append(f"{time} >= {entity_time} - {_interval(view.ttl)}")
    if view.created_cutoff and view.created_timestamp_column:
        on.append(f"{_time('f.' + quoted(view.created_timestamp_column))} <= {entity_time}")
    columns = [f"f.{quoted(column)} AS f{i}" for i, (column, _) in enumerate(view.features)]
    return (
        f"v{number} AS (SELECT {', '.join(['e.__row', *columns])} FROM entity AS e"
        f" JOIN {view.relation} AS f ON {' AND '.join(on)}"
        f" QUALIFY row_number() OVER (PARTITION BY e.__row ORDER BY {_order(view)}) = 1)"
    )


def join_sql(entity: str, timestamp_field: str, views: Iterable[SqlView]) -> str:
    """The point-in-time join as a DuckDB query. `entity` is what stands after FROM."""
    entity_time = _time("e." + quoted(timestamp_field))
    parts = [f"entity AS (SELECT *, row_number() OVER () AS __row FROM {entity})"]
    columns = ["e.* EXCLUDE (__row)"]
    joins = []
    for number, view in enumerate(views):
        make = _ranked if view.created_cutoff and view.created_timestamp_column else _as_of
        parts.append(make(view, number, entity_time))
        columns += [f"v{number}.f{i} AS {quoted(out)}" for i, (_, out) in enumerate(view.features)]
        joins.append(f" LEFT JOIN v{number} ON v{number}.__row = e.__row")
    return (
        "WITH "
        + ",\n  ".join(parts)
        + f"\nSELECT {', '.join(columns)}\nFROM entity AS e{''.join(joins)}\nORDER BY e.__row"
    )
