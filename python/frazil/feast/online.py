"""The online store: the latest feature values of each entity, in one Iceberg table a view.

Any engine can query these tables; see online_table.py for their columns. A write is one commit; a
read prunes by partition and file bounds, and keeps what it read until the table moves on.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as _FutureTimeout
from datetime import datetime, timedelta, timezone
from typing import Any, Dict, List, Literal, Optional, Tuple, Union

from feast import Entity
from feast.batch_feature_view import BatchFeatureView
from feast.feature_view import FeatureView
from feast.infra.infra_object import InfraObject
from feast.infra.key_encoding_utils import serialize_entity_key
from feast.infra.online_stores.helpers import compute_table_id
from feast.infra.online_stores.online_store import OnlineStore
from feast.infra.supported_async_methods import SupportedAsyncMethods
from feast.protos.feast.core.Registry_pb2 import Registry as RegistryProto
from feast.protos.feast.types.EntityKey_pb2 import EntityKey as EntityKeyProto
from feast.protos.feast.types.Value_pb2 import Value as ValueProto
from feast.repo_config import RepoConfig
from feast.stream_feature_view import StreamFeatureView
from pydantic import Field, StrictStr

from frazil import Catalog, NoSuchTableError, NotFoundError, TimeoutError
from frazil.feast import online_table
from frazil.feast.online_table import OnlineTable, Partitioning
from frazil.feast.settings import FrazilStoreConfig, open_catalog, repo_folder
from frazil.feast.source import check_view

_Rows = List[Tuple[EntityKeyProto, Dict[str, ValueProto], datetime, Optional[datetime]]]


class IcebergOnlineStoreConfig(FrazilStoreConfig):
    """Online store in Iceberg tables."""

    type: Literal["frazil.feast.IcebergOnlineStore", "frazil.feast.online.IcebergOnlineStore"] = (
        "frazil.feast.IcebergOnlineStore"
    )
    """ Online store type selector. """

    partition_strategy: Literal["entity_hash", "timestamp", "hybrid"] = "entity_hash"
    """ How tables are partitioned: buckets of the key, hours of event time, or buckets and days. """

    partition_count: int = Field(default=16, ge=1, le=65536)
    """ Number of buckets. """

    read_timeout_ms: int = Field(default=100, ge=0)
    """ Bound of a read, the opening of its table left out; 0: none. """

    max_staleness_ms: int = Field(default=1000, ge=0)
    """ How late other processes' writes may be seen; 0 asks the catalog on every read. """

    lookup: Literal["index", "direct"] = "index"
    """ index keeps what was read until the table moves on; direct reads files every time. """

    cache_dir: Optional[StrictStr] = None
    """ Folder of lookup indexes. """

    key_ttl_seconds: Optional[int] = None
    """ Rows whose event time is older than this read as absent. """


_open_lock = threading.Lock()
_open_tables: dict[tuple[int, str], OnlineTable] = {}
_readers: ThreadPoolExecutor | None = None


def _pool() -> ThreadPoolExecutor:
    global _readers
    with _open_lock:
        if _readers is None:
            _readers = ThreadPoolExecutor(max_workers=16, thread_name_prefix="frazil-read")
        return _readers


def _after_fork_in_child() -> None:
    global _open_lock, _readers
    _open_lock = threading.Lock()
    _readers = None
    _open_tables.clear()


os.register_at_fork(after_in_child=_after_fork_in_child)


def _settings(config: RepoConfig) -> IcebergOnlineStoreConfig:
    settings = config.online_store
    if not isinstance(settings, IcebergOnlineStoreConfig):
        raise ValueError(f"IcebergOnlineStore is configured as {getattr(settings, 'type', settings)!r}")
    return settings


def _versioned(config: RepoConfig) -> bool:
    return bool(getattr(config.registry, "enable_online_feature_view_versioning", False))


