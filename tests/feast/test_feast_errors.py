"""What a user who makes a mistake is told: the thing, its value, what to do; never a secret."""

from datetime import datetime, timedelta

import pandas as pd
import pyarrow as pa
import pytest
from feast import Entity, FeatureStore, FeatureView, Field
from feast.errors import DataSourceNotFoundException
from feast.repo_config import FeastConfigError
from feast.types import Int64
from feast.value_type import ValueType
from feast_repo import T0, Repo, driver_rows

import frazil
from frazil.feast import FrazilSource

DRIVER = Entity(name="driver", join_keys=["driver_id"], value_type=ValueType.INT64)

YAML = """
project: proj
provider: local
registry: registry.db
entity_key_serialization_version: 3
offline_store:
  type: frazil.feast.IcebergOfflineStore
{offline}
online_store:
  type: frazil.feast.IcebergOnlineStore
{online}
"""


def stats(source, feature="trips"):
    return FeatureView(
        name="stats",
        entities=[DRIVER],
        ttl=timedelta(days=1),
        schema=[Field(name=feature, dtype=Int64)],
        source=source,
    )


def applied(repo, feature="trips"):
    repo.store.apply([DRIVER, stats(repo.source("d", driver_rows()), feature)])
    return repo.store


def asked(store, frame, feature="stats:trips"):
    return store.get_historical_features(entity_df=frame, features=[feature]).to_df()


@pytest.mark.parametrize(
    "offline, online, words",
    [
        ("  warehose: x", "", ["warehose", "did you mean warehouse?"]),
        ("", "  read_timeout: 5", ["read_timeout", "did you mean read_timeout_ms?"]),
        ("  zzzz: 1", "", ["zzzz", "known:", "catalog_type"]),
        ("  engine: nativ", "", ["engine", "'native'", "nativ"]),
        ("  catalog_type: sqlite", "", ["catalog_type", "'sql'"]),
        ("", "  partition_count: 0", ["partition_count", "greater than or equal to 1"]),
        ("  memory_limit_mb: -5", "", ["memory_limit_mb", "-5"]),
        ("  as_of: yesterday", "", ["as_of", "yesterday", "2024-01-31"]),
    ],
)
def test_mistakes_in_the_configuration(tmp_path, offline, online, words):
    (tmp_path / "feature_store.yaml").write_text(YAML.format(offline=offline, online=online))
    with pytest.raises(FeastConfigError) as caught:
        FeatureStore(repo_path=str(tmp_path))
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    "lines",
    [
        "  storage_options: hunter2",
        "  storage_optons: {token: hunter2}",
        "  s3.secret-access-key: hunter2",
        "  uri: [postgresql://me:hunter2@host/db]",
    ],
)
def test_mistakes_do_not_print_secrets(tmp_path, lines):
    (tmp_path / "feature_store.yaml").write_text(YAML.format(offline=lines, online=""))
    with pytest.raises(FeastConfigError) as caught:
        FeatureStore(repo_path=str(tmp_path))
    assert "hunter2" not in str(caught.value)


def test_a_hive_uri_of_another_form_is_not_printed(tmp_path):
    options = {"catalog_type": "hive", "uri": "http://me:hunter2@localhost:1"}
    view = stats(FrazilSource(table="d", timestamp_field="event_timestamp"))
    with pytest.raises(frazil.InvalidError, match="thrift://host:port") as caught:
        Repo(tmp_path, offline=options).store.apply([DRIVER, view])
    assert "hunter" not in str(caught.value)


@pytest.mark.parametrize(
    "columns, words",
    [
        ({"driver_id": ["1"]}, ["'driver_id' (string)", "convert one of them"]),
        ({"event_timestamp": ["noon"]}, ["'event_timestamp'", "noon"]),
        ({"event_timestamp": [5]}, ["'event_timestamp'", "int64"]),
    ],
)
def test_entity_rows_that_do_not_fit(repo, columns, words):
    store = applied(repo)
    frame = pd.DataFrame({"driver_id": [1], "event_timestamp": [T0], **columns})
    with pytest.raises(ValueError) as caught:
        asked(store, frame)
    for word in words:
        assert word in str(caught.value)


