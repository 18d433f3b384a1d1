"""The Feast plugin: Iceberg tables as Feast's sources, offline store, online store and engine of
materialization.

    offline_store:
      type: frazil.feast.IcebergOfflineStore
    online_store:
      type: frazil.feast.IcebergOnlineStore
    batch_engine:
      type: frazil.feast.IcebergComputeEngine

    FrazilSource(table="demo.driver_stats", timestamp_field="event_timestamp")
"""

from frazil.feast.versions import check_feast

check_feast()

# What follows imports Feast.
from frazil.feast.compute_engine import (  # noqa: E402
    IcebergComputeEngine,
    IcebergComputeEngineConfig,
)
from frazil.feast.offline import IcebergOfflineStore, IcebergOfflineStoreConfig  # noqa: E402
from frazil.feast.online import IcebergOnlineStore, IcebergOnlineStoreConfig  # noqa: E402
from frazil.feast.pins import TableRead  # noqa: E402
from frazil.feast.publish import publish  # noqa: E402
from frazil.feast.retrieval import IcebergRetrievalJob  # noqa: E402
from frazil.feast.settings import catalog  # noqa: E402
from frazil.feast.source import (  # noqa: E402
    FrazilLoggingDestination,
    FrazilSource,
    SavedDatasetFrazilStorage,
)

__all__ = [
    "FrazilLoggingDestination",
    "FrazilSource",
    "IcebergComputeEngine",
    "IcebergComputeEngineConfig",
    "IcebergOfflineStore",
    "IcebergOfflineStoreConfig",
    "IcebergOnlineStore",
    "IcebergOnlineStoreConfig",
    "IcebergRetrievalJob",
    "SavedDatasetFrazilStorage",
    "catalog",
    "publish",
]
