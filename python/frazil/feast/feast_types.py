"""Feast's types, Arrow's and Iceberg's, and the columns that hold Feast values.

A Feast value is a protobuf with one field set; which one follows from the declared type. Types
with an Iceberg form are stored in it, so that every engine can query them. The others (maps with
mixed values, structs, nested lists, zoned timestamps) are stored as their serialized bytes.
Sets are lists. A Feast timestamp is whole seconds; NaT, the least int64, is a null.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

import pyarrow as pa
from feast.protos.feast.types.Value_pb2 import Value as ValueProto
from feast.value_type import ValueType

TIMESTAMP = pa.timestamp("us", "UTC")
_NAT = -(1 << 63)
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_SECOND = timedelta(seconds=1)

# ---- Iceberg type text to Feast type ----

_SCALARS = {
    "boolean": ValueType.BOOL,
    "int": ValueType.INT32,
    "long": ValueType.INT64,
    "float": ValueType.FLOAT,
    "double": ValueType.DOUBLE,
    "string": ValueType.STRING,
    "binary": ValueType.BYTES,
    "uuid": ValueType.UUID,
    "date": ValueType.UNIX_TIMESTAMP,
    "timestamp": ValueType.UNIX_TIMESTAMP,
    "timestamptz": ValueType.UNIX_TIMESTAMP,
    "timestamp_ns": ValueType.UNIX_TIMESTAMP,
    "timestamptz_ns": ValueType.UNIX_TIMESTAMP,
    "time": ValueType.INT64,
}


def value_type_of(iceberg_type: str) -> ValueType:
    """The Feast type of an Iceberg column, from its text in the specification's names."""
    text = iceberg_type.strip()
    if text in _SCALARS:
        return _SCALARS[text]
    if text.startswith("decimal("):
        return ValueType.DECIMAL
    if text.startswith("fixed["):
        return ValueType.BYTES
    if text.startswith("map<"):
        return ValueType.MAP
    if text.startswith("struct<"):
        return ValueType.STRUCT
    if text.startswith("list<"):
        inner = value_type_of(text[len("list<") : -1])
        if inner.name.endswith("_LIST"):
            return ValueType.VALUE_LIST
        return ValueType[inner.name + "_LIST"]
    raise ValueError(f"the Iceberg type {iceberg_type!r} has no Feast type")


# ---- Feast values in columns ----


@dataclass(frozen=True)
class Codec:
    """How values of one Feast type are stored in a column."""

    arrow: pa.DataType
    attribute: str
    """ The field of the value that is set. """
    to_column: Callable[[Any], Any]
    """ From that field to what pyarrow takes. """
    set_value: Callable[[ValueProto, Any], None]
    """ From what pyarrow gives into a new value. """
    native: bool = True
    """ False: the column holds serialized bytes. """


def _same(value: Any) -> Any:
    return value


def _items(value: Any) -> list[Any]:
    return list(value.val)


def _moment(seconds: int) -> int | None:
    return None if seconds == _NAT else seconds * 1_000_000


def _moments(value: Any) -> list[int | None]:
    return [_moment(each) for each in value.val]


def _seconds(moment: datetime | None) -> int:
    if moment is None:
        return _NAT
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return (moment - _EPOCH) // _SECOND


def _scalar(arrow: pa.DataType, attribute: str) -> Codec:
    def set_value(proto: ValueProto, value: Any) -> None:
        setattr(proto, attribute, value)

    return Codec(arrow, attribute, _same, set_value)


def _list(arrow: pa.DataType, attribute: str) -> Codec:
    def set_value(proto: ValueProto, value: Any) -> None:
        # An empty list is set too, which extend() alone would not do.
        inner = getattr(proto, attribute)
        inner.SetInParent()
        inner.val.extend(value)

    return Codec(pa.list_(arrow), attribute, _items, set_value)


