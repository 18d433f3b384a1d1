"""The engine for Spark, checked in Spark's Python by test_feast_spark.py: one session for all, since Spark starts slowly.

Arguments: a folder, Iceberg's runtime and the JDBC driver of SQLite, joined by commas. Prints "ok NAME" for each check that
passed and a traceback for each that did not. The session's zone is not UTC: no result may depend on it.
"""

import importlib.util
import os
import pathlib
import random
import sys
import traceback
import types
from datetime import timedelta

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "feast"), str(ROOT / "tests" / "interop")]

import frazil
import pandas as pd
import pyarrow as pa
from feast import Entity, FeatureView, Field
from feast.infra.offline_stores.contrib.spark_offline_store.spark import SparkRetrievalJob
from feast.types import Float64, Int64, String
from feast.value_type import ValueType
from feast_repo import T0, Repo, driver_rows
from join_cases import Pool, listed
from pyspark.sql import SparkSession
from test_feast_offline import DRIVER, HOUR, driver_view, entity_frame

import frazil.feast.spark as engine
from frazil.feast import FrazilSource, SavedDatasetFrazilStorage

CASES = int(os.environ.get("FRAZIL_SPARK_JOINS", "20"))
OUTSIDE_SPARK = ("time", "timestamp_ns", "timestamptz_ns")


def same(left, right):
    """Two tables of equal columns, types and rows in order."""
    assert left.schema == right.schema, (left.schema, right.schema)
    for name in left.column_names:
        assert listed([left[name]]) == listed([right[name]]), (name, left[name], right[name])


def in_engines(folder, ask, engines=("native", "spark"), **options):
    """What `ask` makes of a store with each engine; the tables are the first one's."""
    repos = [Repo(folder, offline={"engine": name, **options}) for name in engines]
    return [ask(repo) for repo in repos]


def check_random_joins(folder):
    catalog = frazil.load_catalog("join", uri=f"sqlite:///{folder}/c.db", warehouse=str(folder / "warehouse"))
    catalog.create_namespace("t")
    settings = types.SimpleNamespace(spark_conf=None, spark_catalog=None)
    number = done = found = 0
    while done < CASES:
        pool = Pool(catalog, random.Random(f"spark {number}"), f"pool{number}", n_tables=2)
        number += 1
        for _ in range(5):
            case = pool.case()
            if any(field.type in OUTSIDE_SPARK for view in case.views for field in view.table.schema()):
                continue
            native = frazil.pit_join(case.entity, case.views).to_arrow()
            native = native.select(range(case.entity.num_columns, native.num_columns))
            try:
                same(engine.pit_join(case.entity, case.views, settings=settings), native)
            except Exception:
                print(number, case.views, case.entity.to_pylist())
                raise
            done += 1
            found += native.num_rows - native.column(0).null_count
    assert found > CASES


def check_types_outside_spark_are_named(folder):
    repo = Repo(folder, offline={"engine": "spark"})
    rows = pa.table({"driver_id": [1], "event_timestamp": pa.array([T0], pa.timestamp("us", "UTC")), "at": pa.array([0], pa.time64("us"))})
    view = FeatureView(name="v", entities=[DRIVER], schema=[Field(name="at", dtype=Int64)], source=repo.source("d", rows))
    repo.store.apply([DRIVER, view])
    frame = pd.DataFrame({"driver_id": [1], "event_timestamp": [T0]})
    try:
        repo.store.get_historical_features(entity_df=frame, features=["v:at"]).to_df()
    except frazil.UnsupportedError as error:
        assert "'at' (time)" in str(error)
    else:
        raise AssertionError("no error")


