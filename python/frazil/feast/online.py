"""The online store: the latest feature values of each entity, in one Iceberg table a view.

Any engine can query these tables; see online_table.py for their columns. Reads go through a lookup
index that follows the table's commits, and writes are commits that writers share: both are done in
C, by the handles of open_tables.py. See docs/online-store.md.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Dict, List, Literal, NamedTuple, Optional, TypeVar, Union

from feast import Entity, utils
from feast.batch_feature_view import BatchFeatureView
from feast.feature_view import FeatureView
from feast.infra.infra_object import InfraObject
from feast.infra.online_stores.helpers import compute_table_id
from feast.infra.online_stores.online_store import OnlineStore
from feast.infra.supported_async_methods import SupportedAsyncMethods
from feast.protos.feast.core.Registry_pb2 import Registry as RegistryProto
from feast.protos.feast.types.EntityKey_pb2 import EntityKey as EntityKeyProto
from feast.protos.feast.types.Value_pb2 import Value as ValueProto
from feast.repo_config import RepoConfig
from feast.stream_feature_view import StreamFeatureView
from pydantic import Field, StrictStr

from frazil import (
    Catalog,
    FrazilError,
    InvalidError,
    NoSuchTableError,
    NotFoundError,
    OnlineTable,
    Table,
)
from frazil.feast import online_table, open_tables
from frazil.feast.online_rows import ReadRow, WriteRow, key_messages, read_rows, write_table
from frazil.feast.online_table import Layout, Partitioning
from frazil.feast.settings import FrazilStoreConfig, open_catalog, repo_folder
from frazil.feast.source import check_view
from frazil.online import OnlineWriteResult

_DEFAULT_CACHE_DIR = "data/frazil-lookup"

_Read = TypeVar("_Read")
_log = logging.getLogger(__name__)


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
    """ index reads through a lookup index; direct reads the table's files every time. """

    cache_dir: Optional[StrictStr] = None
    """ Folder of lookup indexes, which processes share; data/frazil-lookup under the repo. """

    key_ttl_seconds: Optional[int] = Field(default=None, ge=1)
    """ Rows whose event time is older than this read as absent, and compaction drops them. """

    compact_automatically: bool = True
    """ Join files behind writes; if not, `frazil online compact` does when it is called. """

    min_snapshot_age_ms: int = Field(default=60000, ge=0)
    """ Compaction expires snapshots older than this: longer than any reader works on one. """

    commit_timeout_ms: int = Field(default=60000, ge=0)
    """ How long a write goes on when other processes commit first. """


def _settings(config: RepoConfig) -> IcebergOnlineStoreConfig:
    settings = config.online_store
    if not isinstance(settings, IcebergOnlineStoreConfig):
        raise ValueError(f"IcebergOnlineStore is configured as {getattr(settings, 'type', settings)!r}")
    return settings


def _versioned(config: RepoConfig) -> bool:
    return bool(getattr(config.registry, "enable_online_feature_view_versioning", False))


def _cache_dir(config: RepoConfig, settings: IcebergOnlineStoreConfig) -> str:
    return str(repo_folder(config) / (settings.cache_dir or _DEFAULT_CACHE_DIR))


def _options(config: RepoConfig, settings: IcebergOnlineStoreConfig) -> open_tables.Options:
    return open_tables.Options(
        settings.lookup,
        _cache_dir(config, settings),
        settings.max_staleness_ms,
        settings.read_timeout_ms,
        settings.key_ttl_seconds,
        settings.commit_timeout_ms,
        settings.compact_automatically,
        settings.min_snapshot_age_ms,
    )


class _Known(NamedTuple):
    """The handle that a store used last for a view, and what it was found by."""

    settings: IcebergOnlineStoreConfig
    generation: int
    table: OnlineTable


