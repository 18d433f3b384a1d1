"""The tables of the online store: partitions, properties, features that change, life and death."""

import asyncio
import logging
import threading

import pyarrow as pa
import pytest
from feast import FeatureService
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.types import Bytes, Float32, Float64, Int32, Int64, String
from feast_repo import T0, driver_rows
from online_support import DRIVER, HOUR, Online, key, row, view

import frazil
from frazil.feast import online_table, open_tables

NAME = "feast.proj_v_online"


def transforms(repo):
    return [field.transform for field in repo.catalog.load_table(NAME).spec().fields]


def cached(repo):
    """Names of the folders of lookup indexes."""
    folder = repo.folder / "data" / "frazil-lookup"
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


def indexed(online):
    """A table that has an index in its cache folder."""
    asyncio.run(online.store.initialize(online.config))
    return online


def test_properties_of_a_new_table(repo):
    Online(repo, view())
    properties = repo.catalog.load_table(NAME).properties
    assert properties["write.parquet.bloom-filter-enabled.column.entity_key"] == "true"
    assert properties["write.metadata.delete-after-commit.enabled"] == "true"


def test_apply_gives_older_tables_the_properties(repo):
    online = Online(repo, view())
    table = repo.catalog.load_table(NAME)
    names = [name for name in table.properties if name.startswith("write.")]
    table.remove_properties(*names)
    online.store.update(online.config, [], [online.view], [], [], False)
    assert set(names) <= set(repo.catalog.load_table(NAME).properties)


@pytest.mark.parametrize(
    "before, after, expected",
    [
        (("entity_hash", 4), ("entity_hash", 8), ["bucket[8]"]),
        (("entity_hash", 4), ("hybrid", 4), ["bucket[4]", "day"]),
        (("hybrid", 4), ("timestamp", 4), ["hour"]),
        (("timestamp", 4), ("entity_hash", 2), ["bucket[2]"]),
        (("hybrid", 4), ("hybrid", 2), ["day", "bucket[2]"]),
    ],
)
def test_apply_changes_the_partitions(repo, before, after, expected):
    settings = repo.store.config.online_store
    settings.partition_strategy, settings.partition_count = before
    online = Online(repo, view())
    online.write(*[row(i, i, T0 + i * HOUR) for i in range(20)])
    settings.partition_strategy, settings.partition_count = after
    for _ in range(2):
        online.store.update(online.config, [], [online.view], [], [], False)
        assert transforms(repo) == expected
    online.write(*[row(i, 100 + i, T0 + (30 + i) * HOUR) for i in range(0, 20, 2)])
    wanted = [i if i % 2 else 100 + i for i in range(20)]
    for lookup in ("index", "direct"):
        settings.lookup = lookup
        assert online.x(*range(20)) == wanted
    with frazil.open_online(repo.load_catalog(), NAME, compact_automatically=False) as table:
        table.compact(all=True)
    settings.max_staleness_ms = 0
    assert online.x(*range(20)) == wanted


def test_features_that_come_and_go_under_an_open_handle(repo):
    online = indexed(Online(repo, view(features=(("x", Int64), ("f", Float32)))))
    online.write((key(1), {"x": Value(int64_val=1), "f": Value(float_val=0.5)}, T0, None))
    online.view = view(features=(("f", Float64), ("n", String)))
    online.store.update(online.config, [], [online.view], [], [], False)
    (_, values), = online.read(key(1))
    assert values == {"f": Value(double_val=0.5), "n": Value()}
    online.write((key(1), {"f": Value(double_val=0.1), "n": Value(string_val="a")}, T0, None))
    (_, values), = online.read(key(1))
    assert values == {"f": Value(double_val=0.1), "n": Value(string_val="a")}


def test_a_writer_with_new_features_needs_no_apply(repo):
    online = Online(repo, view())
    online.write(row(1, 1))
    online.view = view(features=(("x", Int64), ("y", Int32)))
    online.write((key(2), {"x": Value(int64_val=2), "y": Value(int32_val=3)}, T0, None))
    (_, first), (_, second) = online.read(key(1), key(2))
    assert first == {"x": Value(int64_val=1), "y": Value()}
    assert second["y"].int32_val == 3


def test_a_feature_that_the_table_lacks_is_not_found(repo, caplog):
    online = Online(repo, view(features=(("x", Int64), ("later", Int64))))
    online.write(row(1, 1))
    table = repo.load_catalog().load_table(NAME)
    with table.update_schema() as update:
        update.delete_column("later")
    online.config.online_store.max_staleness_ms = 0
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            (_, values), = online.read(key(1), features=["later", "x"])
            assert values == {"x": Value(int64_val=1)}
    assert caplog.text.count("no features ['later']: run feast apply") == 1
    (_, values), = online.read(key(1), features=["later"])
    assert values == {}


