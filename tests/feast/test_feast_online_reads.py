"""Reads of the online store: several views at once, async, keys, handles, other processes."""

import asyncio
import multiprocessing
import os
import random
import subprocess
import sys
import threading

import pytest
from feast import Entity, FeatureService
from feast.infra.key_encoding_utils import serialize_entity_key
from feast.infra.online_stores.online_store import OnlineStore
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Map, StringList, Value
from feast.types import Array, Bytes, Float64, Int64, Map as MapType, String, UnixTimestamp
from feast.value_type import ValueType
from feast_repo import T0
from online_support import DRIVER, HOUR, Online, key, row, stalled_catalog, view

import frazil
from frazil import _core
from frazil.feast import IcebergOnlineStore, open_tables

CITY = Entity(name="city", join_keys=["city_id"], value_type=ValueType.STRING)


# ---- keys ----


def random_value(numbers):
    return numbers.choice(
        [
            lambda: Value(int64_val=numbers.randrange(-(1 << 63), 1 << 63)),
            lambda: Value(int32_val=numbers.randrange(-(1 << 31), 1 << 31)),
            lambda: Value(string_val=numbers.choice(["", "é", "a" * 300, "nul\0in"])),
            lambda: Value(bytes_val=numbers.randbytes(numbers.randrange(20))),
            lambda: Value(unix_timestamp_val=numbers.randrange(-(1 << 40), 1 << 40)),
        ]
    )()


def test_keys_are_those_of_feast():
    numbers = random.Random(5)
    keys = []
    for _ in range(500):
        names = numbers.sample(["a", "b", "B", "é", "driver_id", "d", "dr"], numbers.randrange(1, 6))
        keys.append(
            EntityKey(join_keys=names, entity_values=[random_value(numbers) for _ in names])
        )
    made = _core.entity_keys(tuple(each.SerializeToString() for each in keys))
    assert made == [serialize_entity_key(each, 3) for each in keys]
    assert _core.entity_keys(()) == []


@pytest.mark.parametrize(
    "wrong, words",
    [
        (EntityKey(join_keys=["k"]), "1 join keys and 0 values"),
        (EntityKey(join_keys=["k"], entity_values=[Value()]), "'k': no value"),
        (EntityKey(join_keys=["k"], entity_values=[Value(double_val=1)]), "no serialized key"),
    ],
)
def test_what_is_no_key(repo, wrong, words):
    online = Online(repo, view())
    with pytest.raises(ValueError, match=words):
        online.read(wrong)
    with pytest.raises(ValueError, match=words):
        online.write((wrong, {"x": Value(int64_val=1)}, T0, None))


# ---- several views at once ----


def many_views(repo):
    """A store with views of one, two and no join keys and every kind of value."""
    stats = view("stats", (("trips", Int64), ("conv_rate", Float64)))
    place = view(
        "place",
        (("tags", Array(String)), ("raw", Bytes), ("m", MapType), ("seen", UnixTimestamp)),
        entities=(DRIVER, CITY),
    )
    everywhere = view("everywhere", (("x", Int64),), entities=())
    repo.store.apply([DRIVER, CITY, stats, place, everywhere])
    store, config = repo.store._get_provider().online_store, repo.store.config

    def write(a_view, *written):
        store.online_write_batch(config, a_view, list(written), None)

    write(
        stats,
        (key(1), {"trips": Value(int64_val=1), "conv_rate": Value(double_val=0.5)}, T0, None),
        (key(2), {"trips": Value(), "conv_rate": Value(double_val=float("nan"))}, T0 + HOUR, T0),
    )
    both = EntityKey(
        join_keys=["driver_id", "city_id"],
        entity_values=[Value(int64_val=1), Value(string_val="c1")],
    )
    values = {
        "tags": Value(string_list_val=StringList(val=["a", ""])),
        "raw": Value(bytes_val=b"\0\xff"),
        "m": Value(map_val=Map(val={"k": Value(int64_val=1)})),
        "seen": Value(unix_timestamp_val=-5),
    }
    write(place, (both, values, T0, None))
    dummy = EntityKey(join_keys=["__dummy_id"], entity_values=[Value(string_val="")])
    write(everywhere, (dummy, {"x": Value(int64_val=3)}, T0, None))
    return repo.store


REFS = [
    "stats:trips",
    "stats:conv_rate",
    "place:raw",
    "place:tags",
    "place:m",
    "place:seen",
    "everywhere:x",
]
ASKED = [
    {"driver_id": driver, "city_id": city}
    for driver, city in [(1, "c1"), (2, "c1"), (1, "c1"), (7, ""), (2, "c2")]
]