class IcebergOnlineStore(OnlineStore):
    """The latest feature values in Iceberg tables."""

    def __init__(self) -> None:
        self._known: dict[tuple[Any, ...], _Known] = {}
        self._used: set[tuple[Catalog, str]] = set()
        self._lacking: set[tuple[str, frozenset[str], int]] = set()

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
        """The handle of a view's table, opened on first use in this process."""
        settings = _settings(config)
        # Whatever may change under a store that goes on; the table is looked for only then.
        key = (
            config.project,
            view.name,
            getattr(view.projection, "version_tag", None),
            getattr(view, "current_version_number", None),
            settings.lookup,
            settings.cache_dir,
            settings.max_staleness_ms,
            settings.read_timeout_ms,
            settings.key_ttl_seconds,
        )
        known = self._known.get(key)
        if (
            known is not None
            and known.settings is settings
            and known.generation == open_tables.generation()
        ):
            return known.table
        now = open_tables.generation()
        try:
            table = self._open(config, self.table_identifier(config, view))
        except NoSuchTableError as error:
            raise NoSuchTableError(
                f"feature view {view.name!r} has no online table yet: run feast apply ({error})"
            ) from error
        self._known[key] = _Known(settings, now, table)
        return table

    def _open(self, config: RepoConfig, identifier: str) -> OnlineTable:
        catalog = self._catalog(config)
        table = open_tables.opened(catalog, identifier, _options(config, _settings(config)))
        self._used.add((catalog, identifier))
        return table

    def _forget(self, config: RepoConfig, view: Any) -> None:
        open_tables.forget(self._catalog(config), self.table_identifier(config, view))

    @staticmethod
    def _partitioning(config: RepoConfig) -> Partitioning:
        settings = _settings(config)
        return Partitioning(settings.partition_strategy, settings.partition_count)

    def _created(self, config: RepoConfig, view: Any) -> OnlineTable:
        """The table of a view, made where it is missing."""
        try:
            return self._opened(config, view)
        except NotFoundError:
            pass
        identifier = self.table_identifier(config, view)
        try:
            online_table.create(
                self._catalog(config), identifier, view, config.project, self._partitioning(config)
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
        """The table of a view, with the view's features and the configured partitions."""
        catalog, identifier = self._catalog(config), self.table_identifier(config, view)
        try:
            table = catalog.load_table(identifier)
        except NotFoundError:
            return self._created(config, view)
        if not online_table.evolve(table, view, config.project, self._partitioning(config)):
            self._drop(config, identifier)
        self._forget(config, view)
        return self._created(config, view)

    def _drop(self, config: RepoConfig, identifier: str) -> None:
        catalog = self._catalog(config)
        open_tables.forget(catalog, identifier)
        uuid = online_table.drop(catalog, identifier, config.project)
        if uuid is not None:
            folder = Path(_cache_dir(config, _settings(config)), uuid)
            shutil.rmtree(folder, ignore_errors=True)

    # -- writing --

    def online_write_batch(
        self,
        config: RepoConfig,
        table: FeatureView,
        data: List[WriteRow],
        progress: Optional[Callable[[int], Any]],
    ) -> None:
        if not data:
            return
        try:
            self._write(config, table, data)
        except NotFoundError:
            # Dropped by another process since it was opened here.
            self._forget(config, table)
            self._write(config, table, data)
        if progress:
            progress(len(data))

    def _write(self, config: RepoConfig, view: FeatureView, data: List[WriteRow]) -> None:
        opened = self._for_writing(config, view)
        try:
            opened.write(write_table(Layout.of_open(opened.layout), data))
        except InvalidError:
            # Another process may have changed the columns.
            if not opened.refresh():
                raise
            opened.write(write_table(Layout.of_open(opened.layout), data))
        self._written(config, view)

    def materialize(
        self, config: RepoConfig, view: Any, source: Table, timestamp_field: str, **options: Any
    ) -> OnlineWriteResult:
        """Write the latest row of each key of an offline table; see OnlineTable.materialize()."""
        try:
            opened = self._for_writing(config, view)
            result = opened.materialize(source, timestamp_field, **options)
        except NotFoundError:
            # Dropped by another process since it was opened here.
            self._forget(config, view)
            opened = self._for_writing(config, view)
            result = opened.materialize(source, timestamp_field, **options)
        self._written(config, view)
        return result

    def _for_writing(self, config: RepoConfig, view: Any) -> OnlineTable:
        """The table of a view, made or changed where it lacks features of the view."""
        opened = self._created(config, view)
        known = {feature.name for feature in opened.layout.features}
        if {feature.name for feature in view.features} <= known:
            return opened
        return self._followed(config, view)

    def _written(self, config: RepoConfig, view: Any) -> None:
        open_tables.written(
            self._catalog(config),
            self.table_identifier(config, view),
            _options(config, _settings(config)),
        )

    async def online_write_batch_async(
        self,
        config: RepoConfig,
        table: FeatureView,
        data: List[WriteRow],
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
    ) -> List[ReadRow]:
        if not entity_keys:
            return []
        names = requested_features or [feature.name for feature in table.features]
        messages = key_messages(entity_keys)

        def read(opened: OnlineTable) -> List[ReadRow]:
            return read_rows(names, *opened.read_messages(messages, names))

        try:
            return self._read(config, table, read)
        except InvalidError:
            names = self._present(config, table, names)
            return self._read(config, table, read)

    def _read(self, config: RepoConfig, view: Any, read: Callable[[OnlineTable], _Read]) -> _Read:
        """Read with the view's handle; once more where another process dropped the table, and
        perhaps made it again, since it was opened here."""
        try:
            return read(self._opened(config, view))
        except NotFoundError:
            self._forget(config, view)
            return read(self._opened(config, view))

    def _present(self, config: RepoConfig, view: Any, names: List[str]) -> List[str]:
        """What of these features the table has, after a read that was refused. One that it lacks
        reads as not found, as in a store that was written before the feature was added; where that
        was not the reason, the refusal is raised."""
        opened = self._opened(config, view)
        missing = set(names) - {feature.name for feature in opened.layout.features}
        if not missing:
            raise
        lacking = (view.name, frozenset(missing), open_tables.generation())
        if lacking not in self._lacking:
            # Once; afterwards the table is looked at in time.
            self._lacking.add(lacking)
            opened.refresh()
            missing -= {feature.name for feature in opened.layout.features}
            if missing:
                _log.warning(
                    "the online table of feature view %r has no features %s: run feast apply",
                    view.name,
                    sorted(missing),
                )
        return [name for name in names if name not in missing]

    def _is_fresh(self, config: RepoConfig, views: Sequence[Any]) -> bool:
        """Would reads of these views be answered without waiting?"""
        try:
            return all(self._opened(config, view).is_fresh() for view in views)
        except FrazilError:
            return False

    async def online_read_async(
        self,
        config: RepoConfig,
        table: FeatureView,
        entity_keys: List[EntityKeyProto],
        requested_features: Optional[List[str]] = None,
    ) -> List[ReadRow]:
        if self._is_fresh(config, [table]):
            return self.online_read(config, table, entity_keys, requested_features)
        return await asyncio.to_thread(
            self.online_read, config, table, entity_keys, requested_features
        )

    def _read_features_per_fv(
        self,
        config: RepoConfig,
        grouped_refs: List[Any],
        join_key_values: Dict[str, List[ValueProto]],
        entity_name_to_join_key_map: Dict[str, str],
        online_features_response: Any,
        full_feature_names: bool,
        include_feature_view_version_metadata: bool,
    ) -> None:
        """Several views at once: each gives its part of the response, made in C."""
        for view, names in grouped_refs:
            values = utils._get_table_entity_values(
                view, entity_name_to_join_key_map, join_key_values
            )
            if not values or not all(values.values()):
                # What is missing is Feast's to say.
                utils._get_unique_entities(view, join_key_values, entity_name_to_join_key_map)
            messages = {name: list(map(_serialize_value, each)) for name, each in values.items()}

            def read(opened: OnlineTable) -> bytes:
                return opened.read_vectors(messages, names)

            try:
                results = self._read(config, view, read)
            except InvalidError:
                self._present(config, view, names)
                super()._read_features_per_fv(
                    config,
                    [(view, names)],
                    join_key_values,
                    entity_name_to_join_key_map,
                    online_features_response,
                    full_feature_names,
                    include_feature_view_version_metadata,
                )
                continue
            _describe_results(
                online_features_response,
                view,
                names,
                full_feature_names,
                include_feature_view_version_metadata,
            )
            online_features_response.MergeFromString(results)

    async def _read_features_per_fv_async(
        self,
        config: RepoConfig,
        grouped_refs: List[Any],
        join_key_values: Dict[str, List[ValueProto]],
        entity_name_to_join_key_map: Dict[str, str],
        online_features_response: Any,
        full_feature_names: bool,
        include_feature_view_version_metadata: bool,
    ) -> None:
        call = (
            config,
            grouped_refs,
            join_key_values,
            entity_name_to_join_key_map,
            online_features_response,
            full_feature_names,
            include_feature_view_version_metadata,
        )
        if self._is_fresh(config, [view for view, _ in grouped_refs]):
            self._read_features_per_fv(*call)
        else:
            await asyncio.to_thread(self._read_features_per_fv, *call)

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
            self._drop(config, self.table_identifier(config, view))

    def plan(
        self, config: RepoConfig, desired_registry_proto: RegistryProto
    ) -> List[InfraObject]:
        """Nothing to list: update() compares the views with the catalog itself."""
        return []

    def teardown(
        self, config: RepoConfig, tables: Sequence[FeatureView], entities: Sequence[Entity]
    ) -> None:
        for view in tables:
            self._drop(config, self.table_identifier(config, view))
        # Tables of precomputed vectors and of older versions, which Feast does not name.
        for identifier in self._project_tables(config):
            self._drop(config, identifier)

    def _project_tables(self, config: RepoConfig) -> List[str]:
        """Identifiers of the project's online tables."""
        catalog, namespace = self._catalog(config), _settings(config).namespace
        prefix = f"{config.project}_".replace(".", "_")
        try:
            names = [name[-1] for name in catalog.list_tables(namespace)]
        except NotFoundError:
            return []
        found = []
        for name in names:
            identifier = f"{namespace}.{name}"
            if not name.startswith(prefix) or not name.endswith("_online"):
                continue
            # Another project's name may begin with this one's.
            if online_table.is_of_project(catalog.load_table(identifier), config.project):
                found.append(identifier)
        return found

    async def initialize(self, config: RepoConfig) -> None:
        """Open the project's tables and have their indexes built, before the first read."""
        await asyncio.to_thread(self._prepare, config)

    def _prepare(self, config: RepoConfig) -> None:
        if _settings(config).lookup != "index":
            return
        for identifier in self._project_tables(config):
            try:
                self._open(config, identifier).prepare()
            except FrazilError as error:
                # Its reads go directly, and say what is wrong.
                _log.warning("index of table %r: %s", identifier, error)

    async def close(self) -> None:
        """End the handles of this store's tables, with their threads. Another store of this process
        opens its own again."""
        self._known.clear()
        self._lacking.clear()
        used, self._used = self._used, set()
        for catalog, identifier in used:
            open_tables.forget(catalog, identifier)


_serialize_value = ValueProto.SerializeToString


def _describe_results(
    response: Any, view: Any, names: List[str], full_feature_names: bool, with_version: bool
) -> None:
    """The metadata of a view's part of a response, as Feast writes it."""
    prefix = f"{view.projection.name_to_use()}__" if full_feature_names else ""
    response.metadata.feature_names.val.extend([prefix + name for name in names])
    if not with_version:
        return
    name = view.projection.name_alias or view.projection.name
    if name not in [each.name for each in response.metadata.feature_view_metadata]:
        metadata = response.metadata.feature_view_metadata.add()
        metadata.name = name
        metadata.version = getattr(view, "current_version_number", 0) or 0
