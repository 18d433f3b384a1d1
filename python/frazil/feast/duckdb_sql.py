"""DuckDB: what turns an SQL entity frame into rows, and the point-in-time join as a query.

Tables are handed to DuckDB as Arrow streams, never by path: deletes, projection by field id and
credentials stay with frazil. A query that came from a user runs without files, network,
extensions and settings of its own.

The join is one generator with two users. The duckdb engine runs it over streams of just the
columns that the join needs, under names made here; to_sql() shows it over tables and columns by
their own names. Times are compared as integers in the table's unit: the upper bound of an entity
row is rounded down, the lower one up. docs/design/engines.md has the query.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

import frazil
from frazil import Catalog, NotFoundError, Table, View
from frazil._convert import guarded, microseconds_of, quoted
from frazil.feast.join_inputs import (
    column_types,
    comparable_key,
    features_of,
    file_order,
    join_keys_of,
    pin_of,
    restored,
    stored,
    stored_type,
)

_INT64_MIN, _INT64_MAX = -(1 << 63), (1 << 63) - 1
_MICROSECOND = timedelta(microseconds=1)


# ---- names and literals ----


def quoted_path(identifier: str, ending: str = "") -> str:
    """ "ns.table" as a name in SQL; `ending` goes to the last part."""
    *namespace, name = identifier.split(".")
    return ".".join(map(quoted, [*namespace, name + ending]))


def number_of(column: str, iceberg_type: str) -> str:
    """The time of a column as microseconds since 1970, nanoseconds where the type has them."""
    return f"{'epoch_ns' if iceberg_type.endswith('_ns') else 'epoch_us'}({column})"


def window_sql(
    column: str, iceberg_type: str, start: datetime | None, end: datetime | None
) -> list[str]:
    """Conditions for start <= column <= end, whatever the session's time zone is."""
    time = number_of(quoted(column), iceberg_type)
    unit = 1000 if iceberg_type.endswith("_ns") else 1
    where = [] if start is None else [f"{time} >= {microseconds_of(start) * unit}"]
    return where if end is None else [*where, f"{time} <= {microseconds_of(end) * unit}"]


def is_binary(iceberg_type: str) -> bool:
    return iceberg_type.startswith(("binary", "fixed", "uuid"))


def free_prefix(names: Iterable[str]) -> str:
    """What none of the names starts with, to DuckDB, which does not tell capitals from small
    letters: for the names that a query needs of its own."""
    folded = [name.casefold() for name in names]
    prefix = "_"
    while any(name.startswith(prefix) for name in folded):
        prefix += "_"
    return prefix


# ---- connections ----


@contextmanager
def _connected(memory_limit_mb: int | None = None) -> Iterator[Any]:
    """A database in memory that spills to a folder of its own."""
    try:
        import duckdb
    except ImportError as error:
        raise ImportError(
            "an SQL entity_df and engine: duckdb need DuckDB: pip install 'frazil[sql]'"
        ) from error
    config: dict[str, Any] = {
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
    }
    with tempfile.TemporaryDirectory(prefix="frazil-duckdb-") as folder:
        config["temp_directory"] = folder
        if memory_limit_mb is not None:
            config["memory_limit"] = f"{memory_limit_mb}MiB"
        connection = duckdb.connect(database=":memory:", config=config)
        try:
            connection.execute("SET TimeZone = 'UTC'")
            # A name in a query is a table, never a variable of the Python program.
            connection.execute("SET python_enable_replacements = false")
            # A stream has no known length, and DuckDB would take it to be short enough for a loop.
            connection.execute("SET asof_loop_join_threshold = 0")
            yield connection
        finally:
            connection.close()


def _lock(connection: Any) -> None:
    """No files, no network, no extensions from here on, and no way back."""
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _fetch(connection: Any, sql: str) -> pa.Table:
    return connection.sql(sql).to_arrow_table()


class _Stream:
    """Rows that DuckDB may ask for as often as a query reads them."""

    def __init__(self, reader: Callable[[], pa.RecordBatchReader]):
        self._reader = reader

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self._reader().__arrow_c_stream__(requested_schema)


# ---- an SQL entity frame ----


