"""FrazilSource: an Iceberg table as a Feast data source; saved datasets and logs as tables.

In Feast's registry the source is a CUSTOM_SOURCE whose options are a JSON object. It has no
connection of its own: the offline store's configuration says which catalog its table is in.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterable
from datetime import datetime, timezone
from typing import Any, Dict, Optional, Tuple, Union

from feast import saved_dataset
from feast.credentials import ConnectionRef
from feast.data_source import DataSource
from feast.errors import DataSourceNoNameException, DataSourceNotFoundException, FeastError
from feast.feature_logging import LoggingDestination
from feast.feature_view import DUMMY_ENTITY_ID
from feast.protos.feast.core.DataSource_pb2 import DataSource as DataSourceProto
from feast.protos.feast.core.FeatureService_pb2 import LoggingConfig as LoggingConfigProto
from feast.protos.feast.core.SavedDataset_pb2 import (
    SavedDatasetStorage as SavedDatasetStorageProto,
)
from feast.repo_config import RepoConfig
from feast.saved_dataset import SavedDatasetStorage
from feast.value_type import ValueType

from frazil import Catalog, NotFoundError, Table
from frazil.feast.feast_types import value_type_of
from frazil.feast.pins import keep
from frazil.feast.settings import FrazilStoreConfig, full_name, moment_of, open_catalog, repo_folder
from frazil.schema import Schema

_CLASS = "frazil.feast.FrazilSource"


def store_settings(config: RepoConfig) -> FrazilStoreConfig:
    """The offline store's configuration, which says where tables are."""
    settings = config.offline_store
    if not isinstance(settings, FrazilStoreConfig):
        raise ValueError(
            "a FrazilSource needs offline_store.type frazil.feast.IcebergOfflineStore, "
            f"not {getattr(settings, 'type', settings)!r}"
        )
    return settings


class SourceTableNotFound(DataSourceNotFoundException):
    """The table of a source is not in the catalog."""

    def __init__(self, source: str, table: str, there: str):
        # The base class makes a text of its own from a path.
        FeastError.__init__(self, f"source {source!r}: there is no table {table!r}; {there}")


class SourceColumnNotFound(ValueError):
    """A column that a source names is not in its table."""


