"""What the engines that are not native share: views in plain form, the order of commits, keys and
columns in types that other engines compare and carry as the contract asks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from frazil import Table, View
from frazil.feast.feast_types import conform_key
from frazil.feast.pins import chosen_snapshot

_INT64_MIN, _INT64_MAX = -(1 << 63), (1 << 63) - 1
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


# ---- views and tables ----


def column_types(table: Table) -> dict[str, str]:
    """Iceberg types by column. A column that is gone has the type that it had last: a table that
    is held at an earlier snapshot has the columns of its time."""
    schemas = table.schemas()
    types: dict[str, str] = {}
    for schema in (table.schema(), *(schemas[number] for number in sorted(schemas, reverse=True))):
        for field in schema:
            types.setdefault(field.name, field.type)
    return types


def file_order(table: Table, pin: dict[str, Any]) -> list[str]:
    """The data files of a snapshot by data sequence number (version 1: by snapshot), then path:
    among rows of one event and created time the one of the last file wins."""
    tasks = list(table.scan(**pin).plan_files())
    sequences = {task.file_path: task.data_sequence_number for task in tasks}
    if table.format_version == 1:
        times = {snapshot.snapshot_id: snapshot.timestamp_ms for snapshot in table.snapshots()}
        for entry in table.inspect.entries(chosen_snapshot(table, pin)).to_pylist():
            path = entry["data_file"]["file_path"]
            if path in sequences:
                sequences[path] = times.get(entry["snapshot_id"], 0)
    return sorted(sequences, key=lambda path: (sequences[path], path.encode()))


def join_keys_of(view: View) -> dict[str, str]:
    """Entity column to table column."""
    keys = view.join_keys
    return dict(keys) if isinstance(keys, Mapping) else {key: key for key in keys}


def features_of(view: View) -> list[tuple[str, str]]:
    """Table columns and their names in the result."""
    features = view.features
    each = features.items() if isinstance(features, Mapping) else features
    return [(name, name) if isinstance(name, str) else (name[0], name[1]) for name in each]


def pin_of(view: View) -> dict[str, Any]:
    pins = {
        "snapshot_id": view.snapshot_id,
        "ref": view.ref,
        "as_of": view.as_of,
        "from_snapshot_id": view.from_snapshot_id,
    }
    return {name: value for name, value in pins.items() if value is not None}


# ---- columns ----


def comparable_key(column: pa.ChunkedArray, iceberg_type: str, name: str) -> pa.ChunkedArray:
    """An entity key column in a type that other engines compare as the contract does: what the table's
    type cannot hold becomes a null, which matches nothing."""
    column = stored(conform_key(column, iceberg_type, name))
    kind = column.type
    is_text = pa.types.is_string(kind)
    if pa.types.is_boolean(kind) and iceberg_type != "boolean":
        column = column.cast(pa.int8())
    if iceberg_type in ("float", "double") and pa.types.is_integer(column.type):
        exact = [v if v is None or int(float(v)) == v else None for v in column.to_pylist()]
        return pa.chunked_array([pa.array(exact, pa.float64())])
    if iceberg_type == "boolean" and pa.types.is_integer(kind):
        flags = {0: False, 1: True}
        return pa.chunked_array([pa.array(map(flags.get, column.to_pylist()), pa.bool_())])
    if iceberg_type.startswith(("binary", "fixed", "uuid")) and is_text:
        return column.cast(pa.binary())
    if iceberg_type == "string" and not is_text:
        texts = [None if v is None else _text(v) for v in column.to_pylist()]
        return pa.chunked_array([pa.array(texts, pa.string())])
    if pa.types.is_timestamp(kind):
        return _key_time(column, "ns" if iceberg_type.endswith("_ns") else "us")
    return column


def _text(value: bytes) -> str | None:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return None


def _key_time(column: pa.ChunkedArray, unit: str) -> pa.ChunkedArray:
    """Times in a unit; those between two of its steps, or out of its reach, are nulls."""
    wanted = pa.timestamp(unit, None if unit == "ns" else column.type.tz)
    have, want = _PER_SECOND[column.type.unit], _PER_SECOND[unit]
    exact = []
    for value in column.cast(pa.int64()).to_pylist():
        moved = None if value is None or value * want % have else value * want // have
        exact.append(moved if moved is None or _INT64_MIN <= moved <= _INT64_MAX else None)
    return pa.chunked_array([pa.array(exact, pa.int64()).cast(wanted)])


def stored_type(kind: pa.DataType) -> pa.DataType:
    """The type that carries a column through another engine without loss."""
    if isinstance(kind, pa.BaseExtensionType):
        return stored_type(kind.storage_type)
    if pa.types.is_timestamp(kind) and kind.tz is not None and kind.unit == "ns":
        return pa.timestamp("ns")  # DuckDB before 2.0 cuts those with a zone to microseconds
    if pa.types.is_list(kind):
        return pa.list_(stored_type(kind.value_type))
    return kind


def stored(column: Any) -> Any:
    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        return stored(
            column.storage
            if isinstance(column, pa.ExtensionArray)
            else pa.chunked_array([chunk.storage for chunk in column.chunks], kind.storage_type)
        )
    wanted = stored_type(kind)
    return column if kind == wanted else column.cast(wanted)


def restored(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    """A column of a result in the type that the native engine gives it."""
    if column.type == kind:
        return column
    if isinstance(kind, pa.BaseExtensionType):
        chunks = restored(column, kind.storage_type).chunks
        return pa.chunked_array([kind.wrap_array(chunk) for chunk in chunks], kind)
    return column.cast(kind)
