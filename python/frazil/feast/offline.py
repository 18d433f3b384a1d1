"""The offline store: historical features, pulls for materialization, writes.

Feature rows are read and joined in C; this file says what Feast means in frazil's terms. Names
of columns come in three kinds: in the table, in the feature view (after the source's field
mapping), and in the entity rows (after the projection's join key map).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Dict, List, Literal, NamedTuple, Optional, Tuple, Union

import pandas as pd
import pyarrow as pa
from feast.data_source import DataSource
from feast.errors import FeastJoinKeysDuringMaterialization
from feast.feature_logging import LoggingConfig, LoggingSource
from feast.feature_view import DUMMY_ENTITY_ID, DUMMY_ENTITY_VAL, FeatureView
from feast.infra.offline_stores.offline_store import (
    OfflineStore,
    RetrievalJob,
    RetrievalMetadata,
)
from feast.infra.offline_stores.offline_utils import DEFAULT_ENTITY_DF_EVENT_TIMESTAMP_COL
from feast.infra.registry.base_registry import BaseRegistry
from feast.on_demand_feature_view import OnDemandFeatureView
from feast.repo_config import RepoConfig
from feast.utils import (
    _get_requested_feature_views_to_features_dict,
    _get_requested_on_demand_feature_views,
    compute_non_entity_date_range,
)
from pydantic import StrictInt, StrictStr, field_validator

import frazil
from frazil import NoSuchTableError, Table, TableAlreadyExistsError, UnsupportedError, View
from frazil._convert import quoted, utc
from frazil.feast import duckdb_sql, entity_rows, monitoring
from frazil.feast.entity_rows import EntityRows
from frazil.feast.feast_types import TIMESTAMP, conform_column, conform_key, conform_table
from frazil.feast.pins import OpenedTable, TableRead
from frazil.feast.progress import joining
from frazil.feast.retrieval import (
    DATASET_TIME,
    ConformedStream,
    IcebergRetrievalJob,
    Result,
    storable_schema,
)
from frazil.feast.settings import (
    FrazilStoreConfig,
    ensure_namespace,
    full_name,
    moment_of,
    open_catalog,
    repo_folder,
)
from frazil.feast.source import (
    FrazilLoggingDestination,
    FrazilSource,
    SourceTableNotFound,
    store_settings,
)
from frazil.feast.time_window import column_type, no_column, window

_ENTITY_NAME = "entity_df"


class IcebergOfflineStoreConfig(FrazilStoreConfig):
    """Offline store in Iceberg tables, read by frazil."""

    type: Literal[
        "frazil.feast.IcebergOfflineStore", "frazil.feast.offline.IcebergOfflineStore"
    ] = "frazil.feast.IcebergOfflineStore"
    """ Offline store type selector. """

    engine: Literal["native", "duckdb", "spark"] = "native"
    """ What runs the join: native is C; duckdb and spark run the same contract as queries. """

    spark_conf: Optional[Dict[str, str]] = None
    """ Configuration of the Spark session, where none is active. """

    spark_catalog: Optional[StrictStr] = None
    """ A catalog of the Spark session that has the tables; without one Spark reads them by the
    metadata files that our catalog names. """

    staging_location: Optional[StrictStr] = None
    """ Folder that to_remote_storage() writes Parquet files under. """

    snapshot_id: Optional[StrictInt] = None
    """ Read every table at this snapshot; a source's own pin goes first. """

    tag: Optional[StrictStr] = None
    """ Read every table at this tag or branch. """

    as_of: Optional[Union[datetime, StrictStr]] = None
    """ Read every table as it was then; a time without a zone is UTC. """

    @field_validator("as_of")
    @classmethod
    def _is_a_time(cls, value: datetime | str | None) -> datetime | str | None:
        moment_of(value)
        return value


def _settings(config: RepoConfig) -> IcebergOfflineStoreConfig:
    settings = store_settings(config)
    assert isinstance(settings, IcebergOfflineStoreConfig)
    return settings


def _source(source: DataSource | None, what: str) -> FrazilSource:
    if not isinstance(source, FrazilSource):
        raise ValueError(
            f"{what}: IcebergOfflineStore reads FrazilSource, not {type(source).__name__}"
        )
    return source


def _pin(settings: IcebergOfflineStoreConfig, source: FrazilSource) -> dict[str, Any]:
    """Which snapshot to read, as arguments of a scan."""
    own = source.pin()
    if own.keys() - {"from_snapshot_id"}:
        return own
    if settings.snapshot_id is not None:
        return {"snapshot_id": settings.snapshot_id, **own}
    if settings.tag is not None:
        return {"ref": settings.tag, **own}
    if settings.as_of is not None:
        return {"as_of": moment_of(settings.as_of), **own}
    return own