def _neighbours(catalog: Catalog, table: str) -> str | None:
    """What is there in place of a table that is not; None: it is in the catalog after all."""
    namespace, _, _ = table.rpartition(".")
    try:
        names = [".".join(each) for each in catalog.list_tables(namespace)]
    except NotFoundError:
        spaces = [".".join(each) for each in catalog.list_namespaces()]
        return (
            f"there is no namespace {namespace!r} either; the catalog has {spaces or 'none'}: is "
            "offline_store.uri the one that you mean?"
        )
    except (ValueError, NotImplementedError):
        return "no file or folder of that name holds table metadata"
    if table in names:
        return None
    near = difflib.get_close_matches(table, names, 1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    shown = names[:20] + (["..."] if len(names) > 20 else [])
    return f"{hint}namespace {namespace!r} has {shown or 'no tables'}"


class FrazilSource(DataSource):
    """An Iceberg table.

    Args:
        table: "namespace.table"; without a dot the offline store's namespace is meant. In a
            static catalog a folder or metadata file.
        table_identifier: another name for `table`.
        timestamp_field: the column of event times.
        created_timestamp_column: decides among rows with equal event times.
        field_mapping: column name in the table to feature name.
        snapshot_id, tag, as_of: read the table as it was then; at most one. A snapshot that is
            named by id gets a tag, so that expiry keeps it.
        since_snapshot_id: only the rows that were appended after this snapshot.
    """

    def source_type(self) -> DataSourceProto.SourceType.ValueType:
        return DataSourceProto.CUSTOM_SOURCE

    def __init__(
        self,
        *,
        name: Optional[str] = None,
        table: Optional[str] = None,
        table_identifier: Optional[str] = None,
        timestamp_field: Optional[str] = None,
        created_timestamp_column: Optional[str] = None,
        field_mapping: Optional[Dict[str, str]] = None,
        snapshot_id: Optional[int] = None,
        tag: Optional[str] = None,
        as_of: Optional[Union[datetime, str]] = None,
        since_snapshot_id: Optional[int] = None,
        description: Optional[str] = "",
        tags: Optional[Dict[str, str]] = None,
        owner: Optional[str] = "",
        date_partition_column: Optional[str] = None,
        timestamp_field_type: Optional[str] = None,
        connection_ref: Optional[ConnectionRef] = None,
    ):
        if table and table_identifier and table != table_identifier:
            raise ValueError(
                f"table {table!r} and table_identifier {table_identifier!r} differ: give one"
            )
        self.table = table or table_identifier or name or ""
        if not self.table:
            raise DataSourceNoNameException()
        if sum(pin is not None for pin in (snapshot_id, tag, as_of)) > 1:
            raise ValueError(
                f"source of {self.table!r}: give only one of snapshot_id, tag and as_of"
            )
        for what, number in (("snapshot_id", snapshot_id), ("since_snapshot_id", since_snapshot_id)):
            if number is not None and (isinstance(number, bool) or not isinstance(number, int)):
                raise TypeError(f"source of {self.table!r}: {what} {number!r} is not an int")
        self.since_snapshot_id = since_snapshot_id
        self.snapshot_id = snapshot_id
        self.tag = tag
        moment = moment_of(as_of)
        if moment is not None and moment.tzinfo is None:
            moment = moment.replace(tzinfo=timezone.utc)
        self.as_of = moment
        super().__init__(
            name=name or self.table,
            timestamp_field=timestamp_field,
            created_timestamp_column=created_timestamp_column,
            field_mapping=field_mapping,
            description=description,
            tags=tags,
            owner=owner,
            date_partition_column=date_partition_column,
            timestamp_field_type=timestamp_field_type,
            connection_ref=connection_ref,
        )

    def __hash__(self) -> int:
        return super().__hash__()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FrazilSource):
            return False
        return bool(
            super().__eq__(other)
            and self.table == other.table
            and self.pin() == other.pin()
        )

    def pin(self) -> dict[str, Any]:
        """The snapshot that the source is held at, and the one that its rows came after, as
        arguments of a scan; empty: every row of the current snapshot."""
        pin = {
            "snapshot_id": self.snapshot_id,
            "ref": self.tag,
            "as_of": self.as_of,
            "from_snapshot_id": self.since_snapshot_id,
        }
        return {name: value for name, value in pin.items() if value is not None}

    # -- registry --

    @staticmethod
    def from_proto(data_source: DataSourceProto) -> "FrazilSource":
        options = json.loads(data_source.custom_options.configuration or b"{}")
        tags = dict(data_source.tags)
        return FrazilSource(
            name=data_source.name,
            table=options["table"],
            snapshot_id=options.get("snapshot_id"),
            tag=options.get("tag"),
            as_of=options.get("as_of"),
            since_snapshot_id=options.get("since_snapshot_id"),
            timestamp_field=data_source.timestamp_field,
            created_timestamp_column=data_source.created_timestamp_column,
            field_mapping=dict(data_source.field_mapping),
            description=data_source.description,
            tags=tags,
            owner=data_source.owner,
            date_partition_column=data_source.date_partition_column,
            timestamp_field_type=data_source.timestamp_field_type,
            connection_ref=ConnectionRef.from_tags(tags),
        )

    def _options(self) -> bytes:
        options: dict[str, Any] = {"table": self.table}
        if self.snapshot_id is not None:
            options["snapshot_id"] = self.snapshot_id
        if self.tag is not None:
            options["tag"] = self.tag
        if self.as_of is not None:
            options["as_of"] = self.as_of.isoformat()
        if self.since_snapshot_id is not None:
            options["since_snapshot_id"] = self.since_snapshot_id
        return json.dumps(options).encode()

    def _to_proto_impl(self) -> DataSourceProto:
        return DataSourceProto(
            name=self.name,
            type=DataSourceProto.CUSTOM_SOURCE,
            data_source_class_type=_CLASS,
            field_mapping=self.field_mapping,
            custom_options=DataSourceProto.CustomSourceOptions(configuration=self._options()),
            description=self.description,
            tags=self.tags,
            owner=self.owner,
            timestamp_field=self.timestamp_field,
            created_timestamp_column=self.created_timestamp_column,
            date_partition_column=self.date_partition_column,
            timestamp_field_type=self.timestamp_field_type,
        )

    # -- the table --

    def _catalog(self, config: RepoConfig) -> Catalog:
        settings = store_settings(config)
        if self.connection_ref is not None:
            settings = settings.model_copy(
                update={
                    "storage_options": {
                        **settings.storage_options,
                        **storage_credentials(self.resolve_credentials()),
                    }
                }
            )
        return open_catalog(settings, repo_folder(config))

    def load(self, config: RepoConfig) -> Table:
        """The table, as the offline store's catalog knows it now."""
        name = full_name(store_settings(config), self.table)
        catalog = self._catalog(config)
        try:
            return catalog.load_table(name)
        except NotFoundError as error:
            there = _neighbours(catalog, name)
            if there is None:
                raise type(error)(
                    f"source {self.name!r}: the catalog knows table {name!r}, but not all of it is "
                    f"there any more: {error}; restore the file from a backup, or register an "
                    "earlier metadata file of the table"
                ) from error
            raise SourceTableNotFound(self.name, name, there) from error

    def _checked_schema(self, config: RepoConfig) -> Schema:
        table = self.load(config)
        keep(table, self.pin())
        schema = table.schema()
        reverse = {new: old for old, new in self.field_mapping.items()}
        wanted = [
            ("timestamp_field", reverse.get(self.timestamp_field, self.timestamp_field)),
            (
                "created_timestamp_column",
                reverse.get(self.created_timestamp_column, self.created_timestamp_column),
            ),
            ("date_partition_column", self.date_partition_column),
        ]  # a mapping may name columns that some tables of a kind have
        older = {name for each in table.schemas().values() for name in each.column_names}
        for what, column in wanted:
            # A source that is held at a snapshot has the columns of its time.
            if column and column not in (older if self.pin() else schema.column_names):
                raise SourceColumnNotFound(
                    f"source {self.name!r}: {what} {column!r} is not a column of table "
                    f"{table.identifier!r}, which has {schema.column_names}"
                )
        return schema

    def require_columns(self, config: RepoConfig, view: str, names: Iterable[str]) -> None:
        """Raise where the table lacks columns of a feature view; one that is not there yet lacks
        none, since rows may be pushed first."""
        try:
            table = self.load(config)
        except SourceTableNotFound:
            return
        reverse = {new: old for old, new in self.field_mapping.items()}
        schemas = table.schemas().values() if self.pin() else [table.schema()]
        there = {column for schema in schemas for column in schema.column_names}
        missing = [name for name in names if reverse.get(name, name) not in there]
        if missing:
            raise SourceColumnNotFound(
                f"feature view {view!r}: table {table.identifier!r} has no column for {missing}; it "
                f"has {table.schema().column_names}; correct the names, or map them with "
                "field_mapping"
            )

    def validate(self, config: RepoConfig) -> None:
        """Raise where the table, one of its named columns or a snapshot is not there."""
        self._checked_schema(config)

    @staticmethod
    def source_datatype_to_feast_value_type() -> Callable[[str], ValueType]:
        return value_type_of

    def get_table_column_names_and_types(self, config: RepoConfig) -> Iterable[Tuple[str, str]]:
        """Names and Iceberg types of the columns. Feast asks at every `apply`, so what validate()
        looks at is looked at here too."""
        return [(field.name, field.type) for field in self._checked_schema(config)]

    def get_table_query_string(self) -> str:
        return ".".join(f'"{part}"' for part in self.table.split("."))


