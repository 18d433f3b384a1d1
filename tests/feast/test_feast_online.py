"""The online store: writes, reads, order, evolution, partitions; and materialization."""

import asyncio
import threading
import time
from datetime import datetime, timedelta, timezone

import pandas as pd
import pytest
from feast import Entity, FeatureService, PushSource
from feast.data_source import PushMode
from feast.feature_logging import LoggingConfig
from feast.infra.key_encoding_utils import serialize_entity_key
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import (
    Int64List,
    Map,
    RepeatedValue,
    StringList,
    StringSet,
    Value,
)
from feast.types import (
    Array,
    Bool,
    Bytes,
    Decimal,
    Float32,
    Float64,
    Int32,
    Int64,
    Json,
    Map as MapType,
    Set,
    String,
    Struct,
    UnixTimestamp,
    Uuid,
)
from feast.value_type import ValueType
from feast_repo import T0, driver_rows
from online_support import DRIVER, HOUR, Online, key, other_process_writes, row, stalled_catalog, view

import frazil
from frazil.feast import FrazilLoggingDestination
from frazil.feast import online as online_module
from frazil.feast.online_table import Layout

@pytest.fixture
def online(repo):
    return Online(repo, view())


def test_write_and_read(online):
    online.write(row(1, 10), row(2, 20))
    assert online.x(1, 2, 3, 1) == [10, 20, None, 10]
    (stamp, values), (nothing, none) = online.read(key(1), key(9))
    assert stamp == T0 and stamp.tzinfo is not None
    assert (nothing, none) == (None, None)
    assert online.read() == []


def test_the_latest_row_wins(online):
    online.write(row(1, 1, T0 + HOUR))
    online.write(row(1, 2, T0))
    assert online.x(1) == [1]
    online.write(row(1, 3, T0 + HOUR))  # equal times: the later commit
    assert online.x(1) == [3]
    online.write(row(1, 4, T0 + HOUR, T0), row(1, 5, T0 + HOUR, T0 + HOUR), row(1, 6, T0 + HOUR))
    assert online.x(1) == [5]
    online.write(row(1, 7, T0 + HOUR, T0))
    assert online.x(1) == [5]
    online.write(row(1, 8, datetime(2024, 1, 1, 2)))  # naive is UTC
    assert online.x(1) == [8]


def test_requested_features(repo):
    online = Online(repo, view(features=(("x", Int64), ("y", Int64))))
    online.write((key(1), {"x": Value(int64_val=1), "y": Value(int64_val=2)}, T0, None))
    (_, values), = online.read(key(1), features=["y"])
    assert set(values) == {"y"}


def test_null_features(online):
    online.write((key(1), {"x": Value()}, T0, None), (key(2), {}, T0, None))
    for _, values in online.read(key(1), key(2)):
        assert values["x"].WhichOneof("val") is None


VALUES = [
    (Int32, Value(int32_val=-5)),
    (Int64, Value(int64_val=1 << 62)),
    (Float32, Value(float_val=0.5)),
    (Float64, Value(double_val=float("inf"))),
    (Bool, Value(bool_val=False)),
    (String, Value(string_val="")),
    (String, Value(string_val="é\n'\"")),
    (Bytes, Value(bytes_val=b"\0\xff")),
    (UnixTimestamp, Value(unix_timestamp_val=-1)),
    (UnixTimestamp, Value(unix_timestamp_val=1704067200)),
    (Array(Int64), Value(int64_list_val=Int64List(val=[1, 2]))),
    (Array(Int64), Value(int64_list_val=Int64List(val=[]))),
    (Array(String), Value(string_list_val=StringList(val=["a", ""]))),
    (Array(UnixTimestamp), Value(unix_timestamp_list_val=Int64List(val=[0, 5]))),
    (Set(String), Value(string_set_val=StringSet(val=["a"]))),
    (Json, Value(json_val='{"a": 1}')),
    (Uuid, Value(uuid_val="f81d4fae-7dec-11d0-a765-00a0c91e6bf6")),
    (Decimal, Value(decimal_val="1.10")),
    (MapType, Value(map_val=Map(val={"k": Value(int64_val=1), "l": Value(string_val="s")}))),
    (Struct({"a": Int64}), Value(struct_val=Map(val={"a": Value(int64_val=1)}))),
    (
        Array(Array(Int64)),
        Value(list_val=RepeatedValue(val=[Value(int64_list_val=Int64List(val=[1]))])),
    ),
]


