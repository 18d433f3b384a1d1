"""Spark: the same retrievals as Spark SQL over the same tables, for data beyond one machine.

A table is read by the metadata file that the store's catalog names now, so that Spark needs no
catalog of its own and every job is held at one version; where `spark_catalog` names a catalog of
the session, by `VERSION AS OF` in that.

The join is a union, not a join of rows with rows: entity rows and feature rows of a key are put in
order of time, and a running maximum over (event, created, commit) stands at each entity row for its
winner. Work and shuffles follow the number of rows, however long a history is. All relations and
columns have names made here; a user's names are those of the result alone.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from feast.infra.offline_stores.contrib.spark_offline_store.spark import SparkRetrievalJob
from pyspark.errors import AnalysisException
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
    file_order,
    join_keys_of,
    pin_of,
    restored,
)
from frazil.feast.pins import chosen_snapshot
from frazil.feast.retrieval import IcebergRetrievalJob, storable_type

_INT64_MIN, _INT64_MAX = -(1 << 63), (1 << 63) - 1
_MICROSECOND = timedelta(microseconds=1)
_TIMES = {"timestamp", "timestamptz"}
_NOT_IN_SPARK = {"time", "timestamp_ns", "timestamptz_ns"}
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
        return session(self._config.offline_store)

    def to_spark_df(self) -> DataFrame:
        return self._frame(self.spark_session)


def session(settings: Any) -> SparkSession:
    """The active session, or a new one with `spark_conf`."""
    active = SparkSession.getActiveSession()
    if active is None:
        builder = SparkSession.builder
        for key, value in (settings.spark_conf or {}).items():
            builder = builder.config(key, value)
        active = builder.getOrCreate()
    return active


# ---- tables ----


def _backticked(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _loaded(spark: SparkSession, settings: Any, table: Table, pin: dict[str, Any]) -> DataFrame:
    """A table at the version that its catalog has now, or at a pin."""
    for name, kind in column_types(table).items():
        if kind in _NOT_IN_SPARK:
            raise UnsupportedError(
                f"table {table.identifier!r}: Spark has no type for column {name!r} ({kind})"
            )
    if "from_snapshot_id" in pin:
        raise UnsupportedError(
            f"table {table.identifier!r}: engine: spark does not read the rows since a snapshot; "
            "leave since_snapshot_id out, or use engine: native"
        )
    version = pin.get("ref") or (chosen_snapshot(table, pin) if pin else None)
    if settings.spark_catalog:
        name = ".".join(map(_backticked, [settings.spark_catalog, *table.name()]))
        version = version or table.current_snapshot_id()
        if version is None:
            return spark.table(name)
        number = version if isinstance(version, int) else _text(version)
        return spark.sql(f"SELECT * FROM {name} VERSION AS OF {number}")
    reader = spark.read.format("iceberg")
    if version is not None:
        reader = reader.option("versionAsOf", str(version))
    try:
        return reader.load(table.metadata_location)
    except AnalysisException as error:
        if error.getCondition() != "DATA_SOURCE_NOT_FOUND":
            raise
        raise UnsupportedError(
            "the Spark session lacks Iceberg's runtime: name iceberg-spark-runtime in "
            "spark.jars.packages or spark.jars (offline_store.spark_conf)"
        ) from error


def _text(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _column(name: str) -> Any:
    return F.col(_backticked(name))


def _number_of(name: str, iceberg_type: str, table: Table) -> Any:
    """The time of a column in microseconds since 1970, in any session time zone."""
    quoted = _backticked(name)
    if iceberg_type == "timestamptz":
        return F.expr(f"unix_micros({quoted})")
    days = f"CAST(unix_date(CAST({quoted} AS DATE)) AS BIGINT) * 86400000000"
    if iceberg_type == "date":
        return F.expr(days)
    if iceberg_type == "timestamp":  # a difference of two would go through the session's zone
        return F.expr(
            f"{days} + (hour({quoted}) * 60 + minute({quoted})) * 60000000L"
            f" + CAST(extract(SECOND FROM {quoted}) * 1000000 AS BIGINT)"
        )
    raise UnsupportedError(
        f"table {table.identifier!r}: Spark cannot read column {name!r} of type {iceberg_type}"
    )


def _bound(microseconds: int, iceberg_type: str) -> Any:
    """A time to compare a column with, such that Spark hands the condition down to Iceberg."""
    if iceberg_type == "timestamptz":
        return F.expr(f"timestamp_micros({microseconds})")
    if iceberg_type == "date":
        return F.expr(f"date_from_unix_date({microseconds // 86_400_000_000})")
    moment = datetime(1970, 1, 1) + timedelta(microseconds=microseconds)
    return F.expr(f"TIMESTAMP_NTZ'{moment.isoformat(sep=' ')}'")


_SAFE = (-62135596800 * 10**6, 253402300799 * 10**6)  # the years 1 to 9999


def _within(
    frame: DataFrame, name: str, iceberg_type: str, start: int | None, end: int | None
) -> DataFrame:
    """Rows that may be in a range of microseconds. A date is its first moment, and days are not cut:
    what is left over goes by the exact comparison."""
    if start is not None and _SAFE[0] < start < _SAFE[1]:
        frame = frame.where(_column(name) >= _bound(start, iceberg_type))
    if end is not None and _SAFE[0] < end < _SAFE[1]:
        frame = frame.where(_column(name) <= _bound(end, iceberg_type))
    return frame


def _ordered(
    spark: SparkSession, settings: Any, table: Table, pin: dict[str, Any]
) -> tuple[DataFrame, list[Any]]:
    """A table's rows with what decides among equal times, and the columns of that: the commit that
    last changed a row (version 3), its file's place in the order of commits, its place there."""
    frame = _loaded(spark, settings, table, pin)
    if {"_file", "_pos", "_last_updated_sequence_number"} & set(frame.columns):
        return frame, []
    own = free_prefix(frame.columns)
    file, place, rank = f"{own}file", f"{own}pos", f"{own}rank"
    extra = [F.col("_file").alias(file), F.col("_pos").alias(place)]
    order = [F.coalesce(F.col(rank), F.lit(0)), F.col(place)]
    if table.format_version >= 3:
        extra.append(F.col("_last_updated_sequence_number").alias(f"{own}sequence"))
        order.insert(0, F.coalesce(F.col(f"{own}sequence"), F.lit(0)))
    files = pa.array(file_order(table, pin), pa.string())
    ranks = pa.table({f"{own}path": files, rank: pa.array(range(len(files)), pa.int64())})
    # Metadata columns are asked of the table itself: Spark loses them behind a filter.
    ranked = frame.select("*", *extra).join(
        F.broadcast(spark.createDataFrame(ranks)), F.col(file) == F.col(f"{own}path"), "left"
    )
    return ranked, order