def check_flights(folder):
    path = ROOT / "examples" / "flights" / "run_example.py"
    spec = importlib.util.spec_from_file_location("flights_example", path)
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    flights, weather, planes = example.load_frames()
    first = Repo(folder)
    origin = Entity(name="origin", join_keys=["origin"], value_type=ValueType.STRING)
    plane = Entity(name="plane", join_keys=["tailnum"], value_type=ValueType.STRING)
    texts = ("manufacturer", "model", "engine")
    first.store.apply([origin, plane, *(
        FeatureView(name=name, entities=[entity], ttl=ttl, source=first.source(name, frame), online=False, schema=[
            Field(name=each, dtype=String if each in texts else Int64 if each == "seats" else Float64) for each in columns])
        for name, entity, ttl, frame, columns in [("weather", origin, example.WEATHER_TTL, weather, example.WEATHER),
                                                  ("planes", plane, None, planes, example.PLANES)])])  # fmt: skip
    features = [f"weather:{name}" for name in example.WEATHER] + [f"planes:{name}" for name in example.PLANES]

    def ask(repo):
        return repo.store.get_historical_features(entity_df=flights, features=features).to_arrow()

    native, by_duckdb, by_spark = in_engines(folder, ask, ("native", "duckdb", "spark"))
    same(by_duckdb, native)
    same(by_spark, native)
    assert native.num_rows == 336_776 and native["temp"].null_count < 5000 and native["model"].null_count < 60_000


def check_options(folder):
    """Time to live, the created cutoff, full names, an SQL frame, a range of dates, a Spark frame: all as the native engine."""
    first = Repo(folder)
    first.store.apply([DRIVER, driver_view(first.source("d", driver_rows(), created_timestamp_column="created"))])
    first.table("orders", entity_frame())
    features = ["driver_stats:conv_rate", "driver_stats:trips"]
    sql = "SELECT driver_id, event_timestamp FROM feast.orders ORDER BY note"
    for options in (
        {"entity_df": entity_frame()},
        {"entity_df": entity_frame(), "filter_by_created_timestamp": True, "full_feature_names": True},
        {"entity_df": sql},
        {"entity_df": None, "start_date": T0, "end_date": T0 + 3 * HOUR},
        {"entity_df": entity_frame().head(0)},
    ):  # fmt: skip
        native, by_spark = in_engines(folder, lambda repo: repo.store.get_historical_features(features=features, **options))
        same(by_spark.to_arrow(), native.to_arrow())
        assert by_spark.to_sql() == native.to_sql() and isinstance(by_spark, SparkRetrievalJob)
        frame = by_spark.to_spark_df()
        assert frame.columns == native.to_arrow().column_names
        assert frame.select("trips" if "full_feature_names" not in options else "driver_stats__trips").toArrow().column(0).to_pylist() \
            == native.to_arrow().column(-1).to_pylist()
    store = Repo(folder, offline={"engine": "spark"}).store
    given = SparkSession.getActiveSession().createDataFrame(entity_frame())
    assert store.get_historical_features(entity_df=given, features=features).to_df()["trips"].tolist()[:2] == [301, 100]


def check_hostile_names(folder):
    names = ["`back`tick", 'with "quotes"', "a.b", "select", "row", "two words", "ünï", "it's", "e", "k0", "w"]
    stamp = pa.array([T0, T0 + HOUR], pa.timestamp("us", "UTC"))
    first = Repo(folder)
    for number in range(len(names)):
        key, time, created, one, two, note, at = (names[number:] + names[:number])[:7]
        table = pa.table({key: [1, 1], time: stamp, created: stamp, one: [10, 11], two: ["x", "y"]})
        entity = Entity(name=f"thing{number}", join_keys=[key], value_type=ValueType.INT64)
        view = FeatureView(name=f"v{number}", entities=[entity], online=False, schema=[Field(name=one, dtype=Int64), Field(name=two, dtype=String)],
                           source=first.source(f"t{number}", table, timestamp_field=time, created_timestamp_column=created))  # fmt: skip
        first.store.apply([entity, view])
        frame = pd.DataFrame({note: ["a", "b"], key: [1, 1], at: [T0, T0 + HOUR]})
        ask = {"entity_df": frame, "features": [f"v{number}:{one}", f"v{number}:{two}"]}
        native, by_spark = in_engines(folder, lambda repo: repo.store.get_historical_features(**ask))
        same(by_spark.to_arrow(), native.to_arrow())
        assert by_spark.to_spark_df().columns == [note, key, at, one, two]


