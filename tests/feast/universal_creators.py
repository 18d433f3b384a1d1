"""Our stores for Feast's universal test suite, and a pytest plugin that lets all of it run.

The suite is part of Feast's repository, not of its packages; `make feast-universal` runs it from a
copy named by FEAST_TESTS. It selects some tests by the key that an online store has in
AVAILABLE_ONLINE_STORES: FRAZIL_ONLINE_KEY=sqlite runs the type tests, FRAZIL_ONLINE_KEY=redis
those of TTL, event order and cleanup.
"""

import os
import shutil
import tempfile
import uuid
from typing import Dict, Optional

import pandas as pd
import pyarrow as pa
import pytest
from feast.data_source import DataSource
from feast.feature_logging import LoggingDestination
from feast.repo_config import FeastConfigBaseModel
from feast.saved_dataset import SavedDatasetStorage
from tests.universal.feature_repos.universal.data_source_creator import DataSourceCreator

import frazil
from frazil.feast import (
    FrazilLoggingDestination,
    FrazilSource,
    IcebergOfflineStoreConfig,
    SavedDatasetFrazilStorage,
)
from frazil.feast.feast_types import conform_table
from frazil.feast.retrieval import storable_schema


def _rows(frame: pd.DataFrame) -> pa.Table:
    """A frame of the suite: columns of datetimes with several zones become UTC."""
    frame = frame.copy()
    for name in frame.columns:
        values = frame[name]
        if values.dtype == object:
            sample = values.dropna()
            if len(sample) and isinstance(sample.iloc[0], pd.Timestamp):
                frame[name] = pd.to_datetime(values, utc=True)
    return pa.Table.from_pandas(frame, preserve_index=False)


class FrazilDataSourceCreator(DataSourceCreator):
    def __init__(self, project_name: str, *args, **kwargs):
        super().__init__(project_name)
        self.folder = tempfile.mkdtemp(prefix="frazil-universal-")
        self.namespace = project_name.replace(".", "_")
        self.config = IcebergOfflineStoreConfig(
            uri=f"sqlite:///{self.folder}/catalog.db",
            warehouse=f"{self.folder}/warehouse",
            namespace=self.namespace,
        )
        self.catalog = frazil.load_catalog(
            self.config.catalog_name, uri=self.config.uri, warehouse=self.config.warehouse
        )
        self.catalog.create_namespace(self.namespace)

    def create_data_source(
        self,
        df: pd.DataFrame,
        destination_name: str,
        created_timestamp_column="created_ts",
        field_mapping: Optional[Dict[str, str]] = None,
        timestamp_field: Optional[str] = "ts",
    ) -> DataSource:
        name = self.get_prefixed_table_name(destination_name)
        rows = _rows(df)
        table = self.catalog.create_table(name, storable_schema(rows.schema))
        table.append(
            conform_table(rows, pa.schema(table.arrow_schema())), truncate_nanoseconds=True
        )
        return FrazilSource(
            table=name,
            timestamp_field=timestamp_field,
            created_timestamp_column=created_timestamp_column,
            field_mapping=field_mapping or {"ts_1": "ts"},
        )

    def get_prefixed_table_name(self, suffix: str) -> str:
        return f"{self.namespace}.{suffix}"

    def create_offline_store_config(self) -> FeastConfigBaseModel:
        return self.config

    def create_saved_dataset_destination(self) -> SavedDatasetStorage:
        return SavedDatasetFrazilStorage(
            table=self.get_prefixed_table_name(f"saved_{uuid.uuid4().hex[:8]}")
        )

    def create_logged_features_destination(self) -> LoggingDestination:
        return FrazilLoggingDestination(
            table=self.get_prefixed_table_name(f"logs_{uuid.uuid4().hex[:8]}")
        )

    def teardown(self):
        shutil.rmtree(self.folder, ignore_errors=True)


AVAILABLE_OFFLINE_STORES = [("local", FrazilDataSourceCreator)]

AVAILABLE_ONLINE_STORES = {
    os.environ.get("FRAZIL_ONLINE_KEY", "frazil"): (
        # The suite runs on machines under load: its reads are checked for what they return.
        {"type": "frazil.feast.IcebergOnlineStore", "read_timeout_ms": 20000},
        None,
    )
}


@pytest.fixture(autouse=True)
def _not_only_local(monkeypatch):
    """Two tests return at once where this says True, as it must while modules are imported."""
    monkeypatch.setenv("FEAST_IS_LOCAL_TEST", "False")