def opened_table(
    config: RepoConfig, settings: IcebergOfflineStoreConfig, source: FrazilSource
) -> OpenedTable:
    """The table of a source, to be opened once, at the snapshot that source or store name."""
    return OpenedTable(lambda: source.load(config), _pin(settings, source))


def reverse_mapping(source: FrazilSource) -> dict[str, str]:
    """Names in the view to columns of the table, where a field mapping changes them."""
    return {new: old for old, new in source.field_mapping.items()}


def _relation(settings: FrazilStoreConfig, source: FrazilSource, pin: dict[str, Any]) -> str:
    """What to_sql() calls a table: by its name, and what it is held at, if it is: "ns"."t@tag"."""
    if "from_snapshot_id" in pin:
        raise UnsupportedError(
            f"to_sql(): source {source.name!r} reads the rows since a snapshot, and SQL has no name "
            "for those; leave since_snapshot_id out"
        )
    held = next(iter(pin.values()), None)
    if isinstance(held, datetime):
        held = held.isoformat()
    name = full_name(settings, source.table)
    return duckdb_sql.quoted_path(name, "" if held is None else f"@{held}")


class _JoinedView:
    """A feature view as it takes part in one join."""

    def __init__(
        self,
        config: RepoConfig,
        settings: IcebergOfflineStoreConfig,
        view: FeatureView,
        features: list[str],
        full_feature_names: bool,
        created_cutoff: bool,
    ):
        self.view = view
        self.source = _source(view.batch_source, f"feature view {view.name!r}")
        reverse = reverse_mapping(self.source)
        known = {field.name for field in view.features} | {
            field.name for field in view.entity_columns
        }
        for name in features:
            if name not in known:
                raise KeyError(f"feature view {view.name!r} has no feature {name!r}")
        prefix = view.projection.name_to_use()
        key_map = view.projection.join_key_map
        self.join_keys = {
            key_map.get(column.name, column.name): reverse.get(column.name, column.name)
            for column in view.entity_columns
            if column.name != DUMMY_ENTITY_ID
        }
        self.features = tuple(
            (reverse.get(name, name), f"{prefix}__{name}" if full_feature_names else name)
            for name in dict.fromkeys(features)
        )
        stamp = self.source.timestamp_field
        created = self.source.created_timestamp_column
        self.timestamp_field = reverse.get(stamp, stamp)
        self.created = reverse.get(created, created) or None
        self.ttl = view.ttl if isinstance(view.ttl, timedelta) and view.ttl else None
        self.created_cutoff = created_cutoff and self.created is not None
        self.pin = _pin(settings, self.source)
        self.opened = OpenedTable(lambda: self.source.load(config), self.pin, prefix)

    def load(self) -> Table:
        return self.opened.load()

    def native(self, table: Table) -> View:
        return View(
            table,
            name=self.view.projection.name_to_use(),
            join_keys=self.join_keys,
            timestamp_field=self.timestamp_field,
            created_timestamp_column=self.created,
            ttl=self.ttl,
            features=self.features,
            created_cutoff=self.created_cutoff,
            **self.pin,
        )

    def sql(self, settings: FrazilStoreConfig) -> duckdb_sql.SqlView:
        types = duckdb_sql.column_types(self.load())
        return duckdb_sql.SqlView(
            relation=_relation(settings, self.source, self.pin),
            join_keys=tuple(self.join_keys.items()),
            timestamp_field=self.timestamp_field,
            time_type=types[self.timestamp_field],
            created_timestamp_column=self.created,
            created_type=types[self.created] if self.created else "",
            ttl=self.ttl,
            features=self.features,
            created_cutoff=self.created_cutoff,
            binary_keys=tuple(
                each
                for each in self.join_keys.values()
                if types[each].startswith(("binary", "fixed"))
            ),
        )


