"""IcebergComputeEngine: what it writes is what Feast's local engine writes, whole or not at all."""

import json
import logging
import os
import random
import signal
import time
import traceback
from datetime import datetime, timedelta, timezone

import pandas as pd
import pyarrow as pa
import pytest
from feast import BatchFeatureView, Entity, FeatureView, Field, PushSource
from feast.infra.common.materialization_job import MaterializationTask
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.types import (
    Array,
    Bool,
    Bytes,
    Float32,
    Float64,
    Int32,
    Int64,
    Json,
    Set,
    String,
    Struct,
    UnixTimestamp,
    Uuid,
)
from feast.value_type import ValueType
from feast_repo import T0, Repo, driver_rows

from frazil.feast import FrazilSource, IcebergComputeEngine

NATIVE = "frazil.feast.IcebergComputeEngine"
HOUR = timedelta(hours=1)
MICROSECOND = timedelta(microseconds=1)
DRIVER = Entity(name="driver", join_keys=["driver_id"], value_type=ValueType.INT64)
STATS = (("conv_rate", Float64), ("trips", Int64))


def view_of(source, features=STATS, entities=(DRIVER,), name="v", keys=None, **options):
    keys = keys or [Field(name="driver_id", dtype=Int64)]
    return FeatureView(
        name=name,
        entities=list(entities),
        schema=[*(Field(name=n, dtype=t) for n, t in features), *(keys if entities else [])],
        source=source,
        **options,
    )


@pytest.fixture
def native(make_repo):
    return make_repo(engine=NATIVE)


@pytest.fixture
def told(caplog):
    """The engine's log lines."""
    caplog.set_level(logging.INFO, "frazil.feast")

    def lines():
        return [r.getMessage() for r in caplog.records if "Feast's local engine" in r.getMessage()]

    return lines


def read(repo, view, keys):
    """Event time and values of each entity key, as the online store gives them."""
    repo.store.refresh_registry()
    config, store = repo.store.config, repo.store._get_provider().online_store
    return store.online_read(config, view, keys)


def driver(number):
    return EntityKey(join_keys=["driver_id"], entity_values=[Value(int64_val=number)])


def values_of(repo, view, numbers, feature="trips"):
    found = read(repo, view, [driver(number) for number in numbers])
    return [None if values is None else values[feature].int64_val for _, values in found]


def stats_repo(repo, **options):
    source = repo.source("d", driver_rows(hours=6), created_timestamp_column="created")
    view = view_of(source, **options)
    repo.store.apply([DRIVER, view])
    return view


# ---- what is done natively ----


def test_is_the_engine_of_the_configuration(native):
    engine = native.store._get_provider().batch_engine
    assert type(engine) is IcebergComputeEngine
    assert native.config.batch_engine.type == NATIVE


def test_materialize_and_incremental(native, told):
    view = stats_repo(native)
    native.store.materialize(T0, T0 + 3 * HOUR)
    assert values_of(native, view, [1, 2, 99]) == [103, 203, None]
    native.store.materialize_incremental(T0 + 5 * HOUR)
    assert values_of(native, view, [1, 2]) == [105, 205]
    assert told() == []
    table = native.catalog.load_table("feast.proj_v_online")
    assert [each.summary["added-records"] for each in table.snapshots()] == ["3", "3"]


@pytest.mark.parametrize("off", [-MICROSECOND, timedelta(0), MICROSECOND])
def test_windows_include_both_ends(native, off):
    view = stats_repo(native)
    native.store.materialize(T0 + 2 * HOUR + off, T0 + 2 * HOUR + MICROSECOND)
    assert values_of(native, view, [1]) == [None if off > timedelta(0) else 102]
    native.store.materialize(T0, T0 + 4 * HOUR + off)
    assert values_of(native, view, [1]) == [103 if off < timedelta(0) else 104]


