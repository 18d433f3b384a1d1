"""Engines and SQL: the same rows whatever runs the join, to_sql() in a user's DuckDB, SQL entity frames that stay locked
in, and names that would break out of a query that did not quote them."""

from datetime import timedelta

import duckdb
import pandas as pd
import pyarrow as pa
import pytest
from feast import Entity, FeatureService, FeatureView, Field, RequestSource
from feast.on_demand_feature_view import on_demand_feature_view
from feast.types import Float64, Int64, String
from feast.value_type import ValueType
from feast_repo import T0, driver_rows
from test_feast_offline import DRIVER, HOUR, driver_view, entity_frame, same

import frazil
from frazil.feast import FrazilSource, duckdb_sql

HOSTILE = [
    'with "quotes"', "it's", "a.b", "two words", "ünïcödé", "select", "group", "order by 1 --", "__row", "_row", "_f", "f0",
    "e", "_e", "_entity", "_v0", "_upper0", "_time", "_k0", "_c0", "view0", "entity", "entity_df", "rowid", "`back`", "semi;colon",
    "per%cent", "{brace}", "$1", "?", "/* x */", "new\nline", "back\\slash",
]  # fmt: skip


def user_database(repo, tables, entity=None):
    """A user's own DuckDB with tables under the names that to_sql() uses; a tuple names a table and its pin."""
    connection = duckdb.connect()
    for number, name in enumerate(tables):
        name, pin = (name, {}) if isinstance(name, str) else name
        connection.register(f"hidden{number}", repo.catalog.load_table(f"feast.{name}").scan(**pin).to_arrow())
        held = f"@{next(iter(pin.values()))}" if pin else ""
        connection.execute("CREATE SCHEMA IF NOT EXISTS feast")
        connection.execute(f"CREATE VIEW feast.{duckdb_sql.quoted(name + held)} AS FROM hidden{number}")
    if entity is not None:
        connection.register("entity_df", entity)
    return connection


def in_duckdb(repo, job, tables, entity=None, zone="UTC"):
    connection = user_database(repo, tables, entity)
    connection.execute(f"SET TimeZone = '{zone}'")
    return connection.execute(job.to_sql()).to_arrow_table()


# ---- to_sql() ----


@pytest.mark.parametrize("cutoff", [False, True])
@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata"])
def test_to_sql_runs_in_a_users_database(engine_repo, cutoff, zone):
    source = engine_repo.source("driver_stats", driver_rows(), created_timestamp_column="created")
    engine_repo.store.apply([DRIVER, driver_view(source)])
    frame = entity_frame()
    job = engine_repo.store.get_historical_features(
        entity_df=frame,
        features=["driver_stats:conv_rate", "driver_stats:trips"],
        full_feature_names=True,
        filter_by_created_timestamp=cutoff,
    )
    for entity in (frame, frame.assign(event_timestamp=frame.event_timestamp.dt.tz_localize(None))):
        out = in_duckdb(engine_repo, job, ["driver_stats"], entity, zone)
        same(out.drop(["event_timestamp"]).to_pandas(), job.to_df().drop(columns="event_timestamp"))


def test_to_sql_of_an_sql_entity_frame_holds_it(engine_repo):
    source = engine_repo.source("driver_stats", driver_rows(), created_timestamp_column="created")
    engine_repo.store.apply([DRIVER, driver_view(source)])
    engine_repo.table("orders", entity_frame())
    job = engine_repo.store.get_historical_features(
        entity_df="SELECT * FROM feast.orders WHERE driver_id < 9 ORDER BY note DESC; -- newest notes",
        features=["driver_stats:trips"],
    )
    out = in_duckdb(engine_repo, job, ["driver_stats", "orders"])
    assert out["note"].to_pylist() == list("gfdcba")
    same(out.to_pandas(), job.to_df())