@pytest.mark.parametrize("dtype, value", VALUES, ids=[str(i) for i in range(len(VALUES))])
def test_values_of_every_type(repo, dtype, value):
    online = Online(repo, view(features=(("x", dtype),)))
    online.write((key(1), {"x": value}, T0, None), (key(2), {"x": Value()}, T0, None))
    (_, first), (_, second) = online.read(key(1), key(2))
    assert first["x"] == value
    assert second["x"].WhichOneof("val") is None


def test_a_whole_number_for_another_width(repo):
    online = Online(repo, view(features=(("x", Int32),)))
    online.write((key(1), {"x": Value(int64_val=7)}, T0, None))
    (_, values), = online.read(key(1))
    assert values["x"].int32_val == 7
    with pytest.raises(ValueError, match="'x'"):
        online.write((key(1), {"x": Value(int64_val=1 << 40)}, T0, None))


def test_columns_are_typed_for_other_engines(repo):
    online = Online(repo, view(features=(("x", Float32), ("tags", Array(String)))))
    online.write((key(5), {"x": Value(float_val=1)}, T0, T0 + HOUR))
    table = repo.catalog.load_table("feast.proj_v_online")
    types = {field.name: field.type for field in table.schema()}
    assert types == {
        "entity_key": "binary",
        "driver_id": "long",
        "event_ts": "timestamptz",
        "created_ts": "timestamptz",
        "x": "float",
        "tags": "list<string>",
    }
    rows = table.scan("driver_id = 5").to_arrow().to_pylist()
    assert rows[0]["entity_key"] == serialize_entity_key(key(5), 3)
    assert rows[0]["event_ts"] == T0 and rows[0]["created_ts"] == T0 + HOUR


@pytest.mark.parametrize(
    "strategy, transforms",
    [
        ("entity_hash", ["bucket[4]"]),
        ("timestamp", ["hour"]),
        ("hybrid", ["bucket[4]", "day"]),
    ],
)
def test_partition_strategies(make_repo, strategy, transforms):
    repo = make_repo(online={"partition_strategy": strategy, "partition_count": 4})
    online = Online(repo, view())
    online.write(*[row(i, i * 10, T0 + i * HOUR) for i in range(50)])
    online.write(*[row(i, i * 10 + 1, T0 + (i + 30) * HOUR) for i in range(0, 50, 2)])
    assert online.x(*range(52)) == [i * 10 + (1 - i % 2) for i in range(50)] + [None, None]
    table = repo.catalog.load_table("feast.proj_v_online")
    assert [field.transform for field in table.spec().fields] == transforms


def test_reads_prune_by_bucket(repo):
    online = Online(repo, view())
    online.write(*[row(i, i) for i in range(200)])
    table = repo.catalog.load_table("feast.proj_v_online")
    every = len(list(table.scan().plan_files()))
    assert every > 4
    assert len(list(table.scan("driver_id = 7").plan_files())) == 1


def test_composite_and_text_keys(repo):
    who = Entity(name="who", join_keys=["who_id"], value_type=ValueType.STRING)
    both = view(entities=(DRIVER, who))
    online = Online(repo, both)

    def pair(number, text):
        return EntityKey(
            join_keys=["driver_id", "who_id"],
            entity_values=[Value(int64_val=number), Value(string_val=text)],
        )

    texts = ["a", "b'", "é", "", "nul\0in"]
    rows = [(pair(i, t), {"x": Value(int64_val=i * 10 + j)}, T0, None)
            for i in range(3) for j, t in enumerate(texts)]  # fmt: skip
    online.write(*rows)
    got = online.read(*[r[0] for r in rows], pair(9, "a"))
    assert [v["x"].int64_val for _, v in got[:-1]] == [r[1]["x"].int64_val for r in rows]
    assert got[-1] == (None, None)


def test_one_text_key(repo):
    who = Entity(name="who", join_keys=["who_id"], value_type=ValueType.STRING)
    online = Online(repo, view(entities=(who,)))

    def one(text):
        return EntityKey(join_keys=["who_id"], entity_values=[Value(string_val=text)])

    texts = ["a", "b'", 'c"', "é", "", "nul\0in"]
    online.write(*[(one(t), {"x": Value(int64_val=i)}, T0, None) for i, t in enumerate(texts)])
    got = online.read(*[one(t) for t in texts])
    assert [values["x"].int64_val for _, values in got] == list(range(len(texts)))


