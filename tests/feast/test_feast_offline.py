"""Historical features against a reference in pandas, and against DuckDB running the same job."""

from datetime import datetime, timedelta, timezone

import pandas as pd
import pyarrow as pa
import pytest
from feast_repo import T0, driver_rows, reference_join
from feast import Entity, FeatureService, FeatureView, Field, RequestSource
from feast.errors import FeastEntityDFMissingColumnsError, SavedDatasetLocationAlreadyExists
from feast.infra.offline_stores.offline_store import RetrievalJob
from feast.on_demand_feature_view import on_demand_feature_view
from feast.types import Float64, Int64, String
from feast.value_type import ValueType

import frazil

HOUR = timedelta(hours=1)
DRIVER = Entity(name="driver", join_keys=["driver_id"], value_type=ValueType.INT64)
FEATURES = {"conv_rate": "conv_rate", "trips": "trips"}


def driver_view(source, name="driver_stats", ttl=timedelta(hours=3), **options):
    return FeatureView(
        name=name,
        entities=[DRIVER],
        ttl=ttl,
        schema=[
            Field(name="driver_id", dtype=Int64),
            Field(name="conv_rate", dtype=Float64),
            Field(name="trips", dtype=Int64),
        ],
        source=source,
        **options,
    )


def entity_frame():
    return pd.DataFrame(
        {
            "driver_id": [3, 1, 2, 1, 9, 1, 2],
            "event_timestamp": [
                T0 + timedelta(minutes=90),
                T0,
                T0 - timedelta(seconds=1),
                T0 + timedelta(hours=30),
                T0 + HOUR,
                T0 + timedelta(hours=14),
                T0 + timedelta(hours=5, microseconds=1),
            ],
            "note": list("abcdefg"),
        }
    )


def same(actual, expected):
    assert list(actual.columns) == list(expected.columns)
    assert len(actual) == len(expected)
    for name in expected.columns:
        got, want = actual[name].tolist(), expected[name].tolist()
        if pd.api.types.is_datetime64_any_dtype(expected[name]):
            got = list(pd.to_datetime(actual[name], utc=True))
            want = list(pd.to_datetime(expected[name], utc=True))
        for a, b in zip(got, want):
            wanted = pytest.approx(b) if isinstance(b, float) else b
            assert (pd.isna(a) and pd.isna(b)) or a == wanted, name


@pytest.mark.parametrize("ttl", [None, timedelta(hours=3), timedelta(0)])
@pytest.mark.parametrize("full", [False, True])
def test_against_pandas(engine_repo, ttl, full):
    repo = engine_repo
    rows = driver_rows()
    source = repo.source("driver_stats", rows, created_timestamp_column="created")
    repo.store.apply([DRIVER, driver_view(source, ttl=ttl)])
    frame = entity_frame()
    before = frame.copy(deep=True)
    job = repo.store.get_historical_features(
        entity_df=frame,
        features=["driver_stats:conv_rate", "driver_stats:trips"],
        full_feature_names=full,
    )
    names = {k: f"driver_stats__{k}" if full else k for k in FEATURES}
    same(job.to_df(), reference_join(frame, rows, {"driver_id": "driver_id"}, names, ttl))
    pd.testing.assert_frame_equal(frame, before)
    assert all(column.num_chunks == 1 for column in job.to_arrow().columns)


def test_created_decides_ties(engine_repo):
    rows = pd.DataFrame(
        {
            "driver_id": [1, 1, 1],
            "event_timestamp": [T0, T0, T0],
            "created": [T0 + HOUR, T0 + 3 * HOUR, T0 + 2 * HOUR],
            "conv_rate": [0.1, 0.3, 0.2],
            "trips": [1, 3, 2],
        }
    )
    source = engine_repo.source("d", rows, created_timestamp_column="created")
    engine_repo.store.apply([DRIVER, driver_view(source)])
    frame = pd.DataFrame({"driver_id": [1], "event_timestamp": [T0 + 2 * HOUR]})
    ask = {"entity_df": frame, "features": ["driver_stats:trips"]}
    store = engine_repo.store
    assert store.get_historical_features(**ask).to_df()["trips"].tolist() == [3]
    cut = store.get_historical_features(**ask, filter_by_created_timestamp=True)
    assert cut.to_df()["trips"].tolist() == [2]