# ---- the join ----


_Loaded = dict[tuple[Any, ...], tuple[DataFrame, list[Any]]]


def _feature_rows(
    spark: SparkSession,
    settings: Any,
    view: View,
    low: int | None,
    high: int | None,
    loaded: _Loaded,
) -> DataFrame:
    """A view's rows as k0, k1..., time, created, ties and c0, c1..."""
    table, pin = view.table, pin_of(view)
    types = column_types(table)
    stamp, created = view.timestamp_field, view.created_timestamp_column
    if view.row_filter:
        raise UnsupportedError("row_filter of a view in Spark")
    # One frame for all views of a version: Spark 4.1 mixes up columns of a table that is loaded twice.
    version = (table.identifier, table.metadata_location, *pin.items())
    if version not in loaded:
        loaded[version] = _ordered(spark, settings, table, pin)
    frame, order = loaded[version]
    age = view.ttl // _MICROSECOND if view.ttl else None
    start = None if low is None or age is None else low - age
    frame = _within(frame.where(_column(stamp).isNotNull()), stamp, types[stamp], start, high)
    keys = [
        (_number_of(theirs, types[theirs], table) if types[theirs] in _TIMES else _column(theirs))
        .alias(f"k{i}") for i, theirs in enumerate(join_keys_of(view).values())
    ]  # fmt: skip
    made = _number_of(created, types[created], table) if created else F.lit(_INT64_MIN)
    features = [_column(column).alias(f"c{i}") for i, (column, _) in enumerate(features_of(view))]
    rows = frame.select(
        *keys,
        _number_of(stamp, types[stamp], table).alias("time"),
        made.cast("bigint").alias("created"),
        F.struct(*[each.alias(f"t{i}") for i, each in enumerate([F.lit(0), *order])]).alias("tie"),
        *features,
    )
    for i in range(len(keys)):
        rows = rows.where(F.col(f"k{i}").isNotNull())
    return rows.where(F.col("created").isNotNull()) if view.created_cutoff and created else rows


def _view_sql(view: View, number: int, rows: str, entity: str, keys: Sequence[str]) -> str:
    """One common table expression: the row number of an entity row, and its winner `w`."""
    names = [f"k{i}" for i in range(len(keys))]
    listed = "".join(f"{name}, " for name in names)
    mine = "".join(f"{key} AS {name}, " for key, name in zip(keys, names))
    present = " AND ".join(["floor IS NOT NULL", *(f"{key} IS NOT NULL" for key in keys)])
    cutoff = view.created_cutoff and view.created_timestamp_column
    admit = "greatest(time, created)" if cutoff else "time"
    outputs = "".join(f", 'c{i}', c{i}" for i in range(len(features_of(view))))
    winner = f"max_by(value, rank) OVER ({f'PARTITION BY {listed[:-2]} ' if names else ''}"
    winner += "ORDER BY admit, kind ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)"
    found = "w"
    if view.ttl:
        found = f"IF(w.time >= CAST(ceil AS DECIMAL(38, 0)) - {view.ttl // _MICROSECOND}, w, NULL) AS w"
    order = f"struct(time, coalesce(created, {_INT64_MIN}) AS created, tie)"
    return (
        f"v{number} AS (SELECT row, {found} FROM (\n"
        f"    SELECT row, ceil, kind, {winner} AS w FROM (\n"
        f"      SELECT {mine}floor AS admit, 1 AS kind, row, ceil, NULL AS value, NULL AS rank"
        f" FROM {entity} WHERE {present}\n"
        f"      UNION ALL SELECT {listed}{admit} AS admit, 0 AS kind, NULL AS row, NULL AS ceil,"
        f" named_struct('time', time{outputs}) AS value, {order} AS rank FROM {rows}))\n"
        f"  WHERE kind = 1)"
    )


