"""FrazilSource and its relatives: registry round trips, validation, types, configuration."""

from datetime import datetime, timezone

import pandas as pd
import pyarrow as pa
import pytest
from feast_repo import T0, driver_rows
from feast.credentials import ConnectionRef
from feast.data_source import DataSource
from feast.errors import DataSourceNotFoundException
from feast.feature_logging import LoggingConfig
from feast.infra.offline_stores.offline_utils import get_offline_store_from_config
from feast.infra.online_stores.helpers import get_online_store_from_config
from feast.protos.feast.core.DataSource_pb2 import DataSource as DataSourceProto
from feast.saved_dataset import SavedDatasetStorage
from feast.value_type import ValueType

from frazil.feast import (
    FrazilLoggingDestination,
    FrazilSource,
    IcebergOfflineStore,
    IcebergOfflineStoreConfig,
    IcebergOnlineStore,
    SavedDatasetFrazilStorage,
)
from frazil.feast.feast_types import value_type_of
from frazil.feast.settings import catalog_properties


def full_source(**more):
    return FrazilSource(
        name="s",
        table="demo.t",
        timestamp_field="ts",
        created_timestamp_column="created",
        field_mapping={"a": "b"},
        description="d",
        tags={"k": "v"},
        owner="me",
        date_partition_column="day",
        timestamp_field_type="TIMESTAMP",
        **more,
    )


@pytest.mark.parametrize(
    "pin",
    [{}, {"snapshot_id": 7}, {"tag": "v1"}, {"as_of": datetime(2024, 1, 1)}],
    ids=["none", "snapshot", "tag", "time"],
)
def test_registry_round_trip(pin):
    source = full_source(**pin)
    proto = source.to_proto()
    assert proto.type == DataSourceProto.CUSTOM_SOURCE
    assert proto.data_source_class_type == "frazil.feast.FrazilSource"
    back = DataSource.from_proto(DataSourceProto.FromString(proto.SerializeToString()))
    assert isinstance(back, FrazilSource)
    assert back == source and hash(back) == hash(source)
    for name in (
        "name table timestamp_field created_timestamp_column field_mapping description tags owner "
        "date_partition_column timestamp_field_type"
    ).split():
        assert getattr(back, name) == getattr(source, name)
    assert back.pin() == source.pin()


def test_connection_ref_survives():
    ref = ConnectionRef(provider="env", name="X")
    back = DataSource.from_proto(full_source(connection_ref=ref).to_proto())
    assert back.connection_ref == ref


def test_names():
    assert FrazilSource(table="a.b").name == "a.b"
    assert FrazilSource(table_identifier="a.b").table == "a.b"
    assert FrazilSource(name="a.b").table == "a.b"
    with pytest.raises(Exception):
        FrazilSource()
    with pytest.raises(ValueError):
        FrazilSource(table="a.b", table_identifier="a.c")
    with pytest.raises(ValueError):
        FrazilSource(table="a.b", tag="x", snapshot_id=1)
    assert FrazilSource(table="a.b") != FrazilSource(table="a.b", tag="x")
    assert FrazilSource(table="a.b", as_of="2024-01-01").as_of.tzinfo is timezone.utc


def test_saved_dataset_storage_round_trip():
    storage = SavedDatasetFrazilStorage(table="a.b")
    back = SavedDatasetStorage.from_proto(storage.to_proto())
    assert isinstance(back, SavedDatasetFrazilStorage) and back.table == "a.b"
    assert back.to_data_source().table == "a.b"


def test_logging_destination_round_trip():
    config = LoggingConfig(destination=FrazilLoggingDestination(table="a.b"), sample_rate=0.5)
    back = LoggingConfig.from_proto(config.to_proto())
    assert isinstance(back.destination, FrazilLoggingDestination)
    assert back.destination.table == "a.b" and back.sample_rate == 0.5


def test_validation(repo):
    source = repo.source("d", driver_rows(), created_timestamp_column="created")
    source.validate(repo.store.config)
    repo.store._get_provider().validate_data_source(repo.store.config, source)
    with pytest.raises(DataSourceNotFoundException):
        FrazilSource(table="feast.nope", timestamp_field="ts").validate(repo.store.config)
    with pytest.raises(ValueError, match="nope"):
        FrazilSource(table="d", timestamp_field="nope").validate(repo.store.config)


def test_column_names_and_types(repo):
    repo.table("d", driver_rows())
    source = FrazilSource(table="d", timestamp_field="event_timestamp")
    types = dict(
        repo.store._get_provider().get_table_column_names_and_types_from_data_source(
            repo.store.config, source
        )
    )
    assert types == {
        "driver_id": "long",
        "event_timestamp": "timestamptz",
        "created": "timestamptz",
        "conv_rate": "double",
        "trips": "long",
    }