def test_created_cutoff_against_pandas(engine_repo):
    rows = driver_rows(created_lag=timedelta(hours=2))
    source = engine_repo.source("d", rows, created_timestamp_column="created")
    engine_repo.store.apply([DRIVER, driver_view(source)])
    frame = entity_frame()
    out = engine_repo.store.get_historical_features(
        entity_df=frame,
        features=["driver_stats:conv_rate", "driver_stats:trips"],
        filter_by_created_timestamp=True,
    ).to_df()
    same(
        out,
        reference_join(
            frame, rows, {"driver_id": "driver_id"}, FEATURES, timedelta(hours=3), cutoff=True
        ),
    )


def test_composite_keys_are_not_mixed_up(engine_repo):
    one = Entity(name="one", join_keys=["one_id"], value_type=ValueType.INT64)
    two = Entity(name="two", join_keys=["two_id"], value_type=ValueType.INT64)
    rows = pd.DataFrame(
        {"one_id": [1, 11], "two_id": [11, 1], "event_timestamp": [T0, T0], "x": [1, 2]}
    )
    view = FeatureView(
        name="pairs",
        entities=[one, two],
        schema=[Field(name="x", dtype=Int64)],
        source=engine_repo.source("pairs", rows),
    )
    engine_repo.store.apply([one, two, view])
    frame = pd.DataFrame(
        {"two_id": [1, 11, 1], "one_id": [11, 1, 1], "event_timestamp": [T0 + HOUR] * 3}
    )
    out = engine_repo.store.get_historical_features(entity_df=frame, features=["pairs:x"]).to_df()
    assert out["x"].tolist()[:2] == [2, 1] and pd.isna(out["x"].tolist()[2])


def test_field_mapping_join_key_map_and_aliases(engine_repo):
    rows = pd.DataFrame(
        {
            "place": [1, 2, 1],
            "stamp": [T0, T0, T0 + HOUR],
            "made": [T0, T0, T0],
            "temp": [10, 20, 11],
        }
    )
    location = Entity(name="location", join_keys=["location_id"], value_type=ValueType.INT64)
    source = engine_repo.source(
        "loc",
        rows,
        timestamp_field="stamp",
        created_timestamp_column="made",
        field_mapping={"place": "location_id", "temp": "temperature"},
    )
    view = FeatureView(
        name="weather",
        entities=[location],
        schema=[Field(name="temperature", dtype=Int64), Field(name="location_id", dtype=Int64)],
        source=source,
    )
    service = FeatureService(
        name="trip",
        features=[
            view.with_name("origin").with_join_key_map({"location_id": "origin_id"}),
            view.with_name("destination").with_join_key_map({"location_id": "destination_id"}),
        ],
    )
    engine_repo.store.apply([location, view, service])
    frame = pd.DataFrame(
        {
            "origin_id": [1, 2],
            "destination_id": [2, 1],
            "event_timestamp": [T0 + timedelta(minutes=30), T0 + 2 * HOUR],
        }
    )
    out = engine_repo.store.get_historical_features(
        entity_df=frame, features=service, full_feature_names=True
    ).to_df()
    assert out["origin__temperature"].tolist() == [10, 20]
    assert out["destination__temperature"].tolist() == [20, 11]


def test_views_without_entities(engine_repo):
    rows = pd.DataFrame({"event_timestamp": [T0, T0 + HOUR], "rides": [5, 6]})
    view = FeatureView(
        name="global",
        entities=[],
        schema=[Field(name="rides", dtype=Int64)],
        source=engine_repo.source("g", rows),
    )
    engine_repo.store.apply([view])
    frame = pd.DataFrame({"event_timestamp": [T0 - HOUR, T0, T0 + 5 * HOUR], "z": [1, 2, 3]})
    out = engine_repo.store.get_historical_features(
        entity_df=frame, features=["global:rides"]
    ).to_df()
    assert pd.isna(out["rides"][0]) and out["rides"].tolist()[1:] == [5, 6]