def generic(monkeypatch):
    """Have Feast's own path read: a view at a time, with online_read()."""
    for name in ("_read_features_per_fv", "_read_features_per_fv_async"):
        monkeypatch.setattr(IcebergOnlineStore, name, getattr(OnlineStore, name))


@pytest.mark.parametrize("full_names", [False, True])
def test_several_views_at_once(repo, monkeypatch, full_names):
    store = many_views(repo)

    def ask():
        return store.get_online_features(
            REFS, ASKED, full_feature_names=full_names, include_feature_view_version_metadata=True
        ).proto

    ours = ask()
    generic(monkeypatch)
    theirs = ask()
    assert str(ours) == str(theirs)
    assert ours.metadata == theirs.metadata
    out = store.get_online_features(REFS, ASKED).to_dict()
    assert out["trips"] == [1, None, 1, None, None]
    assert out["x"] == [3] * 5
    assert out["tags"] == [["a", ""], None, ["a", ""], None, None]


def test_several_views_async(repo, monkeypatch):
    store = many_views(repo)

    async def ask():
        return (await store.get_online_features_async(REFS, ASKED)).proto

    waiting = asyncio.run(ask())
    asyncio.run(store._get_provider().online_store.initialize(store.config))
    threads = []
    real = asyncio.to_thread
    monkeypatch.setattr(asyncio, "to_thread", lambda *call: threads.append(call) or real(*call))
    fresh = asyncio.run(ask())
    assert threads == []  # answered on the loop
    generic(monkeypatch)
    theirs = asyncio.run(ask())
    assert str(waiting) == str(fresh) == str(theirs)


def test_join_key_maps_and_aliases(repo, monkeypatch):
    store = many_views(repo)
    stats = store.get_feature_view("stats")
    service = FeatureService(
        name="svc",
        features=[
            stats.with_name("left").with_join_key_map({"driver_id": "left_id"}),
            stats.with_name("right").with_join_key_map({"driver_id": "right_id"})[["trips"]],
        ],
    )
    store.apply([service])
    asked = [{"left_id": 1, "right_id": 2}, {"left_id": 9, "right_id": 1}]

    def ask():
        return store.get_online_features(
            store.get_feature_service("svc"), asked, full_feature_names=True
        )

    ours = ask()
    assert ours.to_dict()["left__trips"] == [1, None]
    assert ours.to_dict()["right__trips"] == [None, 1]
    generic(monkeypatch)
    assert str(ours.proto) == str(ask().proto)


def test_missing_join_keys_are_feasts_to_name(repo, monkeypatch):
    store = many_views(repo)
    said = []
    for _ in range(2):
        with pytest.raises(Exception) as caught:
            store.get_online_features(["stats:trips"], [{"city_id": "c1"}])
        said.append((type(caught.value), str(caught.value)))
        generic(monkeypatch)
    assert said[0] == said[1]


# ---- async ----


def test_reads_that_would_wait_leave_the_loop(repo):
    online = Online(repo, view())
    online.write(row(1, 1))
    online.config.online_store.max_staleness_ms = 0
    turns = []

    async def run():
        reading = asyncio.ensure_future(
            online.store.online_read_async(online.config, online.view, [key(1)])
        )
        while not reading.done():
            turns.append(1)
            await asyncio.sleep(0.01)
            if len(turns) == 5:
                stall.__exit__(None, None, None)
        return await reading

    stall = stalled_catalog(repo)
    stall.__enter__()
    ((_, values),) = asyncio.run(run())
    assert values["x"].int64_val == 1 and len(turns) >= 5


# ---- handles ----


def test_stores_of_a_process_share_a_handle(repo):
    online = Online(repo, view())
    other = IcebergOnlineStore()
    assert other._opened(online.config, online.view) is online.store._opened(
        online.config, online.view
    )


def test_own_writes_are_seen_with_any_options(repo):
    online = Online(repo, view())
    settings = online.config.online_store
    settings.max_staleness_ms = 3_600_000
    for i in range(1, 6):
        settings.lookup = "direct" if i % 2 else "index"
        assert online.x(1) == [None if i == 1 else i - 1]
        settings.max_staleness_ms = 3_600_000 + i % 3
        online.write(row(1, i, T0 + i * HOUR))
        settings.max_staleness_ms = 3_600_000
        assert online.x(1) == [i]