@dataclass
class Sources:
    """Where the tables of a user's query are found, by the names that it uses."""

    catalog: Catalog
    namespace: str

    def find(self, name: str) -> Table | None:
        candidates = [name] if "." in name else [f"{self.namespace}.{name}", name]
        for candidate in candidates:
            try:
                return self.catalog.load_table(candidate)
            except (NotFoundError, ValueError):
                continue
        return None


def _register(connection: Any, path: Sequence[str], data: Any) -> None:
    """Make `data` a relation of a name of one, two or three parts."""
    if len(path) == 1:
        connection.register(path[0], data)
        return
    if len(path) > 3:
        raise ValueError(f"{'.'.join(path)!r}: DuckDB knows names of three parts at most")
    hidden = "__frazil_" + "_".join(path)
    connection.register(hidden, data)
    name = ".".join(map(quoted, path))
    if len(path) == 3:
        connection.execute(f"ATTACH IF NOT EXISTS ':memory:' AS {quoted(path[0])}")
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {'.'.join(map(quoted, path[:-1]))}")
    # A view of another database cannot see a registered object.
    kind = "TABLE" if len(path) == 3 else "VIEW"
    connection.execute(f"CREATE {kind} {name} AS SELECT * FROM {quoted(hidden)}")


def _table_names(connection: Any, sql: str) -> list[tuple[str, ...]]:
    """The tables that a user's query names, found in its syntax tree. Those that are none of ours
    are common table expressions, or DuckDB's to find or to report as missing."""
    text = connection.execute("SELECT json_serialize_sql(?)", [sql]).fetchall()[0][0]
    tree = json.loads(text)
    if tree.get("error"):
        raise ValueError(f"entity_df as SQL: {tree.get('error_message')}")
    if len(tree["statements"]) != 1:
        raise ValueError(
            f"entity_df as SQL is one SELECT statement, not {len(tree['statements'])} of them"
        )
    names: set[tuple[str, ...]] = set()
    nodes: list[Any] = [tree]
    while nodes:
        node = nodes.pop()
        if isinstance(node, list):
            nodes.extend(node)
        elif isinstance(node, dict):
            nodes.extend(node.values())
            if node.get("type") == "BASE_TABLE":
                path = (node.get("catalog_name"), node.get("schema_name"), node.get("table_name"))
                names.add(tuple(part for part in path if part))
    return sorted(names)


def query(sql: str, sources: Sources, memory_limit_mb: int | None = None) -> pa.Table:
    """The rows of a user's query over the Iceberg tables that it names."""
    with _connected(memory_limit_mb) as connection:
        for path in _table_names(connection, sql):
            found = sources.find(".".join(path))
            if found is not None:
                _register(connection, path, found.scan())
        _lock(connection)
        return guarded(lambda: _fetch(connection, sql))


def plain_sql(sql: str) -> str:
    """A SELECT statement without comments and semicolon, to stand inside another one."""
    with _connected() as connection:
        text = "SELECT json_deserialize_sql(json_serialize_sql(?))"
        return str(connection.execute(text, [sql]).fetchall()[0][0])


# ---- the join as a query ----


@dataclass(frozen=True)
class SqlView:
    """A feature view in the form of a query."""

    relation: str
    """ What stands after FROM. """
    join_keys: tuple[tuple[str, str], ...]
    """ Entity column, table column. """
    timestamp_field: str
    time_type: str
    """ Its Iceberg type. """
    created_timestamp_column: str | None
    created_type: str
    ttl: timedelta | None
    features: tuple[tuple[str, str], ...]
    """ Table column, name in the result. """
    created_cutoff: bool = False
    binary_keys: tuple[str, ...] = ()
    """ Table columns that are keys and bytes. """
    tie_columns: tuple[str, ...] = ()
    """ Decide among rows of one created time: the greatest of the first, then of the second... """


def _clamped(number: str) -> str:
    return f"CAST(least(greatest({number}, {_INT64_MIN}), {_INT64_MAX}) AS BIGINT)"


