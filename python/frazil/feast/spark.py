"""Spark: the same retrievals as Spark SQL over the same tables, for data beyond one machine.

How tables become frames is in spark_tables.py, the session in spark_session.py.

The join is a union, not a join of rows with rows: entity rows and feature rows of a key are put in
order of time, and a running maximum over (event, created, commit) stands at each entity row for its
winner. Work and shuffles follow the number of rows, however long a history is. All relations and
columns have names made here; a user's names are those of the result alone.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
from feast.infra.offline_stores.contrib.spark_offline_store.spark import SparkRetrievalJob
from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F

import frazil
from frazil import Table, UnsupportedError, View
from frazil._convert import microseconds_of
from frazil.feast.duckdb_sql import free_prefix
from frazil.feast.join_inputs import (
    column_types,
    comparable_key,
    features_of,
    join_keys_of,
    pin_of,
    restored,
)
from frazil.feast.retrieval import IcebergRetrievalJob, storable_type
from frazil.feast.spark_session import SparkSettings, session, settings_of
from frazil.feast.spark_tables import (
    NANOSECONDS,
    TIMES,
    Wanted,
    backticked,
    column,
    is_handed_over,
    loaded,
    number_of,
    ordered,
    within,
)


_INT64_MIN, _INT64_MAX = -(1 << 63), (1 << 63) - 1
_MICROSECOND = timedelta(microseconds=1)
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


class IcebergSparkRetrievalJob(IcebergRetrievalJob, SparkRetrievalJob):  # type: ignore[misc]
    """A retrieval that Spark runs: to_spark_df() stays distributed, all else is as in the other
    engines' jobs. Feast's Spark engine knows it by its class."""

    def __init__(self, *args: Any, frame: Callable[[SparkSession], DataFrame], **options: Any):
        IcebergRetrievalJob.__init__(self, *args, **options)
        self._frame = frame
        self.query = ""

    @property
    def spark_session(self) -> SparkSession:
        return session(settings_of(self._config))

    def to_spark_df(self) -> DataFrame:
        return self._frame(self.spark_session)


# ---- the join ----


_Loaded = dict[tuple[Any, ...], tuple[DataFrame, list[Any]]]


class _Unit(NamedTuple):
    """What a view's times are compared in."""

    per_second: int
    number: str
    """ Spark's type of such a time. Decimals hold any nanosecond. """

    least: str
    """ Before every time: the created time of a row that has none. """


_MICROSECONDS = _Unit(10**6, "bigint", str(_INT64_MIN))
_NANOSECONDS = _Unit(10**9, "decimal(38,0)", f"CAST({_INT64_MIN * 1000} AS DECIMAL(38, 0))")


def _unit_of(view: View) -> _Unit:
    types = column_types(view.table)
    times = [view.timestamp_field, view.created_timestamp_column]
    is_fine = any(types[name] in NANOSECONDS for name in times if name)
    return _NANOSECONDS if is_fine else _MICROSECONDS


def _feature_rows(
    spark: SparkSession,
    settings: SparkSettings,
    view: View,
    low: int | None,
    high: int | None,
    frames: _Loaded,
) -> DataFrame:
    """A view's rows as k0, k1..., time, created, ties and c0, c1..."""
    table, pin, unit = view.table, pin_of(view), _unit_of(view)
    types = column_types(table)
    stamp, created = view.timestamp_field, view.created_timestamp_column
    if view.row_filter:
        raise UnsupportedError("row_filter of a view in Spark")
    age = view.ttl // _MICROSECOND if view.ttl else None
    used = [*join_keys_of(view).values(), *(name for name, _ in features_of(view))]
    wanted = Wanted(
        (*used, *([created] if created else [])),
        stamp,
        None if low is None or age is None else low - age,
        high,
    )
    # One frame for all views of a version: Spark 4.1 mixes up columns of a table that is loaded twice.
    version = (table.identifier, table.metadata_location, *pin.items())
    if is_handed_over(table, pin):
        version = (*version, wanted)
    if version not in frames:
        frames[version] = ordered(spark, settings, table, pin, wanted)
    frame, order = frames[version]
    frame = within(frame.where(column(stamp).isNotNull()), wanted, types[stamp])
    keys = [
        (number_of(theirs, types[theirs], table) if types[theirs] in TIMES else column(theirs))
        .alias(f"k{i}") for i, theirs in enumerate(join_keys_of(view).values())
    ]  # fmt: skip
    made = F.expr(unit.least)
    if created:
        made = number_of(created, types[created], table, unit.per_second)
    features = [column(name).alias(f"c{i}") for i, (name, _) in enumerate(features_of(view))]
    rows = frame.select(
        *keys,
        number_of(stamp, types[stamp], table, unit.per_second).alias("time"),
        made.cast(unit.number).alias("created"),
        F.struct(*[each.alias(f"t{i}") for i, each in enumerate([F.lit(0), *order])]).alias("tie"),
        *features,
    )
    for i in range(len(keys)):
        rows = rows.where(F.col(f"k{i}").isNotNull())
    return rows.where(F.col("created").isNotNull()) if view.created_cutoff and created else rows


