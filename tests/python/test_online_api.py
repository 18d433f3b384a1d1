"""frazil.open_online: reads against Feast's own messages, writes, materialization, closing."""

import json
import os
import struct
import threading
from datetime import datetime, timezone

import frazil
import pyarrow as pa
import pytest

TIMESTAMP = pa.timestamp("us", "UTC")
SCHEMA = pa.schema(
    [
        pa.field("entity_key", pa.binary(), nullable=False),
        pa.field("driver_id", pa.int64()),
        pa.field("event_ts", TIMESTAMP, nullable=False),
        pa.field("created_ts", TIMESTAMP),
        pa.field("rate", pa.float32()),
        pa.field("tags", pa.list_(pa.string())),
        pa.field("at", TIMESTAMP),
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
        {"name": "rate", "id": 5, "type": "FLOAT"},
        {"name": "tags", "id": 6, "type": "STRING_LIST"},
        {"name": "at", "id": 7, "type": "UNIX_TIMESTAMP"},
    ],
    "ttl_seconds": None,
}


def key_of(driver):
    return struct.pack("<III", 1, 2, 9) + b"driver_id" + struct.pack("<IIq", 4, 8, driver)


def rows_of(drivers, second=1000):
    n = len(drivers)
    return pa.table(
        {
            "entity_key": [key_of(d) for d in drivers],
            "driver_id": drivers,
            "event_ts": pa.array([second * 1_000_000] * n, TIMESTAMP),
            "rate": pa.array([d / 2 for d in drivers], pa.float32()),
            "tags": [None if d % 3 == 0 else ["a", str(d)] for d in drivers],
            "at": pa.array([d * 1_500_000 for d in drivers], TIMESTAMP),
        }
    )


@pytest.fixture
def online(catalog, tmp_path):
    catalog.create_table(
        "ns.online",
        SCHEMA,
        partition_spec="bucket(2, driver_id)",
        properties={"frazil.feast": json.dumps(PROPERTY)},
    )
    with frazil.open_online(
        catalog, "ns.online", cache_dir=str(tmp_path / "cache"), read_timeout_ms=60000
    ) as table:
        yield table


@pytest.mark.parametrize("prepared", [False, True])
def test_read(online, prepared):
    from feast.protos.feast.types.Value_pb2 import RepeatedValue, StringList, Value

    if prepared:
        online.prepare()
    assert online.write(rows_of([1, 2, 3])).rows == 3
    got = online.read([key_of(3), key_of(9), key_of(1)], ["tags", "at", "rate"])
    assert list(got.found) == [1, 0, 1]
    assert list(got.event_times) == [1_000_000_000, 0, 1_000_000_000]
    values = RepeatedValue.FromString(got.values).val
    assert list(values) == [
        Value(),
        Value(unix_timestamp_val=4),
        Value(float_val=1.5),
        Value(string_list_val=StringList(val=["a", "1"])),
        Value(unix_timestamp_val=1),
        Value(float_val=0.5),
    ]
    assert len(RepeatedValue.FromString(online.read([key_of(1)]).values).val) == 3
    assert online.stats()["commits"] == 1


def test_every_message_is_feasts(online):
    """A Value of every type in Feast's own bytes."""
    from feast.protos.feast.types.Value_pb2 import RepeatedValue

    online.write(rows_of(list(range(200))))
    got = online.read([key_of(d) for d in range(200)])
    parsed = RepeatedValue.FromString(got.values)
    assert len(parsed.val) == 600
    assert parsed.SerializeToString() == got.values


def test_layout_and_errors(online, catalog):
    assert online.layout.view == "v"
    assert online.layout.ttl_seconds is None
    assert [feature.name for feature in online.layout.features] == ["rate", "tags", "at"]
    with pytest.raises(frazil.InvalidError, match="no_such"):
        online.read([key_of(1)], ["no_such"])
    with pytest.raises(TypeError):
        online.read(["text"])
    with pytest.raises(frazil.NoSuchTableError):
        frazil.open_online(catalog, "ns.absent")
    online.close()
    with pytest.raises(ValueError, match="closed"):
        online.read([key_of(1)])


def test_materialize(online, catalog):
    source = catalog.create_table(
        "ns.source",
        pa.schema(
            [
                pa.field("driver", pa.int32()),
                pa.field("when", pa.timestamp("us")),
                pa.field("conv", pa.float32()),
                pa.field("tags", pa.list_(pa.string())),
                pa.field("at", TIMESTAMP),
            ]
        ),
    )
    seconds = [10, 30, 20, 15, 40]
    source.append(
        pa.table(
            {
                "driver": pa.array([1, 1, 1, 2, None], pa.int32()),
                "when": pa.array([s * 1_000_000 for s in seconds], pa.timestamp("us")),
                "conv": pa.array([1, 2, 3, 4, 5], pa.float32()),
            }
        )
    )
    told = []
    result = online.materialize(
        source,
        "when",
        start=datetime(1970, 1, 1, tzinfo=timezone.utc),
        end=datetime(1970, 1, 1, 0, 0, 20, tzinfo=timezone.utc),
        join_keys={"driver_id": "driver"},
        features={"rate": "conv"},
        progress=lambda *numbers: told.append(numbers),
    )
    assert result.rows == 2 and told[-1] == (5, 5, 2)
    got = online.read([key_of(1), key_of(2)], ["rate"])
    assert list(got.event_times) == [20_000_000, 15_000_000]
    again = online.compact(all=True)
    assert again.rows_after <= 2


def test_what_progress_raises_ends_a_materialization(online, catalog):
    source = catalog.create_table(
        "ns.source",
        pa.schema([("driver_id", pa.int64()), ("when", TIMESTAMP), ("rate", pa.float32())]),
    )
    source.append(
        pa.table({"driver_id": [1], "when": pa.array([5], TIMESTAMP), "rate": pa.array([0.5], pa.float32())})
    )

    def stop(*numbers):
        raise RuntimeError("stop")

    with source.update_schema() as update:
        update.add_column("tags", pa.list_(pa.string()))
        update.add_column("at", TIMESTAMP)
    with pytest.raises(RuntimeError, match="stop"):
        online.materialize(source, "when", progress=stop)
    assert online.stats()["rows_written"] == 0
    assert online.materialize(source, "when").rows == 1


def test_threads_share_commits(online):
    errors = []

    def write(number):
        try:
            for i in range(5):
                online.write(rows_of([number], second=1000 + i))
                got = online.read([key_of(number)], ["rate"])
                assert got.event_times[0] == (1000 + i) * 1_000_000
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert online.stats()["rows_written"] == 30
    assert online.stats()["commits"] <= 30


def test_fork(online):
    online.prepare()
    online.write(rows_of([5]))
    child = os.fork()
    if child == 0:
        try:
            found = list(online.read([key_of(5)], ["rate"]).found)
            os._exit(0 if found == [1] else 1)
        except BaseException:
            os._exit(2)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
