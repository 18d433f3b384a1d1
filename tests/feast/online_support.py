"""What the tests of the online store share: a view, the store called the way Feast calls it, and
another process."""

import contextlib
import sqlite3
from datetime import timedelta

from feast import Entity, FeatureView, Field
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.types import Int64, from_value_type
from feast.value_type import ValueType
from feast_repo import T0

import frazil
from frazil.feast import FrazilSource, online_table
from frazil.feast.online_rows import write_table
from frazil.feast.online_table import Layout

HOUR = timedelta(hours=1)
DRIVER = Entity(name="driver", join_keys=["driver_id"], value_type=ValueType.INT64)


def view(name="v", features=(("x", Int64),), entities=(DRIVER,), source=None, **options):
    return FeatureView(
        name=name,
        entities=list(entities),
        schema=[
            *(Field(name=n, dtype=t) for n, t in features),
            *(Field(name=e.join_key, dtype=from_value_type(e.value_type)) for e in entities),
        ],
        source=source or FrazilSource(table="feast.none", timestamp_field="event_timestamp"),
        **options,
    )


def key(value, name="driver_id"):
    return EntityKey(join_keys=[name], entity_values=[Value(int64_val=value)])


class Online:
    """The store of a repo, called the way Feast calls it."""

    def __init__(self, repo, the_view):
        self.config = repo.store.config
        self.store = repo.store._get_provider().online_store
        self.view = the_view
        self.store.update(self.config, [], [the_view], [], [], False)

    def write(self, *rows):
        done = []
        self.store.online_write_batch(self.config, self.view, list(rows), done.append)
        assert sum(done) == len(rows)

    def read(self, *keys, features=None):
        return self.store.online_read(self.config, self.view, list(keys), features)

    def x(self, *values):
        return [
            None if row is None else row["x"].int64_val
            for _, row in self.read(*[key(value) for value in values])
        ]


def row(driver, x, stamp=T0, created=None):
    return (key(driver), {"x": Value(int64_val=x)}, stamp, created)


def other_process_writes(repo, the_view, rows):
    """What another process would do: its own catalog and handle."""
    catalog = repo.load_catalog()
    name = f"feast.proj_{the_view.name}_online"
    try:
        opened = frazil.open_online(catalog, name)
    except frazil.NoSuchTableError:
        partitioning = online_table.Partitioning("entity_hash", 4)
        online_table.create(catalog, name, the_view, "proj", partitioning)
        opened = frazil.open_online(catalog, name)
    with opened:
        opened.write(write_table(Layout.of_open(opened.layout), rows))


@contextlib.contextmanager
def stalled_catalog(repo):
    """The catalog's database answers nobody."""
    database = sqlite3.connect(repo.folder / "data" / "frazil.db", isolation_level=None)
    database.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        database.execute("ROLLBACK")
        database.close()