def test_to_sql_without_an_entity_frame_holds_the_range(engine_repo):
    view = driver_view(engine_repo.source("d", driver_rows(hours=5), created_timestamp_column="created"))
    rows = pa.table({"day": pa.array([T0.date()]), "rides": [5]})
    total = FeatureView(name="global", entities=[], schema=[Field(name="rides", dtype=Int64)],
                        source=engine_repo.source("g", rows, timestamp_field="day"))  # fmt: skip
    engine_repo.store.apply([DRIVER, view, total])
    job = engine_repo.store.get_historical_features(
        entity_df=None, features=["driver_stats:trips", "global:rides"], start_date=T0, end_date=T0 + 2 * HOUR
    )
    ours = job.to_arrow()
    for zone in ("UTC", "America/New_York"):
        out = in_duckdb(engine_repo, job, ["d", "g"], zone=zone)
        assert out.column_names == ours.column_names
        assert out["event_timestamp"].cast(pa.timestamp("us", "UTC")).to_pylist() == ours["event_timestamp"].to_pylist()
        assert out.drop(["event_timestamp"]).to_pylist() == ours.drop(["event_timestamp"]).to_pylist()
    assert len(ours) == 10


@pytest.mark.parametrize("kind", [pa.timestamp("us", "UTC"), pa.timestamp("us"), pa.date32()])
def test_pulls_as_sql_are_the_same(repo, kind):
    rows = pa.Table.from_pandas(driver_rows(hours=6), preserve_index=False)
    times = rows["event_timestamp"].cast(pa.timestamp("us", "UTC")).cast(kind)
    source = repo.source("d", rows.set_column(1, "event_timestamp", times), created_timestamp_column="created")
    store = repo.store._get_provider().offline_store
    options = dict(
        config=repo.store.config, data_source=source, join_key_columns=["driver_id"],
        feature_name_columns=["trips"], timestamp_field="event_timestamp",
        created_timestamp_column="created", start_date=T0, end_date=T0 + 3 * HOUR,
    )  # fmt: skip
    for pull, n in ((store.pull_all_from_table_or_query, 12), (store.pull_latest_from_table_or_query, 3)):
        n = 18 if kind == pa.date32() and n == 12 else n
        job = pull(**options)
        out = in_duckdb(repo, job, ["d"], zone="Asia/Kolkata").to_pandas()
        key = ["driver_id", "trips"]
        left = out.sort_values(key).reset_index(drop=True)
        same(left, job.to_df().sort_values(key).reset_index(drop=True))
        assert len(left) == n


# ---- one table at two snapshots ----


def test_views_of_one_table_at_two_snapshots(engine_repo):
    rows = driver_rows(hours=1)
    table = engine_repo.table("d", rows)
    first = table.current_snapshot_id()
    table.create_tag("train")
    later = rows.assign(trips=rows.trips + 1, created=rows.created + HOUR)
    table.append(pa.Table.from_pandas(later, preserve_index=False), truncate_nanoseconds=True)
    options = dict(table="d", timestamp_field="event_timestamp", created_timestamp_column="created")
    views = [
        driver_view(FrazilSource(name="now", **options), name="now"),
        driver_view(FrazilSource(name="then", snapshot_id=first, **options), name="then"),
        driver_view(FrazilSource(name="tagged", tag="train", **options), name="tagged"),
    ]
    engine_repo.store.apply([DRIVER, *views])
    frame = pd.DataFrame({"driver_id": [1, 2], "event_timestamp": [T0, T0]})
    job = engine_repo.store.get_historical_features(
        entity_df=frame, features=["now:trips", "then:trips", "tagged:trips"], full_feature_names=True
    )
    out = job.to_df()
    assert out["now__trips"].tolist() == [101, 201]
    assert out["then__trips"].tolist() == out["tagged__trips"].tolist() == [100, 200]
    by_user = in_duckdb(engine_repo, job, ["d", ("d", {"snapshot_id": first}), ("d", {"ref": "train"})], frame)
    same(by_user.to_pandas(), out)


def test_null_keys_of_several_and_null_times_match_nothing(engine_repo):
    """DuckDB 1.5's own ASOF join lets them match: null times, and null keys but for the first."""
    rows = pa.table({"a": [1, 1], "b": [None, 2], "event_timestamp": pa.array([T0, T0], pa.timestamp("us", "UTC")), "x": [3, 4]})
    entities = [Entity(name=name, join_keys=[name], value_type=ValueType.INT64) for name in ("a", "b")]
    view = FeatureView(name="v", entities=entities, schema=[Field(name="x", dtype=Int64)], source=engine_repo.source("d", rows), online=False)
    engine_repo.store.apply([*entities, view])
    frame = pa.table({"a": [1, 1, 1], "b": [None, 2, 2], "event_timestamp": pa.array([T0, None, T0], pa.timestamp("us", "UTC"))})
    job = engine_repo.store.get_historical_features(entity_df=frame.to_pandas(), features=["v:x"])
    assert job.to_arrow()["x"].to_pylist() == [None, None, 4]
    assert in_duckdb(engine_repo, job, ["d"], frame)["x"].to_pylist() == [None, None, 4]