def pulls(repo, source, **options):
    store = repo.store._get_provider().offline_store
    asked = {"config": repo.store.config, "data_source": source, "join_key_columns": ["driver_id"], "feature_name_columns": ["trips"],
             "timestamp_field": "event_timestamp", "created_timestamp_column": "created", "start_date": T0, "end_date": T0 + 3 * HOUR,
             **options}  # fmt: skip
    return [store.pull_all_from_table_or_query(**asked), store.pull_latest_from_table_or_query(**asked)]


def check_pulls(folder):
    first = Repo(folder)
    rows = pa.Table.from_pandas(driver_rows(hours=6), preserve_index=False)
    unknown = rows.slice(3, 1).set_column(2, "created", pa.nulls(1, rows["created"].type))
    rows = pa.concat_tables([rows, unknown.set_column(4, "trips", pa.array([7]))])
    for kind in (pa.timestamp("us", "UTC"), pa.timestamp("us"), pa.date32()):
        times = rows["event_timestamp"].cast(pa.timestamp("us", "UTC")).cast(kind)
        name = f"d{kind}".replace("[", "_").replace("]", "").replace(", tz=UTC", "_utc")
        source = first.source(name, rows.set_column(1, "event_timestamp", times), created_timestamp_column="created")
        for options in ({}, {"join_key_columns": []}, {"start_date": None, "end_date": None}, {"created_timestamp_column": None}):
            native, by_spark = in_engines(folder, lambda repo: pulls(repo, source, **options))
            for ours, theirs in zip(native, by_spark):
                order = [(column, "ascending") for column in ours.to_arrow().column_names]
                same(theirs.to_arrow().sort_by(order), ours.to_arrow().sort_by(order))
                assert isinstance(theirs, SparkRetrievalJob)
    mapped = FrazilSource(table=name, timestamp_field="event_timestamp", field_mapping={"trips": "rides"})
    (job, _) = pulls(Repo(folder, offline={"engine": "spark"}), mapped)
    assert job.to_spark_df().columns == ["driver_id", "rides", "event_timestamp", "created"]  # as Feast's own Spark store
    assert job.to_arrow().column_names == ["driver_id", "trips", "event_timestamp", "created"]  # as Feast asks of all others


def check_snapshots(folder):
    """One table at two snapshots; and a frame that was made before an append does not see it."""
    first = Repo(folder)
    rows = driver_rows(hours=1)
    table = first.table("d", rows)
    early = table.current_snapshot_id()
    table.create_tag("train")
    later = pa.Table.from_pandas(rows.assign(trips=rows.trips + 1, created=rows.created + HOUR), preserve_index=False)
    table.append(later, truncate_nanoseconds=True)
    options = {"table": "d", "timestamp_field": "event_timestamp", "created_timestamp_column": "created"}
    views = [driver_view(FrazilSource(name=name, **options, **pin), name=name, online=False)
             for name, pin in (("now", {}), ("then", {"snapshot_id": early}), ("tagged", {"tag": "train"}))]  # fmt: skip
    first.store.apply([DRIVER, *views])
    frame = pd.DataFrame({"driver_id": [1, 2], "event_timestamp": [T0, T0]})
    features = ["now:trips", "then:trips", "tagged:trips"]
    jobs = in_engines(folder, lambda repo: repo.store.get_historical_features(entity_df=frame, features=features, full_feature_names=True))
    same(jobs[1].to_arrow(), jobs[0].to_arrow())
    assert jobs[1].to_df()["then__trips"].tolist() == [100, 200] and jobs[1].to_df()["now__trips"].tolist() == [101, 201]
    made = jobs[1].to_spark_df()
    table.refresh().append(later.set_column(4, "trips", pa.array([9, 9, 9])).set_column(
        2, "created", pa.array([T0 + 2 * HOUR] * 3, pa.timestamp("us", "UTC"))), truncate_nanoseconds=True)  # fmt: skip
    assert made.toArrow()["now__trips"].to_pylist() == [101, 201]
    assert jobs[1].to_df()["now__trips"].tolist() == [101, 201], "a job opens its tables once"


