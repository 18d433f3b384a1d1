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
from datetime import timedelta

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "feast"), str(ROOT / "tests" / "interop")]

import frazil
import pandas as pd
import pyarrow as pa
import servers
from feast import Entity, FeatureView, Field
from feast.infra.offline_stores.contrib.spark_offline_store.spark import SparkRetrievalJob
from feast.types import Float64, Int64, String
from feast.value_type import ValueType
from feast_repo import T0, Repo, driver_rows
from join_cases import Pool, listed
from pyspark.sql import SparkSession
from test_feast_offline import DRIVER, HOUR, driver_view, entity_frame

import frazil.feast.spark as engine
import frazil.feast.spark_session as sessions
from frazil.feast import FrazilSource, SavedDatasetFrazilStorage

CASES = int(os.environ.get("FRAZIL_SPARK_JOINS", "20"))


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
    number = done = found = 0
    while done < CASES:
        pool = Pool(catalog, random.Random(f"spark {number}"), f"pool{number}", n_tables=2)
        number += 1
        for _ in range(5):
            case = pool.case()
            native = frazil.pit_join(case.entity, case.views).to_arrow()
            native = native.select(range(case.entity.num_columns, native.num_columns))
            try:
                same(engine.pit_join(case.entity, case.views), native)
            except Exception:
                print(number, case.views, case.entity.to_pylist())
                raise
            done += 1
            found += native.num_rows - native.column(0).null_count
    assert found > CASES


def types_outside_spark(zone=None):
    """Rows with each type that Spark lacks: nanoseconds apart, in a list and a struct too."""
    fine = pa.timestamp("ns", zone)
    at = [1_704_067_200_000_000_000 + n for n in (0, 1, 2, 999, 1000)]
    return pa.table({
        "driver_id": [1, 1, 1, 2, 2], "event_timestamp": pa.array(at, fine), "created": pa.array(at[::-1], fine),
        "of_day": pa.array([0, 1, None, 86_399_999_999, 5], pa.time64("us")), "x": [10, 11, 12, 13, 14],
        "times": pa.array([[1], [], None, [2, None], [3]], pa.list_(pa.time64("us"))),
        "deep": pa.array([{"at": each, "n": 1} for each in at], pa.struct([("at", fine), ("n", pa.int32())])),
    })  # fmt: skip


def check_types_outside_spark(folder):
    """Which go to Spark as whole numbers; nanoseconds decide, also between entity rows and within a time to live."""
    catalog = frazil.load_catalog("fine", uri=f"sqlite:///{folder}/c.db", warehouse=str(folder / "warehouse"))
    catalog.create_namespace("t")
    for zone in (None, "UTC"):
        rows = types_outside_spark(zone)
        table = catalog.create_table(f"t.rows_{zone}", rows.schema, format_version=3)
        table.append(rows)
        moments = [1_704_067_199_999_999_999 + n for n in range(5)] + [1_704_067_200_000_000_998 + n for n in range(4)]
        entity = pa.table({"driver_id": [1] * 5 + [2] * 4, "at": pa.array(moments, pa.timestamp("ns")), "of_day": pa.array([0, 1] * 4 + [None], pa.time64("us"))})
        for options in ({}, {"ttl": timedelta(microseconds=1)}, {"created_timestamp_column": "created", "created_cutoff": True},
                        {"join_keys": ["of_day"], "features": ["x", "times"]}):  # fmt: skip
            view = frazil.View(table, "v", **{"join_keys": ["driver_id"], "features": ["x", "of_day", "times", "deep"], **options})
            shown = entity.drop(["of_day"]) if "join_keys" not in options else entity
            native = frazil.pit_join(shown, [view], timestamp_field="at").to_arrow()
            same(engine.pit_join(shown, [view], timestamp_field="at"), native.select(range(shown.num_columns, native.num_columns)))
            assert native["x"].null_count < native.num_rows
    plain = pa.table({"k": [1, 1], "at": pa.array([0, 10**6], pa.timestamp("us")), "of_day": pa.array([1, 2], pa.time64("us"))})
    entity = pa.table({"k": [1], "event_timestamp": pa.array([10**6 - 1], pa.timestamp("us"))})
    view = frazil.View(catalog.create_table_as("t.plain", plain), "v", ["k"], "at", features=["of_day", "at"])
    same(engine.pit_join(entity, [view]), plain.slice(0, 1).select(["of_day", "at"]))
    repo = Repo(folder)
    repo.catalog.create_table("feast.d", types_outside_spark().schema, format_version=3).append(types_outside_spark())
    source = FrazilSource(table="d", timestamp_field="event_timestamp", created_timestamp_column="created")
    for options in ({"feature_name_columns": ["of_day", "x"]}, {"feature_name_columns": ["times"], "start_date": T0, "end_date": T0}):
        native, by_spark = in_engines(folder, lambda each: pulls(each, source, **options))
        for ours, theirs in zip(native, by_spark):
            order = [("event_timestamp", "ascending")]
            same(theirs.to_arrow().sort_by(order), ours.to_arrow().sort_by(order))
    assert by_spark[0].to_spark_df().schema["times"].dataType.simpleString() == "array<bigint>"


def check_rows_since_a_snapshot(folder):
    first = Repo(folder)
    rows = driver_rows(hours=2)
    table = first.table("d", rows)
    early = table.current_snapshot_id()
    table.append(pa.Table.from_pandas(rows.assign(trips=rows.trips + 1000).head(2), preserve_index=False), truncate_nanoseconds=True)
    source = FrazilSource(table="d", timestamp_field="event_timestamp", since_snapshot_id=early)
    first.store.apply([DRIVER, driver_view(source)])
    ask = {"entity_df": entity_frame(), "features": ["driver_stats:trips"]}
    native, by_spark = in_engines(folder, lambda repo: repo.store.get_historical_features(**ask))
    same(by_spark.to_arrow(), native.to_arrow())
    assert set(by_spark.to_df()["trips"].dropna()) <= {1100, 1200}


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


