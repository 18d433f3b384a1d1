"""One online table: its columns, its rows as Feast values, its commits.

Columns: the entity key (Feast's serialization, version 3), the join keys in their own types, the
event time, the created time, then one column a feature. A feature may itself be called event_ts:
our own columns then get another name, and are found by field id, which the table property
`frazil.feast` holds. The latest row of a key is decided by event time, then created time, then
the order of commits.

A process keeps one OnlineTable for each table, so that it always reads its own writes: they move
the handle on. Other processes' commits are seen when the handle is refreshed, which a read asks
for when the last look at the catalog is older than it allows. Rows that were read are kept until
the table moves on.
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

import pyarrow as pa
from feast.feature_view import DUMMY_ENTITY_ID
from feast.infra.key_encoding_utils import serialize_entity_key
from feast.protos.feast.types.EntityKey_pb2 import EntityKey as EntityKeyProto
from feast.protos.feast.types.Value_pb2 import Value as ValueProto

import frazil
from frazil import Catalog, CommitConflictError, Table
from frazil._convert import utc
from frazil.feast.feast_types import TIMESTAMP, Codec, codec_of, from_column, to_column
from frazil.feast.settings import create_table

PROPERTY = "frazil.feast"
_VERSION = 1
_CACHED_KEYS_MAX = 1 << 16
_KEYS_PER_READ = 1000
_COMMIT_DEADLINE_S = 60.0
_PROMOTIONS = {(pa.int32(), pa.int64()): "long", (pa.float32(), pa.float64()): "double"}

Row = tuple[EntityKeyProto, dict[str, ValueProto], datetime, datetime | None]
Result = tuple[datetime | None, dict[str, ValueProto] | None]


@dataclass(frozen=True)
class Column:
    """A column of a Feast value."""

    name: str
    """ The join key or feature. """
    column: str
    """ The column in the table. """
    value_type: str

    @property
    def codec(self) -> Codec:
        return codec_of(self.value_type)


@dataclass(frozen=True)
class Layout:
    """Which columns a view's table has."""

    entity_key: str
    event_ts: str
    created_ts: str
    join_keys: tuple[Column, ...]
    features: tuple[Column, ...]

    @classmethod
    def of_view(cls, view: Any) -> "Layout":
        taken: set[str] = set()

        def free(name: str) -> str:
            while name in taken:
                name = "_" + name
            taken.add(name)
            return name

        features = tuple(
            Column(field.name, free(field.name), field.dtype.to_value_type().name)
            for field in view.features
        )
        join_keys = tuple(
            Column(field.name, free(field.name), field.dtype.to_value_type().name)
            for field in getattr(view, "entity_columns", None) or []
            if field.name != DUMMY_ENTITY_ID
        )
        return cls(free("entity_key"), free("event_ts"), free("created_ts"), join_keys, features)

    def schema(self) -> pa.Schema:
        return pa.schema(
            [
                pa.field(self.entity_key, pa.binary(), nullable=False),
                *(pa.field(key.column, key.codec.arrow) for key in self.join_keys),
                pa.field(self.event_ts, TIMESTAMP, nullable=False),
                pa.field(self.created_ts, TIMESTAMP),
                *(pa.field(feature.column, feature.codec.arrow) for feature in self.features),
            ]
        )

    def property(self, view: Any, project: str, ids: dict[str, int]) -> str:
        """What serving the view needs, beside the rows."""
        ttl = getattr(view, "ttl", None)

        def columns(parts: tuple[Column, ...]) -> list[dict[str, Any]]:
            return [
                {"name": each.name, "id": ids[each.column], "type": each.value_type}
                for each in parts
            ]

        return json.dumps(
            {
                "version": _VERSION,
                "project": project,
                "view": view.name,
                "entity_key": ids[self.entity_key],
                "event_ts": ids[self.event_ts],
                "created_ts": ids[self.created_ts],
                "join_keys": columns(self.join_keys),
                "features": columns(self.features),
                "ttl_seconds": ttl.total_seconds() if ttl else None,
            }
        )

    @classmethod
    def of_table(cls, table: Table) -> "Layout":
        text = table.properties.get(PROPERTY)
        if text is None:
            raise frazil.InvalidError(
                f"table {table.identifier!r} is not an online table: it lacks the property "
                f"{PROPERTY!r}"
            )
        stored = json.loads(text)
        names = {field.id: field.name for field in table.schema()}

        def columns(parts: list[dict[str, Any]]) -> tuple[Column, ...]:
            return tuple(
                Column(each["name"], names[each["id"]], each["type"])
                for each in parts
                if each["id"] in names
            )

        return cls(
            names[stored["entity_key"]],
            names[stored["event_ts"]],
            names[stored["created_ts"]],
            columns(stored["join_keys"]),
            columns(stored["features"]),
        )