def test_on_demand_views(engine_repo):
    repo = engine_repo
    source = repo.source("d", driver_rows(), created_timestamp_column="created")
    view = driver_view(source)
    request = RequestSource(name="req", schema=[Field(name="add", dtype=Int64)])

    @on_demand_feature_view(sources=[view, request], schema=[Field(name="sum", dtype=Float64)])
    def summed(inputs: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({"sum": inputs["conv_rate"] + inputs["add"]})

    repo.store.apply([DRIVER, view, summed])
    frame = pd.DataFrame({"driver_id": [1], "event_timestamp": [T0], "add": [10]})
    out = repo.store.get_historical_features(
        entity_df=frame, features=["driver_stats:conv_rate", "summed:sum"]
    ).to_df()
    assert out["sum"].tolist() == [pytest.approx(11.0)]


@pytest.mark.parametrize(
    "times",
    [
        pd.Series([datetime(2024, 1, 1, 1, 30)]),
        pd.Series([pd.Timestamp("2024-01-01 02:30", tz="Europe/Berlin")]),
        pd.Series([pd.Timestamp("2024-01-01 01:30")], dtype=object),
        pd.Series(["2024-01-01T01:30:00"]),
        pd.Series([datetime(2024, 1, 1, 1, 30)]).astype("datetime64[s]"),
    ],
    ids=["naive", "zone", "objects", "texts", "seconds"],
)
def test_entity_times_of_any_kind(engine_repo, times):
    repo = engine_repo
    source = repo.source("d", driver_rows(), created_timestamp_column="created")
    repo.store.apply([DRIVER, driver_view(source)])
    frame = pd.DataFrame({"driver_id": [1], "event_timestamp": times})
    job = repo.store.get_historical_features(entity_df=frame, features=["driver_stats:trips"])
    assert job.to_df()["trips"].tolist() == [101]
    assert job.to_arrow().schema.field("event_timestamp").type.tz == "UTC"


def test_entity_time_by_another_name(engine_repo):
    repo = engine_repo
    source = repo.source("d", driver_rows())
    repo.store.apply([DRIVER, driver_view(source)])
    frame = pd.DataFrame({"driver_id": [1], "when": [T0]})
    out = repo.store.get_historical_features(entity_df=frame, features=["driver_stats:trips"])
    assert out.to_df()["trips"].tolist() == [100]


@pytest.mark.parametrize(
    "keys, expected",
    [
        (pd.Series([1, None, 2]), [100, None, 200]),
        (pd.Series([1, 2, 3], dtype="int32"), [100, 200, 300]),
        (pd.Series([1, 2, 3], dtype="uint8"), [100, 200, 300]),
        (pd.Series([1, 2, 2], dtype="category"), [100, 200, 200]),
        (pd.Series([1.5, 2.0, float("inf")]), [None, 200, None]),
        (pd.Series([1, None, 3], dtype="Int64"), [100, None, 300]),
    ],
    ids=["gaps", "int32", "uint8", "category", "floats", "nullable"],
)
def test_odd_typed_keys(engine_repo, keys, expected):
    repo = engine_repo
    source = repo.source("d", driver_rows())
    repo.store.apply([DRIVER, driver_view(source)])
    frame = pd.DataFrame({"driver_id": keys, "event_timestamp": [T0] * 3})
    out = repo.store.get_historical_features(
        entity_df=frame, features=["driver_stats:trips"]
    ).to_arrow()
    assert out.column("trips").to_pylist() == expected


def test_text_keys(engine_repo):
    repo = engine_repo
    who = Entity(name="who", join_keys=["who_id"], value_type=ValueType.STRING)
    rows = pd.DataFrame({"who_id": ["a", "b'c"], "event_timestamp": [T0, T0], "x": [1, 2]})
    view = FeatureView(
        name="v", entities=[who], schema=[Field(name="x", dtype=Int64)], source=repo.source("v", rows)
    )
    repo.store.apply([who, view])
    for dtype in (object, "string", "category"):
        frame = pd.DataFrame(
            {
                "who_id": pd.Series(["b'c", None, "a"], dtype=dtype),
                "event_timestamp": [T0] * 3,
            }
        )
        out = repo.store.get_historical_features(entity_df=frame, features=["v:x"]).to_arrow()
        assert out.column("x").to_pylist() == [2, None, 1]


def test_no_entity_frame(engine_repo):
    repo = engine_repo
    rows = driver_rows(hours=6)
    source = repo.source("d", rows, created_timestamp_column="created")
    repo.store.apply([DRIVER, driver_view(source)])
    out = repo.store.get_historical_features(
        entity_df=None,
        features=["driver_stats:trips"],
        start_date=T0 + HOUR,
        end_date=T0 + 3 * HOUR,
    ).to_df()
    assert len(out) == 9  # 3 drivers, 3 hours: both ends count
    expected = {
        (r.driver_id, r.event_timestamp): r.trips
        for r in rows.itertuples()
        if T0 + HOUR <= r.event_timestamp <= T0 + 3 * HOUR
    }
    got = {(r.driver_id, r.event_timestamp): r.trips for r in out.itertuples()}
    assert got == expected


def test_no_entity_frame_with_several_views(engine_repo):
    repo = engine_repo
    view = driver_view(repo.source("d", driver_rows(hours=2), created_timestamp_column="created"))
    total = FeatureView(
        name="global",
        entities=[],
        schema=[Field(name="rides", dtype=Int64)],
        source=repo.source("g", pd.DataFrame({"event_timestamp": [T0], "rides": [5]})),
    )
    repo.store.apply([DRIVER, view, total])
    out = repo.store.get_historical_features(
        entity_df=None,
        features=["driver_stats:trips", "global:rides"],
        start_date=T0,
        end_date=T0 + HOUR,
    ).to_arrow()
    rows = [row for row in out.to_pylist() if row["driver_id"] is not None]
    assert len(rows) == 6 and all(row["rides"] == 5 for row in rows)


def test_sql_entity_frame(engine_repo):
    repo = engine_repo
    pytest.importorskip("duckdb")
    rows = driver_rows()
    source = repo.source("driver_stats", rows, created_timestamp_column="created")
    repo.store.apply([DRIVER, driver_view(source)])
    frame = entity_frame()
    repo.table("orders", frame)
    job = repo.store.get_historical_features(
        entity_df="SELECT driver_id, event_timestamp, note FROM feast.orders WHERE driver_id < 9 "
        "ORDER BY note",
        features=["driver_stats:conv_rate", "driver_stats:trips"],
    )
    wanted = frame[frame.driver_id < 9].reset_index(drop=True)
    same(
        job.to_df(),
        reference_join(wanted, rows, {"driver_id": "driver_id"}, FEATURES, timedelta(hours=3)),
    )
    joined = repo.store.get_historical_features(
        entity_df='SELECT o.driver_id, o.event_timestamp FROM orders o JOIN "feast"."driver_stats" d '
        "USING (driver_id) GROUP BY ALL",
        features=["driver_stats:trips"],
    )
    assert len(joined.to_df()) == 6


def test_sql_without_duckdb_says_what_to_install(repo, monkeypatch):
    import sys

    source = repo.source("d", driver_rows())
    repo.store.apply([DRIVER, driver_view(source)])
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(ImportError, match=r"frazil\[sql\]"):
        repo.store.get_historical_features(
            entity_df="SELECT 1 AS driver_id", features=["driver_stats:trips"]
        )


def test_wrong_calls(engine_repo):
    repo = engine_repo
    source = repo.source("d", driver_rows())
    view = driver_view(source)
    repo.store.apply([DRIVER, view])
    ask = repo.store.get_historical_features
    with pytest.raises(FeastEntityDFMissingColumnsError):
        ask(
            entity_df=pd.DataFrame({"event_timestamp": [T0]}), features=["driver_stats:trips"]
        ).to_df()
    with pytest.raises(Exception, match="event_timestamp"):
        ask(entity_df=pd.DataFrame({"driver_id": [1]}), features=["driver_stats:trips"])
    with pytest.raises(KeyError, match="nope"):
        ask(entity_df=entity_frame(), features=["driver_stats:nope"]).to_df()
    with pytest.raises(ValueError, match="trips"):
        ask(entity_df=entity_frame().assign(trips=1), features=["driver_stats:trips"]).to_df()


def test_pins(engine_repo):
    repo = engine_repo
    rows = driver_rows(hours=1)
    table = repo.table("d", rows)
    first = table.current_snapshot_id()
    table.create_tag("train")
    later = rows.assign(trips=rows.trips + 1, created=rows.created + HOUR)
    table.append(pa.Table.from_pandas(later, preserve_index=False), truncate_nanoseconds=True)
    from frazil.feast import FrazilSource

    frame = pd.DataFrame({"driver_id": [1], "event_timestamp": [T0]})
    for number, (pin, trips) in enumerate(
        [({}, 101), ({"snapshot_id": first}, 100), ({"tag": "train"}, 100)]
    ):
        source = FrazilSource(
            name=f"s{number}",
            table="feast.d",
            timestamp_field="event_timestamp",
            created_timestamp_column="created",
            **pin,
        )
        view = driver_view(source, name=f"v{number}")
        repo.store.apply([DRIVER, view])
        out = repo.store.get_historical_features(entity_df=frame, features=[f"v{number}:trips"])
        assert out.to_df()["trips"].tolist() == [trips]
    repo.store.config.offline_store.tag = "train"
    out = repo.store.get_historical_features(entity_df=frame, features=["v0:trips"])
    assert out.to_df()["trips"].tolist() == [100]


def test_a_key_that_was_renamed_since_the_pinned_snapshot(engine_repo):
    repo = engine_repo
    from frazil.feast import FrazilSource

    table = repo.table("d", driver_rows(hours=1).rename(columns={"driver_id": "old_id"}))
    first = table.current_snapshot_id()
    table.update_schema().rename_column("old_id", "driver_id").commit()
    source = FrazilSource(
        table="feast.d",
        timestamp_field="event_timestamp",
        snapshot_id=first,
        field_mapping={"old_id": "driver_id"},
    )
    repo.store.apply([DRIVER, driver_view(source)])
    frame = pd.DataFrame({"driver_id": [2.0, None], "event_timestamp": [T0, T0]})
    out = repo.store.get_historical_features(entity_df=frame, features=["driver_stats:trips"])
    assert out.to_arrow().column("trips").to_pylist() == [200, None]


def test_an_empty_entity_frame(engine_repo):
    repo = engine_repo
    source = repo.source("d", driver_rows())
    repo.store.apply([DRIVER, driver_view(source)])
    frame = pd.DataFrame({"driver_id": [], "event_timestamp": []})
    out = repo.store.get_historical_features(entity_df=frame, features=["driver_stats:trips"])
    assert out.to_df().shape == (0, 3)


def test_pulls(repo):
    rows = driver_rows(hours=6)
    source = repo.source("d", rows, created_timestamp_column="created")
    store = repo.store._get_provider().offline_store
    options = dict(
        config=repo.store.config,
        data_source=source,
        join_key_columns=["driver_id"],
        feature_name_columns=["trips"],
        timestamp_field="event_timestamp",
        created_timestamp_column="created",
        start_date=T0 + HOUR,
        end_date=T0 + 3 * HOUR,
    )
    everything = store.pull_all_from_table_or_query(**options)
    assert isinstance(everything, RetrievalJob)
    out = everything.to_df()
    assert list(out.columns) == ["driver_id", "trips", "event_timestamp", "created"]
    assert sorted(out["trips"]) == sorted(d * 100 + h for d in (1, 2, 3) for h in (1, 2, 3))
    latest = store.pull_latest_from_table_or_query(**options).to_df()
    assert sorted(latest["trips"]) == [103, 203, 303]
    no_keys = {**options, "join_key_columns": []}
    out = store.pull_latest_from_table_or_query(**no_keys).to_df()
    assert len(out) == 1 and out["__dummy_id"].tolist() == [""]
    out = store.pull_all_from_table_or_query(**no_keys).to_df()
    assert set(out["__dummy_id"]) == {""}
    bad = {**options, "join_key_columns": ["nope"]}
    with pytest.raises(Exception, match="nope"):
        store.pull_all_from_table_or_query(**bad).to_df()
    naive = {**options, "start_date": datetime(2024, 1, 1, 5), "end_date": None}
    assert len(store.pull_all_from_table_or_query(**naive).to_df()) == 3


@pytest.mark.parametrize("kind", ["timestamp[us]", "date32[day]", "timestamp[us, tz=UTC]"])
def test_windows_on_any_kind_of_time(repo, kind):
    stamps = pa.array([datetime(2024, 1, day) for day in (1, 2, 3)], pa.timestamp("us"))
    target = {
        "timestamp[us]": pa.timestamp("us"),
        "date32[day]": pa.date32(),
        "timestamp[us, tz=UTC]": pa.timestamp("us", "UTC"),
    }[kind]
    source = repo.source(
        "d", pa.table({"k": [1, 2, 3], "ts": stamps.cast(target)}), timestamp_field="ts"
    )
    store = repo.store._get_provider().offline_store
    for start, end, keys in (
        (datetime(2024, 1, 2), datetime(2024, 1, 3), [2, 3]),
        (datetime(2024, 1, 1, 12), datetime(2024, 1, 2, 12), [2]),
        (None, datetime(2024, 1, 2), [1, 2]),
    ):
        out = store.pull_all_from_table_or_query(
            config=repo.store.config, data_source=source, join_key_columns=["k"],
            feature_name_columns=["k"], timestamp_field="ts", start_date=start, end_date=end,
        ).to_df()  # fmt: skip
        assert sorted(out["k"]) == keys


def test_saved_datasets(repo):
    from frazil.feast import SavedDatasetFrazilStorage

    source = repo.source("d", driver_rows(), created_timestamp_column="created")
    repo.store.apply([DRIVER, driver_view(source)])

    def job():
        return repo.store.get_historical_features(
            entity_df=entity_frame(), features=["driver_stats:conv_rate", "driver_stats:trips"]
        )

    storage = SavedDatasetFrazilStorage(table="saved")
    repo.store.create_saved_dataset(from_=job(), name="first", storage=storage)
    back = repo.store.get_saved_dataset("first").to_df()
    order = ["event_timestamp", "driver_id"]
    expected = job().to_df().sort_values(order)[["driver_id", "conv_rate", "trips"]]
    got = back.sort_values(order)[["driver_id", "conv_rate", "trips"]]
    assert got.reset_index(drop=True).equals(expected.reset_index(drop=True))
    with pytest.raises(SavedDatasetLocationAlreadyExists):
        job().persist(storage)
    job().persist(storage, allow_overwrite=True)
    assert repo.catalog.load_table("feast.saved").scan().count() == 7
    only = repo.store.get_historical_features(
        entity_df=entity_frame()[["driver_id", "event_timestamp"]], features=["driver_stats:trips"]
    )
    only.persist(storage, allow_overwrite=True)
    assert "note" not in repo.catalog.load_table("feast.saved").schema().column_names
    with pytest.raises(SavedDatasetLocationAlreadyExists):
        from feast.saved_dataset import SavedDatasetStorage

        job().persist(SavedDatasetStorage.from_data_source(source))


def test_remote_storage(make_repo, monkeypatch):
    import pyarrow.parquet as pq

    from frazil.feast import retrieval

    repo = make_repo(offline={"staging_location": "staging"})
    source = repo.source("d", driver_rows(), created_timestamp_column="created")
    repo.store.apply([DRIVER, driver_view(source)])
    job = repo.store.get_historical_features(
        entity_df=entity_frame(), features=["driver_stats:trips"]
    )
    monkeypatch.setattr(retrieval, "_ROWS_PER_FILE", 3)
    assert job.supports_remote_storage_export()
    paths = job.to_remote_storage()
    assert len(paths) == 3 and paths[0].startswith(str(repo.folder / "staging"))
    assert pa.concat_tables([pq.read_table(p) for p in paths]).equals(job.to_arrow())
    repo.store.config.offline_store.staging_location = None
    assert not job.supports_remote_storage_export()
    with pytest.raises(ValueError, match="staging_location"):
        job.to_remote_storage()


def test_offline_write(repo):
    source = repo.source("d", driver_rows(hours=1), created_timestamp_column="created")
    repo.store.apply([DRIVER, driver_view(source)])
    more = driver_rows(hours=1).assign(
        event_timestamp=pd.Timestamp("2024-01-02 00:00:00.123456789", tz="UTC"), trips=7
    )
    repo.store.write_to_offline_store("driver_stats", more)
    table = repo.catalog.load_table("feast.d")
    assert table.scan("trips = 7").count() == 3
    with pytest.raises(ValueError):
        repo.store.write_to_offline_store("driver_stats", more.assign(extra=1))


def test_strings_lists_and_maps_come_back(engine_repo):
    repo = engine_repo
    rows = pa.table(
        {
            "driver_id": [1],
            "event_timestamp": pa.array([T0], pa.timestamp("ns", "UTC")),
            "tags": [["a", "b"]],
            "info": pa.array([[("k", "v")]], pa.map_(pa.string(), pa.string())),
            "place": [{"city": "x"}],
            "name": ["é"],
        }
    )
    source = repo.source("d", rows)
    view = FeatureView(name="v", entities=[DRIVER], source=source)
    repo.store.apply([DRIVER, view])
    names = {field.name: str(field.dtype) for field in repo.store.get_feature_view("v").features}
    assert names["tags"] == "Array(String)" and names["name"] == str(String)
    out = repo.store.get_historical_features(
        entity_df=pd.DataFrame({"driver_id": [1], "event_timestamp": [T0]}),
        features=["v:tags", "v:info", "v:name"],
    ).to_arrow()
    assert out.column("tags").to_pylist() == [["a", "b"]]
    assert out.column("info").to_pylist() == [[("k", "v")]]


def test_timestamps_of_the_result_are_utc_microseconds(repo):
    source = repo.source("d", driver_rows(), created_timestamp_column="created")
    repo.store.apply([DRIVER, driver_view(source)])
    table = repo.catalog.load_table("feast.d")
    assert table.schema().find_field("event_timestamp").type == "timestamptz"
    assert isinstance(table, frazil.Table)
    assert datetime.now(timezone.utc) > T0
