"""The compute engine: what `feast materialize` runs.

    batch_engine:
      type: frazil.feast.IcebergComputeEngine

A view whose source and online table are both ours is materialized in C: the offline table is
scanned, the latest row of each key is taken, and one commit writes them; no row passes through
Python. Everything else, such as views with transformations, goes to Feast's local engine, and a log
line says why.
"""

from __future__ import annotations

import logging
from typing import Any, Literal, Optional

from feast.feature_view import DUMMY_ENTITY_ID
from feast.infra.common.materialization_job import MaterializationJobStatus, MaterializationTask
from feast.infra.compute_engines.local.compute import LocalComputeEngine
from feast.infra.compute_engines.local.job import LocalMaterializationJob
from feast.infra.registry.base_registry import BaseRegistry
from feast.repo_config import FeastConfigBaseModel, RepoConfig

from frazil import Table, UnsupportedError
from frazil.feast import progress
from frazil.feast.offline import (
    IcebergOfflineStore,
    IcebergOfflineStoreConfig,
    opened_table,
    reverse_mapping,
)
from frazil.feast.online import IcebergOnlineStore
from frazil.feast.pins import OpenedTable
from frazil.feast.source import FrazilSource
from frazil.feast.time_window import column_type

_log = logging.getLogger("frazil.feast")

# Columns of these Iceberg types become Feast values of these types as they are. What Feast
# converts on the way, such as UUIDs to texts or sets without duplicates, is left to Feast.
_PLAIN = {
    "BOOL": {"boolean"},
    "INT32": {"int"},
    "INT64": {"int", "long"},
    "FLOAT": {"float"},
    "DOUBLE": {"float", "double"},
    "STRING": {"string"},
    "BYTES": {"binary"},
    "UNIX_TIMESTAMP": {"timestamp", "timestamptz", "timestamp_ns", "timestamptz_ns"},
}
_TAKEN = {
    **_PLAIN,
    "JSON": {"string"},
    **{f"{name}_LIST": {f"list<{each}>" for each in types} for name, types in _PLAIN.items()},
}
_TAKEN_KEYS = {
    name: _PLAIN[name] for name in ("INT32", "INT64", "STRING", "BYTES", "UNIX_TIMESTAMP")
}


class IcebergComputeEngineConfig(FeastConfigBaseModel):
    """Materialization in C, from Iceberg tables into Iceberg tables."""

    type: Literal[
        "frazil.feast.IcebergComputeEngine", "frazil.feast.compute_engine.IcebergComputeEngine"
    ] = "frazil.feast.IcebergComputeEngine"
    """ Compute engine type selector. """

    backend: Optional[Literal["pandas", "polars"]] = None
    """ What Feast's local engine computes with, where it is needed. """


class _Columns:
    """Where a view's values lie in its source's table."""

    def __init__(self, view: Any, source: FrazilSource) -> None:
        reverse = reverse_mapping(source)
        stamp, created = source.timestamp_field, source.created_timestamp_column
        self.timestamp = reverse.get(stamp, stamp)
        self.created = reverse.get(created, created) or None
        self.join_keys = {
            field.name: reverse.get(field.name, field.name)
            for field in view.entity_columns
            if field.name != DUMMY_ENTITY_ID
        }
        self.features = {field.name: reverse.get(field.name, field.name) for field in view.features}

    def all(self) -> list[str]:
        times = [self.timestamp, *([self.created] if self.created else [])]
        return [*self.join_keys.values(), *times, *self.features.values()]


def _view_needs_feast(view: Any) -> str | None:
    """Why a view's rows are not its source's; None: they are."""
    if not view.online:
        return "online is False"
    if getattr(view, "offline", False):
        return "offline is True"
    for name, what in (
        ("feature_transformation", "a transformation"),
        ("aggregations", "aggregations"),
        ("filter", "a filter"),
        ("source_views", "other views as its source"),
        ("enable_validation", "validation"),
    ):
        if getattr(view, name, None):
            return f"it has {what}"
    if any(field.vector_index for field in view.features):
        return "the lengths of indexed vectors are checked"
    return None


