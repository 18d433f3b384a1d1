"""Rows of an online table as Feast's objects, and back.

What is read comes as one serialized message, made in C, which protobuf parses in one call: an
object for each value made by Python would cost many times the read. What is written goes through
Arrow columns; keys are serialized in C.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from itertools import repeat
from typing import Any, Dict, List, Optional, Tuple

import pyarrow as pa
from feast.protos.feast.types.EntityKey_pb2 import EntityKey as EntityKeyProto
from feast.protos.feast.types.Value_pb2 import RepeatedValue
from feast.protos.feast.types.Value_pb2 import Value as ValueProto

from frazil._convert import utc
from frazil._core import entity_keys
from frazil.feast.feast_types import TIMESTAMP, to_column
from frazil.feast.online_table import Layout

WriteRow = Tuple[EntityKeyProto, Dict[str, ValueProto], datetime, Optional[datetime]]
ReadRow = Tuple[Optional[datetime], Optional[Dict[str, ValueProto]]]

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_ABSENT: ReadRow = (None, None)
_serialize_key = EntityKeyProto.SerializeToString
_parse_values = RepeatedValue.FromString


def key_messages(keys: Sequence[EntityKeyProto]) -> tuple[bytes, ...]:
    return tuple(map(_serialize_key, keys))


def read_rows(
    names: Sequence[str], values: bytes, found: bytes, event_times: memoryview
) -> List[ReadRow]:
    """What Feast's online_read() gives: a row a key. `values` holds those of the keys that were
    found, `names` of each."""
    # zip() takes a name before a value, so that a row's dict leaves the next row's values.
    following = iter(_parse_values(values).val)
    moments: dict[int, datetime] = {}
    rows: List[ReadRow] = []
    for is_there, event_us in zip(found, event_times):
        if not is_there:
            rows.append(_ABSENT)
            continue
        moment = moments.get(event_us)
        if moment is None:
            # Rows that were materialized together have one event time.
            moment = moments[event_us] = _EPOCH + timedelta(microseconds=event_us)
        rows.append((moment, dict(zip(names, following))))
    return rows


def _key_values(keys: Sequence[EntityKeyProto], name: str) -> list[ValueProto | None]:
    if keys and all(len(key.join_keys) == 1 and key.join_keys[0] == name for key in keys):
        return [key.entity_values[0] for key in keys]
    return [dict(zip(key.join_keys, key.entity_values)).get(name) for key in keys]


def _times(moments: Sequence[datetime | None]) -> pa.Array:
    first = moments[0] if moments else None
    if all(moment is first for moment in moments):
        value = None if first is None else utc(first)
        return pa.repeat(pa.scalar(value, TIMESTAMP), len(moments))
    return pa.array([None if each is None else utc(each) for each in moments], TIMESTAMP)


def write_table(layout: Layout, data: Sequence[WriteRow]) -> pa.Table:
    """Rows as columns of the table."""
    keys, values, events, created = zip(*data) if data else ((), (), (), ())
    columns: dict[str, pa.Array] = {
        layout.entity_key: pa.array(entity_keys(key_messages(keys)), pa.binary())
    }
    for part in layout.join_keys:
        columns[part.column] = to_column(part.codec, part.name, _key_values(keys, part.name))
    columns[layout.event_ts] = _times(events)
    columns[layout.created_ts] = _times(created)
    for part in layout.features:
        cells: list[Any] = list(map(dict.get, values, repeat(part.name)))
        columns[part.column] = to_column(part.codec, part.name, cells)
    return pa.table(columns)