class _HistoricalJoin:
    """One call of get_historical_features()."""

    def __init__(
        self,
        config: RepoConfig,
        settings: IcebergOfflineStoreConfig,
        views: list[_JoinedView],
        entities: EntityRows | None,
        dates: tuple[datetime, datetime],
        entity_sql: str | None,
    ):
        self.config = config
        self.settings = settings
        self.views = views
        self.entities = entities
        self.dates = dates
        self.entity_sql = entity_sql
        self._joined_rows: frazil.JoinedRows | None = None

    def snapshots(self) -> list[TableRead]:
        return [view.opened.read() for view in self.views]

    def run(self) -> Result:
        """The entity rows and their features, by the store's engine."""
        entities, joined, keys = self._prepared()
        options: dict[str, Any] = {"memory_limit_mb": self.settings.memory_limit_mb}
        join: Callable[..., Result] = self._native_join
        if self.settings.engine == "duckdb":
            join = duckdb_sql.pit_join
        elif self.settings.engine == "spark":
            join, options = _spark().pit_join, {"settings": _spark().settings_of(self.config)}
        features = join(keys, joined, timestamp_field=entities.timestamp_field, **options)
        return _beside(entities.table, features, self._outputs())

    def _native_join(
        self, entity: pa.Table, views: list[View], **options: Any
    ) -> pa.RecordBatchReader:
        """The features that the native engine adds to entity rows."""
        with joining([view.name for view in views]) as told:
            self._joined_rows = frazil.pit_join(entity, views, progress=told, **options)
        rows = self._joined_rows.to_arrow_batch_reader()
        return _selected(rows, rows.schema.names[entity.num_columns :])

    def explain(self) -> list[dict[str, Any]]:
        entities, joined, keys = self._prepared()
        return frazil.explain_join(
            keys, joined, entities.timestamp_field, memory_limit_mb=self.settings.memory_limit_mb
        )

    def report(self) -> list[dict[str, Any]]:
        return [] if self._joined_rows is None else self._joined_rows.report()

    def spark_frame(self, spark: Any) -> Any:
        """The same as a Spark frame."""
        entities, joined, keys = self._prepared()
        frame = _spark().joined_frame(
            spark, _spark().settings_of(self.config), keys, joined, entities.timestamp_field,
            kept=entities.table,
        )  # fmt: skip
        return frame.toDF(*entities.column_names(), *self._outputs())

    def _outputs(self) -> list[str]:
        return [output for view in self.views for _, output in view.features]

    def _prepared(self) -> tuple[EntityRows, list[View], pa.Table]:
        tables = [view.load() for view in self.views]
        entities = self.entities
        if entities is None:
            entities = self._entities_in_range(tables)
        outputs = self._outputs()
        clash = set(outputs) & set(entities.column_names())
        if clash or len(set(outputs)) != len(outputs):
            twice = sorted(clash or {name for name in outputs if outputs.count(name) > 1})
            raise ValueError(
                f"result columns {twice} would be there twice: use full_feature_names=True, "
                "or drop them from entity_df"
            )
        keys, joined = self._joined(tables, entities)
        return entities, joined, keys

    def _joined(self, tables: list[Table], entities: EntityRows) -> tuple[pa.Table, list[View]]:
        """Keys and times of the entity rows, and the views to join. Other entity columns are put
        back beside the features, since rows come back in their order."""
        columns = {entities.timestamp_field: entities.table.column(entities.timestamp_field)}
        joined = []
        # Two tables may have one key in two types. Names are the user's where they can be: errors
        # show them.
        named: dict[tuple[str, str], str] = {}
        for number, (table, view) in enumerate(zip(tables, self.views)):
            native = view.native(table)
            keys = {}
            for mine, theirs in view.join_keys.items():
                kind = column_type(table, theirs)
                name = named.get((mine, kind))
                if name is None:
                    name = named[mine, kind] = mine if mine not in columns else f"{mine} as {kind}"
                    columns[name] = conform_key(entities.table.column(mine), kind, mine)
                keys[name] = theirs
            native.join_keys = keys
            # Result names are made unlike any entity column's, and replaced by position.
            native.features = tuple(
                (column, f"{number}.{i}") for i, (column, _) in enumerate(view.features)
            )
            joined.append(native)
        return pa.table(columns), joined

    def to_sql(self) -> str:
        """The join for DuckDB, whatever the engine. Entity rows that are a frame go by the name
        entity_df; a query of them is part of this one."""
        views = [view.sql(self.settings) for view in self.views]
        entity_sql = self.entity_sql and duckdb_sql.plain_sql(self.entity_sql)
        if self.entities is not None:
            columns = self.entities.column_names()
            time = self.entities.timestamp_field
            has_ns = self.entities.table.schema.field(time).type.unit == "ns"
        else:
            time = DEFAULT_ENTITY_DF_EVENT_TIMESTAMP_COL
            columns, has_ns, entity_sql = duckdb_sql.spine_sql(views, time, *self.dates)
        return duckdb_sql.join_sql(
            duckdb_sql.quoted(_ENTITY_NAME), columns, time, has_ns, views, entity_sql=entity_sql
        )

    def _entities_in_range(self, tables: list[Table]) -> EntityRows:
        """Each distinct key and event time that a view has in the range of dates."""
        start, end = self.dates
        parts = []
        for table, view in zip(tables, self.views):
            columns = list(dict.fromkeys([*view.join_keys.values(), view.timestamp_field]))
            rows = table.scan(
                row_filter=window(table, view.timestamp_field, start, end),
                selected_fields=columns,
                **view.pin,
            ).to_arrow()
            made = {mine: rows.column(theirs) for mine, theirs in view.join_keys.items()}
            times = rows.column(view.timestamp_field)
            if not pa.types.is_timestamp(times.type):
                times = times.cast(pa.timestamp("us"))
            made[DEFAULT_ENTITY_DF_EVENT_TIMESTAMP_COL] = conform_column(
                times, TIMESTAMP, view.timestamp_field
            )
            parts.append(pa.table(made))
        spine = pa.concat_tables(_same_unit(parts), promote_options="permissive")
        times = spine.column_names.index(DEFAULT_ENTITY_DF_EVENT_TIMESTAMP_COL)
        order = [name for i, name in enumerate(spine.column_names) if i != times]
        order.append(DEFAULT_ENTITY_DF_EVENT_TIMESTAMP_COL)
        spine = spine.select(order).group_by(order).aggregate([])
        return EntityRows(
            spine.sort_by([(name, "ascending") for name in reversed(order)]).combine_chunks(),
            DEFAULT_ENTITY_DF_EVENT_TIMESTAMP_COL,
        )