def test_naive_bounds_and_other_zones(native):
    view = stats_repo(native)
    native.store.materialize(T0.replace(tzinfo=None), T0.replace(tzinfo=None) + 2 * HOUR)
    assert values_of(native, view, [1]) == [102]
    zone = timezone(timedelta(hours=-7))
    native.store.materialize(T0.astimezone(zone), (T0 + 4 * HOUR).astimezone(zone))
    assert values_of(native, view, [1]) == [104]


def test_created_time_decides_and_null_is_least(native):
    rows = pd.DataFrame(
        {
            "driver_id": [1, 1, 1, 2, 2],
            "event_timestamp": [T0] * 5,
            "created": [T0 + HOUR, T0 + 2 * HOUR, T0, None, T0 - HOUR],
            "conv_rate": [0.0] * 5,
            "trips": [1, 2, 3, 4, 5],
        }
    )
    view = view_of(native.source("d", rows, created_timestamp_column="created"))
    native.store.apply([DRIVER, view])
    native.store.materialize(T0, T0)
    assert values_of(native, view, [1, 2]) == [2, 5]


def test_field_mapping(native, told):
    rows = driver_rows(hours=2).rename(
        columns={"driver_id": "d", "event_timestamp": "at", "created": "made", "trips": "t"}
    )
    source = native.source(
        "d",
        rows,
        timestamp_field="event_timestamp",
        created_timestamp_column="created",
        field_mapping={"d": "driver_id", "at": "event_timestamp", "made": "created", "t": "trips"},
    )
    view = view_of(source)
    native.store.apply([DRIVER, view])
    native.store.materialize(T0, T0 + HOUR)
    assert values_of(native, view, [1, 3]) == [101, 301]
    assert told() == []


def test_views_without_entities(native, told):
    source = native.source("g", pd.DataFrame({"event_timestamp": [T0, T0 + HOUR], "x": [1, 2]}))
    view = view_of(source, features=(("x", Int64),), entities=())
    native.store.apply([view])
    native.store.materialize(T0, T0 + HOUR)
    key = EntityKey(join_keys=["__dummy_id"], entity_values=[Value(string_val="")])
    ((moment, values),) = read(native, view, [key])
    assert values["x"].int64_val == 2 and told() == []


def test_views_of_push_sources(native, told):
    source = native.source("d", driver_rows(hours=2), created_timestamp_column="created")
    view = view_of(PushSource(name="push", batch_source=source))
    native.store.apply([DRIVER, view])
    native.store.materialize(T0, T0 + HOUR)
    assert values_of(native, view, [1]) == [101] and told() == []


def test_sources_held_at_a_snapshot(native, told):
    table = native.table("d", driver_rows(hours=2))
    first = table.current_snapshot_id()
    table.append(pa.Table.from_pandas(driver_rows(hours=4).iloc[6:], preserve_index=False))
    held = FrazilSource(table="d", timestamp_field="event_timestamp", snapshot_id=first)
    later = FrazilSource(
        name="l", table="d", timestamp_field="event_timestamp", since_snapshot_id=first
    )
    held_view, later_view = view_of(held, name="held"), view_of(later, name="later")
    native.store.apply([DRIVER, held_view, later_view])
    native.store.materialize(T0, T0 + HOUR)
    assert values_of(native, held_view, [1]) == [101]
    assert values_of(native, later_view, [1]) == [None]
    native.store.materialize(T0, T0 + 5 * HOUR)
    assert values_of(native, held_view, [1]) == [101]
    assert values_of(native, later_view, [1]) == [103]
    assert told() == []


def test_a_view_that_grew(native):
    view = stats_repo(native, features=(("trips", Int64),))
    native.store.materialize(T0, T0 + HOUR)
    wider = view_of(view.batch_source)
    native.store.apply([DRIVER, wider])
    native.store.materialize(T0, T0 + 2 * HOUR)
    ((_, values),) = read(native, wider, [driver(1)])
    assert values["trips"].int64_val == 102 and values["conv_rate"].double_val == 1.02


# ---- what is left to Feast ----