def check_a_catalog_of_the_session(folder):
    """The SQLite catalog through Iceberg's JDBC catalog, by VERSION AS OF."""
    conf = SparkSession.getActiveSession().conf
    conf.set("spark.sql.catalog.default", "org.apache.iceberg.spark.SparkCatalog")  # the name is in the catalog's rows
    conf.set("spark.sql.catalog.default.type", "jdbc")
    conf.set("spark.sql.catalog.default.uri", f"jdbc:sqlite:{folder}/data/frazil.db")
    conf.set("spark.sql.catalog.default.warehouse", f"{folder}/data/warehouse")
    first = Repo(folder)
    table = first.table("d", driver_rows())
    table.create_tag("it's")
    table.delete("trips = 101", mode="merge-on-read")
    options = {"table": "d", "timestamp_field": "event_timestamp", "created_timestamp_column": "created"}
    views = [driver_view(FrazilSource(name=name, **options, **pin), name=name, online=False) for name, pin in (("now", {}), ("then", {"tag": "it's"}))]
    first.store.apply([DRIVER, *views])
    ask = {"entity_df": entity_frame(), "features": ["now:trips", "then:trips"], "full_feature_names": True}
    native, by_spark = in_engines(folder, lambda repo: repo.store.get_historical_features(**ask), spark_catalog="default")
    same(by_spark.to_arrow(), native.to_arrow())


def check_saved_datasets(folder):
    repo = Repo(folder, offline={"engine": "spark"})
    repo.store.apply([DRIVER, driver_view(repo.source("d", driver_rows(), created_timestamp_column="created"))])
    job = repo.store.get_historical_features(entity_df=entity_frame(), features=["driver_stats:trips"])
    repo.store.create_saved_dataset(from_=job, name="saved", storage=SavedDatasetFrazilStorage(table="saved"))
    back = repo.store.get_saved_dataset("saved").to_df()
    assert sorted(back["trips"].fillna(-1)) == sorted(job.to_df()["trips"].fillna(-1))


def check_feast_spark_engine_materializes(folder):
    """Feast's Spark engine reads the frame where it lies, maps fields, and writes from Spark's processes."""
    from feast import FeatureStore

    repo = Repo(folder, offline={"engine": "spark"})
    config = repo.config.model_copy(update={"batch_engine_config": {"type": "spark.engine", "partitions": 2}})
    config._batch_engine = None
    store = FeatureStore(config=config)
    rows = driver_rows().rename(columns={"trips": "rides"})
    source = repo.source("d", rows, created_timestamp_column="created", field_mapping={"rides": "trips"})
    store.apply([DRIVER, driver_view(source)])
    read = []
    to_spark_df = engine.IcebergSparkRetrievalJob.to_spark_df
    engine.IcebergSparkRetrievalJob.to_spark_df = lambda job: read.append(1) or to_spark_df(job)
    store.materialize(T0, T0 + timedelta(hours=6))
    engine.IcebergSparkRetrievalJob.to_spark_df = to_spark_df
    assert read
    out = store.get_online_features(features=["driver_stats:trips"], entity_rows=[{"driver_id": n} for n in (1, 2, 3, 4)]).to_dict()
    assert out["trips"] == [106, 206, 306, None], out


def main(folder, jars):
    os.environ["PYSPARK_PYTHON"] = sys.executable
    builder = SparkSession.builder.master("local[2]").config("spark.jars", jars).config("spark.driver.memory", "2g")
    for key, value in {
        "spark.ui.enabled": "false", "spark.driver.bindAddress": "127.0.0.1", "spark.driver.host": "127.0.0.1",
        "spark.sql.shuffle.partitions": "2", "spark.sql.session.timeZone": "Asia/Kolkata",
    }.items():  # fmt: skip
        builder = builder.config(key, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    wanted = sys.argv[3:]
    for name, check in list(globals().items()):
        if name.startswith("check_") and (not wanted or name in wanted):
            place = pathlib.Path(folder) / name
            place.mkdir()
            try:
                check(place)
                print("ok", name, flush=True)
            except Exception:
                print("not ok", name, traceback.format_exc(), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:3])