def test_views_without_entities(repo):
    online = Online(repo, view(entities=()))
    dummy = EntityKey(join_keys=["__dummy_id"], entity_values=[Value(string_val="")])
    online.write((dummy, {"x": Value(int64_val=3)}, T0, None))
    (_, values), = online.read(dummy)
    assert values["x"].int64_val == 3


def test_features_with_the_names_of_our_columns(repo):
    names = ("event_ts", "entity_key", "created_ts")
    online = Online(repo, view(features=tuple((name, Int64) for name in names)))
    values = {name: Value(int64_val=i) for i, name in enumerate(names)}
    online.write((key(1), values, T0, None))
    (stamp, got), = online.read(key(1))
    assert stamp == T0 and got == values


def test_evolution(repo):
    online = Online(repo, view(features=(("x", Int64), ("gone", Int64), ("n", Int32))))
    online.write(
        (key(1), {"x": Value(int64_val=1), "gone": Value(int64_val=2), "n": Value(int32_val=3)},
         T0, None)
    )  # fmt: skip
    uuid = repo.catalog.load_table("feast.proj_v_online").uuid
    online.view = view(features=(("n", Int64), ("x", String), ("new", Float64), ("event_ts", Int64)))
    online.store.update(online.config, [], [online.view], [], [], False)
    (_, values), = online.read(key(1))
    assert values["n"].int64_val == 3  # widened
    assert values["x"].WhichOneof("val") is None  # another type: another column
    assert values["new"].WhichOneof("val") is None
    online.write((key(1), {"x": Value(string_val="t"), "event_ts": Value(int64_val=9)}, T0, None))
    (_, values), = online.read(key(1))
    assert values["x"].string_val == "t" and values["event_ts"].int64_val == 9
    table = repo.catalog.load_table("feast.proj_v_online")
    assert table.uuid == uuid and "gone" not in table.schema().column_names
    assert Layout.of_table(table).event_ts != "event_ts"


def test_other_join_keys_start_afresh(repo):
    online = Online(repo, view())
    online.write(row(1, 1))
    who = Entity(name="who", join_keys=["who_id"], value_type=ValueType.STRING)
    online.view = view(entities=(who,))
    online.store.update(online.config, [], [online.view], [], [], False)
    assert repo.catalog.load_table("feast.proj_v_online").scan().count() == 0


def test_update_drops_and_teardown_drops(repo):
    online = Online(repo, view())
    online.store.update(online.config, [online.view], [], [], [], False)
    assert not repo.catalog.table_exists("feast.proj_v_online")
    with pytest.raises(frazil.NoSuchTableError, match="apply"):
        online.read(key(1))
    online.store.update(online.config, [], [online.view], [], [], False)
    online.store.teardown(online.config, [online.view], [])
    online.store.teardown(online.config, [online.view], [])
    assert not repo.catalog.table_exists("feast.proj_v_online")


@pytest.mark.parametrize("again", [False, True])
def test_tables_dropped_by_others(repo, again):
    online = Online(repo, view())
    online.write(row(1, 1))
    online.config.online_store.max_staleness_ms = 0
    repo.catalog.drop_table("feast.proj_v_online", purge=True)
    if again:
        other_process_writes(repo, online.view, [row(1, 5)])
        assert online.x(1) == [5]
    else:
        with pytest.raises(frazil.NoSuchTableError, match="apply"):
            online.x(1)
    online.write(row(2, 2))
    assert online.x(2) == [2]


def test_a_write_after_a_drop_makes_the_table_again(repo):
    online = Online(repo, view())
    online.write(row(1, 1))
    repo.catalog.drop_table("feast.proj_v_online", purge=True)
    online.write(row(2, 2))
    assert online.x(1, 2) == [None, 2]


def test_precomputed_vectors_need_no_update(repo):
    store = repo.store._get_provider().online_store
    config = repo.store.config
    assert store.read_precomputed_vectors(config, "svc", "proj", [key(1)]) == [None]
    store.write_precomputed_vector(config, "svc", "proj", key(1), b"blob")
    assert store.read_precomputed_vectors(config, "svc", "proj", [key(1), key(2)]) == [b"blob", None]


