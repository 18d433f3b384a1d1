"""Retrieval jobs: what an offline store's methods return, run when their rows are asked for.

Rows come as a stream of record batches wherever the work behind them allows it: persist() and
to_remote_storage() write it as it comes, so that no result is held whole on its way to a table or
to files.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, List, Optional, Union

import pandas as pd
import pyarrow as pa
from feast.errors import SavedDatasetLocationAlreadyExists
from feast.infra.offline_stores.offline_store import RetrievalJob, RetrievalMetadata
from feast.infra.offline_stores.offline_utils import DEFAULT_ENTITY_DF_EVENT_TIMESTAMP_COL
from feast.on_demand_feature_view import OnDemandFeatureView
from feast.repo_config import RepoConfig
from feast.saved_dataset import SavedDatasetStorage

from frazil import (
    Catalog,
    CorruptError,
    FrazilError,
    LimitError,
    NoSuchTableError,
    NotFoundError,
    TableAlreadyExistsError,
)
from frazil._convert import guarded, guarded_iterator
from frazil.feast.feast_types import conform_table
from frazil.feast.pins import TableRead
from frazil.feast.progress import shown
from frazil.feast.settings import ensure_namespace, full_name, open_catalog, repo_folder
from frazil.feast.source import SavedDatasetFrazilStorage, store_settings

_ROWS_PER_FILE = 1_000_000
_BATCH_ROWS = 65_536

DATASET_SOURCES = "frazil.dataset.sources"
DATASET_TIME = "frazil.dataset.timestamp-field"

Result = Union[pa.Table, pa.RecordBatchReader]
""" Rows whole, or as they come. """


class IcebergRetrievalJob(RetrievalJob):
    """Rows that a function makes when asked.

    Tables are opened when the rows, or `snapshots`, are first asked for; from then on every call
    reads the same versions of them, whatever is written meanwhile.
    """

    def __init__(
        self,
        config: RepoConfig,
        run: Callable[[], Result],
        sql: Callable[[], str],
        full_feature_names: bool = False,
        on_demand_feature_views: Optional[List[OnDemandFeatureView]] = None,
        metadata: Optional[RetrievalMetadata] = None,
        snapshots: Callable[[], Sequence[TableRead]] = tuple,
        explained: Callable[[], list[dict[str, Any]]] = list,
        reported: Callable[[], list[dict[str, Any]]] = list,
        n_rows: Callable[[], int | None] = lambda: None,
        what: str = "rows",
        timestamp_field: str = DEFAULT_ENTITY_DF_EVENT_TIMESTAMP_COL,
    ):
        self._config = config
        self._run = run
        self._sql = sql
        self._full_feature_names = full_feature_names
        self._on_demand_feature_views = on_demand_feature_views or []
        self._metadata = metadata
        self._snapshots = snapshots
        self._explained = explained
        self._reported = reported
        self._n_rows = n_rows
        self._what = what
        self._timestamp_field = timestamp_field

    @property
    def full_feature_names(self) -> bool:
        return self._full_feature_names

    @property
    def on_demand_feature_views(self) -> List[OnDemandFeatureView]:
        return self._on_demand_feature_views

    @property
    def metadata(self) -> Optional[RetrievalMetadata]:
        return self._metadata

    @property
    def snapshots(self) -> tuple[TableRead, ...]:
        """Which snapshot of each table the job reads, one entry a feature view.

        With a source's snapshot_id=, or the store's setting, a later job reads them again.
        """
        return tuple(self._snapshots())

    def explain(self) -> list[dict[str, Any]]:
        """What the native engine would read for this job, and how much is left out why, without
        reading a row of it: one dict a feature view, as of frazil.explain_join(). A pull has
        `view`, its table, and `search`: of pull_latest the pass over keys and times."""
        with _advised():
            return guarded(self._explained)

    def report(self) -> list[dict[str, Any]]:
        """What a join's last run has read so far, with the keys of explain(); empty before the
        first run, for a pull, and where another engine ran it."""
        return self._reported()

    def _reader(self) -> pa.RecordBatchReader:
        """The rows before on-demand views, as a stream that counts itself on a terminal."""
        with _advised():
            result = self._run()
        if isinstance(result, pa.Table):
            return result.to_reader(_BATCH_ROWS)
        batches = shown(guarded_iterator(iter(result)), self._what, self._n_rows)
        return pa.RecordBatchReader.from_batches(result.schema, _advised_batches(batches))

    def _to_arrow_internal(self, timeout: Optional[int] = None) -> pa.Table:
        """One chunk a column: Feast's materialization reads the first batch of a table only."""
        with _advised():
            return guarded(lambda: self._reader().read_all()).combine_chunks()

    def _to_df_internal(self, timeout: Optional[int] = None) -> pd.DataFrame:
        return self._to_arrow_internal(timeout).to_pandas()

    def to_arrow_batches(self, timeout: Optional[int] = None) -> pa.RecordBatchReader:
        """The rows of to_arrow() in batches, as they come: memory does not grow with their number.

        On-demand views may look at a whole column, so where the request has some the rows are
        made at once and then handed out.
        """
        if self._on_demand_feature_views:
            return self.to_arrow(timeout=timeout).to_reader(_BATCH_ROWS)
        return self._reader()

    def to_sql(self) -> str:
        """The same rows as a DuckDB query. Tables go by their names; the entity rows are a table
        named entity_df."""
        return self._sql()

    def persist(
        self,
        storage: SavedDatasetStorage,
        allow_overwrite: bool = False,
        timeout: Optional[int] = None,
    ) -> None:
        """Write the rows to an Iceberg table, in one commit: it is there whole, or not at all.

        An existing table is replaced with `allow_overwrite`, and its earlier snapshots can be read
        until they expire. Which snapshots the rows came from is noted in the new snapshot's summary
        under "frazil.dataset.sources", as JSON, and the column of event times among the table's
        properties.
        """
        if not isinstance(storage, SavedDatasetFrazilStorage):
            raise ValueError(
                f"{type(self).__name__} persists to SavedDatasetFrazilStorage, "
                f"not {type(storage).__name__}"
            )
        settings = store_settings(self._config)
        catalog = open_catalog(settings, repo_folder(self._config))
        identifier = full_name(settings, storage.table)
        exists = catalog.table_exists(identifier)
        if exists and not allow_overwrite:
            raise SavedDatasetLocationAlreadyExists(location=storage.table)
        batches = self.to_arrow_batches(timeout=timeout)
        rows = ConformedStream(batches, storable_schema(batches.schema))
        summary = {DATASET_SOURCES: _sources_json(self.snapshots)}
        properties = {DATASET_TIME: self._timestamp_field}
        try:
            rows.into(
                lambda stream: _save(catalog, identifier, stream, exists, summary, properties)
            )
        except TableAlreadyExistsError as error:
            raise SavedDatasetLocationAlreadyExists(location=storage.table) from error

    def supports_remote_storage_export(self) -> bool:
        return bool(getattr(self._config.offline_store, "staging_location", None))

    def to_remote_storage(self) -> List[str]:
        """Parquet files of the rows, in a new folder under staging_location; each is written as its
        rows come."""
        import pyarrow.fs
        import pyarrow.parquet

        staging = getattr(self._config.offline_store, "staging_location", None)
        if not staging:
            raise ValueError(
                "to_remote_storage() needs a folder: set offline_store.staging_location in "
                "feature_store.yaml"
            )
        location = staging if "://" in staging else str(repo_folder(self._config) / staging)
        location = f"{location.rstrip('/')}/{uuid.uuid4().hex}"
        if "://" in location:
            filesystem, folder = pyarrow.fs.FileSystem.from_uri(location)
        else:
            filesystem, folder = pyarrow.fs.LocalFileSystem(), location
        rows = self.to_arrow_batches()
        filesystem.create_dir(folder, recursive=True)
        paths: list[str] = []
        for part in _parts(rows, _ROWS_PER_FILE):
            name = f"part-{len(paths):05}.parquet"
            with pyarrow.parquet.ParquetWriter(
                f"{folder}/{name}", rows.schema, filesystem=filesystem
            ) as writer:
                for batch in part:
                    writer.write_batch(batch)
            paths.append(f"{location}/{name}")
        return paths