def _same_unit(parts: list[pa.Table]) -> list[pa.Table]:
    """Event times of several views in the finest of their units, so that none is rounded."""
    name = DEFAULT_ENTITY_DF_EVENT_TIMESTAMP_COL
    units = {part.schema.field(name).type.unit for part in parts}
    if len(units) == 1:
        return parts
    target = pa.timestamp("ns", "UTC")
    return [
        part.set_column(part.column_names.index(name), name, part.column(name).cast(target))
        for part in parts
    ]


def _spark() -> Any:
    """The engine for Spark; pyspark is imported with it."""
    try:
        from frazil.feast import spark
    except ImportError as error:
        raise ImportError(
            f"engine: spark needs pyspark 4 ({error.name} is missing): pip install 'frazil[spark]'"
        ) from error
    return spark


def _job(
    config: RepoConfig,
    settings: IcebergOfflineStoreConfig,
    frame: Callable[[Any], Any],
    **options: Any,
) -> IcebergRetrievalJob:
    """A job; with engine: spark one that has its rows as a Spark frame, too."""
    if settings.engine == "spark":
        return _spark().IcebergSparkRetrievalJob(config, frame=frame, **options)
    return IcebergRetrievalJob(config, **options)


def _beside(entities: pa.Table, features: Result, names: list[str]) -> Result:
    """The entity rows' columns, then their features, under those names; as the features come."""
    names = [*entities.column_names, *names]
    if isinstance(features, pa.Table):
        return pa.table([*entities.columns, *features.columns], names=names)
    kinds = [*entities.schema.types, *features.schema.types]
    schema = pa.schema(list(zip(names, kinds)))

    def batches() -> Iterator[pa.RecordBatch]:
        first = 0
        for batch in features:
            rows = [column.slice(first, batch.num_rows) for column in entities.columns]
            first += batch.num_rows
            columns = [*(column.combine_chunks() for column in rows), *batch.columns]
            yield pa.RecordBatch.from_arrays(columns, schema=schema)

    return pa.RecordBatchReader.from_batches(schema, batches())


