"""One engine's point-in-time join, in a process of its own.

Usage: join_engines.py ENGINE FOLDER ENTITIES.parquet    a folder that join_data.py made

Prints harness.py's JSON. Time starts after imports and ends with a pyarrow.Table; peak memory is read before the result is
digested. `scan` is no join: it only adds up the columns that a join reads, as far as an engine can get.
"""

import json
import pathlib
import resource
import sys
import time

import join_shape


def peak_bytes():
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def cpu_seconds():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


# -- frazil --


def prepare_frazil(folder, shape, entities):
    import datetime

    import pyarrow.parquet as parquet

    import frazil

    ttl = datetime.timedelta(days=shape.ttl_days) if shape.ttl_days else None

    def join():
        catalog = join_shape.open_with_frazil(folder)
        views = [frazil.View(catalog.load_table(join_shape.table_of(view)), name=f"view{view}", join_keys=["driver_id"],
                             timestamp_field="event_timestamp", features=shape.features_of(view), ttl=ttl)
                 for view in range(shape.views)]
        return frazil.pit_join(parquet.ParquetFile(entities).read(), views).to_arrow()  # read_table() would import pandas

    return join


# -- DuckDB --


def asof_sql(shape, sources, entities):
    """One ASOF join a view. A time to live is applied afterwards: ASOF takes one inequality."""
    columns, joins = ["e.*"], []
    for view in range(shape.views):
        fresh = f"v{view}.event_timestamp >= e.event_timestamp - INTERVAL {shape.ttl_days} DAY"
        for name in shape.features_of(view):
            columns.append(f"CASE WHEN {fresh} THEN {name} END AS {name}" if shape.ttl_days else name)
        joins.append(f"ASOF LEFT JOIN {sources[view]} v{view} ON e.driver_id = v{view}.driver_id "
                     f"AND e.event_timestamp >= v{view}.event_timestamp")
    return f"SELECT {', '.join(columns)} FROM read_parquet('{entities}') e {' '.join(joins)}"


def file_sources(folder, shape):
    return [f"read_parquet({join_shape.files_of(folder, view)!r})" for view in range(shape.views)]


def prepare_duckdb(folder, shape, entities):
    import duckdb

    return lambda: duckdb.sql(asof_sql(shape, file_sources(folder, shape), entities)).to_arrow_table()


def prepare_duckdb_filtered(folder, shape, entities):
    """The time range that matters, found and given by hand."""
    import duckdb

    def join():
        low, high = duckdb.sql(f"SELECT min(event_timestamp) - INTERVAL {shape.ttl_days} DAY, max(event_timestamp) "
                               f"FROM read_parquet('{entities}')").fetchone()
        sources = [f"(SELECT * FROM {source} WHERE event_timestamp BETWEEN TIMESTAMPTZ '{low}' AND TIMESTAMPTZ '{high}')"
                   for source in file_sources(folder, shape)]
        return duckdb.sql(asof_sql(shape, sources, entities)).to_arrow_table()

    return join


def prepare_duckdb_anti_join(folder, shape, entities):
    """Equality deletes applied by hand. DuckDB's own Iceberg reader applies them too, as a filter of so many terms: it took
    minutes for a hundredth of these."""
    import duckdb

    sources = [f"(SELECT f.* FROM {source} f ANTI JOIN read_parquet('{folder}/deleted.parquet') d USING (driver_id, event_timestamp))"
               for source in file_sources(folder, shape)]
    return lambda: duckdb.sql(asof_sql(shape, sources, entities)).to_arrow_table()


def prepare_duckdb_scan(folder, shape, entities):
    import duckdb

    columns = ["driver_id", "epoch_us(event_timestamp)", *shape.features_of(0)]
    query = f"SELECT {', '.join(f'sum({column})' for column in columns)} FROM {file_sources(folder, shape)[0]}"
    return lambda: duckdb.sql(query).fetchall() and None


# -- Polars --