def test_uuid_keys_that_are_none(repo):
    rows = pa.table(
        {"driver_id": pa.array([b"0" * 16], pa.uuid()), "event_timestamp": [T0], "trips": [1]}
    )
    table = repo.catalog.create_table("feast.u", rows.schema)
    table.append(rows)
    entity = Entity(name="driver", join_keys=["driver_id"], value_type=ValueType.STRING)
    view = stats(FrazilSource(table="u", timestamp_field="event_timestamp"))
    view.entities = ["driver"]
    repo.store.apply([entity, view])
    with pytest.raises(ValueError, match="'driver_id' does not hold UUIDs"):
        asked(repo.store, pd.DataFrame({"driver_id": ["one"], "event_timestamp": [T0]}))


def test_one_key_in_two_types(repo):
    rows = driver_rows(drivers=(1, 2), hours=1)
    text = rows.assign(driver_id=rows.driver_id.astype(str))
    views = [stats(repo.source("a", rows)), stats(repo.source("b", text))]
    views[1].name = "texts"
    views[1].projection.name = "texts"
    views[1].entity_columns = views[0].entity_columns
    repo.store.apply([DRIVER, *views])
    with pytest.raises(ValueError, match="view 'texts'.*'driver_id as string' .int64."):
        repo.store.get_historical_features(
            entity_df=pd.DataFrame({"driver_id": [1], "event_timestamp": [T0]}),
            features=["stats:trips", "texts:trips"],
            full_feature_names=True,
        ).to_df()


def test_a_feature_that_the_table_lacks(make_repo):
    store = applied(make_repo(online="sqlite"), feature="tripz")  # ours would refuse to apply it
    with pytest.raises(frazil.InvalidError, match="'feast.d' has no column 'tripz'.*'trips'"):
        store.materialize(T0, T0 + timedelta(days=1))
    frame = pd.DataFrame({"driver_id": [1], "event_timestamp": [T0]})
    with pytest.raises(frazil.InvalidError, match="'tripz'.*trips"):
        asked(store, frame, "stats:tripz")


def test_a_data_file_that_is_gone_is_not_a_missing_snapshot(repo):
    store = applied(repo)
    for file in (repo.folder / "data/warehouse/feast/d/data").rglob("*.parquet"):
        file.unlink()
    with pytest.raises(frazil.NotFoundError, match="parquet") as caught:
        asked(store, pd.DataFrame({"driver_id": [1], "event_timestamp": [T0]}))
    assert not isinstance(caught.value, frazil.NoSuchSnapshotError)


def test_a_data_file_that_is_cut_off(repo):
    store = applied(repo)
    for file in (repo.folder / "data/warehouse/feast/d/data").rglob("*.parquet"):
        file.write_bytes(file.read_bytes()[:50])
    with pytest.raises(frazil.CorruptError, match="'stats'.*parquet.*50 bytes"):
        asked(store, pd.DataFrame({"driver_id": [1], "event_timestamp": [T0]}))


def test_sources_at_a_time_that_is_none():
    with pytest.raises(ValueError, match="as_of 'yesterday' is not a time"):
        FrazilSource(table="d", as_of="yesterday")


def test_a_time_before_every_snapshot_is_refused(repo):
    applied(repo)
    table = repo.catalog.load_table("feast.d")
    for moment in (datetime(1970, 1, 1), datetime(1960, 1, 1)):
        with pytest.raises(frazil.NoSuchSnapshotError):
            table.scan(as_of=moment).to_arrow()


def test_columns_changed_by_another_process_are_read_anew(make_repo):
    """A changed schema is no new snapshot: what was read before must be forgotten with it."""
    repo = make_repo(online={"max_staleness_ms": 0})
    store = applied(repo)
    store.materialize(T0, T0 + timedelta(days=1))
    ask = {"features": ["stats:trips"], "entity_rows": [{"driver_id": 1}]}
    assert store.get_online_features(**ask).to_dict()["trips"] == [111]
    other = repo.catalog.load_table("feast.proj_stats_online")
    with other.update_schema() as update:
        update.delete_column("trips")
    assert store.get_online_features(**ask).to_dict()["trips"] == [None]


def test_a_source_without_a_table_names_its_namespace(repo):
    source = FrazilSource(table="nothing", timestamp_field="event_timestamp")
    with pytest.raises(DataSourceNotFoundException, match="'feast.nothing'"):
        source.validate(repo.config)


def test_a_catalog_in_a_missing_folder_says_what_to_do(tmp_path):
    uri = f"sqlite:///{tmp_path}/none/x.db"
    with pytest.raises(frazil.StorageError, match="none/x.db.*folder must be there"):
        frazil.load_catalog("default", uri=uri, warehouse=str(tmp_path))