# ---- names ----


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_hostile_names_of_columns_and_views(engine_repo, number):
    """Every kind of name at once, each another one of the list."""
    pick = iter((HOSTILE[number:] + HOSTILE[:number]) * 2)
    key, theirs, stamp, created, feature, other, note, time = (next(pick) for _ in range(8))
    at = [T0, T0 + HOUR, T0]
    rows = pa.table({theirs: [1, 1, 2], stamp: pa.array(at, pa.timestamp("us", "UTC")),
                     created: pa.array(at, pa.timestamp("us", "UTC")), feature: [10, 11, 20], other: ["x", "y", "z"]})  # fmt: skip
    source = engine_repo.source("d", rows, timestamp_field=stamp, created_timestamp_column=created, field_mapping={theirs: key})
    entity = Entity(name="thing", join_keys=[key], value_type=ValueType.INT64)
    view = FeatureView(name="v", entities=[entity], source=source, ttl=timedelta(hours=2), online=False,
                       schema=[Field(name=feature, dtype=Int64), Field(name=other, dtype=String), Field(name=key, dtype=Int64)])  # fmt: skip
    service = FeatureService(name="s", features=[view.with_name(HOSTILE[-1 - number])])
    engine_repo.store.apply([entity, view, service])
    frame = pd.DataFrame({note: ["a", "b", "c"], key: [1, 2, 1], time: [T0 + HOUR, T0, T0 - HOUR]})
    for cutoff in (False, True):
        job = engine_repo.store.get_historical_features(
            entity_df=frame, features=service, full_feature_names=True, filter_by_created_timestamp=cutoff
        )
        ours = job.to_arrow()
        prefix = HOSTILE[-1 - number]
        assert ours.column_names == [note, key, time, f"{prefix}__{feature}", f"{prefix}__{other}"]
        assert ours.column(3).to_pylist() == [11, 20, None] and ours.column(4).to_pylist() == ["y", "z", None]
        out = in_duckdb(engine_repo, job, ["d"], frame)
        assert out.column_names == ours.column_names
        assert out.column(3).to_pylist() == [11, 20, None] and out.column(4).to_pylist() == ["y", "z", None]


@pytest.mark.parametrize("name", ["select", "two words", 'a"b', "ünï", "entity_df", "_entity", "main", "group"])
def test_hostile_names_of_tables(engine_repo, name):
    view = driver_view(engine_repo.source(name, driver_rows(hours=1), created_timestamp_column="created"))
    engine_repo.store.apply([DRIVER, view])
    frame = pd.DataFrame({"driver_id": [1, 2], "event_timestamp": [T0, T0]})
    job = engine_repo.store.get_historical_features(entity_df=frame, features=["driver_stats:trips"])
    assert job.to_df()["trips"].tolist() == [100, 200]
    assert in_duckdb(engine_repo, job, [name], frame)["trips"].to_pylist() == [100, 200]
    asked = engine_repo.store.get_historical_features(
        entity_df=f"SELECT driver_id, event_timestamp FROM feast.{duckdb_sql.quoted(name)} ORDER BY ALL",
        features=["driver_stats:trips"],
    )
    assert asked.to_df()["trips"].tolist() == [100, 200, 300]


def test_names_that_differ_by_case_alone(engine_repo):
    rows = pa.table({"k": [1], "K": [2], "event_timestamp": pa.array([T0], pa.timestamp("us", "UTC")), "x": [3], "X": [4]})
    entity = Entity(name="thing", join_keys=["k"], value_type=ValueType.INT64)
    view = FeatureView(name="v", entities=[entity], source=engine_repo.source("d", rows),
                       schema=[Field(name=name, dtype=Int64) for name in ("k", "x", "X", "K")])  # fmt: skip
    engine_repo.store.apply([entity, view])
    frame = pd.DataFrame({"k": [1, 2], "event_timestamp": [T0, T0], "Event_Timestamp": ["a", "b"]})
    out = engine_repo.store.get_historical_features(entity_df=frame, features=["v:x", "v:X", "v:K"]).to_arrow()
    assert out.column_names == ["k", "event_timestamp", "Event_Timestamp", "x", "X", "K"]
    assert out.slice(0, 1).select(["x", "X", "K"]).to_pylist() == [{"x": 3, "X": 4, "K": 2}]
    assert out["x"].to_pylist() == [3, None]