@dataclass(frozen=True)
class Partitioning:
    strategy: str
    count: int

    def spec(self, layout: Layout) -> str:
        key = layout.join_keys[0].column if len(layout.join_keys) == 1 else layout.entity_key
        bucket = f"bucket({self.count}, {quoted(key)})"
        if self.strategy == "timestamp":
            return f"hour({quoted(layout.event_ts)})"
        if self.strategy == "hybrid":
            return f"{bucket}, day({quoted(layout.event_ts)})"
        return bucket


def quoted(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'


def _sort_order(layout: Layout) -> str:
    columns = [key.column for key in layout.join_keys] or [layout.entity_key]
    return ", ".join(f"{quoted(column)} asc nulls first" for column in columns)


def create(
    catalog: Catalog, identifier: str, view: Any, project: str, partitioning: Partitioning
) -> Table:
    layout = Layout.of_view(view)
    schema = layout.schema()
    # Fresh ids go to the top level first, in order.
    ids = {name: number for number, name in enumerate(schema.names, 1)}
    table = create_table(
        catalog,
        identifier,
        schema,
        partition_spec=partitioning.spec(layout),
        sort_order=_sort_order(layout),
        properties={PROPERTY: layout.property(view, project, ids)},
    )
    found = {field.name: field.id for field in table.schema()}
    if found != ids:
        table.set_properties({PROPERTY: layout.property(view, project, found)})
    return table


class _Pending:
    """Rows of one writer that wait for a commit."""

    def __init__(self, rows: pa.Table) -> None:
        self.rows = rows
        self.done = False
        self.error: BaseException | None = None


class OnlineTable:
    """A table that is open in this process."""

    def __init__(self, catalog: Catalog, table: Table) -> None:
        self.catalog = catalog
        self.table = table
        self.layout = Layout.of_table(table)
        self._checked = time.monotonic()
        self._lock = threading.Lock()
        self._commit_lock = threading.Lock()
        self._pending: list[_Pending] = []
        self._rows: dict[bytes, tuple[datetime, dict[str, ValueProto]] | None] = {}
        self._rows_snapshot: int | None = None
        self._location = table.metadata_location

    # -- freshness --

    def look(self, max_staleness_ms: int) -> None:
        """Read the catalog again if the last look at it is older than that."""
        if (time.monotonic() - self._checked) * 1000 < max_staleness_ms:
            return
        with self._lock:
            if (time.monotonic() - self._checked) * 1000 < max_staleness_ms:
                return
            asked = time.monotonic()
            self.table.refresh()
            self._checked = asked
            self._reload_layout()

    def _reload_layout(self) -> None:
        location = self.table.metadata_location
        if location != self._location:
            self.layout = Layout.of_table(self.table)
            self._location = location
            # A new dict, as in evolve(): a read that is under way still fills the old one, with
            # rows of the old layout. A changed schema does not make a new snapshot.
            self._rows = {}

    # -- evolution --

    def evolve(self, view: Any, project: str) -> bool:
        """Follow the view's features. False where its join keys changed: the rows are of no use."""
        wanted = Layout.of_view(view)
        with self._commit_lock:
            self.table.refresh()
            have = Layout.of_table(self.table)
            if [(k.name, k.value_type) for k in have.join_keys] != [
                (k.name, k.value_type) for k in wanted.join_keys
            ]:
                return False
            before = {field.name: field.id for field in self.table.schema()}
            self._follow(have, wanted)
            ids = {field.name: field.id for field in self.table.schema()}
            names = {number: name for name, number in ids.items()}
            now = Layout(
                names[before[have.entity_key]],
                names[before[have.event_ts]],
                names[before[have.created_ts]],
                tuple(
                    Column(key.name, names[before[key.column]], key.value_type)
                    for key in have.join_keys
                ),
                wanted.features,
            )
            text = now.property(view, project, ids)
            if text != self.table.properties.get(PROPERTY):
                self.table.set_properties({PROPERTY: text})
            with self._lock:
                self._reload_layout()
                self.layout = Layout.of_table(self.table)
                self._rows = {}
        return True

    def _follow(self, have: Layout, wanted: Layout) -> None:
        old = {feature.name: feature for feature in have.features}
        own = {have.entity_key, have.event_ts, have.created_ts, *(k.column for k in have.join_keys)}
        new = {feature.name: feature for feature in wanted.features}
        with self.table.update_schema() as update:
            for name, feature in old.items():
                if name not in new:
                    update.delete_column(feature.column)
            # A new feature may have the name of one of our own columns.
            for column in own & {name for name in new if name not in old}:
                update.rename_column(column, _free_name(column, own | set(old) | set(new)))
            for name, feature in new.items():
                before = old.get(name)
                if before is None:
                    update.add_column(feature.column, feature.codec.arrow)
                elif before.codec.arrow != feature.codec.arrow:
                    wider = _PROMOTIONS.get((before.codec.arrow, feature.codec.arrow))
                    if wider is not None:
                        update.update_column(before.column, wider)
                    else:
                        update.delete_column(before.column)
                        update.add_column(feature.column, feature.codec.arrow)

    # -- writing --

    def rows_of(self, data: Sequence[Row], key_version: int) -> pa.Table:
        """The newest row of each key in a batch, as columns of the table."""
        newest: dict[bytes, tuple[datetime, datetime, int]] = {}
        floor = datetime.min.replace(tzinfo=timezone.utc)
        for number, (key, _, event, created) in enumerate(data):
            name = serialize_entity_key(key, entity_key_serialization_version=key_version)
            rank = (utc(event), floor if created is None else utc(created), number)
            if name not in newest or newest[name] <= rank:
                newest[name] = rank
        chosen = [data[rank[2]] for rank in newest.values()]
        layout = self.layout
        columns: dict[str, pa.Array] = {layout.entity_key: pa.array(newest, pa.binary())}
        for part in layout.join_keys:
            columns[part.column] = to_column(
                part.codec, part.name, [_key_value(row[0], part.name) for row in chosen]
            )
        columns[layout.event_ts] = pa.array([utc(row[2]) for row in chosen], TIMESTAMP)
        columns[layout.created_ts] = pa.array(
            [None if row[3] is None else utc(row[3]) for row in chosen], TIMESTAMP
        )
        for part in layout.features:
            columns[part.column] = to_column(
                part.codec, part.name, [row[1].get(part.name) for row in chosen]
            )
        return pa.table(columns)

    def write(self, rows: pa.Table) -> None:
        """Append rows. Writers that wait for another's commit share the next one."""
        mine = _Pending(rows)
        with self._lock:
            self._pending.append(mine)
        with self._commit_lock:
            if not mine.done:
                with self._lock:
                    batch, self._pending = self._pending, []
                self._commit(batch, mine)
        if mine.error is not None:
            raise mine.error

    def _commit(self, batch: list[_Pending], mine: _Pending) -> None:
        try:
            rows = pa.concat_tables([each.rows for each in batch], promote_options="default")
            self._append(rows)
        except Exception as error:
            for each in batch:
                each.error = error
        except BaseException:
            # Ctrl-C is for this thread alone: the others wait for the lock and commit their rows.
            # If the commit went through, theirs are there twice, which reads as once.
            with self._lock:
                self._pending[:0] = [each for each in batch if each is not mine]
            raise
        for each in batch:
            each.done = True

    def _append(self, rows: pa.Table) -> None:
        deadline = time.monotonic() + _COMMIT_DEADLINE_S
        wait = 0.05
        while True:
            try:
                self.table.append(rows)
                return
            except CommitConflictError:
                if time.monotonic() > deadline:
                    raise
            # Full jitter: writers that lost together must not come back together.
            time.sleep(random.uniform(0, wait))
            wait = min(wait * 2, 2.0)
            self.table.refresh()

    # -- reading --

    def read(
        self, keys: Sequence[EntityKeyProto], names: Sequence[bytes], use_cache: bool
    ) -> dict[bytes, tuple[datetime, dict[str, ValueProto]] | None]:
        """The latest row of each key; None where there is none. `names` are the serialized keys.

        The current rows are read, not those of a snapshot by id, which would have the columns of
        its time. Rows of a later snapshot that come in between are kept with the earlier one, and
        forgotten with it.
        """
        with self._lock:
            snapshot = self.table.current_snapshot_id()
            if snapshot != self._rows_snapshot or len(self._rows) > _CACHED_KEYS_MAX:
                self._rows = {}
                self._rows_snapshot = snapshot
            cache = self._rows if use_cache else {}
            layout = self.layout
        if snapshot is None:
            return {name: None for name in names}
        wanted = {name: key for name, key in zip(names, keys) if name not in cache}
        pending = list(wanted.items())
        for at in range(0, len(pending), _KEYS_PER_READ):
            part = dict(pending[at : at + _KEYS_PER_READ])
            found = self._read_rows(layout, part)
            cache.update({name: found.get(name) for name in part})
        return {name: cache.get(name) for name in names}

    def _read_rows(
        self, layout: Layout, keys: dict[bytes, EntityKeyProto]
    ) -> dict[bytes, tuple[datetime, dict[str, ValueProto]]]:
        columns = [layout.entity_key, layout.event_ts, *(each.column for each in layout.features)]
        rows = frazil.latest_per_key(
            self.table,
            [layout.entity_key],
            layout.event_ts,
            created_timestamp_column=layout.created_ts,
            columns=columns,
            row_filter=_key_filter(layout, keys),
        ).to_arrow()
        times = rows.column(layout.event_ts).to_pylist()
        values = {
            each.name: from_column(each.codec, rows.column(each.column))
            for each in layout.features
        }
        return {
            name: (times[i], {feature: column[i] for feature, column in values.items()})
            for i, name in enumerate(rows.column(layout.entity_key).to_pylist())
        }


def _free_name(name: str, taken: set[str]) -> str:
    while name in taken:
        name = "_" + name
    return name


def _key_value(key: EntityKeyProto, name: str) -> ValueProto | None:
    for join_key, value in zip(key.join_keys, key.entity_values):
        if join_key == name:
            return value
    return None


def _key_filter(layout: Layout, keys: dict[bytes, EntityKeyProto]) -> str:
    """Rows of these keys: by the join key where there is one, since files are partitioned and
    sorted by it, else by the entity key."""
    if len(layout.join_keys) == 1:
        part = layout.join_keys[0]
        literals = [_literal(_key_value(key, part.name)) for key in keys.values()]
        known = [text for text in literals if text is not None]
        if len(known) == len(literals):
            return f"{quoted(part.column)} in ({', '.join(known)})"
    serialized = [f"x'{name.hex()}'" for name in keys]
    return f"{quoted(layout.entity_key)} in ({', '.join(serialized)})"


def _literal(value: ValueProto | None) -> str | None:
    which = None if value is None else value.WhichOneof("val")
    if value is None or which is None:
        return None
    if which in ("int32_val", "int64_val"):
        return str(getattr(value, which))
    if which == "string_val" and "\0" not in value.string_val:
        return "'" + value.string_val.replace("'", "''") + "'"
    if which == "bytes_val":
        return f"x'{value.bytes_val.hex()}'"
    if which == "unix_timestamp_val":
        moment = datetime.fromtimestamp(value.unix_timestamp_val, timezone.utc)
        return f"'{moment.isoformat()}'"
    return None