def _stores_need_feast(
    config: RepoConfig, offline_store: Any, online_store: Any, source: Any
) -> str | None:
    """Why one side is not ours to read or write; None: both are."""
    if not isinstance(offline_store, IcebergOfflineStore):
        return f"the offline store is {type(offline_store).__name__}"
    if not isinstance(online_store, IcebergOnlineStore):
        return f"the online store is {type(online_store).__name__}"
    if not isinstance(source, FrazilSource):
        return f"the source is {type(source).__name__}"
    if config.offline_store.engine == "spark":
        return "the offline store's engine is spark"
    if config.entity_key_serialization_version != 3:
        return f"entity_key_serialization_version is {config.entity_key_serialization_version}"
    return None


def _columns_need_feast(view: Any, columns: _Columns, table: Table) -> str | None:
    """Why a column's values need a conversion; None: none does."""
    names = columns.all()
    if len(set(names)) < len(names):
        return "two of its fields are one column"
    for name in (columns.timestamp, columns.created):
        if name is not None and column_type(table, name) not in _PLAIN["UNIX_TIMESTAMP"]:
            return f"column {name!r} is {column_type(table, name)}, not a timestamp"
    for taken, fields, where in (
        (_TAKEN_KEYS, view.entity_columns, columns.join_keys),
        (_TAKEN, view.features, columns.features),
    ):
        for field in fields:
            if field.name not in where:
                continue
            feast_type = field.dtype.to_value_type().name
            kind = column_type(table, where[field.name])
            if kind not in taken.get(feast_type, ()):
                return f"Feast makes {feast_type} {field.name!r} of a column of {kind}"
    return None


class IcebergComputeEngine(LocalComputeEngine):
    """Materializes in C where it can, and with Feast's local engine elsewhere."""

    def __init__(self, backend: Optional[str] = None, **kwargs: Any) -> None:
        super().__init__(backend=backend, **kwargs)

    def _materialize_one(
        self, registry: BaseRegistry, task: MaterializationTask, **kwargs: Any
    ) -> LocalMaterializationJob:
        name = task.feature_view.name
        try:
            reason = self._materialize_native(task)
        except Exception as error:
            return LocalMaterializationJob(
                job_id=f"{name}-{task.start_time}-{task.end_time}",
                status=MaterializationJobStatus.ERROR,
                error=error,
            )
        if reason is not None:
            _log.info("feature view %r: Feast's local engine materializes it: %s", name, reason)
            return super()._materialize_one(registry, task, **kwargs)
        return LocalMaterializationJob(
            job_id=f"{name}-{task.start_time}-{task.end_time}",
            status=MaterializationJobStatus.SUCCEEDED,
        )

    def _materialize_native(self, task: MaterializationTask) -> str | None:
        """None where the rows are committed; else why Feast must do it, and nothing was written."""
        view, config = task.feature_view, self.repo_config
        source = view.batch_source
        reason = _view_needs_feast(view) or _stores_need_feast(
            config, self.offline_store, self.online_store, source
        )
        if reason is not None:
            return reason
        assert isinstance(source, FrazilSource)
        assert isinstance(config.offline_store, IcebergOfflineStoreConfig)
        pulled = opened_table(config, config.offline_store, source)
        columns = _Columns(view, source)
        reason = _columns_need_feast(view, columns, pulled.load())
        if reason is not None:
            return reason
        try:
            self._write(task, columns, pulled)
        except UnsupportedError as error:
            return str(error)
        return None

    def _write(self, task: MaterializationTask, columns: _Columns, pulled: OpenedTable) -> None:
        view, store = task.feature_view, self.online_store
        assert isinstance(store, IcebergOnlineStore)
        with progress.materializing(view.name) as tell:
            result = store.materialize(
                self.repo_config,
                view,
                pulled.load(),
                columns.timestamp,
                created_timestamp_column=columns.created,
                start=task.start_time,
                end=task.end_time,
                join_keys=columns.join_keys,
                features=columns.features,
                progress=tell,
                **pulled.pin,
            )
        _log.info("feature view %r: %d keys are materialized", view.name, result.rows)
