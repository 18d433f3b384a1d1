"""Online tables with one join key and two features, for tests: rows as (driver, event, created or None, number), times in microseconds.

Imports nothing slow: processes that tests kill and start again do so many times.
"""

import json
import struct

import frazil
import pyarrow as pa

TIMESTAMP = pa.timestamp("us", "UTC")
SCHEMA = pa.schema(
    [
        pa.field("entity_key", pa.binary(), nullable=False),
        pa.field("driver_id", pa.int64()),
        pa.field("event_ts", TIMESTAMP, nullable=False),
        pa.field("created_ts", TIMESTAMP),
        pa.field("number", pa.int64()),
        pa.field("text", pa.string()),
    ]
)
PROPERTY = {
    "version": 1,
    "project": "p",
    "view": "v",
    "entity_key": 1,
    "event_ts": 3,
    "created_ts": 4,
    "join_keys": [{"name": "driver_id", "id": 2, "type": "INT64"}],
    "features": [
        {"name": "number", "id": 5, "type": "INT64"},
        {"name": "text", "id": 6, "type": "STRING"},
    ],
    "ttl_seconds": None,
}


def key_of(driver):
    return struct.pack("<III", 1, 2, 9) + b"driver_id" + struct.pack("<IIq", 4, 8, driver)


def catalog_in(folder):
    return frazil.load_catalog(
        "c", type="sql", uri=f"sqlite:///{folder}/catalog.db", warehouse=f"{folder}/warehouse"
    )


def create_online_table(catalog, spec, namespace="ns"):
    """The table "t" in a new namespace."""
    catalog.create_namespace(namespace)
    return catalog.create_table(
        f"{namespace}.t", SCHEMA, partition_spec=spec, sort_order="driver_id", properties={"frazil.feast": json.dumps(PROPERTY)}
    )


def rows_of(rows):
    """rows: (driver, event, created or None, number)"""
    return pa.table(
        {
            "entity_key": pa.array([key_of(r[0]) for r in rows], pa.binary()),
            "driver_id": pa.array([r[0] for r in rows], pa.int64()),
            "event_ts": pa.array([r[1] for r in rows], TIMESTAMP),
            "created_ts": pa.array([r[2] for r in rows], TIMESTAMP),
            "number": pa.array([r[3] for r in rows], pa.int64()),
            "text": pa.array(["x" * (r[3] % 50) + str(r[3]) for r in rows]),
        }
    )


def varint(data, at):
    value, shift = 0, 0
    while True:
        value |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
        if data[at - 1] < 0x80:
            return value, at


def values_of(data):
    """The whole numbers and texts of a RepeatedValue; the real parser takes seconds to import."""
    at, values = 0, []
    while at < len(data):
        assert data[at] == 0x0A
        size, at = varint(data, at + 1)
        end = at + size
        if data[at] == 4 << 3:
            values.append(varint(data, at + 1)[0])
        else:
            assert data[at] == 2 << 3 | 2
            values.append(data[varint(data, at + 1)[1] : end].decode())
        at = end
    return values