class IcebergOfflineStore(OfflineStore):
    """Historical features from Iceberg tables."""

    supports_filter_by_created_timestamp = True

    @staticmethod
    def get_historical_features(
        config: RepoConfig,
        feature_views: List[FeatureView],
        feature_refs: List[str],
        entity_df: Optional[Union[pd.DataFrame, str]],
        registry: BaseRegistry,
        project: str,
        full_feature_names: bool = False,
        filter_by_created_timestamp: bool = False,
        **kwargs: Any,
    ) -> RetrievalJob:
        settings = _settings(config)
        requested, _ = _get_requested_feature_views_to_features_dict(
            feature_refs,
            feature_views,
            _get_requested_on_demand_feature_views(feature_refs, project, registry),
        )
        views = [
            _JoinedView(
                config, settings, view, features, full_feature_names, filter_by_created_timestamp
            )
            for view, features in requested.items()
        ]
        dates = compute_non_entity_date_range(
            feature_views, start_date=kwargs.get("start_date"), end_date=kwargs.get("end_date")
        )
        join_keys = {key for view in views for key in view.join_keys}
        entities: EntityRows | None = None
        if entity_df is None:
            keys, bounds = sorted(join_keys), dates
        else:
            entities = _entities(config, settings, entity_df)
            entities.require(join_keys)
            keys = [n for n in entities.column_names() if n != entities.timestamp_field]
            bounds = entities.range()  # type: ignore[assignment]
        entity_sql = entity_df if isinstance(entity_df, str) else None
        join = _HistoricalJoin(config, settings, views, entities, dates, entity_sql)
        return _job(
            config,
            settings,
            frame=join.spark_frame,
            run=join.run,
            sql=join.to_sql,
            snapshots=join.snapshots,
            explained=join.explain,
            reported=join.report,
            n_rows=lambda: None if entities is None else entities.table.num_rows,
            what="features",
            timestamp_field=(
                DEFAULT_ENTITY_DF_EVENT_TIMESTAMP_COL
                if entities is None
                else entities.timestamp_field
            ),
            full_feature_names=full_feature_names,
            on_demand_feature_views=OnDemandFeatureView.get_requested_odfvs(
                feature_refs, project, registry
            ),
            metadata=RetrievalMetadata(
                features=feature_refs,
                keys=keys,
                min_event_timestamp=bounds[0],
                max_event_timestamp=bounds[1],
            ),
        )

    @staticmethod
    def pull_latest_from_table_or_query(
        config: RepoConfig,
        data_source: DataSource,
        join_key_columns: List[str],
        feature_name_columns: List[str],
        timestamp_field: str,
        created_timestamp_column: Optional[str],
        start_date: Optional[datetime] = None,
        end_date: Optional[datetime] = None,
    ) -> RetrievalJob:
        settings = _settings(config)
        source = _source(data_source, "pull_latest")
        created = created_timestamp_column or None
        pull = _Pull(join_key_columns, feature_name_columns, timestamp_field, created,
                     start_date, end_date, is_latest=True)  # fmt: skip

        pulled = opened_table(config, settings, source)

        def run() -> Result:
            table = pulled.load()
            _check_join_keys(source, table, join_key_columns)
            if settings.engine == "spark":
                return _spark_rows(_spark().settings_of(config), source, pulled, pull)
            rows = frazil.latest_per_key(
                table,
                join_key_columns,
                timestamp_field,
                created_timestamp_column=created,
                start=start_date,
                end=end_date,
                columns=_pulled(
                    table, join_key_columns, feature_name_columns, timestamp_field, created,
                    pulled.pin,
                ),
                **pulled.pin,
            ).to_arrow_batch_reader()
            return rows if join_key_columns else _with_dummy_entity(rows)

        def sql() -> str:
            return _pull_sql(config, source, pull)

        def frame(spark: Any) -> Any:
            return _spark_pull(spark, _spark().settings_of(config), source, pulled, pull)

        def explained() -> list[dict[str, Any]]:
            columns = [*join_key_columns, timestamp_field, *([created] if created else [])]
            found = pulled.load().scan(
                row_filter=window(pulled.load(), timestamp_field, start_date, end_date),
                selected_fields=tuple(dict.fromkeys(columns)),
                **pulled.pin,
            )
            return [{"view": source.table, "search": found.explain()}]

        return _job(
            config,
            settings,
            frame=frame,
            run=run,
            sql=sql,
            snapshots=lambda: [pulled.read()],
            explained=explained,
        )

    @staticmethod
    def pull_all_from_table_or_query(
        config: RepoConfig,
        data_source: DataSource,
        join_key_columns: List[str],
        feature_name_columns: List[str],
        timestamp_field: str,
        created_timestamp_column: Optional[str] = None,
        start_date: Optional[datetime] = None,
        end_date: Optional[datetime] = None,
    ) -> RetrievalJob:
        settings = _settings(config)
        source = _source(data_source, "pull_all")
        created = created_timestamp_column or None
        pull = _Pull(join_key_columns, feature_name_columns, timestamp_field, created,
                     start_date, end_date, is_latest=False)  # fmt: skip

        pulled = opened_table(config, settings, source)

        def scan() -> tuple[frazil.Scan, list[str] | None]:
            table = pulled.load()
            _check_join_keys(source, table, join_key_columns)
            time = _saved_time(table, timestamp_field)
            columns = _pulled(
                table, join_key_columns, feature_name_columns, time, created, pulled.pin
            )
            found = table.scan(
                row_filter=window(table, time, start_date, end_date),
                selected_fields=("*",) if columns is None else columns,
                **pulled.pin,
            )
            return found, columns

        def run() -> Result:
            if settings.engine == "spark":
                return _spark_rows(_spark().settings_of(config), source, pulled, pull)
            found, columns = scan()
            rows = found.to_arrow_batch_reader()
            if columns is not None:
                rows = _selected(rows, columns)
            return rows if join_key_columns else _with_dummy_entity(rows)

        def n_rows() -> int:
            """At most so many: filters and deletes leave some out."""
            return sum(task.record_count for task in scan()[0].plan_files())

        def sql() -> str:
            return _pull_sql(config, source, pull)

        def frame(spark: Any) -> Any:
            return _spark_pull(spark, _spark().settings_of(config), source, pulled, pull)

        return _job(
            config,
            settings,
            frame=frame,
            run=run,
            sql=sql,
            snapshots=lambda: [pulled.read()],
            explained=lambda: [{"view": source.table, "search": scan()[0].explain()}],
            n_rows=n_rows,
            what=source.table,
        )

    @staticmethod
    def write_logged_features(
        config: RepoConfig,
        data: Union[pa.Table, Path],
        source: LoggingSource,
        logging_config: LoggingConfig,
        registry: BaseRegistry,
    ) -> None:
        settings = _settings(config)
        destination = logging_config.destination
        if not isinstance(destination, FrazilLoggingDestination):
            raise ValueError(
                "IcebergOfflineStore logs to FrazilLoggingDestination, "
                f"not {type(destination).__name__}"
            )
        catalog = open_catalog(settings, repo_folder(config))
        identifier = full_name(settings, destination.table)
        logs = _LoggedRows(data)
        try:
            logs.append(catalog.load_table(identifier))
        except NoSuchTableError:
            created = logs.create(
                catalog,
                identifier,
                storable_schema(source.get_schema(registry)),
                partition_spec=f"day({quoted(source.get_log_timestamp_column())})",
            )
            if not created:  # another process was faster
                logs.append(catalog.load_table(identifier))

    @staticmethod
    def offline_write_batch(
        config: RepoConfig,
        feature_view: FeatureView,
        table: pa.Table,
        progress: Optional[Callable[[int], Any]],
    ) -> None:
        _settings(config)
        source = _source(feature_view.batch_source, f"feature view {feature_view.name!r}")
        target = source.load(config)
        schema = pa.schema(target.arrow_schema())
        # A pandas index that came along is nobody's column.
        given = [name for name in table.column_names if not name.startswith("__index_level_")]
        if set(given) != set(schema.names):
            raise ValueError(
                f"table {source.table!r} has columns {schema.names}, the rows to write have {given}"
            )
        try:
            rows = conform_table(table.select(given), schema)
        except ValueError as error:
            raise ValueError(f"rows for table {target.identifier!r}: {error}") from error
        target.append(rows, truncate_nanoseconds=True)
        if progress:
            progress(table.num_rows)

    # -- monitoring --

    @staticmethod
    def compute_monitoring_metrics(
        config: RepoConfig,
        data_source: DataSource,
        feature_columns: List[Tuple[str, str]],
        timestamp_field: str,
        start_date: Optional[datetime] = None,
        end_date: Optional[datetime] = None,
        histogram_bins: int = 20,
        top_n: int = 10,
    ) -> List[Dict[str, Any]]:
        settings = _settings(config)
        source = _source(data_source, "monitoring")
        pulled = opened_table(config, settings, source)
        table = pulled.load()
        reverse = reverse_mapping(source)
        columns = {
            name: reverse.get(name, name)
            for name, _ in feature_columns
            if reverse.get(name, name) in table.schema().column_names
        }

        def read(names: list[str]) -> pa.Table:
            time = reverse.get(timestamp_field, timestamp_field)
            rows = window(table, time, start_date, end_date)
            return table.scan(rows, selected_fields=names, **pulled.pin).to_arrow()

        return monitoring.metrics_of(read, columns, feature_columns, histogram_bins, top_n)

    @staticmethod
    def get_monitoring_max_timestamp(
        config: RepoConfig, data_source: DataSource, timestamp_field: str
    ) -> Optional[datetime]:
        settings = _settings(config)
        source = _source(data_source, "monitoring")
        pulled = opened_table(config, settings, source)
        try:
            table = pulled.load()
        except SourceTableNotFound:
            return None  # nothing was written to the source yet
        time = reverse_mapping(source).get(timestamp_field, timestamp_field)
        latest = frazil.latest_per_key(table, (), time, columns=[time], **pulled.pin).to_arrow()
        moments = latest.column(time).to_pylist()
        return utc(moments[0]) if moments and moments[0] is not None else None

    @staticmethod
    def ensure_monitoring_tables(config: RepoConfig) -> None:
        settings = _settings(config)
        monitoring.ensure_tables(open_catalog(settings, repo_folder(config)), settings.namespace)

    @staticmethod
    def save_monitoring_metrics(
        config: RepoConfig, metric_type: str, metrics: List[Dict[str, Any]]
    ) -> None:
        settings = _settings(config)
        catalog = open_catalog(settings, repo_folder(config))
        monitoring.save(catalog, settings.namespace, metric_type, metrics)

    @staticmethod
    def query_monitoring_metrics(
        config: RepoConfig,
        project: str,
        metric_type: str,
        filters: Optional[Dict[str, Any]] = None,
        start_date: Optional[date] = None,
        end_date: Optional[date] = None,
    ) -> List[Dict[str, Any]]:
        settings = _settings(config)
        return monitoring.query(
            open_catalog(settings, repo_folder(config)),
            settings.namespace,
            project,
            metric_type,
            filters,
            start_date,
            end_date,
        )

    @staticmethod
    def clear_monitoring_baseline(
        config: RepoConfig,
        project: str,
        feature_view_name: Optional[str] = None,
        feature_name: Optional[str] = None,
        data_source_type: Optional[str] = None,
    ) -> None:
        settings = _settings(config)
        monitoring.clear_baseline(
            open_catalog(settings, repo_folder(config)),
            settings.namespace,
            {
                "project_id": project,
                "feature_view_name": feature_view_name,
                "feature_name": feature_name,
                "data_source_type": data_source_type,
            },
        )