def test_what_is_left_to_feast_and_why(native, told):
    source = native.source("d", driver_rows(hours=6), created_timestamp_column="created")
    cases = {"offline is True": {"offline": True}, "validation": {"enable_validation": True}}
    for number, (reason, options) in enumerate(cases.items()):
        view = view_of(source, name=f"v{number}", **options)
        native.store.apply([DRIVER, view])
        native.store.materialize(T0, T0 + HOUR, feature_views=[view.name])
        assert reason in told()[-1] and view.name in told()[-1]
        assert values_of(native, view, [1]) == [101]


def test_transformations_are_left_to_feast(native, told):
    from feast.transformation.pandas_transformation import PandasTransformation

    source = native.source("d", driver_rows(hours=6), created_timestamp_column="created")
    view = BatchFeatureView(
        name="v",
        entities=[DRIVER],
        schema=[Field(name="trips", dtype=Int64), Field(name="driver_id", dtype=Int64)],
        source=source,
        online=True,
        mode="pandas",
        feature_transformation=PandasTransformation(
            udf=lambda frame: frame.assign(trips=frame["trips"] * 2), udf_string="twice"
        ),
    )
    native.store.apply([DRIVER, view])
    native.store.materialize(T0, T0 + HOUR)
    assert values_of(native, view, [1]) == [202]
    assert "a transformation" in told()[0]


def test_other_stores_are_left_to_feast(make_repo, told):
    repo = make_repo(online="sqlite", engine=NATIVE)
    view = stats_repo(repo)
    repo.store.materialize(T0, T0 + HOUR)
    assert values_of(repo, view, [1]) == [101]
    assert "the online store is SqliteOnlineStore" in told()[0]


def test_other_sources_are_left_to_feast(make_repo, told, tmp_path):
    from feast import FileSource

    repo = make_repo(offline="dask", engine=NATIVE)
    driver_rows(hours=2).to_parquet(tmp_path / "d.parquet")
    view = view_of(FileSource(path=str(tmp_path / "d.parquet"), timestamp_field="event_timestamp"))
    repo.store.apply([DRIVER, view])
    repo.store.materialize(T0, T0 + HOUR)
    assert values_of(repo, view, [1]) == [101]
    assert "the offline store is DaskOfflineStore" in told()[0]


def test_errors_are_feasts_errors(native):
    view = stats_repo(native)
    native.catalog.drop_table("feast.d")
    with pytest.raises(Exception, match="there is no table 'feast.d'"):
        native.store.materialize(T0, T0 + HOUR)
    assert native.store.get_feature_view(view.name).materialization_intervals == []


# ---- the same as Feast's engine ----

# Times before 1970 are whole seconds: Feast rounds parts of them down in a column and up in a list,
# and ours are rounded down.
# Feast type, Arrow type and a value from a random generator.
SCALARS = [
    (Bool, pa.bool_(), lambda r: r.random() < 0.5),
    (Int32, pa.int32(), lambda r: r.randrange(-(2**31), 2**31)),
    (Int64, pa.int64(), lambda r: r.randrange(-(2**53), 2**53)),
    (Int64, pa.int32(), lambda r: r.randrange(-(2**31), 2**31)),
    (Float32, pa.float32(), lambda r: r.randrange(-1000, 1000) / 8),
    (Float64, pa.float64(), lambda r: r.uniform(-1e9, 1e9)),
    (String, pa.string(), lambda r: "".join(r.choices("aé☃ \0'\"", k=r.randrange(9)))),
    (Bytes, pa.binary(), lambda r: r.randbytes(r.randrange(9))),
    (UnixTimestamp, pa.timestamp("us", "UTC"), lambda r: T0 + timedelta(microseconds=r.randrange(10**15))),
    (UnixTimestamp, pa.timestamp("us"), lambda r: datetime(1960, 1, 1) + timedelta(seconds=r.randrange(10**9))),
    (Json, pa.string(), lambda r: json.dumps({"a": r.randrange(9)})),
]
LISTS = [
    (Array(kind), pa.list_(arrow), lambda r, value=value: [value(r) for _ in range(r.randrange(1, 4))])
    for kind, arrow, value in SCALARS
    if kind is not Json
]
# What Feast must make itself.
CONVERTED = [
    (Struct({"x": Int64, "y": String}), pa.struct([("x", pa.int64()), ("y", pa.string())]),
     lambda r: {"x": r.randrange(9), "y": "z"}),
    (Set(Int64), pa.list_(pa.int64()), lambda r: [r.randrange(3) for _ in range(4)]),
    (Array(Array(Int64)), pa.list_(pa.list_(pa.int64())), lambda r: [[r.randrange(9)], [1, 2]]),
    (Uuid, pa.string(), lambda r: f"{r.getrandbits(128):032x}"),
]  # fmt: skip
KEYS = [
    (Int64, pa.int64(), lambda n: n * 2**33, "int64_val", ValueType.INT64),
    (Int32, pa.int32(), lambda n: n - 5, "int32_val", ValueType.INT32),
    (String, pa.string(), lambda n: "ключ" * n, "string_val", ValueType.STRING),
]