# ---- an SQL entity frame cannot leave its tables ----

secret_table = pa.table({"driver_id": [1], "event_timestamp": [T0]})


ATTACKS = [
    "SELECT 1 AS driver_id, now() AS event_timestamp FROM read_csv('{file}')",
    "SELECT 1 AS driver_id, now() AS event_timestamp FROM '{file}'",
    "SELECT 1 AS driver_id, now() AS event_timestamp FROM read_text('{file}')",
    "SELECT 1 AS driver_id, now() AS event_timestamp FROM read_blob('{file}')",
    "SELECT 1 AS driver_id, now() AS event_timestamp FROM glob('{folder}/*')",
    "SELECT 1 AS driver_id, now() AS event_timestamp FROM sniff_csv('{file}')",
    "SELECT 1 AS driver_id, now() AS event_timestamp FROM read_parquet('{folder}/data/warehouse/**/*.parquet')",
    "SELECT 1 AS driver_id, now() AS event_timestamp FROM parquet_metadata('{folder}/data/warehouse/**/*.parquet')",
    "SELECT 1 AS driver_id, now() AS event_timestamp FROM read_json('http://127.0.0.1:1/x.json')",
    "SELECT 1 AS driver_id, now() AS event_timestamp FROM query('FROM read_text(''{file}'')')",
    "SELECT 1 AS driver_id, now() AS event_timestamp FROM sqlite_scan('{folder}/data/frazil.db', 'iceberg_tables')",
    "SELECT driver_id, event_timestamp FROM secret_table",
    "SELECT 1 AS driver_id, getenv('HOME')::TIMESTAMP AS event_timestamp",
    "ATTACH '{folder}/new.db' AS other",
    "ATTACH '{folder}/data/frazil.db' AS other (TYPE sqlite)",
    "COPY (SELECT 1) TO '{folder}/out.csv'",
    "COPY feast.orders TO '{folder}/out.parquet'",
    "EXPORT DATABASE '{folder}/out'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "SET enable_external_access = true",
    "SET lock_configuration = false",
    "RESET enable_external_access",
    "CREATE SECRET (TYPE s3)",
    "SELECT 1 AS driver_id, now() AS event_timestamp; COPY (SELECT 1) TO '{folder}/out.csv'",
    """Refused by its form; and with that check away, most are refused by the locked database alone."""
]
# In a database of its own, which is thrown away, these would do no harm.
OTHER_STATEMENTS = [
    "PRAGMA enable_profiling",
    "CREATE TABLE t AS SELECT 1",
    "SELECT 1 AS driver_id, now() AS event_timestamp; SELECT 1 AS driver_id, now() AS event_timestamp",
    "INSERT INTO feast.orders SELECT * FROM feast.orders",
    "DROP TABLE feast.orders",
    "CALL pragma_version()",
]


def refused(repo, attack):
    """A retrieval by an entity frame that must fail, and write nothing."""
    source = repo.source("driver_stats", driver_rows(), created_timestamp_column="created")
    repo.store.apply([DRIVER, driver_view(source)])
    repo.table("orders", entity_frame())
    (repo.folder / "file.csv").write_text("a\nread\n")
    before = sorted(repo.folder.rglob("*"))
    with pytest.raises((ValueError, duckdb.Error)) as caught:
        repo.store.get_historical_features(
            entity_df=attack.format(file=repo.folder / "file.csv", folder=repo.folder), features=["driver_stats:trips"]
        ).to_df()
    assert sorted(repo.folder.rglob("*")) == before
    assert "read\n" not in str(caught.value)


@pytest.mark.parametrize("attack", ATTACKS + OTHER_STATEMENTS)
def test_sql_entity_frames_cannot_leave_their_tables(repo, attack):
    refused(repo, attack)