class IcebergOnlineStore(OnlineStore):
    """The latest feature values in Iceberg tables."""

    @property
    def async_supported(self) -> SupportedAsyncMethods:
        return SupportedAsyncMethods(read=True, write=True)

    def _is_versioned_read_supported(self) -> bool:
        return True

    # -- tables --

    @staticmethod
    def table_identifier(config: RepoConfig, view: Any) -> str:
        """The table of a view."""
        name = compute_table_id(config.project, view, _versioned(config)).replace(".", "_")
        return f"{_settings(config).namespace}.{name}_online"

    @staticmethod
    def _catalog(config: RepoConfig) -> Catalog:
        return open_catalog(_settings(config), repo_folder(config))

    def _opened(self, config: RepoConfig, view: Any) -> OnlineTable:
        """The table of a view, loaded on first use in this process."""
        catalog = self._catalog(config)
        identifier = self.table_identifier(config, view)
        key = (id(catalog), identifier)
        found = _open_tables.get(key)
        if found is not None:
            return found
        loaded = OnlineTable(catalog, catalog.load_table(identifier))
        with _open_lock:
            return _open_tables.setdefault(key, loaded)

    def _forget(self, config: RepoConfig, view: Any) -> None:
        key = (id(self._catalog(config)), self.table_identifier(config, view))
        with _open_lock:
            _open_tables.pop(key, None)

    def _created(self, config: RepoConfig, view: Any) -> OnlineTable:
        """The table of a view, made where it is missing."""
        try:
            return self._opened(config, view)
        except NotFoundError:
            pass
        settings = _settings(config)
        partitioning = Partitioning(settings.partition_strategy, settings.partition_count)
        try:
            online_table.create(
                self._catalog(config),
                self.table_identifier(config, view),
                view,
                config.project,
                partitioning,
            )
        except Exception:
            # Another process may have made it meanwhile.
            try:
                return self._opened(config, view)
            except NotFoundError:
                pass
            raise
        return self._opened(config, view)

    def _followed(self, config: RepoConfig, view: Any) -> OnlineTable:
        """The table of a view, with the view's features."""
        table = self._created(config, view)
        if not table.evolve(view, config.project):
            self._drop(config, view)
            table = self._created(config, view)
        return table

    def _drop(self, config: RepoConfig, view: Any) -> None:
        self._forget(config, view)
        try:
            self._catalog(config).drop_table(self.table_identifier(config, view), purge=True)
        except NotFoundError:
            pass

    # -- writing --

    def online_write_batch(
        self,
        config: RepoConfig,
        table: FeatureView,
        data: _Rows,
        progress: Optional[Callable[[int], Any]],
    ) -> None:
        if not data:
            return
        opened = self._created(config, table)
        known = {feature.name for feature in opened.layout.features}
        if not {feature.name for feature in table.features} <= known:
            opened = self._followed(config, table)
        rows = opened.rows_of(data, config.entity_key_serialization_version)
        try:
            opened.write(rows)
        except NotFoundError:
            # Dropped by another process since it was opened here.
            self._forget(config, table)
            opened = self._created(config, table)
            opened.write(opened.rows_of(data, config.entity_key_serialization_version))
        if progress:
            progress(len(data))

    async def online_write_batch_async(
        self,
        config: RepoConfig,
        table: FeatureView,
        data: _Rows,
        progress: Optional[Callable[[int], Any]],
    ) -> None:
        await asyncio.to_thread(self.online_write_batch, config, table, data, progress)

    # -- reading --

    def online_read(
        self,
        config: RepoConfig,
        table: FeatureView,
        entity_keys: List[EntityKeyProto],
        requested_features: Optional[List[str]] = None,
    ) -> List[Tuple[Optional[datetime], Optional[Dict[str, ValueProto]]]]:
        if not entity_keys:
            return []
        settings = _settings(config)
        version = config.entity_key_serialization_version
        names = [
            serialize_entity_key(key, entity_key_serialization_version=version)
            for key in entity_keys
        ]
        try:
            rows = self._read(config, table, entity_keys, names)
        except NotFoundError:
            # Dropped, and perhaps made again, by another process since it was opened here.
            self._forget(config, table)
            rows = self._read(config, table, entity_keys, names)
        return _results(names, rows, requested_features, settings.key_ttl_seconds)

    def _read(
        self,
        config: RepoConfig,
        view: FeatureView,
        keys: List[EntityKeyProto],
        names: list[bytes],
    ) -> dict[bytes, Any]:
        settings = _settings(config)
        try:
            opened = self._opened(config, view)
        except NoSuchTableError as error:
            raise NoSuchTableError(
                f"feature view {view.name!r} has no online table yet: run feast apply ({error})"
            ) from error

        def read() -> dict[bytes, Any]:
            opened.look(settings.max_staleness_ms)
            return opened.read(keys, names, settings.lookup == "index")

        return self._bounded(read, settings.read_timeout_ms, view.name, len(names))

    @staticmethod
    def _bounded(
        read: Callable[[], dict[bytes, Any]], timeout_ms: int, view: str, n_keys: int
    ) -> dict[bytes, Any]:
        if timeout_ms == 0:
            return read()
        future = _pool().submit(read)
        try:
            return future.result(timeout_ms / 1000)
        except _FutureTimeout as error:
            if future.done() and future.exception() is error:
                raise
            raise TimeoutError(
                f"online read of {n_keys} keys of feature view {view!r} passed "
                f"read_timeout_ms {timeout_ms}"
            ) from None

    async def online_read_async(
        self,
        config: RepoConfig,
        table: FeatureView,
        entity_keys: List[EntityKeyProto],
        requested_features: Optional[List[str]] = None,
    ) -> List[Tuple[Optional[datetime], Optional[Dict[str, ValueProto]]]]:
        return await asyncio.to_thread(
            self.online_read, config, table, entity_keys, requested_features
        )

    # -- infrastructure --

    def update(
        self,
        config: RepoConfig,
        tables_to_delete: Sequence[FeatureView],
        tables_to_keep: Sequence[Union[BatchFeatureView, StreamFeatureView, FeatureView]],
        entities_to_delete: Sequence[Entity],
        entities_to_keep: Sequence[Entity],
        partial: bool,
    ) -> None:
        for view in tables_to_keep:
            check_view(config, view)
            self._followed(config, view)
        for view in tables_to_delete:
            self._drop(config, view)

    def plan(
        self, config: RepoConfig, desired_registry_proto: RegistryProto
    ) -> List[InfraObject]:
        """Nothing to list: update() compares the views with the catalog itself."""
        return []

    def teardown(
        self, config: RepoConfig, tables: Sequence[FeatureView], entities: Sequence[Entity]
    ) -> None:
        for view in tables:
            self._drop(config, view)

    async def initialize(self, config: RepoConfig) -> None:
        """Open the catalog, so that the first read does not."""
        await asyncio.to_thread(self._catalog, config)

    async def close(self) -> None:
        """Nothing is held that another store of this process might not use."""


def _results(
    names: list[bytes],
    rows: dict[bytes, tuple[datetime, dict[str, ValueProto]] | None],
    requested: list[str] | None,
    key_ttl_seconds: int | None,
) -> List[Tuple[Optional[datetime], Optional[Dict[str, ValueProto]]]]:
    oldest = None
    if key_ttl_seconds is not None:
        oldest = datetime.now(timezone.utc) - timedelta(seconds=key_ttl_seconds)
    results: List[Tuple[Optional[datetime], Optional[Dict[str, ValueProto]]]] = []
    for name in names:
        row = rows.get(name)
        if row is None or (oldest is not None and row[0] < oldest):
            results.append((None, None))
            continue
        moment, values = row
        if requested is not None:
            values = {feature: values[feature] for feature in requested if feature in values}
        else:
            values = dict(values)
        results.append((moment, values))
    return results