def _timestamp(attribute: str) -> Codec:
    def set_value(proto: ValueProto, value: Any) -> None:
        setattr(proto, attribute, _seconds(value))

    return Codec(TIMESTAMP, attribute, _moment, set_value)


def _timestamps(attribute: str) -> Codec:
    def set_value(proto: ValueProto, value: Any) -> None:
        inner = getattr(proto, attribute)
        inner.SetInParent()
        inner.val.extend(_seconds(each) for each in value)

    return Codec(pa.list_(TIMESTAMP), attribute, _moments, set_value)


def _parse(proto: ValueProto, value: bytes) -> None:
    proto.ParseFromString(value)


_SERIALIZED = Codec(pa.binary(), "", _same, _parse, native=False)

_PRIMITIVES = {
    "BYTES": pa.binary(),
    "STRING": pa.string(),
    "INT32": pa.int32(),
    "INT64": pa.int64(),
    "DOUBLE": pa.float64(),
    "FLOAT": pa.float32(),
    "BOOL": pa.bool_(),
    "JSON": pa.string(),
    "UUID": pa.string(),
    "TIME_UUID": pa.string(),
    "DECIMAL": pa.string(),
}


def _codecs() -> dict[str, Codec]:
    codecs = {
        "UNIX_TIMESTAMP": _timestamp("unix_timestamp_val"),
        "UNIX_TIMESTAMP_LIST": _timestamps("unix_timestamp_list_val"),
        "UNIX_TIMESTAMP_SET": _timestamps("unix_timestamp_set_val"),
        "PDF_BYTES": _scalar(pa.binary(), "bytes_val"),
        "IMAGE_BYTES": _scalar(pa.binary(), "bytes_val"),
    }
    fields = ValueProto.DESCRIPTOR.fields_by_name
    for name, arrow in _PRIMITIVES.items():
        lower = name.lower()
        codecs[name] = _scalar(arrow, f"{lower}_val")
        for kind in ("list", "set"):
            if f"{lower}_{kind}_val" in fields:
                codecs[f"{name}_{kind.upper()}"] = _list(arrow, f"{lower}_{kind}_val")
    return codecs


_CODECS = _codecs()


def codec_of(value_type: ValueType | str) -> Codec:
    """How values of a Feast type are stored; unknown types as their serialized bytes."""
    name = value_type if isinstance(value_type, str) else value_type.name
    return _CODECS.get(name, _SERIALIZED)


def _cell(codec: Codec, name: str, proto: ValueProto | None) -> Any:
    if proto is None:
        return None
    which = proto.WhichOneof("val")
    if which is None or which == "null_val":
        return None
    if not codec.native:
        return proto.SerializeToString(deterministic=True)
    value = getattr(proto, which)
    if which == codec.attribute:
        return codec.to_column(value)
    # A value of another type than declared, such as an int64 for an Int32 feature.
    return codec.to_column(value) if not which.endswith(("list_val", "set_val")) else _items(value)


def to_column(codec: Codec, name: str, protos: Iterable[ValueProto | None]) -> pa.Array:
    """A column of Feast values; the name is for errors only."""
    cells = [_cell(codec, name, proto) for proto in protos]
    try:
        return pa.array(cells, type=codec.arrow)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
        raise ValueError(f"feature {name!r}: a value does not fit {codec.arrow}: {error}") from error


def from_column(codec: Codec, column: pa.Array | pa.ChunkedArray) -> list[ValueProto]:
    """Feast values of a column; a null is a value with nothing set."""
    values: list[ValueProto] = []
    set_value = codec.set_value
    for cell in column.to_pylist():
        proto = ValueProto()
        if cell is not None:
            set_value(proto, cell)
        values.append(proto)
    return values


# ---- columns from users into columns of tables ----


def _pairs(value: Any) -> Any:
    return list(value.items()) if isinstance(value, dict) else value