def prepare_polars(folder, shape, entities):
    import datetime

    import polars

    tolerance = datetime.timedelta(days=shape.ttl_days) if shape.ttl_days else None

    def join():
        result = polars.read_parquet(entities).sort("event_timestamp")
        for view in range(shape.views):
            features = polars.read_parquet(join_shape.files_of(folder, view)).sort("event_timestamp")
            result = result.join_asof(features, on="event_timestamp", by="driver_id", strategy="backward", tolerance=tolerance)
        return result.to_arrow()

    return join


# -- PyIceberg applies the deletes, DuckDB joins --


def prepare_pyiceberg_duckdb(folder, shape, entities):
    import duckdb

    catalog = join_shape.open_with_pyiceberg(folder)

    def join():
        tables = {f"source{view}": catalog.load_table(join_shape.table_of(view)).scan().to_arrow() for view in range(shape.views)}
        connection = duckdb.connect()
        for name, table in tables.items():
            connection.register(name, table)
        return connection.sql(asof_sql(shape, list(tables), entities)).to_arrow_table()

    return join


# -- Feast, with its own DuckDB store and with frazil's --


def feast_store(folder, scratch, offline_store, sources):
    from feast import FeatureStore, RepoConfig

    store = FeatureStore(config=RepoConfig(
        project="bench", provider="local", registry=f"{scratch}/registry.db", offline_store=offline_store,
        online_store={"type": "sqlite", "path": f"{scratch}/online.db"}, entity_key_serialization_version=3, repo_path=scratch))
    store.apply(feast_objects(join_shape.load(folder), sources))
    return store


def feast_objects(shape, sources):
    import datetime

    from feast import Entity, FeatureView, Field, ValueType
    from feast.types import Float64, Int64

    driver = Entity(name="driver_id", join_keys=["driver_id"], value_type=ValueType.INT64)
    ttl = datetime.timedelta(days=shape.ttl_days)
    return [driver, *(FeatureView(
        name=f"view{view}", entities=[driver], ttl=ttl, source=source, online=False,
        schema=[Field(name="driver_id", dtype=Int64), *(Field(name=name, dtype=Float64) for name in shape.features_of(view))])
        for view, source in enumerate(sources))]


def prepare_feast(folder, shape, entities, offline_store, sources):
    import atexit
    import tempfile

    import pyarrow.parquet as parquet

    scratch = tempfile.TemporaryDirectory()
    atexit.register(scratch.cleanup)
    store = feast_store(folder, scratch.name, offline_store, sources)
    features = [f"view{view}:{name}" for view in range(shape.views) for name in shape.features_of(view)]
    return lambda: store.get_historical_features(parquet.ParquetFile(entities).read().to_pandas(), features).to_arrow()


def prepare_feast_duckdb(folder, shape, entities):
    from feast import FileSource
    from feast.data_format import ParquetFormat

    places = [pathlib.Path(join_shape.files_of(folder, view)[0]).parent for view in range(shape.views)]
    sources = [FileSource(name=f"source{view}", path=f"{place}/*.parquet", timestamp_field="event_timestamp", file_format=ParquetFormat())
               for view, place in enumerate(places)]
    return prepare_feast(folder, shape, entities, {"type": "duckdb"}, sources)


def prepare_feast_frazil(folder, shape, entities):
    from frazil.feast import FrazilSource

    sources = [FrazilSource(name=f"source{view}", table=join_shape.table_of(view), timestamp_field="event_timestamp")
               for view in range(shape.views)]
    return prepare_feast(folder, shape, entities, {
        "type": "frazil.feast.IcebergOfflineStore", "catalog_name": "default", "uri": join_shape.uri_of(folder),
        "warehouse": f"{folder}/warehouse"}, sources)


def main():
    engine, folder, entities = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3]
    shape = join_shape.load(folder)
    join = globals()[f"prepare_{engine}"](folder, shape, entities)
    before, start = cpu_seconds(), time.perf_counter()
    result = join()
    answer = {"seconds": time.perf_counter() - start, "cpu_seconds": cpu_seconds() - before, "peak_bytes": peak_bytes()}
    if result is not None:
        from check_rows import digest

        answer |= digest(result.to_batches(), shape.result_columns())
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