def _view_sql(view: View, number: int, rows: str, entity: str, keys: Sequence[str]) -> str:
    """One common table expression: the row number of an entity row, and its winner `w`."""
    unit = _unit_of(view)
    floor, ceil = _bounds_of(unit)
    ttl = (view.ttl // _MICROSECOND) * (unit.per_second // 10**6) if view.ttl else 0
    names = [f"k{i}" for i in range(len(keys))]
    listed = "".join(f"{name}, " for name in names)
    mine = "".join(f"{key} AS {name}, " for key, name in zip(keys, names))
    present = " AND ".join([f"{floor} IS NOT NULL", *(f"{key} IS NOT NULL" for key in keys)])
    cutoff = view.created_cutoff and view.created_timestamp_column
    admit = "greatest(time, created)" if cutoff else "time"
    outputs = "".join(f", 'c{i}', c{i}" for i in range(len(features_of(view))))
    winner = f"max_by(value, rank) OVER ({f'PARTITION BY {listed[:-2]} ' if names else ''}"
    winner += "ORDER BY admit, kind ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)"
    found = "w"
    if view.ttl:
        found = f"IF(w.time >= CAST(ceil AS DECIMAL(38, 0)) - {ttl}, w, NULL) AS w"
    order = f"struct(time, coalesce(created, {unit.least}) AS created, tie)"
    return (
        f"v{number} AS (SELECT row, {found} FROM (\n"
        f"    SELECT row, ceil, kind, {winner} AS w FROM (\n"
        f"      SELECT {mine}{floor} AS admit, 1 AS kind, row, {ceil} AS ceil, NULL AS value, NULL AS rank"
        f" FROM {entity} WHERE {present}\n"
        f"      UNION ALL SELECT {listed}{admit} AS admit, 0 AS kind, NULL AS row, NULL AS ceil,"
        f" named_struct('time', time{outputs}) AS value, {order} AS rank FROM {rows}))\n"
        f"  WHERE kind = 1)"
    )


def _bounds_of(unit: _Unit) -> tuple[str, str]:
    """The entity rows' columns of upper and lower bounds in a unit."""
    return ("floor", "ceil") if unit is _MICROSECONDS else ("exact", "exact")


def _entity_times(column: pa.ChunkedArray, is_fine: bool) -> dict[str, pa.Array]:
    """Entity times in microseconds, rounded down and up; with `is_fine` in nanoseconds, too."""
    step = 10**9 // _PER_SECOND[column.type.unit]
    numbers = column.cast(pa.int64()).to_pylist()
    exact = [None if number is None else number * step for number in numbers]
    times = {
        "floor": pa.array([n if n is None else _clamped(n // 1000) for n in exact], pa.int64()),
        "ceil": pa.array([n if n is None else _clamped(-(-n // 1000)) for n in exact], pa.int64()),
    }
    if is_fine:
        numbers = [n if n is None else Decimal(n) for n in exact]
        times["exact"] = pa.array(numbers, pa.decimal128(38, 0))
    return times


def _clamped(number: int) -> int:
    return min(max(number, _INT64_MIN), _INT64_MAX)


def _spark_key(column: pa.ChunkedArray, iceberg_type: str, name: str) -> pa.ChunkedArray:
    column = comparable_key(column, iceberg_type, name)
    if iceberg_type == "uuid":
        texts = [None if v is None else str(uuid.UUID(bytes=v)) for v in column.to_pylist()]
        return pa.chunked_array([pa.array(texts, pa.string())])
    if iceberg_type in TIMES | NANOSECONDS | {"time"}:
        return column.cast(pa.int64())  # Spark would take those without a zone to be in its own
    return column.cast(storable_type(column.type))


def joined_frame(
    spark: SparkSession,
    settings: SparkSettings,
    entity: pa.Table,
    views: Sequence[View],
    timestamp_field: str,
    kept: pa.Table | None = None,
) -> DataFrame:
    """The point-in-time join as a Spark frame: columns of `kept` (row numbers where there are none),
    then the features, in the order of the entity rows."""
    is_fine = any(_unit_of(view) is _NANOSECONDS for view in views)
    times = _entity_times(entity.column(timestamp_field), is_fine)
    row = pa.array(range(entity.num_rows), pa.int64())
    columns: dict[str, Any] = {"row": row, **times}
    names: dict[str, str] = {}
    for view in views:
        types = column_types(view.table)
        for mine, theirs in join_keys_of(view).items():
            if mine not in names:
                names[mine] = f"key{len(names)}"
                columns[names[mine]] = _spark_key(entity.column(mine), types[theirs], mine)
    for i, each in enumerate([] if kept is None else kept.columns):
        columns[f"e{i}"] = each.cast(storable_type(each.type), safe=False)
    low, high = pc.min(times["ceil"]).as_py(), pc.max(times["floor"]).as_py()
    made = uuid.uuid4().hex
    temporary = [f"frz_entity_{made}"]
    spark.createDataFrame(pa.table(columns)).createOrReplaceTempView(temporary[0])
    parts, joins, outputs = [], "", []
    frames: _Loaded = {}
    for number, view in enumerate(views):
        name = f"frz_view{number}_{made}"
        _feature_rows(
            spark, settings, view, low, high, frames
        ).createOrReplaceTempView(name)
        temporary.append(name)
        keys = [names[mine] for mine in join_keys_of(view)]
        parts.append(_view_sql(view, number, name, temporary[0], keys))
        joins += f"\n  LEFT JOIN v{number} ON v{number}.row = e.row"
        outputs += [
            f"v{number}.w.c{i} AS {backticked(out)}" for i, (_, out) in enumerate(features_of(view))
        ]
    ours = ["e.row"] if kept is None else [
        f"e.e{i} AS {backticked(name)}" for i, name in enumerate(kept.column_names)
    ]  # fmt: skip
    sql = (
        "WITH " + ",\n  ".join(parts) + f"\nSELECT {', '.join([*ours, *outputs])}\n"
        f"FROM {temporary[0]} AS e{joins}\nORDER BY e.row"
    )
    frame = spark.sql(sql)
    for name in temporary:  # the frame holds what they stood for
        spark.catalog.dropTempView(name)
    return frame


def pit_join(
    entity: pa.Table,
    views: Sequence[View],
    timestamp_field: str = "event_timestamp",
    settings: SparkSettings = SparkSettings(),
) -> pa.Table:
    """What frazil.pit_join() adds to the entity rows, computed by Spark."""
    # The native engine on no rows checks names and types, and tells the types of the result.
    empty = frazil.pit_join(entity.slice(0, 0), views, timestamp_field=timestamp_field).to_arrow()
    schema = pa.schema(list(empty.schema)[entity.num_columns :])
    if entity.num_rows == 0:
        return schema.empty_table()
    spark = session(settings)
    frame = joined_frame(spark, settings, entity, views, timestamp_field)
    rows = frame.toArrow().drop(["row"])
    return pa.table(
        [_typed(column, field.type) for column, field in zip(rows.columns, schema)], schema=schema
    )


def _typed(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    """A column of Spark's in the type that the native engine gives it."""
    storage = kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind
    if pa.types.is_fixed_size_binary(storage) and pa.types.is_string(column.type):
        values = [None if v is None else uuid.UUID(v).bytes for v in column.to_pylist()]
        column = pa.chunked_array([pa.array(values, storage)])
    return restored(column, kind)


# ---- pulls ----


def pulled_frame(
    spark: SparkSession,
    settings: SparkSettings,
    table: Table,
    pin: dict[str, Any],
    join_keys: Sequence[str],
    columns: Sequence[str] | None,
    timestamp_field: str,
    created: str | None,
    start: datetime | None,
    end: datetime | None,
    is_latest: bool,
) -> DataFrame:
    """The rows of a time window, or the latest of each key, under the table's names."""
    types = column_types(table)
    kind = types[timestamp_field]
    names = tuple(columns if columns is not None else table.schema().column_names)
    used = (*names, *join_keys, *([created] if created else []))
    first = None if start is None else microseconds_of(start)
    last = None if end is None else microseconds_of(end)
    wanted = Wanted(used, timestamp_field, first, last)
    if is_latest:
        frame, ties = ordered(spark, settings, table, pin, wanted)
    else:
        frame, ties = loaded(spark, settings, table, pin, wanted), []
    scale = 1000 if kind in NANOSECONDS else 1
    time = number_of(timestamp_field, kind, table, 10**6 * scale)
    frame = within(frame, wanted, kind)
    if first is not None:
        frame = frame.where(time >= F.lit(first if scale == 1 else Decimal(first * scale)))
    if last is not None:
        frame = frame.where(time <= F.lit(last if scale == 1 else Decimal(last * scale)))
    if is_latest:
        place = free_prefix(frame.columns) + "place"
        order = [time.desc()]
        if created:
            per_second = 10**9 if types[created] in NANOSECONDS else 10**6
            made = number_of(created, types[created], table, per_second)
            order.append(made.desc_nulls_last())
        order += [each.desc() for each in ties]
        by = Window.partitionBy(*map(column, join_keys)).orderBy(*order)
        frame = frame.where(column(timestamp_field).isNotNull())
        frame = frame.withColumn(place, F.row_number().over(by)).where(F.col(place) == 1)
    return frame.select(*map(column, names))


def with_constant(frame: DataFrame, name: str, value: str) -> DataFrame:
    return frame.withColumn(name, F.lit(value))


def pulled(frame: DataFrame, table: Table, pin: dict[str, Any]) -> pa.Table:
    """The rows of pulled_frame() in the types that a scan has."""
    names = [name for name in frame.columns if name in column_types(table)]
    kinds = table.scan(selected_fields=names, **pin).to_arrow_batch_reader().schema
    rows = frame.toArrow()
    return pa.table(
        [
            _typed(column, kinds.field(name).type) if name in names else column
            for name, column in zip(rows.column_names, rows.columns)
        ],
        names=rows.column_names,
    )