def _entity_times(column: pa.ChunkedArray) -> tuple[pa.Array, pa.Array]:
    """Entity times in microseconds, rounded down and up."""
    step = 10**9 // _PER_SECOND[column.type.unit]
    floor, ceil = [], []
    for value in column.cast(pa.int64()).to_pylist():
        floor.append(None if value is None else _clamped(value * step // 1000))
        ceil.append(None if value is None else _clamped(-(-value * step // 1000)))
    return pa.array(floor, pa.int64()), pa.array(ceil, pa.int64())


def _clamped(number: int) -> int:
    return min(max(number, _INT64_MIN), _INT64_MAX)


def _spark_key(column: pa.ChunkedArray, iceberg_type: str, name: str) -> pa.ChunkedArray:
    column = comparable_key(column, iceberg_type, name)
    if iceberg_type == "uuid":
        texts = [None if v is None else str(uuid.UUID(bytes=v)) for v in column.to_pylist()]
        return pa.chunked_array([pa.array(texts, pa.string())])
    if iceberg_type in _TIMES:
        return column.cast(pa.int64())  # Spark would take those without a zone to be in its own
    return column.cast(storable_type(column.type))


def joined_frame(
    spark: SparkSession,
    settings: Any,
    entity: pa.Table,
    views: Sequence[View],
    timestamp_field: str,
    kept: pa.Table | None = None,
) -> DataFrame:
    """The point-in-time join as a Spark frame: columns of `kept` (row numbers where there are none),
    then the features, in the order of the entity rows."""
    floor, ceil = _entity_times(entity.column(timestamp_field))
    row = pa.array(range(entity.num_rows), pa.int64())
    columns: dict[str, Any] = {"row": row, "floor": floor, "ceil": ceil}
    names: dict[str, str] = {}
    for view in views:
        types = column_types(view.table)
        for mine, theirs in join_keys_of(view).items():
            if mine not in names:
                names[mine] = f"key{len(names)}"
                columns[names[mine]] = _spark_key(entity.column(mine), types[theirs], mine)
    for i, column in enumerate([] if kept is None else kept.columns):
        columns[f"e{i}"] = column.cast(storable_type(column.type), safe=False)
    low, high = pc.min(ceil).as_py(), pc.max(floor).as_py()
    made = uuid.uuid4().hex
    temporary = [f"frz_entity_{made}"]
    spark.createDataFrame(pa.table(columns)).createOrReplaceTempView(temporary[0])
    parts, joins, outputs = [], "", []
    loaded: _Loaded = {}
    for number, view in enumerate(views):
        name = f"frz_view{number}_{made}"
        _feature_rows(
            spark, settings, view, low, high, loaded
        ).createOrReplaceTempView(name)
        temporary.append(name)
        keys = [names[mine] for mine in join_keys_of(view)]
        parts.append(_view_sql(view, number, name, temporary[0], keys))
        joins += f"\n  LEFT JOIN v{number} ON v{number}.row = e.row"
        outputs += [
            f"v{number}.w.c{i} AS {_backticked(out)}" for i, (_, out) in enumerate(features_of(view))
        ]
    ours = ["e.row"] if kept is None else [
        f"e.e{i} AS {_backticked(name)}" for i, name in enumerate(kept.column_names)
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
    settings: Any = None,
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
    settings: Any,
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
    if is_latest:
        frame, ties = _ordered(spark, settings, table, pin)
    else:
        frame, ties = _loaded(spark, settings, table, pin), []
    wanted = list(columns if columns is not None else table.schema().column_names)
    time = _number_of(timestamp_field, types[timestamp_field], table)
    first = None if start is None else microseconds_of(start)
    last = None if end is None else microseconds_of(end)
    frame = _within(frame, timestamp_field, types[timestamp_field], first, last)
    if first is not None:
        frame = frame.where(time >= first)
    if last is not None:
        frame = frame.where(time <= last)
    if is_latest:
        place = free_prefix(frame.columns) + "place"
        order = [time.desc()]
        if created:
            order.append(_number_of(created, types[created], table).desc_nulls_last())
        order += [each.desc() for each in ties]
        by = Window.partitionBy(*map(_column, join_keys)).orderBy(*order)
        frame = frame.where(_column(timestamp_field).isNotNull())
        frame = frame.withColumn(place, F.row_number().over(by)).where(F.col(place) == 1)
    return frame.select(*map(_column, wanted))


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