def test_others_new_features_are_found_at_once(repo):
    """A reader whose table is older than its view looks again, whatever its staleness."""
    online = Online(repo, view())
    online.write(row(1, 1))
    online.config.online_store.max_staleness_ms = 3_600_000
    assert online.x(1) == [1]
    wider = view(features=(("x", Int64), ("y", Int64)))
    partitioning = online_table.Partitioning("entity_hash", 16)
    online_table.evolve(repo.load_catalog().load_table(NAME), wider, "proj", partitioning)
    online.view = wider
    (_, values), = online.read(key(1))
    assert values == {"x": Value(int64_val=1), "y": Value()}


def test_indexes_lie_under_the_repo_and_go_with_their_table(repo):
    online = indexed(Online(repo, view()))
    uuid = repo.catalog.load_table(NAME).uuid
    assert cached(repo) == {str(uuid)}
    online.store.update(online.config, [online.view], [], [], [], False)
    assert cached(repo) == set()
    online.store.update(online.config, [], [online.view], [], [], False)
    indexed(online)
    assert len(cached(repo)) == 1
    online.store.teardown(online.config, [online.view], [])
    assert cached(repo) == set()


def test_cache_dir(make_repo, tmp_path):
    repo = make_repo(online={"cache_dir": "elsewhere/lookup"})
    indexed(Online(repo, view()))
    assert cached(repo) == set()
    uuid = repo.catalog.load_table(NAME).uuid
    assert [path.name for path in (tmp_path / "elsewhere" / "lookup").iterdir()] == [str(uuid)]
    assert (tmp_path / "elsewhere" / "lookup").stat().st_mode & 0o777 == 0o700


def files_of(repo, name):
    folder = repo.folder / "data" / "warehouse"
    return [path for path in folder.rglob("*") if path.is_file() and name in str(path)]


def test_teardown_purges_files_and_leaves_offline_tables(repo, caplog):
    source = repo.source("d", driver_rows(), created_timestamp_column="created")
    # A table with the name of an online one, which is none.
    rows = pa.table({"a": [1]})
    repo.table("proj_w_online", rows)
    online = Online(repo, view(features=(("trips", Int64),), source=source))
    online.write((key(1), {"trips": Value(int64_val=1)}, T0, None))
    assert files_of(repo, "proj_v_online")
    with caplog.at_level(logging.WARNING):
        online.store.teardown(online.config, [online.view, view("w")], [])
    assert "'feast.proj_w_online' is no online table of project 'proj'" in caplog.text
    assert not files_of(repo, "proj_v_online") and not repo.catalog.table_exists(NAME)
    assert repo.catalog.load_table("feast.d").scan().count() == 36
    assert repo.catalog.load_table("feast.proj_w_online").scan().to_arrow() == rows


def test_teardown_leaves_other_projects(repo):
    """One project's name may begin with another's."""
    online = Online(repo, view())
    online.write(row(1, 1))
    online.store.write_precomputed_vector(online.config, "svc", "proj", key(1), b"blob")
    online.config.project = "proj_v"
    online.store.update(online.config, [], [view("w")], [], [], False)
    online.config.project = "proj"
    online.store.teardown(online.config, [], [])
    names = [name[-1] for name in repo.catalog.list_tables("feast")]
    assert names == ["proj_v_w_online"]


def test_precomputed_vectors_of_many_keys(repo):
    online = Online(repo, view())
    synthetic = view("__precomputed__svc", (("vector", Bytes),), entities=())
    keys = [key(i) for i in range(50)]
    online.view = synthetic
    online.write(*[(k, {"vector": Value(bytes_val=b"%d" % i)}, T0, None) for i, k in enumerate(keys)])
    read = online.store.read_precomputed_vectors(online.config, "svc", "proj", [*keys, key(99)])
    assert read == [*(b"%d" % i for i in range(50)), None]