def check_view(config: RepoConfig, view: Any) -> None:
    """Raise where the source of a view is ours and lacks one of its columns. A view that computes
    its features has other ones than its source."""
    source = getattr(view, "batch_source", None)
    computed = ("feature_transformation", "udf", "aggregations")
    if (
        not isinstance(source, FrazilSource)
        or not isinstance(config.offline_store, FrazilStoreConfig)
        or any(getattr(view, name, None) for name in computed)
    ):
        return
    fields = [*view.entity_columns, *view.features]
    source.require_columns(
        config, view.name, [field.name for field in fields if field.name != DUMMY_ENTITY_ID]
    )


def storage_credentials(secrets: Dict[str, str] | None) -> dict[str, str]:
    """Credentials of a connection_ref by PyIceberg's property names."""
    names = {
        "AWS_ACCESS_KEY_ID": "s3.access-key-id",
        "AWS_SECRET_ACCESS_KEY": "s3.secret-access-key",
        "AWS_SESSION_TOKEN": "s3.session-token",
        "AWS_DEFAULT_REGION": "s3.region",
        "AWS_REGION": "s3.region",
        "AWS_ENDPOINT_URL": "s3.endpoint",
    }
    return {names.get(key, key): value for key, value in (secrets or {}).items() if value}


class SavedDatasetFrazilStorage(SavedDatasetStorage):
    """A saved dataset as an Iceberg table."""

    _proto_attr_name = "custom_storage"

    def __init__(self, table: str):
        self.table = table

    @staticmethod
    def from_proto(storage_proto: SavedDatasetStorageProto) -> SavedDatasetStorage:
        options = json.loads(storage_proto.custom_storage.configuration)
        return SavedDatasetFrazilStorage(table=options["table"])

    def to_proto(self) -> SavedDatasetStorageProto:
        options = json.dumps({"table": self.table}).encode()
        return self._custom_storage_proto(
            DataSourceProto.CustomSourceOptions(configuration=options)
        )

    def to_data_source(self) -> DataSource:
        return FrazilSource(table=self.table, timestamp_field="event_timestamp")

    @staticmethod
    def from_data_source(data_source: DataSource) -> "SavedDatasetStorage":
        assert isinstance(data_source, FrazilSource)
        return SavedDatasetFrazilStorage(table=data_source.table)


# SavedDatasetStorage.from_data_source() finds its class by the source's name in this table.
saved_dataset._DATA_SOURCE_TO_SAVED_DATASET_STORAGE.setdefault(
    "FrazilSource", "frazil.feast.SavedDatasetFrazilStorage"
)


class FrazilLoggingDestination(LoggingDestination):
    """Feature logs as an Iceberg table."""

    _proto_kind = "frazil"

    def __init__(self, *, table: str):
        self.table = table

    @classmethod
    def from_proto(cls, config_proto: LoggingConfigProto) -> "LoggingDestination":
        return FrazilLoggingDestination(table=config_proto.custom_destination.config["table"])

    def to_proto(self) -> LoggingConfigProto:
        return LoggingConfigProto(
            custom_destination=LoggingConfigProto.CustomDestination(
                kind=self._proto_kind, config={"table": self.table}
            )
        )

    def to_data_source(self) -> DataSource:
        return FrazilSource(table=self.table, timestamp_field="__log_timestamp")