def test_key_ttl(online):
    now = datetime.now(timezone.utc)
    online.write(row(1, 1, now - timedelta(seconds=60)), row(2, 2, now))
    assert online.x(1, 2) == [1, 2]
    online.config.online_store.key_ttl_seconds = 30
    assert online.x(1, 2) == [None, 2]


def test_staleness(repo):
    online = Online(repo, view())
    online.write(row(1, 1))
    online.config.online_store.max_staleness_ms = 3_600_000
    assert online.x(1) == [1]
    other_process_writes(repo, online.view, [row(1, 2, T0 + HOUR)])
    assert online.x(1) == [1]
    online.config.online_store.max_staleness_ms = 0
    assert online.x(1) == [2]


def test_writers_in_two_processes_do_not_lose_rows(repo):
    online = Online(repo, view())
    online.write(row(1, 1))
    other_process_writes(repo, online.view, [row(2, 2)])
    online.write(row(3, 3))
    online.config.online_store.max_staleness_ms = 0
    assert online.x(1, 2, 3) == [1, 2, 3]


def test_writers_in_one_process_share_commits(online, repo):
    errors = []

    def work(number):
        try:
            for i in range(4):
                online.write(row(number * 10 + i, i))
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert online.x(*[n * 10 + i for n in range(8) for i in range(4)]) == [0, 1, 2, 3] * 8
    assert len(repo.catalog.load_table("feast.proj_v_online").snapshots()) <= 32


def test_read_timeout(repo):
    online = Online(repo, view())
    online.write(row(1, 1))
    settings = online.config.online_store
    settings.max_staleness_ms, settings.read_timeout_ms = 0, 50
    assert online.x(1) == [1]
    with stalled_catalog(repo):
        start = time.monotonic()
        with pytest.raises(frazil.TimeoutError, match="'feast.proj_v_online': the catalog did not"):
            online.read(key(1))
        assert time.monotonic() - start < 5  # SQLite alone would wait longer
        with pytest.raises(TimeoutError):
            online.read(key(1))
    settings.read_timeout_ms = 0
    assert online.x(1) == [1]


@pytest.mark.parametrize("lookup", ["index", "direct"])
def test_lookup(make_repo, lookup):
    online = Online(make_repo(online={"lookup": lookup}), view())
    online.write(*[row(i, i) for i in range(20)])
    for _ in range(2):
        assert online.x(*range(20)) == list(range(20))
    online.write(row(3, 33, T0 + HOUR))
    assert online.x(3, 4) == [33, 4]


def test_async(online):
    async def run():
        await online.store.initialize(online.config)
        await online.store.online_write_batch_async(online.config, online.view, [row(1, 5)], None)
        rows = await online.store.online_read_async(online.config, online.view, [key(1)])
        await online.store.close()
        return rows

    assert asyncio.run(run())[0][1]["x"].int64_val == 5
    assert online.store.async_supported.read and online.store.async_supported.write


def test_documents_are_refused_by_name(online):
    with pytest.raises(NotImplementedError, match="IcebergOnlineStore"):
        online.store.retrieve_online_documents(online.config, online.view, ["x"], [0.1], 3)


# ---- through Feast ----


def stats_view(source, **options):
    return view(
        "driver_stats", (("conv_rate", Float64), ("trips", Int64)), source=source, **options
    )


def features_of(store, drivers, features=("driver_stats:conv_rate", "driver_stats:trips")):
    return store.get_online_features(
        features=list(features), entity_rows=[{"driver_id": d} for d in drivers]
    ).to_dict()


def test_materialize(repo):
    rows = driver_rows(hours=6)
    source = repo.source("d", rows, created_timestamp_column="created")
    repo.store.apply([DRIVER, stats_view(source)])
    repo.store.materialize(T0, T0 + 3 * HOUR)
    out = features_of(repo.store, [1, 2, 99])
    assert out["trips"] == [103, 203, None]
    assert out["conv_rate"] == [pytest.approx(1.03), pytest.approx(2.03), None]
    repo.store.materialize_incremental(T0 + 5 * HOUR)
    assert features_of(repo.store, [1, 2])["trips"] == [105, 205]
    repo.store.teardown()