def test_threads_read_while_handles_come_and_go(repo):
    online = Online(repo, view())
    online.write(*[row(i, i) for i in range(100)])
    stop, errors = threading.Event(), []

    def read():
        try:
            while not stop.is_set():
                assert online.x(*range(100)) == list(range(100))
        except Exception as error:
            errors.append(error)

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    for _ in range(20):
        asyncio.run(online.store.close())
        online.write(row(1, 1))
    stop.set()
    for reader in readers:
        reader.join()
    assert not errors


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_child_after_a_fork_has_handles_of_its_own(repo):
    online = Online(repo, view())
    online.write(row(1, 1))
    assert online.x(1) == [1]

    def child(queue):
        before = dict(open_tables._tables)
        online.write(row(2, 2))
        queue.put((before, online.x(1, 2)))

    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    process = context.Process(target=child, args=(queue,))
    process.start()
    assert queue.get(timeout=60) == ({}, [1, 2])
    process.join(60)
    online.config.online_store.max_staleness_ms = 0
    assert online.x(1, 2) == [1, 2]


# ---- other processes ----

OTHER = """
import sys
from datetime import datetime, timedelta, timezone
import pyarrow as pa
import frazil
folder = sys.argv[1]
catalog = frazil.load_catalog("default", uri=f"sqlite:///{folder}/data/frazil.db", warehouse=f"{folder}/data/warehouse")
table = frazil.open_online(catalog, "feast.proj_v_online")
print("ready", flush=True)
for line in sys.stdin:
    driver, x, hours, keys = line.split(maxsplit=3)
    stamp = datetime(2024, 1, 1, tzinfo=timezone.utc) + timedelta(hours=int(hours))
    table.write(pa.table({
        "entity_key": pa.array([bytes.fromhex(keys)], pa.binary()),
        "driver_id": pa.array([int(driver)], pa.int64()),
        "event_ts": pa.array([stamp], pa.timestamp("us", "UTC")),
        "x": pa.array([int(x)], pa.int64()),
    }))
    print("written", flush=True)
"""


class Other:
    """A process that writes when it is told to."""

    def __init__(self, repo):
        self.process = subprocess.Popen(
            [sys.executable, "-c", OTHER, str(repo.folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout.readline() == "ready\n"

    def write(self, driver, x, hours):
        keys = serialize_entity_key(key(driver), 3).hex()
        self.process.stdin.write(f"{driver} {x} {hours} {keys}\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "written\n"

    def end(self):
        self.process.stdin.close()
        assert self.process.wait(60) == 0


@pytest.mark.parametrize("index_first", [False, True])
def test_others_commits_between_own_writes(repo, index_first):
    """Own writes do not hide what others committed between them; the order is that of event time."""
    online = Online(repo, view())
    online.config.online_store.max_staleness_ms = 3_600_000
    if index_first:
        asyncio.run(online.store.initialize(online.config))
    other = Other(repo)
    online.write(row(1, 10, T0 + 5 * HOUR))
    other.write(1, 20, 3)  # older than ours
    other.write(2, 21, 1)
    other.write(3, 22, 9)  # newer than what comes
    online.write(row(2, 11, T0 + HOUR))  # equal: the later commit
    online.write(row(3, 12, T0 + 8 * HOUR), row(4, 13))
    other.write(4, 23, 0)  # equal: the later commit, but not seen yet
    opened = online.store._opened(online.config, online.view)
    opened.refresh()
    assert online.x(1, 2, 3, 4) == [10, 11, 22, 23]
    online.write(row(5, 14))
    assert online.x(1, 2, 3, 4, 5) == [10, 11, 22, 23, 14]
    other.end()
    online.config.online_store.lookup = "direct"
    assert online.x(1, 2, 3, 4, 5) == [10, 11, 22, 23, 14]


def test_random_writes_of_two_processes(repo):
    """Within the bound a reader sees all; without a look it sees its own and none that is older."""
    online = Online(repo, view())
    online.config.online_store.max_staleness_ms = 0
    numbers = random.Random(3)
    other, newest = Other(repo), {}
    for number in range(60):
        driver, hours = numbers.randrange(5), numbers.randrange(6)
        if numbers.random() < 0.5:
            other.write(driver, number, hours)
        else:
            online.write(row(driver, number, T0 + hours * HOUR))
        if hours >= newest.get(driver, (0, 0))[0]:
            newest[driver] = (hours, number)
        if number % 7 == 0:
            expected = [newest[d][1] if d in newest else None for d in range(5)]
            assert online.x(*range(5)) == expected
    other.end()