class _LoggedRows:
    """Feature logs on their way into a table: Arrow rows, or Parquet files in a folder that are
    read one after another."""

    def __init__(self, data: pa.Table | Path | str):
        self._data = data

    def _reader(self) -> pa.RecordBatchReader:
        if isinstance(self._data, (str, Path)):
            import pyarrow.dataset

            files = pyarrow.dataset.dataset(str(self._data), format="parquet")
            return files.scanner(use_threads=False, batch_readahead=1).to_reader()
        return self._data.to_reader()

    def _conformed(self, schema: pa.Schema) -> ConformedStream:
        return ConformedStream(self._reader(), schema)

    def append(self, table: Table) -> None:
        rows = self._conformed(pa.schema(table.arrow_schema()))
        rows.into(lambda stream: table.append(stream, truncate_nanoseconds=True))

    def create(
        self, catalog: frazil.Catalog, identifier: str, schema: pa.Schema, **options: Any
    ) -> bool:
        """In one commit; False: the table is there already."""
        ensure_namespace(catalog, identifier)
        rows = self._conformed(schema)
        try:
            rows.into(
                lambda stream: catalog.create_table_as(
                    identifier, stream, schema=schema, truncate_nanoseconds=True, **options
                )
            )
        except TableAlreadyExistsError:
            return False
        return True