def test_precomputed_vectors_through_feast(repo):
    from feast.protos.feast.core.PrecomputedFeatureVector_pb2 import PrecomputedFeatureVector

    source = repo.source("d", driver_rows(hours=1), created_timestamp_column="created")
    stats = view("stats", (("trips", Int64), ("conv_rate", Float64)), source=source)
    service = FeatureService(name="svc", features=[stats], precompute_online=True)
    repo.store.apply([DRIVER, stats, service])
    online_store = repo.store._get_provider().online_store
    vector = PrecomputedFeatureVector(
        feature_names=["stats__trips", "stats__conv_rate"],
        values=[Value(int64_val=7), Value(double_val=0.5)],
    )
    online_store.write_precomputed_vector(
        repo.store.config, "svc", "proj", key(1), vector.SerializeToString()
    )
    service = repo.store.get_feature_service("svc")
    out = repo.store.get_online_features(
        service, [{"driver_id": 1}, {"driver_id": 1}], full_feature_names=True
    ).to_dict()
    assert out["stats__trips"] == [7, 7] and out["stats__conv_rate"] == [0.5, 0.5]
    with pytest.raises(RuntimeError, match="precompute"):
        repo.store.get_online_features(service, [{"driver_id": 5}])


def test_plan_lists_nothing_and_changes_nothing(repo):
    source = repo.source("d", driver_rows(hours=1), created_timestamp_column="created")
    stats = view("stats", (("trips", Int64),), source=source)
    repo.store.apply([DRIVER, stats])
    before = repo.catalog.load_table("feast.proj_stats_online").metadata_location
    store = repo.store._get_provider().online_store
    assert store.plan(repo.store.config, repo.store.registry.proto()) == []
    assert repo.catalog.load_table("feast.proj_stats_online").metadata_location == before


def test_initialize_builds_indexes_and_close_ends_handles(repo):
    online = Online(repo, view())
    online.write(row(1, 1))
    other = Online(repo, view("w"))
    asyncio.run(online.store.close())
    before = threading.active_count()
    indexed(online)
    handles = [online.store._opened(online.config, each) for each in (online.view, other.view)]
    assert all(handle.stats()["is_ready"] and handle.is_fresh() for handle in handles)
    assert online.x(1) == [1]
    assert handles[0].stats()["reads_direct"] == 0
    asyncio.run(online.store.close())
    assert open_tables._tables.get((id(online.store._catalog(online.config)), NAME)) is None
    assert online.x(1) == [1]  # opened again
    assert threading.active_count() <= before + 1


def test_initialize_without_tables(repo):
    store = repo.store._get_provider().online_store
    asyncio.run(store.initialize(repo.store.config))
    repo.catalog.drop_namespace("feast")
    asyncio.run(store.initialize(repo.store.config))


def test_initialize_goes_on_past_a_broken_table(repo, caplog):
    online = Online(repo, view())
    Online(repo, view("w")).write(row(1, 1))
    for path in files_of(repo, "proj_w_online"):
        if path.suffix == ".avro":
            path.write_bytes(b"none")
    asyncio.run(online.store.close())
    with caplog.at_level(logging.WARNING):
        indexed(online)
    assert "'feast.proj_w_online'" in caplog.text
    assert online.x(1) == [None]


def test_versioned_views(repo):
    """fv@v1 is read from its own table, beside the current version."""
    repo.store.config.registry.enable_online_feature_view_versioning = True
    repo.config.registry.enable_online_feature_view_versioning = True
    source = repo.source("d", driver_rows(hours=2), created_timestamp_column="created")
    first = view("stats", (("trips", Int64),), source=source)
    repo.store.apply([DRIVER, first])
    repo.store.materialize(T0, T0 + 3 * HOUR)
    second = view("stats", (("trips", Int64), ("conv_rate", Float64)), source=source)
    repo.store.apply([DRIVER, second])
    repo.store.materialize(T0, T0 + 3 * HOUR)
    tables = sorted(name[-1] for name in repo.catalog.list_tables("feast"))
    assert len([name for name in tables if name.startswith("proj_stats")]) == 2, tables
    ask = [{"driver_id": 1}]
    new = repo.store.get_online_features(["stats:conv_rate"], ask).to_dict()
    assert new["conv_rate"] == [pytest.approx(1.01)]
    old = repo.store.get_online_features(["stats@v0:trips"], ask).to_dict()
    assert [each for name, each in old.items() if "trips" in name] == [[101]]


def test_keys_of_a_view_without_join_keys_are_bucketed(repo):
    online = Online(repo, view(entities=()))
    dummy = EntityKey(join_keys=["__dummy_id"], entity_values=[Value(string_val="")])
    online.write((dummy, {"x": Value(int64_val=3)}, T0, None))
    assert transforms(repo) == ["bucket[16]"]
    online.config.online_store.lookup = "direct"
    (_, values), = online.read(dummy)
    assert values["x"].int64_val == 3
