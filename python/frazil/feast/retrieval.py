"""Retrieval jobs: what an offline store's methods return, run when their rows are asked for."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import List, Optional

import pandas as pd
import pyarrow as pa
from feast.errors import SavedDatasetLocationAlreadyExists
from feast.infra.offline_stores.offline_store import RetrievalJob, RetrievalMetadata
from feast.on_demand_feature_view import OnDemandFeatureView
from feast.repo_config import RepoConfig
from feast.saved_dataset import SavedDatasetStorage

from frazil import NotFoundError
from frazil.feast.feast_types import conform_table
from frazil.feast.settings import create_table, full_name, open_catalog, repo_folder
from frazil.feast.source import SavedDatasetFrazilStorage, store_settings

_ROWS_PER_FILE = 1_000_000


class IcebergRetrievalJob(RetrievalJob):
    """Rows that a function makes when asked. Results are one chunk a column: Feast's
    materialization reads the first batch of a table only."""

    def __init__(
        self,
        config: RepoConfig,
        run: Callable[[], pa.Table],
        sql: Callable[[], str],
        full_feature_names: bool = False,
        on_demand_feature_views: Optional[List[OnDemandFeatureView]] = None,
        metadata: Optional[RetrievalMetadata] = None,
    ):
        self._config = config
        self._run = run
        self._sql = sql
        self._full_feature_names = full_feature_names
        self._on_demand_feature_views = on_demand_feature_views or []
        self._metadata = metadata

    @property
    def full_feature_names(self) -> bool:
        return self._full_feature_names

    @property
    def on_demand_feature_views(self) -> List[OnDemandFeatureView]:
        return self._on_demand_feature_views

    @property
    def metadata(self) -> Optional[RetrievalMetadata]:
        return self._metadata

    def _to_arrow_internal(self, timeout: Optional[int] = None) -> pa.Table:
        return self._run().combine_chunks()

    def _to_df_internal(self, timeout: Optional[int] = None) -> pd.DataFrame:
        return self._to_arrow_internal(timeout).to_pandas()

    def to_sql(self) -> str:
        """The same rows as a DuckDB query. Tables go by their names; the entity rows are a table
        named entity_df."""
        return self._sql()

    def persist(
        self,
        storage: SavedDatasetStorage,
        allow_overwrite: bool = False,
        timeout: Optional[int] = None,
    ) -> None:
        if not isinstance(storage, SavedDatasetFrazilStorage):
            raise ValueError(
                f"{type(self).__name__} persists to SavedDatasetFrazilStorage, "
                f"not {type(storage).__name__}"
            )
        settings = store_settings(self._config)
        catalog = open_catalog(settings, repo_folder(self._config))
        identifier = full_name(settings, storage.table)
        try:
            table = catalog.load_table(identifier)
        except NotFoundError:
            table = None
        if table is not None and not allow_overwrite:
            raise SavedDatasetLocationAlreadyExists(location=storage.table)
        rows = self.to_arrow(timeout=timeout)
        if table is not None:
            old = pa.schema(table.arrow_schema())
            if old.names == rows.schema.names and _fits(rows, old):
                table.overwrite(conform_table(rows, old), truncate_nanoseconds=True)
                return
            catalog.drop_table(identifier)
        table = create_table(catalog, identifier, storable_schema(rows.schema))
        target = pa.schema(table.arrow_schema())
        table.append(conform_table(rows, target), truncate_nanoseconds=True)


    def supports_remote_storage_export(self) -> bool:
        return bool(getattr(self._config.offline_store, "staging_location", None))

    def to_remote_storage(self) -> List[str]:
        """Parquet files of the rows, in a new folder under staging_location."""
        import pyarrow.fs
        import pyarrow.parquet

        staging = getattr(self._config.offline_store, "staging_location", None)
        if not staging:
            raise ValueError("to_remote_storage() needs offline_store.staging_location")
        location = staging if "://" in staging else str(repo_folder(self._config) / staging)
        location = f"{location.rstrip('/')}/{uuid.uuid4().hex}"
        rows = self.to_arrow()
        if "://" in location:
            filesystem, folder = pyarrow.fs.FileSystem.from_uri(location)
        else:
            filesystem, folder = pyarrow.fs.LocalFileSystem(), location
        filesystem.create_dir(folder, recursive=True)
        paths = []
        for number, first in enumerate(range(0, max(rows.num_rows, 1), _ROWS_PER_FILE)):
            name = f"part-{number:05}.parquet"
            part = rows.slice(first, _ROWS_PER_FILE)
            pyarrow.parquet.write_table(part, f"{folder}/{name}", filesystem=filesystem)
            paths.append(f"{location}/{name}")
        return paths


def _fits(rows: pa.Table, schema: pa.Schema) -> bool:
    try:
        conform_table(rows, schema)
    except ValueError:
        return False
    return True


def storable_type(kind: pa.DataType) -> pa.DataType:
    """The nearest type that Iceberg has."""
    if pa.types.is_dictionary(kind):
        return storable_type(kind.value_type)
    if pa.types.is_null(kind):
        return pa.string()
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us", kind.tz)
    if pa.types.is_int8(kind) or pa.types.is_int16(kind):
        return pa.int32()
    if pa.types.is_uint8(kind) or pa.types.is_uint16(kind):
        return pa.int32()
    if pa.types.is_uint32(kind) or pa.types.is_uint64(kind):
        return pa.int64()
    if pa.types.is_float16(kind):
        return pa.float32()
    if pa.types.is_date64(kind):
        return pa.date32()
    if pa.types.is_large_string(kind):
        return pa.string()
    if pa.types.is_large_binary(kind):
        return pa.binary()
    if pa.types.is_map(kind):
        return pa.map_(storable_type(kind.key_type), storable_type(kind.item_type))
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return pa.list_(storable_type(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([_storable_field(kind.field(i)) for i in range(kind.num_fields)])
    return kind


def _storable_field(field: pa.Field) -> pa.Field:
    return pa.field(field.name, storable_type(field.type), field.nullable)


def storable_schema(schema: pa.Schema) -> pa.Schema:
    """The schema of a table that can hold rows of another schema; every column optional."""
    return pa.schema([pa.field(field.name, storable_type(field.type)) for field in schema])