def random_table(r, kinds, keys, created, unit):
    """Rows of 20 keys whose order is told by their times: Feast leaves open which row of equal
    times is taken."""
    n = 200
    moments = r.sample(range(10_000), n)
    columns = {
        "event_timestamp": pa.array([T0 + timedelta(seconds=m / 4) for m in moments], unit),
    }
    for number, (_, arrow, value, _, _) in enumerate(keys):
        columns[f"k{number}"] = pa.array([value(i % 20 // (number * 4 + 1)) for i in range(n)], arrow)
    if created:
        columns["event_timestamp"] = pa.array([T0 + HOUR * (m % 3) for m in moments], unit)
        columns["created"] = pa.array([T0 + timedelta(seconds=m) for m in moments], unit)
    for number, (_, arrow, value) in enumerate(kinds):
        cells = [None if r.random() < 0.2 else value(r) for _ in range(n)]
        columns[f"f{number}"] = pa.array(cells, arrow)
    return pa.table(columns)


def random_keys(keys):
    names = [f"k{number}" for number in range(len(keys))]
    rows = {tuple(key[2](i // (at * 4 + 1)) for at, key in enumerate(keys)) for i in range(25)}
    return [
        EntityKey(
            join_keys=names, entity_values=[Value(**{k[3]: cell}) for k, cell in zip(keys, row)]
        )
        for row in sorted(rows)
    ]


def materialized(folder, engine, table, kinds, keys, created, bounds):
    folder.mkdir()
    repo = Repo(folder, engine=engine)
    source = repo.source("t", table, created_timestamp_column="created" if created else None)
    entities = [
        Entity(name=f"e{number}", join_keys=[f"k{number}"], value_type=key[4])
        for number, key in enumerate(keys)
    ]
    view = view_of(
        source,
        features=[(f"f{number}", kind[0]) for number, kind in enumerate(kinds)],
        entities=entities,
        keys=[Field(name=f"k{number}", dtype=key[0]) for number, key in enumerate(keys)],
    )
    repo.store.apply([*entities, view])
    repo.store.materialize(*bounds)
    return read(repo, view, random_keys(keys))


def differences(theirs, ours):
    """(key's number, feature, their value, our value) where reads differ."""
    return [
        (number, name, a[1] and a[1][name], b[1] and b[1][name])
        for number, (a, b) in enumerate(zip(theirs, ours, strict=True))
        for name in (a[1] or b[1] or {})
        if a[0] != b[0] or (a[1] and a[1][name]) != (b[1] and b[1][name])
    ]


@pytest.mark.parametrize("seed", range(6))
def test_equals_feasts_engine(seed, tmp_path, told):
    r = random.Random(seed)
    kinds = SCALARS + LISTS
    keys = r.sample(KEYS, 1 + seed % 2)
    created, unit = seed % 3 > 0, pa.timestamp("us", "UTC" if seed % 2 else None)
    table = random_table(r, kinds, keys, created, unit)
    bounds = T0 + timedelta(seconds=r.randrange(600)), T0 + timedelta(seconds=r.randrange(3600, 9000))
    case = table, kinds, keys, created, bounds
    theirs = materialized(tmp_path / "theirs", "local", *case)
    ours = materialized(tmp_path / "ours", NATIVE, *case)
    assert differences(theirs, ours) == []
    assert sum(values is not None for _, values in ours) > 3
    assert told() == []


@pytest.mark.parametrize("kind", CONVERTED, ids=lambda kind: str(kind[0]))
def test_types_that_feast_converts(kind, tmp_path, told):
    r = random.Random(3)
    table = random_table(r, [kind], KEYS[:1], False, pa.timestamp("us", "UTC"))
    case = table, [kind], KEYS[:1], False, (T0, T0 + HOUR)
    theirs = materialized(tmp_path / "theirs", "local", *case)
    assert differences(theirs, materialized(tmp_path / "ours", NATIVE, *case)) == []
    assert len(told()) == 1 and "'f0'" in told()[0]


# ---- whole or not at all ----

N_KEYS = 100_000


def large_repo(repo):
    rows = pa.table(
        {
            "driver_id": pa.array(range(N_KEYS), pa.int64()),
            "event_timestamp": pa.array([T0] * N_KEYS, pa.timestamp("us", "UTC")),
            **{f"x{i}": pa.array([float(i)] * N_KEYS) for i in range(8)},
        }
    )
    view = view_of(repo.source("d", rows), features=[(f"x{i}", Float64) for i in range(8)])
    repo.store.apply([DRIVER, view])
    return view


def materialize_all(repo, view):
    """Without what Feast writes into its registry afterwards: a file that a kill can tear."""
    task = MaterializationTask("proj", view, T0, T0 + HOUR)
    (job,) = repo.store._get_provider().batch_engine.materialize(repo.store.registry, task)
    if job.error() is not None:
        raise job.error()


def in_a_child(repo, view, stop, after_s):
    """Materialize in a forked child that is sent a signal after a while: its exit code."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            materialize_all(repo, view)
            code = 0
        except KeyboardInterrupt:
            code = 130
        except Exception:
            traceback.print_exc()
        finally:
            os._exit(code)
    time.sleep(after_s)
    os.kill(child, stop)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def committed_rows(repo):
    table = repo.catalog.load_table("feast.proj_v_online")
    return [int(each.summary["added-records"]) for each in table.snapshots()]


def stopped_children(repo, stop, code_when_stopped):
    """Children that are stopped later and later, up to one that has ended: codes and commits."""
    view = large_repo(repo)
    started = time.monotonic()
    materialize_all(repo, view)
    took_s = time.monotonic() - started
    n_stopped = 0
    for number in range(12):
        before = committed_rows(repo)
        code = in_a_child(repo, view, stop, took_s * 1.2 * number / 11)
        new = committed_rows(repo)[len(before) :]
        assert (code, new) in [(0, [N_KEYS]), (code_when_stopped, []), (code_when_stopped, [N_KEYS])]
        n_stopped += code != 0
    assert n_stopped > 0
    materialize_all(repo, view)
    assert committed_rows(repo)[-1] == N_KEYS


def test_killed_at_any_moment_the_commit_is_whole_or_not_there(native):
    stopped_children(native, signal.SIGKILL, -signal.SIGKILL)


def test_ctrl_c_leaves_a_whole_commit_or_nothing(native, tmp_path):
    stopped_children(native, signal.SIGINT, 130)
    # What a commit does not name is gone.
    table = native.catalog.load_table("feast.proj_v_online")
    named = {row["file_path"].removeprefix("file://") for row in table.inspect.files().to_pylist()}
    folder = tmp_path / "data" / "warehouse"
    there = {str(path) for path in folder.rglob("*.parquet") if "proj_v_online" in str(path)}
    assert there == named