def _rebuilt(column: pa.ChunkedArray, target: pa.DataType) -> pa.Array:
    """Through Python values: what Arrow cannot cast, such as a struct into a map."""
    values = column.to_pylist()
    if pa.types.is_map(target):
        values = [_pairs(value) for value in values]
    elif pa.types.is_list(target) and pa.types.is_map(target.value_type):
        values = [
            None if value is None else [_pairs(each) for each in value] for value in values
        ]
    return pa.array(values, type=target)


def conform_column(column: pa.ChunkedArray, target: pa.DataType, name: str) -> pa.ChunkedArray:
    """A column in the type of a table's column. Units of time are left to the writer, which
    knows how to floor them; a naive time for a column with a zone is UTC."""
    kind = column.type
    if kind == target:
        return column
    if pa.types.is_dictionary(kind):
        return conform_column(column.cast(kind.value_type), target, name)
    if pa.types.is_null(kind):
        return pa.chunked_array([pa.nulls(len(column), target)])
    if pa.types.is_timestamp(kind) and pa.types.is_timestamp(target):
        wanted = pa.timestamp(kind.unit, target.tz)
        return column if kind == wanted else column.cast(wanted)
    try:
        return column.cast(target)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError) as error:
        try:
            return pa.chunked_array([_rebuilt(column, target)])
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, TypeError):
            raise ValueError(f"column {name!r}: {kind} does not fit {target}: {error}") from error


def conform_table(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The columns of a table in the types of a schema; columns that the schema lacks stay."""
    columns = {}
    for name in table.column_names:
        column = table.column(name)
        index = schema.get_field_index(name)
        if index >= 0:
            column = conform_column(column, schema.field(index).type, name)
        columns[name] = column
    return pa.table(columns) if columns else table


# ---- join keys ----

_PARAMETER = re.compile(r"[<\[(].*")


def conform_key(column: pa.ChunkedArray, iceberg_type: str, name: str) -> pa.ChunkedArray:
    """An entity column in a type that compares with the table's join key.

    pandas turns whole numbers with gaps into floats, categories into dictionaries and UUIDs
    into objects. A number that the key's type cannot hold is a null: it matches nothing.
    """
    kind = column.type
    base = _PARAMETER.sub("", iceberg_type)
    if pa.types.is_dictionary(kind):
        return conform_key(column.cast(kind.value_type), iceberg_type, name)
    if pa.types.is_large_string(kind) or str(kind) == "string_view":
        return column.cast(pa.string())
    if pa.types.is_null(kind):
        return column.cast(_key_type(base))
    if base in ("int", "long") and pa.types.is_floating(kind):
        return pa.chunked_array([_whole_numbers(column.to_pylist())])
    if base in ("int", "long") and pa.types.is_uint64(kind):
        values = [None if v is None or v >= 1 << 63 else v for v in column.to_pylist()]
        return pa.chunked_array([pa.array(values, pa.int64())])
    if base == "uuid" and pa.types.is_string(kind):
        import uuid

        try:
            values = [None if v is None else uuid.UUID(v).bytes for v in column.to_pylist()]
        except ValueError as error:
            raise ValueError(f"entity column {name!r} does not hold UUIDs: {error}") from error
        return pa.chunked_array([pa.array(values, pa.binary(16))])
    return column


def _key_type(base: str) -> pa.DataType:
    return {
        "int": pa.int32(),
        "long": pa.int64(),
        "string": pa.string(),
        "binary": pa.binary(),
        "boolean": pa.bool_(),
        "float": pa.float32(),
        "double": pa.float64(),
        "date": pa.date32(),
        "timestamp": pa.timestamp("us"),
        "timestamptz": TIMESTAMP,
    }.get(base, pa.string())


def _whole_numbers(values: Sequence[float | None]) -> pa.Array:
    return pa.array(
        [
            int(value) if value is not None and value == value and value == int(value) else None
            for value in (None if v in (float("inf"), float("-inf")) else v for v in values)
        ],
        pa.int64(),
    )