@pytest.mark.parametrize(
    "text, expected",
    [
        ("boolean", ValueType.BOOL),
        ("int", ValueType.INT32),
        ("long", ValueType.INT64),
        ("float", ValueType.FLOAT),
        ("double", ValueType.DOUBLE),
        ("string", ValueType.STRING),
        ("binary", ValueType.BYTES),
        ("fixed[16]", ValueType.BYTES),
        ("uuid", ValueType.UUID),
        ("decimal(9, 2)", ValueType.DECIMAL),
        ("date", ValueType.UNIX_TIMESTAMP),
        ("timestamp", ValueType.UNIX_TIMESTAMP),
        ("timestamptz", ValueType.UNIX_TIMESTAMP),
        ("list<long>", ValueType.INT64_LIST),
        ("list<string>", ValueType.STRING_LIST),
        ("list<timestamptz>", ValueType.UNIX_TIMESTAMP_LIST),
        ("list<list<int>>", ValueType.VALUE_LIST),
        ("list<map<string, string>>", ValueType.MAP_LIST),
        ("list<struct<1: a: optional int>>", ValueType.STRUCT_LIST),
        ("map<string, long>", ValueType.MAP),
        ("struct<1: a: optional int>", ValueType.STRUCT),
    ],
)
def test_types(text, expected):
    assert value_type_of(text) == expected
    assert FrazilSource.source_datatype_to_feast_value_type()(text) == expected


def test_unknown_types_are_named():
    with pytest.raises(ValueError, match="variant"):
        value_type_of("variant")


def test_stores_are_found_from_their_configuration(repo):
    assert isinstance(
        get_offline_store_from_config(repo.store.config.offline_store), IcebergOfflineStore
    )
    assert isinstance(
        get_online_store_from_config(repo.store.config.online_store), IcebergOnlineStore
    )


def test_embedded_default(tmp_path):
    made = catalog_properties(IcebergOfflineStoreConfig(), tmp_path)
    assert made["type"] == "sql"
    assert made["uri"] == f"sqlite:///{tmp_path}/data/frazil.db"
    assert made["warehouse"] == f"{tmp_path}/data/warehouse"


@pytest.mark.parametrize(
    "uri, expected",
    [
        ("sqlite:///data/c.db", "sqlite:///{repo}/data/c.db"),
        ("sqlite:////abs/c.db", "sqlite:////abs/c.db"),
        ("sqlite+pysqlite:///c.db", "sqlite:///{repo}/c.db"),
        ("c.db", "sqlite:///{repo}/c.db"),
        ("postgresql+psycopg2://u@h/db", "postgresql+psycopg2://u@h/db"),
    ],
)
def test_uris_start_at_the_repo(tmp_path, uri, expected, monkeypatch):
    from pathlib import Path

    monkeypatch.setattr(Path, "mkdir", lambda *a, **k: None)
    made = catalog_properties(IcebergOfflineStoreConfig(uri=uri, warehouse="wh"), tmp_path)
    assert made["uri"] == expected.format(repo=tmp_path)
    assert made["warehouse"] == f"{tmp_path}/wh"


def test_other_catalogs_keep_their_uris(tmp_path):
    made = catalog_properties(
        IcebergOfflineStoreConfig(
            catalog_type="rest",
            uri="http://h:8181",
            warehouse="wh",
            storage_options={"s3.endpoint": "http://s3", "s3.path-style-access": True},
        ),
        tmp_path,
    )
    assert made == {
        "type": "rest",
        "uri": "http://h:8181",
        "warehouse": "wh",
        "s3.endpoint": "http://s3",
        "s3.path-style-access": "true",
    }
    assert catalog_properties(IcebergOfflineStoreConfig(catalog_type="none"), tmp_path) == {
        "type": "static"
    }


def test_secrets_are_not_printed():
    config = IcebergOfflineStoreConfig(
        uri="postgresql://u:hunter2@h/db", storage_options={"s3.secret-access-key": "hunter3"}
    )
    for text in (repr(config), str(config), f"{config}"):
        assert "hunter" not in text


def test_unknown_keys_are_refused():
    with pytest.raises(Exception):
        IcebergOfflineStoreConfig(no_such_key=1)


def test_inference_from_the_table(repo):
    from feast import Entity, FeatureView

    rows = pa.Table.from_pandas(driver_rows(), preserve_index=False)
    source = repo.source("d", rows)
    entity = Entity(name="driver", join_keys=["driver_id"], value_type=ValueType.INT64)
    repo.store.apply([entity, FeatureView(name="v", entities=[entity], source=source)])
    fields = {f.name: f.dtype for f in repo.store.get_feature_view("v").features}
    assert {"conv_rate", "trips"} <= set(fields)
    assert isinstance(T0, datetime) and isinstance(driver_rows(), pd.DataFrame)