def test_materialize_views_without_entities(repo):
    source = repo.source("g", pd.DataFrame({"event_timestamp": [T0, T0 + HOUR], "x": [1, 2]}))
    other = stats_view(repo.source("d", driver_rows(), created_timestamp_column="created"))
    repo.store.apply([DRIVER, other, view(entities=(), source=source)])
    repo.store.materialize(T0, T0 + HOUR)
    # Feast counts rows by their entities, so some entity is needed beside the view without one.
    out = repo.store.get_online_features(
        features=["v:x"], entity_rows=[{"driver_id": 1}, {"driver_id": 2}]
    ).to_dict()
    assert out["x"] == [2, 2]


def test_push(repo):
    source = repo.source("d", driver_rows(hours=1), created_timestamp_column="created")
    push = PushSource(name="push", batch_source=source)
    repo.store.apply([DRIVER, stats_view(push)])
    frame = driver_rows(drivers=(1,), hours=1).assign(
        event_timestamp=T0 + 10 * HOUR, trips=[777]
    )
    repo.store.push("push", frame, to=PushMode.ONLINE_AND_OFFLINE)
    assert features_of(repo.store, [1])["trips"] == [777]
    assert repo.catalog.load_table("feast.d").scan("trips = 777").count() == 1


def test_write_to_online_store_and_event_timestamps(repo):
    source = repo.source("d", driver_rows(hours=1), created_timestamp_column="created")
    repo.store.apply([DRIVER, stats_view(source)])
    repo.store.write_to_online_store("driver_stats", driver_rows(hours=2))
    out = repo.store.get_online_features(
        features=["driver_stats:trips"], entity_rows=[{"driver_id": 1}]
    ).to_dict(include_event_timestamps=True)
    assert out["trips"] == [101]
    assert out["trips__ts"] == [int((T0 + HOUR).timestamp())]


def test_feature_logging(repo):
    import pyarrow as pa

    source = repo.source("d", driver_rows(hours=1), created_timestamp_column="created")
    stats = stats_view(source)
    service = FeatureService(
        name="svc",
        features=[stats[["trips"]]],
        logging_config=LoggingConfig(destination=FrazilLoggingDestination(table="logs")),
    )
    repo.store.apply([DRIVER, stats, service])
    now = datetime.now(timezone.utc)
    logs = pa.table(
        {
            "driver_id": pa.array([1, 2], pa.int64()),
            "driver_stats__trips": pa.array([10, 20], pa.int64()),
            "driver_stats__trips__timestamp": pa.array([now, now], pa.timestamp("us", "UTC")),
            "driver_stats__trips__status": pa.array([1, 1], pa.int32()),
            "__log_timestamp": pa.array([now, now], pa.timestamp("us", "UTC")),
            "__log_date": pa.array([now.date()] * 2, pa.date32()),
            "__request_id": ["a", "b"],
        }
    )
    repo.store.write_logged_features(logs=logs, source=service)
    repo.store.write_logged_features(logs=logs, source=service)
    job = repo.store._get_provider().retrieve_feature_service_logs(
        feature_service=service,
        start_date=now - HOUR,
        end_date=now + HOUR,
        config=repo.store.config,
        registry=repo.store.registry,
    )
    out = job.to_df()
    assert sorted(out["driver_stats__trips"]) == [10, 10, 20, 20]


def test_with_feasts_sqlite_online_store(make_repo):
    repo = make_repo(online="sqlite")
    source = repo.source("d", driver_rows(hours=6), created_timestamp_column="created")
    repo.store.apply([DRIVER, stats_view(source)])
    repo.store.materialize(T0, T0 + 3 * HOUR)
    assert features_of(repo.store, [1, 99])["trips"] == [103, None]


def test_with_feasts_file_offline_store(make_repo, tmp_path):
    from feast import FileSource

    repo = make_repo(offline="dask")
    driver_rows(hours=6).to_parquet(tmp_path / "d.parquet")
    source = FileSource(
        path=str(tmp_path / "d.parquet"),
        timestamp_field="event_timestamp",
        created_timestamp_column="created",
    )
    repo.store.apply([DRIVER, stats_view(source)])
    repo.store.materialize(T0, T0 + 3 * HOUR)
    assert features_of(repo.store, [1, 99])["trips"] == [103, None]


def test_versioned_names(repo):
    the_view = view()
    repo.store.config.registry.enable_online_feature_view_versioning = True
    the_view.current_version_number = 2
    name = online_module.IcebergOnlineStore.table_identifier(repo.store.config, the_view)
    assert name == "feast.proj_v_v2_online"
