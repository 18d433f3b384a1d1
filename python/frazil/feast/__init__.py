"""The Feast plugin: Iceberg tables as Feast's sources, offline store and online store.

    offline_store:
      type: frazil.feast.IcebergOfflineStore
    online_store:
      type: frazil.feast.IcebergOnlineStore

    FrazilSource(table="demo.driver_stats", timestamp_field="event_timestamp")
"""

from frazil.feast.offline import IcebergOfflineStore, IcebergOfflineStoreConfig
from frazil.feast.online import IcebergOnlineStore, IcebergOnlineStoreConfig
from frazil.feast.retrieval import IcebergRetrievalJob
from frazil.feast.source import (
    FrazilLoggingDestination,
    FrazilSource,
    SavedDatasetFrazilStorage,
)

__all__ = [
    "FrazilLoggingDestination",
    "FrazilSource",
    "IcebergOfflineStore",
    "IcebergOfflineStoreConfig",
    "IcebergOnlineStore",
    "IcebergOnlineStoreConfig",
    "IcebergRetrievalJob",
    "SavedDatasetFrazilStorage",
]