def joined_through(catalog, settings):
    """The same rows by path and through a catalog that the engine adds to the session."""
    catalog.create_namespace("deep ns")
    rows = pa.Table.from_pandas(driver_rows(), preserve_index=False)
    table = catalog.create_table_as("deep ns.`it`s", rows, truncate_nanoseconds=True)
    entity = pa.table({"driver_id": [1, 2], "event_timestamp": pa.array([T0 + HOUR] * 2, pa.timestamp("us", "UTC"))})
    views = [frazil.View(table, "v", ["driver_id"], features=["trips"])]
    assert engine.pit_join(entity, views, settings=settings)["trips"].to_pylist() == [101, 201]
    table.append(rows.slice(0, 1), truncate_nanoseconds=True)  # not yet known to a handle of before
    assert engine.pit_join(entity, views, settings=settings)["trips"].to_pylist() == [101, 201]


def check_the_stores_own_catalog(folder):
    """feature_store.yaml alone: the session has no catalog before."""
    properties = {"type": "sql", "uri": f"sqlite:///{folder}/c.db", "warehouse": str(folder / "warehouse")}
    settings = sessions.SparkSettings(catalog="own", catalog_name="own", properties=properties)
    conf = SparkSession.getActiveSession().conf
    assert conf.get("spark.sql.catalog.own", None) is None
    joined_through(frazil.load_catalog("own", **properties), settings)
    assert conf.get("spark.sql.catalog.own.uri") == f"jdbc:sqlite:{folder}/c.db"
    try:
        sessions.catalog_in(SparkSession.getActiveSession(), sessions.SparkSettings(catalog="nobody's"))
    except frazil.UnsupportedError as error:
        assert "spark.sql.catalog.nobody's" in str(error)
    else:
        raise AssertionError("no error")


def check_a_rest_catalog(folder):
    try:
        with servers.rest(folder, str(folder / "warehouse")) as uri:
            properties = {"type": "rest", "uri": uri}
            settings = sessions.SparkSettings(catalog="server", catalog_name="server", properties=properties)
            joined_through(frazil.load_catalog("server", **properties), settings)
    except servers.NotAvailable as error:
        print("not run:", error)


def check_catalogs_in_sparks_words(folder):
    """Properties by PyIceberg's names become Java's; no secret shows."""
    s3 = {"warehouse": "s3://lake/w", "s3.endpoint": "http://127.0.0.1:9", "s3.region": "eu-west-1", "s3.secret-access-key": "hush", "client.access-key-id": "AKIA"}
    told = sessions.catalog_conf({"type": "sql", "uri": "postgresql+psycopg2://me:p%40ss@host:5433/db?sslmode=require", **s3})
    assert told == {
        "": "org.apache.iceberg.spark.SparkCatalog", ".type": "jdbc", ".uri": "jdbc:postgresql://host:5433/db?sslmode=require", ".jdbc.user": "me",
        ".jdbc.password": "p@ss", ".jdbc.schema-version": "V0", ".io-impl": "org.apache.iceberg.aws.s3.S3FileIO", ".client.region": "eu-west-1",
        ".s3.path-style-access": "true", ".s3.access-key-id": "AKIA", **{f".{name}": value for name, value in s3.items()},
    }, told  # fmt: skip
    for uri, said in (("sqlite:////a/b.db", "jdbc:sqlite:/a/b.db"), ("/a/b.db", "jdbc:sqlite:/a/b.db"), ("jdbc:sqlite:/a/b.db", "jdbc:sqlite:/a/b.db")):
        assert sessions.catalog_conf({"type": "sql", "uri": uri, "schema_version": "v1"})[".uri"] == said
    rest = sessions.catalog_conf({"type": "rest", "uri": "https://h/api", "credential": "a:b", "warehouse": "prod", "header.X-A": "1"})
    assert rest == {"": rest[""], ".type": "rest", ".uri": "https://h/api", ".credential": "a:b", ".warehouse": "prod", ".header.X-A": "1"}
    glue = sessions.catalog_conf({"type": "glue", "glue.region": "eu-central-1", "glue.id": "12", "warehouse": "s3://w/", "s3.force-virtual-addressing": "true"})
    assert glue[".type"] == "glue" and glue[".client.region"] == "eu-central-1" and glue[".s3.path-style-access"] == "false" and glue[".glue.id"] == "12"
    settings = sessions.SparkSettings(properties={"type": "sql", "uri": "postgresql://me:hush@h/db", **s3})
    assert "hush" not in repr(settings) + str(settings)
    assert [each.split(":")[1] for each in sessions.packages(settings)] == ["iceberg-spark-runtime-4.1_2.13", "iceberg-aws-bundle", "postgresql"]
    assert [each.split(":")[1] for each in sessions.packages(sessions.SparkSettings())] == ["iceberg-spark-runtime-4.1_2.13", "sqlite-jdbc"]
    assert sessions.is_reached_by_path(sessions.SparkSettings(), "file:///a/m.json") and sessions.is_reached_by_path(sessions.SparkSettings(), "/a/m.json")
    assert not sessions.is_reached_by_path(settings, "s3://lake/m.json")
    try:
        sessions.catalog_conf({"type": "static"})
    except frazil.UnsupportedError as error:
        assert "static" in str(error)
    else:
        raise AssertionError("no error")


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