def _bounds(time: str, is_ns: bool, wants_ns: bool, ttl: timedelta | None) -> tuple[str, str]:
    """The greatest and the least feature time of an entity row, in the feature table's unit."""
    age = (ttl // _MICROSECOND if ttl else 0) * (1000 if wants_ns else 1)
    if is_ns == wants_ns:
        upper, lower = time, f"CAST({time} AS HUGEINT)"
    elif wants_ns:
        upper = lower = f"CAST({time} AS HUGEINT) * 1000"
    else:  # down and up, of numbers of either sign
        upper = f"({time} // 1000) - CASE WHEN {time} % 1000 < 0 THEN 1 ELSE 0 END"
        lower = f"({time} // 1000) + CASE WHEN {time} % 1000 > 0 THEN 1 ELSE 0 END"
        lower = f"CAST({lower} AS HUGEINT)"
    return upper if upper == time else _clamped(upper), _clamped(f"{lower} - {age}")


def _view_sql(view: SqlView, number: int, own: str) -> str:
    """One common table expression: the row number of an entity row, and its winner's features.

    f: the feature rows, under names of our own. Without the created cutoff one row of each key
    and time stays, and an ASOF join finds it; its time is the greatest, so that where it is too
    old every other is, too. With the cutoff the best row of a time depends on the entity row.
    """

    def key(column: str, theirs: str) -> str:
        # DuckDB 1.5 mixes up one zero byte and two in an ASOF join.
        return f"hex({column})" if theirs in view.binary_keys else column

    keys = [
        f"{key(f'{own}f.{quoted(theirs)}', theirs)} AS {own}k{i}"
        for i, (_, theirs) in enumerate(view.join_keys)
    ]
    time = number_of(f"{own}f.{quoted(view.timestamp_field)}", view.time_type)
    columns = [*keys, f"{time} AS {own}time"]
    order = [f"{own}time DESC"]
    if view.created_timestamp_column:
        created = number_of(f"{own}f.{quoted(view.created_timestamp_column)}", view.created_type)
        columns.append(f"{created} AS {own}created")
        order.append(f"{own}created DESC NULLS LAST")
    for i, column in enumerate(view.tie_columns):
        columns.append(f"{own}f.{quoted(column)} AS {own}tie{i}")
        order.append(f"{own}tie{i} DESC")
    outputs = [f"{own}c{i}" for i in range(len(view.features))]
    columns += [
        f"{own}f.{quoted(column)} AS {name}" for name, (column, _) in zip(outputs, view.features)
    ]
    # DuckDB's ASOF join takes two nulls to be equal in all keys but the first.
    needed = dict.fromkeys([view.timestamp_field, *(theirs for _, theirs in view.join_keys)])
    present = " AND ".join(f"{own}f.{quoted(name)} IS NOT NULL" for name in needed)
    rows = f"SELECT {', '.join(columns)} FROM {view.relation} AS {own}f WHERE {present}"
    on = [
        f"{key(f'{own}e.{quoted(mine)}', theirs)} = {own}k{i}"
        for i, (mine, theirs) in enumerate(view.join_keys)
    ]
    found = ", ".join([f"{own}row", *outputs])
    if view.created_cutoff and view.created_timestamp_column:
        on += [f"{own}time <= {own}upper{number}", f"{own}created <= {own}made{number}"]
        if view.ttl:
            on.append(f"{own}time >= {own}lower{number}")
        return (
            f"{own}v{number} AS (SELECT {found} FROM {own}entity AS {own}e"
            f" JOIN ({rows}) ON {' AND '.join(on)}"
            f" QUALIFY row_number() OVER (PARTITION BY {own}row ORDER BY {', '.join(order)}) = 1)"
        )
    on.append(f"{own}upper{number} >= {own}time")
    distinct = [f"{own}k{i}" for i in range(len(view.join_keys))] + [f"{own}time"]
    by = ", ".join([*distinct[:-1], *order])
    newest = f"SELECT DISTINCT ON ({', '.join(distinct)}) * FROM ({rows}) ORDER BY {by}"
    where = f" WHERE {own}time >= {own}lower{number}" if view.ttl else ""
    # So does it with a null time.
    timed = f"SELECT * FROM {own}entity WHERE {own}upper{number} IS NOT NULL"
    return (
        f"{own}v{number} AS (SELECT {found} FROM ({timed}) AS {own}e"
        f" ASOF JOIN ({newest}) ON {' AND '.join(on)}{where})"
    )


def join_sql(
    entity: str,
    entity_columns: Sequence[str],
    timestamp_field: str,
    entity_has_ns: bool,
    views: Sequence[SqlView],
    with_entity_columns: bool = True,
    entity_sql: str | None = None,
) -> str:
    """The point-in-time join as a DuckDB query.

    Args:
        entity: what stands after FROM for the entity rows.
        entity_columns: their columns.
        entity_has_ns: whether their times are in nanoseconds.
        with_entity_columns: whether the result has them before the features.
        entity_sql: a query whose rows they are; `entity` is then a name for it.
    """
    outputs = [name for view in views for _, name in view.features]
    used = [theirs for view in views for _, theirs in view.join_keys]
    used += [column for view in views for column, _ in view.features]
    used += [view.timestamp_field for view in views]
    used += [part for view in views for part in view.relation.replace('"', "").split(".")]
    own = free_prefix([*entity_columns, *outputs, *used, entity.strip('"')])
    time = f"{'epoch_ns' if entity_has_ns else 'epoch_us'}({own}e.{quoted(timestamp_field)})"
    bounds = []
    for number, view in enumerate(views):
        wants_ns = view.time_type.endswith("_ns")
        upper, lower = _bounds(time, entity_has_ns, wants_ns, view.ttl)
        bounds += [f"{upper} AS {own}upper{number}", f"{lower} AS {own}lower{number}"]
        if view.created_cutoff and view.created_timestamp_column:
            made, _ = _bounds(time, entity_has_ns, view.created_type.endswith("_ns"), None)
            bounds.append(f"{made} AS {own}made{number}")
    parts = [] if entity_sql is None else [f"{entity} AS (\n{entity_sql}\n)"]
    numbered = ", ".join([f"row_number() OVER () AS {own}row", f"{own}e.*", *bounds])
    parts.append(f"{own}entity AS (SELECT {numbered} FROM {entity} AS {own}e)")
    columns = [f"{own}e.{quoted(name)}" for name in entity_columns] if with_entity_columns else []
    joins = ""
    for number, view in enumerate(views):
        parts.append(_view_sql(view, number, own))
        columns += [
            f"{own}v{number}.{own}c{i} AS {quoted(name)}"
            for i, (_, name) in enumerate(view.features)
        ]
        joins += f"\n  LEFT JOIN {own}v{number} ON {own}v{number}.{own}row = {own}e.{own}row"
    return (
        "WITH "
        + ",\n  ".join(parts)
        + f"\nSELECT {', '.join(columns)}\nFROM {own}entity AS {own}e{joins}\nORDER BY {own}e.{own}row"
    )


def spine_sql(
    views: Sequence[SqlView], timestamp_field: str, start: datetime, end: datetime
) -> tuple[list[str], bool, str]:
    """Each distinct key and event time that a view has in a range of dates, as a query: its
    columns, whether times are in nanoseconds, and its text. Times are UTC without a zone."""
    keys = list(dict.fromkeys(mine for view in views for mine, _ in view.join_keys))
    has_ns = any(view.time_type.endswith("_ns") for view in views)
    parts = []
    for view in views:
        theirs = dict(view.join_keys)
        columns = [
            f"{quoted(theirs[key]) if key in theirs else 'NULL'} AS {quoted(key)}" for key in keys
        ]
        time = number_of(quoted(view.timestamp_field), view.time_type)
        if has_ns:
            step = "" if view.time_type.endswith("_ns") else " * 1000"
            time = f"make_timestamp_ns({time}{step})"
        else:
            time = f"make_timestamp({time})"
        where = window_sql(view.timestamp_field, view.time_type, start, end)
        parts.append(
            f"SELECT {', '.join([*columns, f'{time} AS {quoted(timestamp_field)}'])}"
            f" FROM {view.relation} WHERE {' AND '.join(where)}"
        )
    order = [f"{quoted(name)} NULLS LAST" for name in [timestamp_field, *reversed(keys)]]
    text = f"SELECT DISTINCT * FROM (\n{chr(10).join(_union(parts))}\n)\nORDER BY {', '.join(order)}"
    return [*keys, timestamp_field], has_ns, text


def _union(parts: list[str]) -> list[str]:
    return [parts[0], *(f"UNION ALL {part}" for part in parts[1:])]


# ---- the join over streams ----


class _FeatureRows:
    """A view's rows as a relation c0, c1... of its distinct columns, and what decides its ties."""

    def __init__(self, view: View):
        self.view = view
        self.join_keys = join_keys_of(view)
        self.features = features_of(view)
        created = view.created_timestamp_column
        wanted = [*self.join_keys.values(), view.timestamp_field, *([created] if created else [])]
        wanted += [column for column, _ in self.features]
        self.columns = list(dict.fromkeys(wanted))
        self.pin = pin_of(view)
        names = view.table.schema().column_names
        self.ties: list[str] = []
        if not {"_file", "_pos", "_last_updated_sequence_number"} & set(names):
            self.ties = ["_file", "_pos"]
            if view.table.format_version >= 3:
                self.ties.insert(0, "_last_updated_sequence_number")
            self.files = pa.array(file_order(view.table, self.pin), pa.string())

    def name(self, column: str) -> str:
        return f"c{self.columns.index(column)}"

    def reader(self) -> pa.RecordBatchReader:
        scan = self.view.table.scan(
            row_filter=self.view.row_filter,
            selected_fields=[*self.columns, *self.ties],
            **self.pin,
        )
        rows = scan.to_arrow_batch_reader()
        names = [self.name(column) for column in self.columns] + self.ties
        fields = [(name, stored_type(rows.schema.field(column).type))
                  for name, column in zip(names, [*self.columns, *self.ties])]  # fmt: skip
        schema = pa.schema(
            [(name, pa.int64() if name == "_file" else kind) for name, kind in fields]
        )

        def batches() -> Iterator[pa.RecordBatch]:
            for batch in rows:
                made = [stored(batch.column(column)) for column in self.columns]
                for tie in self.ties:
                    column = batch.column(tie)
                    if tie == "_file":
                        column = pc.index_in(column.cast(pa.string()), self.files)
                    made.append(pc.fill_null(column.cast(pa.int64()), 0))
                yield pa.RecordBatch.from_arrays(made, schema=schema)

        return pa.RecordBatchReader.from_batches(schema, batches())

    def sql(self, relation: str, types: dict[str, str], entity_columns: dict[str, str]) -> SqlView:
        view = self.view
        created = view.created_timestamp_column
        return SqlView(
            relation=quoted(relation),
            join_keys=tuple(
                (entity_columns[mine], self.name(theirs)) for mine, theirs in self.join_keys.items()
            ),
            timestamp_field=self.name(view.timestamp_field),
            time_type=types[view.timestamp_field],
            created_timestamp_column=self.name(created) if created else None,
            created_type=types[created] if created else "",
            ttl=view.ttl,
            features=tuple((self.name(column), name) for column, name in self.features),
            created_cutoff=view.created_cutoff,
            binary_keys=tuple(
                self.name(each) for each in self.join_keys.values() if is_binary(types[each])
            ),
            tie_columns=tuple(self.ties),
        )


def pit_join(
    entity: pa.Table,
    views: Sequence[View],
    timestamp_field: str = "event_timestamp",
    memory_limit_mb: int | None = None,
) -> pa.Table:
    """What frazil.pit_join() adds to the entity rows, computed by DuckDB."""
    # The native engine on no rows checks names and types, and tells the types of the result.
    empty = frazil.pit_join(entity.slice(0, 0), views, timestamp_field=timestamp_field)
    schema = pa.schema(list(empty.to_arrow().schema)[entity.num_columns :])
    names = {name: f"e{i}" for i, name in enumerate(entity.column_names)}
    kinds: dict[str, str] = {}
    sql_views = []
    relations: dict[str, Any] = {}
    for number, view in enumerate(views):
        rows = _FeatureRows(view)
        types = column_types(view.table)
        kinds.update({mine: types[theirs] for mine, theirs in rows.join_keys.items()})
        relations[f"view{number}"] = _Stream(rows.reader)
        sql_views.append(rows.sql(f"view{number}", types, names))
    times = entity.column(timestamp_field)
    is_ns = times.type.unit == "ns"
    if not is_ns:
        times = times.cast(pa.timestamp("us", times.type.tz))
    columns = {
        names[name]: stored(times) if name == timestamp_field
        else comparable_key(entity.column(name), kinds[name], name)
        for name in entity.column_names
        if name == timestamp_field or name in kinds
    }  # fmt: skip
    sql = join_sql(
        "entity", list(columns), names[timestamp_field], is_ns, sql_views, with_entity_columns=False
    )
    with _connected(memory_limit_mb) as connection:
        connection.register("entity", pa.table(columns))
        for name, stream in relations.items():
            connection.register(name, stream)
        result = guarded(lambda: _fetch(connection, sql))
    return pa.table(
        [restored(column, field.type) for column, field in zip(result.columns, schema)],
        schema=schema,
    )