def _entities(
    config: RepoConfig, settings: IcebergOfflineStoreConfig, entity_df: Any
) -> EntityRows:
    if isinstance(entity_df, pd.DataFrame):
        return entity_rows.from_frame(entity_df)
    if isinstance(entity_df, str):
        catalog = open_catalog(settings, repo_folder(config))
        sources = duckdb_sql.Sources(catalog, settings.namespace)
        return entity_rows.from_arrow(
            duckdb_sql.query(entity_df, sources, settings.memory_limit_mb)
        )
    if hasattr(entity_df, "__arrow_c_stream__"):
        return entity_rows.from_arrow(pa.table(entity_df))
    if hasattr(entity_df, "toArrow"):  # of Spark
        return entity_rows.from_arrow(entity_df.toArrow())
    raise ValueError(
        "entity_df is a pandas DataFrame, an SQL query, an Arrow table or None, "
        f"not {type(entity_df).__name__}"
    )


def _check_join_keys(source: FrazilSource, table: Table, join_keys: Iterable[str]) -> None:
    columns = set(table.schema().column_names)
    if not set(join_keys) <= columns:
        raise FeastJoinKeysDuringMaterialization(source.table, set(join_keys), columns)


def _pulled(
    table: Table,
    join_keys: list[str],
    features: list[str],
    timestamp_field: str,
    created: str | None,
    pin: dict[str, Any],
) -> list[str] | None:
    """The columns of a pull, each once; None where no feature was named: all."""
    if not features:
        return None
    wanted = [*join_keys, *features, timestamp_field, *([created] if created else [])]
    for column in wanted:
        if not pin and column not in table.schema().column_names:
            raise no_column(table, column)
        column_type(table, column)  # an error that names the table
    return list(dict.fromkeys(wanted))


