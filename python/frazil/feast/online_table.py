"""The Iceberg table of a feature view's online rows: its columns, partitions and properties.

Columns: the entity key (Feast's serialization, version 3), the join keys in their own types, the
event time, the created time, then one column a feature. A feature may itself be called event_ts:
our own columns then get another name, and are found by field id, which the table property
`frazil.feast` holds. A table without that property is never changed or dropped from here.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from feast.feature_view import DUMMY_ENTITY_ID
from feast.value_type import ValueType

from frazil import Catalog, InvalidError, NotFoundError, Table
from frazil._convert import quoted
from frazil.feast.feast_types import TIMESTAMP, Codec, codec_of
from frazil.feast.settings import create_table
from frazil.online import OnlineLayout

PROPERTY = "frazil.feast"
_VERSION = 1
_PROMOTIONS = {(pa.int32(), pa.int64()): "long", (pa.float32(), pa.float64()): "double"}

_log = logging.getLogger(__name__)


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
            name = _free_name(name, taken)
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

    @classmethod
    def of_table(cls, table: Table) -> "Layout":
        stored = _stored(table)
        if stored is None:
            raise InvalidError(
                f"table {table.identifier!r} is not an online table: it lacks the property "
                f"{PROPERTY!r}"
            )
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

    @classmethod
    def of_open(cls, layout: OnlineLayout) -> "Layout":
        """Of a table that is open for reads."""

        def columns(parts: tuple[Any, ...]) -> tuple[Column, ...]:
            return tuple(
                Column(each.name, each.column, ValueType(each.value_type).name) for each in parts
            )

        return cls(
            layout.entity_key,
            layout.event_ts,
            layout.created_ts,
            columns(layout.join_keys),
            columns(layout.features),
        )

    @property
    def partition_key(self) -> str:
        """The join key where there is one, so that filters on it prune; else the entity key."""
        return self.join_keys[0].column if len(self.join_keys) == 1 else self.entity_key

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


def _stored(table: Table) -> dict[str, Any] | None:
    text = table.properties.get(PROPERTY)
    return None if text is None else json.loads(text)


def is_of_project(table: Table, project: str) -> bool:
    """Is it an online table of a project?"""
    stored = _stored(table)
    return stored is not None and stored["project"] == project


def _free_name(name: str, taken: set[str]) -> str:
    while name in taken:
        name = "_" + name
    return name


# ---- partitions, order and properties ----


@dataclass(frozen=True)
class Partitioning:
    strategy: str
    count: int

    def terms(self, layout: Layout) -> list[tuple[str, str]]:
        """Columns and transforms."""
        bucket = (layout.partition_key, f"bucket[{self.count}]")
        if self.strategy == "timestamp":
            return [(layout.event_ts, "hour")]
        if self.strategy == "hybrid":
            return [bucket, (layout.event_ts, "day")]
        return [bucket]


def _sort_order(layout: Layout) -> str:
    columns = [key.column for key in layout.join_keys] or [layout.entity_key]
    return ", ".join(f"{quoted(column)} asc nulls first" for column in columns)


def _properties(layout: Layout) -> dict[str, str]:
    return {
        # For direct lookups: files without the key are not read.
        f"write.parquet.bloom-filter-enabled.column.{layout.entity_key}": "true",
        # Every write is a commit; its metadata files must not pile up.
        "write.metadata.delete-after-commit.enabled": "true",
    }


def _follow_partitions(table: Table, layout: Layout, partitioning: Partitioning) -> None:
    names = {field.id: field.name for field in table.schema()}
    fields = table.spec().fields
    have = [(names.get(field.source_id, ""), field.transform) for field in fields]
    wanted = partitioning.terms(layout)
    if have == wanted:
        return
    with table.update_spec() as update:
        for field, term in zip(fields, have):
            if term not in wanted:
                update.remove_field(field.name)
        for column, transform in wanted:
            if (column, transform) not in have:
                update.add_field(column, transform)


# ---- life ----


def create(
    catalog: Catalog, identifier: str, view: Any, project: str, partitioning: Partitioning
) -> Table:
    layout = Layout.of_view(view)
    schema = layout.schema()
    # Fresh ids go to the top level first, in order.
    ids = {name: number for number, name in enumerate(schema.names, 1)}
    spec = ", ".join(_term(column, how) for column, how in partitioning.terms(layout))
    table = create_table(
        catalog,
        identifier,
        schema,
        partition_spec=spec,
        sort_order=_sort_order(layout),
        properties={PROPERTY: layout.property(view, project, ids), **_properties(layout)},
    )
    found = {field.name: field.id for field in table.schema()}
    if found != ids:
        table.set_properties({PROPERTY: layout.property(view, project, found)})
    return table


def _term(column: str, transform: str) -> str:
    if transform.startswith("bucket["):
        return f"bucket({transform[len('bucket[') : -1]}, {quoted(column)})"
    return f"{transform}({quoted(column)})"


def evolve(table: Table, view: Any, project: str, partitioning: Partitioning) -> bool:
    """Follow the view's features and the partitioning. False where the join keys changed: the rows
    are of no use then."""
    wanted = Layout.of_view(view)
    have = Layout.of_table(table)
    if [(k.name, k.value_type) for k in have.join_keys] != [
        (k.name, k.value_type) for k in wanted.join_keys
    ]:
        return False
    before = {field.name: field.id for field in table.schema()}
    _follow_features(table, have, wanted)
    ids = {field.name: field.id for field in table.schema()}
    names = {number: name for name, number in ids.items()}
    now = Layout(
        names[before[have.entity_key]],
        names[before[have.event_ts]],
        names[before[have.created_ts]],
        tuple(
            Column(key.name, names[before[key.column]], key.value_type) for key in have.join_keys
        ),
        wanted.features,
    )
    properties = {PROPERTY: now.property(view, project, ids), **_properties(now)}
    have_properties = table.properties
    changed = {name: text for name, text in properties.items() if have_properties.get(name) != text}
    if changed:
        table.set_properties(changed)
    _follow_partitions(table, now, partitioning)
    return True


def _follow_features(table: Table, have: Layout, wanted: Layout) -> None:
    old = {feature.name: feature for feature in have.features}
    own = {have.entity_key, have.event_ts, have.created_ts, *(k.column for k in have.join_keys)}
    new = {feature.name: feature for feature in wanted.features}
    with table.update_schema() as update:
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


def drop(catalog: Catalog, identifier: str, project: str) -> str | None:
    """Drop a table with its files: its UUID. None where there is none, or it is no online table of
    the project, which is left alone."""
    try:
        table = catalog.load_table(identifier)
        if not is_of_project(table, project):
            _log.warning(
                "table %r is no online table of project %r: it is left", identifier, project
            )
            return None
        catalog.drop_table(identifier, purge=True)
    except NotFoundError:
        return None
    return str(table.uuid)
