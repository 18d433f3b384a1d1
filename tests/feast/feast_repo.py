"""What the tests of the Feast plugin share: a repo in a folder, its tables, a reference join."""

from datetime import datetime, timedelta, timezone

import pandas as pd
import pyarrow as pa
from feast import FeatureStore
from feast.repo_config import RegistryConfig, RepoConfig

import frazil
from frazil.feast import FrazilSource
from frazil.feast.feast_types import conform_table
from frazil.feast.retrieval import storable_schema

T0 = datetime(2024, 1, 1, tzinfo=timezone.utc)


class Repo:
    """A Feast repo whose stores are frazil's, with the embedded defaults."""

    def __init__(self, folder, offline=None, online=None, engine=None):
        self.folder = folder
        self.config = RepoConfig(
            project="proj",
            provider="local",
            registry=RegistryConfig(path=str(folder / "registry.db"), cache_ttl_seconds=0),
            offline_store={"type": "frazil.feast.IcebergOfflineStore", **(offline or {})}
            if not isinstance(offline, str)
            else {"type": offline},
            online_store={
                "type": "frazil.feast.IcebergOnlineStore",
                "read_timeout_ms": 20000,
                **(online or {}),
            }
            if not isinstance(online, str)
            else {"type": online, "path": str(folder / "online.db")},
            entity_key_serialization_version=3,
            **({"batch_engine": engine} if engine else {}),
            repo_path=str(folder),
        )
        self.store = FeatureStore(config=self.config)
        (folder / "data").mkdir(exist_ok=True)
        self.catalog = self.load_catalog()
        self.catalog.create_namespace_if_not_exists("feast")

    def load_catalog(self):
        """The stores' catalog, as a process of its own opens it."""
        return frazil.load_catalog(
            "default",
            uri=f"sqlite:///{self.folder}/data/frazil.db",
            warehouse=str(self.folder / "data" / "warehouse"),
        )

    def table(self, name, rows, **options):
        """A table from a frame or Arrow rows."""
        if isinstance(rows, pd.DataFrame):
            rows = pa.Table.from_pandas(rows, preserve_index=False)
        table = self.catalog.create_table(f"feast.{name}", storable_schema(rows.schema), **options)
        table.append(
            conform_table(rows, pa.schema(table.arrow_schema())), truncate_nanoseconds=True
        )
        return table

    def source(self, name, rows, **options):
        self.table(name, rows)
        options.setdefault("timestamp_field", "event_timestamp")
        return FrazilSource(table=name, **options)


def driver_rows(drivers=(1, 2, 3), hours=12, created_lag=timedelta(minutes=5)):
    rows = []
    for hour in range(hours):
        for driver in drivers:
            stamp = T0 + timedelta(hours=hour)
            rows.append(
                {
                    "driver_id": driver,
                    "event_timestamp": stamp,
                    "created": stamp + created_lag,
                    "conv_rate": driver + hour / 100,
                    "trips": driver * 100 + hour,
                }
            )
    return pd.DataFrame(rows)


def reference_join(entity, features, keys, names, ttl=None, created="created", cutoff=False,
                   stamp="event_timestamp", entity_stamp="event_timestamp"):  # fmt: skip
    """The contract in pandas, row by row: a frame of the entity rows and the features."""
    out = entity.copy()
    times = pd.to_datetime(entity[entity_stamp], utc=True)
    stamps = pd.to_datetime(features[stamp], utc=True)
    made = pd.to_datetime(features[created], utc=True) if created else None
    columns = {name: [] for name in names.values()}
    for at, t in zip(entity.index, times):
        mask = (stamps <= t) & stamps.notna()
        for mine, theirs in keys.items():
            mask &= features[theirs] == entity.loc[at, mine]
        if ttl:
            mask &= stamps >= t - ttl
        if cutoff:
            mask &= made <= t
        found = features[mask]
        if len(found):
            order = pd.DataFrame({"s": stamps[mask], "c": made[mask] if created else 0})
            best = found.loc[order.sort_values(["s", "c"], na_position="first").index[-1]]
        for theirs, name in names.items():
            columns[name].append(best[theirs] if len(found) else None)
    for name, values in columns.items():
        out[name] = values
    return out
