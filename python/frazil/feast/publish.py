"""Feature services for the feature server, which reads no Feast registry.

`publish()` writes what `frazil serve` cannot learn from the online tables into the catalog: feature
services with their projections, aliases and join-key maps, entities' names, and of each view the
names of its time columns and its push source. It is one table property, written in one commit; see
docs/design/feature-server.md.
"""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
from feast import FeatureStore
from feast.data_source import PushSource
from feast.feature_view import DUMMY_ENTITY_NAME
from feast.infra.online_stores.helpers import compute_versioned_name

from frazil import AlreadyExistsError, NoSuchTableError, Table
from frazil.feast.online import IcebergOnlineStoreConfig
from frazil.feast.settings import create_table, open_catalog, repo_folder

REGISTRY_PROPERTY = "frazil.feast.registry"
_VERSION = 1


def publish(store: FeatureStore) -> str:
    """Write the store's feature services into its online store's catalog, for `frazil serve`.

    Call it after each `feast apply`. What was published before is replaced; servers that run take it
    in within seconds.

    Returns the name of the table that holds it.
    """
    config = store.config
    settings = config.online_store
    if not isinstance(settings, IcebergOnlineStoreConfig):
        raise ValueError(
            f"online_store.type is {getattr(settings, 'type', settings)!r}, "
            "not 'frazil.feast.IcebergOnlineStore'"
        )
    text = json.dumps(registry_of(store), sort_keys=True)
    name = f"{config.project}_feast_registry".replace(".", "_")
    identifier = f"{settings.namespace}.{name}"
    table = _table(open_catalog(settings, repo_folder(config)), identifier)
    if table.properties.get(REGISTRY_PROPERTY) != text:
        table.set_properties({REGISTRY_PROPERTY: text})
    return identifier


def _table(catalog: Any, identifier: str) -> Table:
    try:
        return catalog.load_table(identifier)
    except NoSuchTableError:
        pass
    try:
        # It has no rows: a table is what every catalog can hold properties of.
        return create_table(catalog, identifier, pa.schema([pa.field("name", pa.string())]))
    except AlreadyExistsError:
        return catalog.load_table(identifier)


def registry_of(store: FeatureStore) -> dict[str, Any]:
    """What is published, as the JSON's objects."""
    views = {
        view.name: view
        for view in [*store.list_batch_feature_views(), *store.list_stream_feature_views()]
    }
    on_demand = {view.name for view in store.list_on_demand_feature_views()}
    versioned = bool(
        getattr(store.config.registry, "enable_online_feature_view_versioning", False)
    )
    return {
        "version": _VERSION,
        "project": store.config.project,
        "entities": {
            entity.name: {"join_key": entity.join_key}
            for entity in store.list_entities()
            if entity.name != DUMMY_ENTITY_NAME
        },
        "views": {name: _view(view, versioned) for name, view in views.items()},
        "services": {
            service.name: _service(service, views, on_demand)
            for service in store.list_feature_services()
        },
    }


def _view(view: Any, versioned: bool) -> dict[str, Any]:
    batch = getattr(view, "batch_source", None)
    stream = getattr(view, "stream_source", None)
    described: dict[str, Any] = {
        "timestamp_field": getattr(batch, "timestamp_field", None) or None,
        "created_timestamp_column": getattr(batch, "created_timestamp_column", None) or None,
        "push_source": stream.name if isinstance(stream, PushSource) else None,
        "version": getattr(view, "current_version_number", None) or None,
        "table_version": _table_version(view) if versioned else None,
    }
    return {key: value for key, value in described.items() if value is not None}


def _table_version(view: Any) -> int | None:
    """The version in the name of the view's table."""
    name = compute_versioned_name(view, True)
    return None if name == view.name else int(name[len(view.name) + 2 :])


def _service(service: Any, views: dict[str, Any], on_demand: set[str]) -> dict[str, Any]:
    projections = []
    for projection in service.feature_view_projections:
        if projection.name in on_demand:
            continue
        described: dict[str, Any] = {
            "view": projection.name,
            "features": [feature.name for feature in projection.features],
        }
        if projection.name_alias:
            described["alias"] = projection.name_alias
        if projection.join_key_map:
            described["join_key_map"] = dict(projection.join_key_map)
        if projection.version_tag is not None:
            described["version"] = projection.version_tag
        projections.append(described)
    return {
        "projections": projections,
        "on_demand": sorted(
            each.name for each in service.feature_view_projections if each.name in on_demand
        ),
    }