def _with_dummy_entity(rows: pa.RecordBatchReader) -> pa.RecordBatchReader:
    """Feast keys a view without entities by a column of its own."""
    if DUMMY_ENTITY_ID in rows.schema.names:
        return rows
    value = pa.scalar(DUMMY_ENTITY_VAL, pa.string())
    schema = rows.schema.append(pa.field(DUMMY_ENTITY_ID, pa.string()))

    def batches() -> Iterator[pa.RecordBatch]:
        for batch in rows:
            columns = [*batch.columns, pa.repeat(value, batch.num_rows)]
            yield pa.RecordBatch.from_arrays(columns, schema=schema)

    return pa.RecordBatchReader.from_batches(schema, batches())


def _selected(rows: pa.RecordBatchReader, columns: list[str]) -> pa.RecordBatchReader:
    """The columns in that order."""
    schema = pa.schema([rows.schema.field(name) for name in columns])
    return pa.RecordBatchReader.from_batches(schema, (batch.select(columns) for batch in rows))


def _saved_time(table: Table, timestamp_field: str) -> str:
    """Feast reads saved datasets by "event_timestamp", whatever their entity rows called it."""
    if timestamp_field in table.schema().column_names:
        return timestamp_field
    return table.properties.get(DATASET_TIME, timestamp_field)


class _Pull(NamedTuple):
    """What a pull asks of a table, in the table's names."""

    join_keys: list[str]
    features: list[str]
    timestamp_field: str
    created: str | None
    start: datetime | None
    end: datetime | None
    is_latest: bool


def _spark_pull(
    spark: Any,
    settings: Any,
    source: FrazilSource,
    pulled: OpenedTable,
    pull: _Pull,
    is_mapped: bool = True,
) -> Any:
    """A pull as a Spark frame. Feast's Spark engine wants columns by the names that they have
    after the source's field mapping, as from Feast's own Spark store."""
    table = pulled.load()
    _check_join_keys(source, table, pull.join_keys)
    time = _saved_time(table, pull.timestamp_field)
    columns = _pulled(table, pull.join_keys, pull.features, time, pull.created, pulled.pin)
    frame = _spark().pulled_frame(
        spark, settings, table, pulled.pin, pull.join_keys, columns, time, pull.created,
        pull.start, pull.end, pull.is_latest,
    )  # fmt: skip
    if is_mapped:
        frame = frame.toDF(*(source.field_mapping.get(name, name) for name in frame.columns))
    if pull.join_keys:
        return frame
    return _spark().with_constant(frame, DUMMY_ENTITY_ID, DUMMY_ENTITY_VAL)


def _spark_rows(
    settings: Any, source: FrazilSource, pulled: OpenedTable, pull: _Pull
) -> pa.Table:
    spark = _spark().session(settings)
    frame = _spark_pull(spark, settings, source, pulled, pull, is_mapped=False)
    return _spark().pulled(frame, pulled.load(), pulled.pin)


def _pull_sql(config: RepoConfig, source: FrazilSource, pull: _Pull) -> str:
    settings = _settings(config)
    stamp, created = pull.timestamp_field, pull.created
    types = duckdb_sql.column_types(source.load(config))
    wanted = [*pull.join_keys, *pull.features, stamp, *([created] if created else [])]
    columns = ["*"]
    if pull.features:
        columns = [duckdb_sql.quoted(name) for name in dict.fromkeys(wanted)]
    if not pull.join_keys:
        columns.append(f"'{DUMMY_ENTITY_VAL}' AS {duckdb_sql.quoted(DUMMY_ENTITY_ID)}")
    where = duckdb_sql.window_sql(stamp, types[stamp], pull.start, pull.end)
    text = f"SELECT {', '.join(columns)}\nFROM {_relation(settings, source, _pin(settings, source))}"
    if pull.is_latest:
        where = where or [f"{duckdb_sql.quoted(stamp)} IS NOT NULL"]
    if where:
        text += f"\nWHERE {' AND '.join(where)}"
    if not pull.is_latest:
        return text
    keys = ", ".join(duckdb_sql.quoted(key) for key in pull.join_keys)
    by = f"PARTITION BY {keys} " if keys else ""
    order = f"{duckdb_sql.quoted(stamp)} DESC"
    if created:
        order += f", {duckdb_sql.quoted(created)} DESC NULLS LAST"
    return text + f"\nQUALIFY row_number() OVER ({by}ORDER BY {order}) = 1"
