"""Tables as Spark frames, each held at one version.

Spark reads a table itself, by the metadata file that the store's catalog names now, so that it needs
no catalog and no keys for local files; other storage, and a `spark_catalog`, are read through a
catalog of the session, by `VERSION AS OF`.

What Spark cannot read is handed over: our own scan reads the columns and the window of times that
are asked for, and Spark gets them as Arrow rows. That is a table with a column of a type that Spark
lacks (its reader refuses the whole table, whatever columns are asked for) or the rows since a
snapshot. Such columns are whole numbers in Spark: microseconds of the day, nanoseconds since 1970.
Those rows pass through the driver's memory.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import pyarrow as pa
from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from frazil import Table, UnsupportedError
from frazil.feast.duckdb_sql import free_prefix
from frazil.feast.join_inputs import file_order, stored
from frazil.feast.pins import chosen_snapshot
from frazil.feast.spark_session import SparkSettings, catalog_in, is_reached_by_path
from frazil.feast.time_window import window

TIMES = {"timestamp", "timestamptz"}
""" Iceberg types of times that Spark has. """

NANOSECONDS = {"timestamp_ns", "timestamptz_ns"}
_NOT_IN_SPARK = re.compile(r"\b(time|timestamp_ns|timestamptz_ns)\b")

_METADATA = ("_file", "_pos", "_last_updated_sequence_number")
_SAFE = (-62135596800 * 10**6, 253402300799 * 10**6)  # the years 1 to 9999


class Wanted(NamedTuple):
    """What is asked of a table, in the table's names."""

    columns: tuple[str, ...]
    """ That are used; a frame may have more. """

    timestamp_field: str
    start: int | None = None
    """ Microseconds since 1970: rows outside are not asked for, and may come; """

    end: int | None = None
    """ both ends included. """


