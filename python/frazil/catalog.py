"""Catalogs: where tables are found, created, renamed and dropped."""

from __future__ import annotations

from frazil import _convert, _core
from frazil._context import context as _context
from frazil.exceptions import (
    AlreadyExistsError,
    InvalidError,
    NamespaceNotEmptyError,
    NotFoundError,
)
from frazil.table import Table, _write_result

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any, TypeAlias

    from frazil.results import WriteResult
    from frazil.table import TableChange

    Identifier: TypeAlias = str | Iterable[str]


def load_catalog(name: str = "default", **properties: object) -> "Catalog":
    """Open a catalog.

    Args:
        name: the catalog's name; a SQL catalog keeps the tables of several names apart.
        properties: by PyIceberg's names, such as type="sql", uri="sqlite:///catalog.db",
            warehouse="file:///data". Names that are no Python names go in as
            **{"s3.endpoint": "..."}. Without any: the SQLite file frazil.db and the folder
            warehouse, here.
    """
    return Catalog(name, properties or {"uri": "sqlite:///frazil.db", "warehouse": "warehouse"})


class Catalog:
    """An open catalog. It may be used by several threads."""

    def __init__(
        self,
        name: str,
        properties: Mapping[str, object] | None = None,
        *,
        memory_limit_mb: int | None = None,
    ) -> None:
        self._name = name
        self._context = _context(memory_limit_mb)
        self._handle = _core.Catalog.open(self._context, name, _convert.properties_of(properties))

    @property
    def name(self) -> str:
        return self._name

    def __repr__(self) -> str:
        # No properties: they may hold secrets.
        return f"Catalog({self._name!r})"

    # -- namespaces --

    def create_namespace(
        self, namespace: Identifier, properties: Mapping[str, object] | None = None
    ) -> None:
        self._handle.create_namespace(
            _convert.identifier_of(namespace), _convert.properties_of(properties)
        )

    def create_namespace_if_not_exists(
        self, namespace: Identifier, properties: Mapping[str, object] | None = None
    ) -> None:
        try:
            self.create_namespace(namespace, properties)
        except AlreadyExistsError:
            pass

    def drop_namespace(self, namespace: Identifier) -> None:
        name = _convert.identifier_of(namespace)
        try:
            self._handle.drop_namespace(name)
        except InvalidError as error:
            raise NamespaceNotEmptyError(str(error)) from error

    def namespace_exists(self, namespace: Identifier) -> bool:
        try:
            self._handle.list_tables(_convert.identifier_of(namespace))
        except NotFoundError:
            return False
        return True

    def list_namespaces(self, namespace: Identifier = ()) -> list[tuple[str, ...]]:
        """The namespaces directly under one, or at the top."""
        parent = namespace if isinstance(namespace, str) else ".".join(namespace)
        return [tuple(each.split(".")) for each in self._handle.list_namespaces(parent or None)]

    # -- tables --

    def list_tables(self, namespace: Identifier) -> list[tuple[str, ...]]:
        names = self._handle.list_tables(_convert.identifier_of(namespace))
        return [tuple(each.split(".")) for each in names]

    def list_views(self, namespace: Identifier) -> list[tuple[str, ...]]:
        """The views of a namespace, in catalogs of type rest and sql. They are not read."""
        names = self._handle.list_views(_convert.identifier_of(namespace))
        return [tuple(each.split(".")) for each in names]

    def create_table(
        self,
        identifier: Identifier,
        schema: Any,
        location: str | None = None,
        partition_spec: str | None = None,
        sort_order: str | None = None,
        properties: Mapping[str, object] | None = None,
        format_version: int = 2,
    ) -> Table:
        """Create a table.

        Args:
            schema: a pyarrow schema, or any object with `__arrow_c_schema__`. Field ids are
                assigned afresh; a field that is not nullable becomes required.
            partition_spec: such as "bucket(16, driver_id), day(event_ts)".
            sort_order: such as "driver_id asc nulls first, event_ts desc".
        """
        return Table(
            self._handle.create_table(
                _convert.identifier_of(identifier),
                _convert.as_schema(schema),
                format_version,
                partition_spec,
                sort_order,
                location,
                _convert.properties_of(properties),
            )
        )

    def create_table_as(
        self,
        identifier: Identifier,
        data: Any,
        schema: Any = None,
        location: str | None = None,
        partition_spec: str | None = None,
        sort_order: str | None = None,
        properties: Mapping[str, object] | None = None,
        format_version: int = 2,
        snapshot_properties: Mapping[str, object] | None = None,
        truncate_nanoseconds: bool = False,
    ) -> Table:
        """Create a table with rows, in one commit: others see the whole table, or none.

        `data` is what Table.append() takes, read as a stream; `schema` is its own by default.
        """
        return self._table_as(
            self._handle.create_table_as, identifier, data, schema, location, partition_spec,
            sort_order, properties, format_version, snapshot_properties, truncate_nanoseconds,
        )  # fmt: skip

    def replace_table(
        self,
        identifier: Identifier,
        data: Any,
        schema: Any = None,
        partition_spec: str | None = None,
        sort_order: str | None = None,
        properties: Mapping[str, object] | None = None,
        snapshot_properties: Mapping[str, object] | None = None,
        truncate_nanoseconds: bool = False,
    ) -> Table:
        """Give a table another schema, partition spec, sort order and other rows, in one commit.

        Others see it before or after. Its earlier snapshots can be read until they expire; the
        format version stays; properties are added to those that are there.
        """
        return self._table_as(
            self._handle.replace_table, identifier, data, schema, None, partition_spec, sort_order,
            properties, 2, snapshot_properties, truncate_nanoseconds,
        )  # fmt: skip

    def _table_as(
        self,
        make: Any,
        identifier: Identifier,
        data: Any,
        schema: Any,
        location: str | None,
        partition_spec: str | None,
        sort_order: str | None,
        properties: Mapping[str, object] | None,
        format_version: int,
        snapshot_properties: Mapping[str, object] | None,
        truncate_nanoseconds: bool,
    ) -> Table:
        stream = _convert.as_stream(data)
        return Table(
            make(
                _convert.identifier_of(identifier),
                _convert.as_schema(stream if schema is None else schema),
                stream,
                format_version,
                partition_spec,
                sort_order,
                location,
                _convert.properties_of(properties),
                _convert.properties_of(snapshot_properties),
                truncate_nanoseconds,
            )
        )

    def commit_tables(self, changes: Iterable[TableChange]) -> list[WriteResult]:
        """Change several tables in one commit: others see all of the changes, or none.

        In catalogs of type rest whose server offers it; UnsupportedError elsewhere, before anything
        is written. A table with nothing to do takes no part: its snapshot_id is -1.
        """
        parts = tuple(change._parts for change in changes)
        return [_write_result(each) for each in self._handle.commit_tables(parts)]

    def create_table_if_not_exists(
        self, identifier: Identifier, schema: Any, **options: Any
    ) -> Table:
        try:
            return self.create_table(identifier, schema, **options)
        except AlreadyExistsError:
            return self.load_table(identifier)

    def load_table(self, identifier: Identifier) -> Table:
        return Table(self._handle.load_table(_convert.identifier_of(identifier)))

    def table_exists(self, identifier: Identifier) -> bool:
        try:
            self._handle.load_table(_convert.identifier_of(identifier))
        except NotFoundError:
            return False
        return True

    def register_table(self, identifier: Identifier, metadata_location: str) -> Table:
        """Give an existing metadata file a name in this catalog."""
        self._handle.register_table(_convert.identifier_of(identifier), metadata_location)
        return self.load_table(identifier)

    def drop_table(self, identifier: Identifier, purge: bool = False) -> None:
        """Forget a table; with purge its data and metadata files go too."""
        self._handle.drop_table(_convert.identifier_of(identifier), purge)

    def purge_table(self, identifier: Identifier) -> None:
        self.drop_table(identifier, purge=True)

    def rename_table(self, from_identifier: Identifier, to_identifier: Identifier) -> Table:
        self._handle.rename_table(
            _convert.identifier_of(from_identifier), _convert.identifier_of(to_identifier)
        )
        return self.load_table(to_identifier)