# What a user can do about a failure that the library can only describe.
_ADVICE: dict[type[FrazilError], str] = {
    NotFoundError: "a file of the table is gone: `frazil verify TABLE` lists what is missing; restore it, or "
    "read an earlier version by snapshot_id=, tag= or as_of=",
    CorruptError: "`frazil verify --data TABLE` lists what is damaged; restore it, or read an earlier "
    "version by snapshot_id=, tag= or as_of=",
    LimitError: "the setting is offline_store.memory_limit_mb",
}


_NO_MEMORY = (
    "to_arrow_batches(), persist() and to_remote_storage() never hold all rows; "
    "offline_store.memory_limit_mb bounds what the join takes"
)


@contextmanager
def _advised() -> Iterator[None]:
    try:
        yield
    except MemoryError as error:
        if str(error).endswith(_NO_MEMORY):
            raise
        raise MemoryError(f"{str(error) or 'out of memory'}; {_NO_MEMORY}") from error
    except (NotFoundError, CorruptError, LimitError) as error:
        # Subclasses say what is missing, and so what to do.
        advice = _ADVICE.get(type(error))
        if advice is None or str(error).endswith(advice):
            raise
        raise type(error)(f"{error}; {advice}") from error


def _advised_batches(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    with _advised():
        yield from batches


def _parts(rows: pa.RecordBatchReader, n_rows: int) -> Iterator[Iterator[pa.RecordBatch]]:
    """The batches in runs of `n_rows` rows; at least one run. Each is to be read before the next."""
    batches = iter(rows)
    rest: list[pa.RecordBatch] = []

    def take(first: pa.RecordBatch | None) -> Iterator[pa.RecordBatch]:
        room, batch = n_rows, first
        while batch is not None:
            if batch.num_rows > room:
                rest.append(batch.slice(room))
                batch = batch.slice(0, room)
            yield batch
            room -= batch.num_rows
            batch = next(batches, None) if room and not rest else None

    yield take(next(batches, None))
    while (batch := rest.pop() if rest else next(batches, None)) is not None:
        yield take(batch)


class ConformedStream:
    """Rows on their way into a table of a given schema. What goes wrong in making them is raised as
    it was: an Arrow stream could carry its text only."""

    def __init__(self, rows: pa.RecordBatchReader, schema: pa.Schema):
        self.schema = schema
        self._rows = rows
        self._error: BaseException | None = None
        # Times keep their unit (the table's writer floors them), and columns that the table lacks
        # are refused by the writer, by name.
        self._given = pa.schema([_given(field, schema) for field in rows.schema])

    def _batches(self) -> Iterator[pa.RecordBatch]:
        try:
            for batch in self._rows:
                table = conform_table(pa.Table.from_batches([batch]), self.schema)
                yield from table.cast(self._given).to_batches()
        except BaseException as error:
            self._error = error
            raise

    def into(self, write: Callable[["ConformedStream"], Any]) -> None:
        try:
            write(self)
        except BaseException as error:
            if self._error is not None and self._error is not error:
                raise self._error from None
            raise

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        reader = pa.RecordBatchReader.from_batches(self._given, self._batches())
        return reader.__arrow_c_stream__(requested_schema)


def _given(source: pa.Field, schema: pa.Schema) -> pa.Field:
    index = schema.get_field_index(source.name)
    kind = source.type if index < 0 else schema.field(index).type
    if pa.types.is_timestamp(kind) and pa.types.is_timestamp(source.type):
        kind = pa.timestamp(source.type.unit, kind.tz)
    return pa.field(source.name, kind)


def _sources_json(reads: Sequence[TableRead]) -> str:
    return json.dumps(
        [
            {
                name: value.isoformat() if name == "committed_at" else value
                for name, value in read._asdict().items()
                if value is not None
            }
            for read in reads
        ]
    )


def _save(
    catalog: Catalog,
    identifier: str,
    rows: ConformedStream,
    exists: bool,
    summary: dict[str, str],
    properties: dict[str, str],
) -> None:
    """One commit, whatever is there: a table with its first rows, other rows, or another table."""
    options: dict[str, Any] = {"snapshot_properties": summary, "truncate_nanoseconds": True}
    if exists:
        try:
            table = catalog.load_table(identifier)
            same = rows.schema.equals(storable_schema(pa.schema(table.arrow_schema())))
            if same and properties.items() <= table.properties.items():
                table.overwrite(rows, **options)
            else:
                catalog.replace_table(
                    identifier, rows, schema=rows.schema, properties=properties, **options
                )
            return
        except NoSuchTableError:
            pass  # dropped meanwhile
    ensure_namespace(catalog, identifier)
    catalog.create_table_as(
        identifier, rows, schema=rows.schema, properties=properties, **options
    )


def storable_type(kind: pa.DataType) -> pa.DataType:
    """The nearest type that Iceberg has."""
    if pa.types.is_dictionary(kind):
        return storable_type(kind.value_type)
    if pa.types.is_null(kind):
        return pa.string()
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us", kind.tz)
    if pa.types.is_int8(kind) or pa.types.is_int16(kind):
        return pa.int32()
    if pa.types.is_uint8(kind) or pa.types.is_uint16(kind):
        return pa.int32()
    if pa.types.is_uint32(kind) or pa.types.is_uint64(kind):
        return pa.int64()
    if pa.types.is_float16(kind):
        return pa.float32()
    if pa.types.is_date64(kind):
        return pa.date32()
    if pa.types.is_large_string(kind):
        return pa.string()
    if pa.types.is_large_binary(kind):
        return pa.binary()
    if pa.types.is_map(kind):
        return pa.map_(storable_type(kind.key_type), storable_type(kind.item_type))
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return pa.list_(storable_type(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([_storable_field(kind.field(i)) for i in range(kind.num_fields)])
    return kind


def _storable_field(field: pa.Field) -> pa.Field:
    return pa.field(field.name, storable_type(field.type), field.nullable)


def storable_schema(schema: pa.Schema) -> pa.Schema:
    """The schema of a table that can hold rows of another schema; every column optional."""
    return pa.schema([pa.field(field.name, storable_type(field.type)) for field in schema])