@pytest.mark.parametrize("attack", ATTACKS)
def test_the_locked_database_alone_refuses(repo, attack, monkeypatch):
    """Where the check of the statement's form would miss one."""
    monkeypatch.setattr(duckdb_sql, "_table_names", lambda connection, sql: [("feast", "orders")])
    refused(repo, attack)


def test_sql_entity_frames_may_read_a_table_twice_and_hide_one(engine_repo):
    source = engine_repo.source("driver_stats", driver_rows(), created_timestamp_column="created")
    engine_repo.store.apply([DRIVER, driver_view(source)])
    engine_repo.table("orders", entity_frame())
    out = engine_repo.store.get_historical_features(
        entity_df="WITH orders AS (SELECT driver_id, event_timestamp FROM feast.orders WHERE note < 'c') "
        "SELECT a.driver_id, a.event_timestamp FROM orders a JOIN orders b USING (driver_id) ORDER BY ALL",
        features=["driver_stats:trips"],
    ).to_df()
    assert out["driver_id"].tolist() == [1, 3] and out["trips"].tolist() == [100, 301]


@pytest.mark.parametrize("sql, words", [
    ("SELECT 1 AS driver_id, now() AS event_timestamp FROM feast.nothing", "nothing"),
    ("SELECT drive_id, event_timestamp FROM feast.driver_stats", "drive_id"),
    ("SELEC 1", "SELEC"),
    ("", "SELECT statement"),
])  # fmt: skip
def test_wrong_sql_entity_frames_are_told(repo, sql, words):
    source = repo.source("driver_stats", driver_rows(), created_timestamp_column="created")
    repo.store.apply([DRIVER, driver_view(source)])
    with pytest.raises((ValueError, duckdb.Error), match=words):
        repo.store.get_historical_features(entity_df=sql, features=["driver_stats:trips"])


# ---- the rest of a retrieval, whatever the engine ----


def test_a_service_of_everything(engine_repo):
    """Several views, an on-demand view with request data, aliases, a join key map and full names in one service."""
    repo = engine_repo
    stats = driver_view(repo.source("d", driver_rows(), created_timestamp_column="created"))
    total = FeatureView(name="global", entities=[], schema=[Field(name="rides", dtype=Int64)],
                        source=repo.source("g", pd.DataFrame({"event_timestamp": [T0], "rides": [5]})))  # fmt: skip
    request = RequestSource(name="req", schema=[Field(name="add", dtype=Int64)])

    @on_demand_feature_view(sources=[stats, request], schema=[Field(name="sum", dtype=Float64)])
    def summed(inputs: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({"sum": inputs["conv_rate"] + inputs["add"]})

    service = FeatureService(name="all", features=[
        stats.with_name("one"), total.with_name("all"), summed, stats.with_name("other").with_join_key_map({"driver_id": "other_id"})[["trips"]],
    ])  # fmt: skip
    repo.store.apply([DRIVER, stats, total, summed, service])
    frame = pd.DataFrame({"driver_id": [1, 3], "other_id": [2, 9], "add": [10, 20],
                          "event_timestamp": [pd.Timestamp("2024-01-01 01:30", tz="Europe/Berlin"), pd.Timestamp("2024-01-01 02:30", tz="Europe/Berlin")]})  # fmt: skip
    out = repo.store.get_historical_features(entity_df=frame, features=service, full_feature_names=True).to_df()
    assert out["one__trips"].tolist() == [100, 301]
    assert out["other__trips"].tolist()[0] == 200 and pd.isna(out["other__trips"][1])
    assert out["all__rides"].tolist() == [5, 5]
    assert out["summed__sum"].tolist() == pytest.approx([11.0, 23.01])


def test_wrong_keys_are_refused_by_one_message(engine_repo):
    source = engine_repo.source("d", driver_rows())
    engine_repo.store.apply([DRIVER, driver_view(source)])
    frame = pd.DataFrame({"driver_id": ["a"], "event_timestamp": [T0]})
    with pytest.raises(frazil.InvalidError, match=r"'driver_id' \(string\) cannot be compared.*\(int64\)"):
        engine_repo.store.get_historical_features(entity_df=frame, features=["driver_stats:trips"]).to_df()