def backticked(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def column(name: str) -> Any:
    return F.col(backticked(name))


def _text(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def is_handed_over(table: Table, pin: dict[str, Any]) -> bool:
    """Is the table one that Spark cannot read?"""
    if "from_snapshot_id" in pin:
        return True
    schemas = [table.schema()]
    snapshot_id = chosen_snapshot(table, pin)
    snapshot = None if snapshot_id is None else table.snapshot_by_id(snapshot_id)
    if snapshot is not None and snapshot.schema_id is not None:
        schemas.append(table.schemas()[snapshot.schema_id])
    return any(_NOT_IN_SPARK.search(field.type) for schema in schemas for field in schema)


def loaded(
    spark: SparkSession, settings: SparkSettings, table: Table, pin: dict[str, Any], wanted: Wanted
) -> DataFrame:
    """A table at the version that its catalog has now, or at a pin."""
    if is_handed_over(table, pin):
        return _handed_over(spark, table, pin, wanted, ())
    version = pin.get("ref") or (chosen_snapshot(table, pin) if pin else None)
    try:
        if not is_reached_by_path(settings, table.metadata_location):
            return _by_name(spark, catalog_in(spark, settings), table, version)
        reader = spark.read.format("iceberg")
        if version is not None:
            reader = reader.option("versionAsOf", str(version))
        return reader.load(table.metadata_location)
    except AnalysisException as error:
        if error.getCondition() != "DATA_SOURCE_NOT_FOUND":
            raise
        raise UnsupportedError(
            "the Spark session lacks Iceberg's runtime: name iceberg-spark-runtime in "
            "spark.jars.packages or spark.jars (offline_store.spark_conf)"
        ) from error


def _by_name(
    spark: SparkSession, catalog: str, table: Table, version: str | int | None
) -> DataFrame:
    name = ".".join(map(backticked, [catalog, *table.name()]))
    spark.catalog.refreshTable(name)  # Iceberg's catalogs remember tables, and so miss later commits
    version = version or table.current_snapshot_id()
    if version is None:
        return spark.table(name)
    number = version if isinstance(version, int) else _text(version)
    return spark.sql(f"SELECT * FROM {name} VERSION AS OF {number}")


# ---- rows that are handed over ----


def _moment(microseconds: int | None) -> datetime | None:
    if microseconds is None or not _SAFE[0] < microseconds < _SAFE[1]:
        return None
    return datetime(1970, 1, 1) + timedelta(microseconds=microseconds)


def _handed_over(
    spark: SparkSession,
    table: Table,
    pin: dict[str, Any],
    wanted: Wanted,
    metadata: Iterable[str],
) -> DataFrame:
    rows = table.scan(
        row_filter=window(
            table, wanted.timestamp_field, _moment(wanted.start), _moment(wanted.end)
        ),
        selected_fields=tuple(dict.fromkeys([*wanted.columns, wanted.timestamp_field, *metadata])),
        **pin,
    ).to_arrow()
    # Spark takes no column without a chunk.
    columns = [
        _in_spark(pa.chunked_array(column.chunks or [pa.array([], column.type)]))
        for column in rows.columns
    ]
    given = pa.table(columns, names=rows.column_names)
    # By itself Spark takes times without a zone to be in the session's.
    return spark.createDataFrame(given, from_arrow_schema(given.schema, prefer_timestamp_ntz=True))


def _in_spark(rows: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column in a type that Spark has."""
    if isinstance(rows.type, pa.BaseExtensionType) and rows.type.extension_name == "arrow.uuid":
        texts = [None if each is None else str(uuid.UUID(bytes=each)) for each in stored(rows).to_pylist()]
        return pa.chunked_array([pa.array(texts, pa.string())])
    rows = stored(rows)
    return rows.cast(_type_in_spark(rows.type))


def _type_in_spark(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_time(kind) or (pa.types.is_timestamp(kind) and kind.unit == "ns"):
        return pa.int64()
    if pa.types.is_fixed_size_binary(kind):
        return pa.binary()
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return pa.list_(_type_in_spark(kind.value_type))
    if pa.types.is_map(kind):
        return pa.map_(_type_in_spark(kind.key_type), _type_in_spark(kind.item_type))
    if pa.types.is_struct(kind):
        fields = [kind.field(i) for i in range(kind.num_fields)]
        return pa.struct([each.with_type(_type_in_spark(each.type)) for each in fields])
    return kind


# ---- times and ties ----


def number_of(name: str, iceberg_type: str, table: Table, per_second: int = 10**6) -> Any:
    """The time of a column since 1970, in any session time zone: in microseconds as a long; in
    nanoseconds as a decimal, which holds those of every column."""
    if per_second == 10**9:
        return _nanoseconds_of(name, iceberg_type, table)
    quoted = backticked(name)
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
        f"table {table.identifier!r}: column {name!r} of type {iceberg_type} is no time"
    )


def _nanoseconds_of(name: str, iceberg_type: str, table: Table) -> Any:
    if iceberg_type in NANOSECONDS:  # handed over as a number
        return column(name).cast("decimal(38,0)")
    return (number_of(name, iceberg_type, table).cast("decimal(38,0)") * 1000).cast("decimal(38,0)")


def _bound(microseconds: int, iceberg_type: str) -> Any:
    """A time to compare a column with, such that Spark hands the condition down to Iceberg."""
    if iceberg_type == "timestamptz":
        return F.expr(f"timestamp_micros({microseconds})")
    if iceberg_type == "date":
        return F.expr(f"date_from_unix_date({microseconds // 86_400_000_000})")
    moment = datetime(1970, 1, 1) + timedelta(microseconds=microseconds)
    return F.expr(f"TIMESTAMP_NTZ'{moment.isoformat(sep=' ')}'")


def within(frame: DataFrame, wanted: Wanted, iceberg_type: str) -> DataFrame:
    """Rows that may be in the window. A date is its first moment, and days are not cut: what is
    left over goes by the exact comparison. Nanoseconds were handed over by the window."""
    if iceberg_type in NANOSECONDS:
        return frame
    name, start, end = wanted.timestamp_field, wanted.start, wanted.end
    if start is not None and _SAFE[0] < start < _SAFE[1]:
        frame = frame.where(column(name) >= _bound(start, iceberg_type))
    if end is not None and _SAFE[0] < end < _SAFE[1]:
        frame = frame.where(column(name) <= _bound(end, iceberg_type))
    return frame


def ordered(
    spark: SparkSession, settings: SparkSettings, table: Table, pin: dict[str, Any], wanted: Wanted
) -> tuple[DataFrame, list[Any]]:
    """A table's rows with what decides among equal times, and the columns of that: the commit that
    last changed a row (version 3), its file's place in the order of commits, its place there."""
    told = _METADATA if table.format_version >= 3 else _METADATA[:2]
    is_ours = is_handed_over(table, pin)
    if set(_METADATA) & set(table.schema().column_names):
        return loaded(spark, settings, table, pin, wanted), []
    if is_ours:
        frame = _handed_over(spark, table, pin, wanted, told)
    else:
        frame = loaded(spark, settings, table, pin, wanted)
        if set(_METADATA) & set(frame.columns):  # of an earlier schema
            return frame, []
    own = free_prefix(frame.columns)
    file, place, rank = f"{own}file", f"{own}pos", f"{own}rank"
    names = dict(zip(_METADATA, (file, place, f"{own}sequence")))
    order = [F.coalesce(F.col(rank), F.lit(0)), F.col(place)]
    if table.format_version >= 3:
        order.insert(0, F.coalesce(F.col(f"{own}sequence"), F.lit(0)))
    files = pa.array(file_order(table, pin), pa.string())
    ranks = pa.table({f"{own}path": files, rank: pa.array(range(len(files)), pa.int64())})
    # Metadata columns are asked of the table itself: Spark loses them behind a filter.
    kept = [column(each) for each in frame.columns if each not in told] if is_ours else ["*"]
    ranked = frame.select(*kept, *(F.col(each).alias(names[each]) for each in told)).join(
        F.broadcast(spark.createDataFrame(ranks)), F.col(file) == F.col(f"{own}path"), "left"
    )
    return ranked, order
