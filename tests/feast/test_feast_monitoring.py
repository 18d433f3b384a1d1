"""Monitoring: statistics of features, and the tables that they are kept in."""

from datetime import date, datetime, timedelta, timezone

import pandas as pd
import pyarrow as pa
import pytest
from feast import Entity, FeatureService, FeatureView, Field
from feast.monitoring.dqm_job_manager import DQMJobManager
from feast.monitoring.metrics_calculator import MetricsCalculator
from feast.monitoring.monitoring_service import MonitoringService
from feast.monitoring.monitoring_utils import monitoring_table_meta
from feast.types import Float64, Int64, String
from feast.value_type import ValueType
from feast_repo import T0

DAY = timedelta(days=1)
DRIVER = Entity(name="driver", join_keys=["driver_id"], value_type=ValueType.INT64)


def rows():
    return pd.DataFrame(
        {
            "driver_id": [1, 2, 3, 4],
            "event_timestamp": [T0, T0 + DAY, T0 + DAY, T0 + 2 * DAY],
            "rate": [1.0, float("nan"), 3.0, 5.0],
            "trips": [1, 2, 3, 40],
            "city": ["a", "b", "b", None],
        }
    )


@pytest.fixture
def store(repo):
    return repo.store._get_provider().offline_store


def metric(**more):
    return {
        "project_id": "proj",
        "feature_view_name": "v",
        "feature_name": "rate",
        "metric_date": date(2024, 1, 1),
        "granularity": "daily",
        "data_source_type": "batch",
        "computed_at": datetime(2024, 1, 2, tzinfo=timezone.utc),
        "is_baseline": False,
        "row_count": 3,
        "mean": 0.5,
        "histogram": {"bins": [0.0, 1.0], "counts": [3]},
        **more,
    }


def test_statistics_are_feasts_own(repo, store):
    source = repo.source("d", rows(), field_mapping={"rate": "conv_rate"})
    features = [("conv_rate", "numeric"), ("trips", "numeric"), ("city", "categorical")]
    got = store.compute_monitoring_metrics(
        repo.config, source, features, "event_timestamp", start_date=T0 + DAY, histogram_bins=4
    )
    frame = rows()[1:]
    table = pa.table(
        {
            "conv_rate": pa.array(frame["rate"], from_pandas=True),
            "trips": pa.array(frame["trips"]),
            "city": pa.array(frame["city"], from_pandas=True),
        }
    )
    assert got == MetricsCalculator(4).compute_all(table, features)
    assert [each["null_count"] for each in got] == [1, 0, 1]
    assert got[1]["max_val"] == 40 and got[2]["histogram"]["unique_count"] == 1


def test_features_that_are_not_there_are_left_out(repo, store, caplog):
    source = repo.source("d", rows())
    got = store.compute_monitoring_metrics(
        repo.config, source, [("nope", "numeric"), ("trips", "numeric")], "event_timestamp"
    )
    assert [each["feature_name"] for each in got] == ["trips"] and "'nope'" in caplog.text
    empty = store.compute_monitoring_metrics(
        repo.config, source, [("trips", "numeric")], "event_timestamp", end_date=T0 - DAY
    )
    assert empty[0]["row_count"] == 0 and empty[0]["mean"] is None


def test_the_latest_event(repo, store):
    source = repo.source("d", rows())
    assert store.get_monitoring_max_timestamp(repo.config, source, "event_timestamp") == T0 + 2 * DAY
    repo.table("empty", rows()[:0])
    from frazil.feast import FrazilSource

    for name in ("empty", "not_there"):
        none = FrazilSource(table=name, timestamp_field="event_timestamp")
        assert store.get_monitoring_max_timestamp(repo.config, none, "event_timestamp") is None


def test_metrics_are_updated_by_key(repo, store):
    config = repo.config
    assert store.query_monitoring_metrics(config, "proj", "feature") == []
    store.ensure_monitoring_tables(config)
    store.ensure_monitoring_tables(config)
    store.save_monitoring_metrics(config, "feature", [])
    store.save_monitoring_metrics(
        config, "feature", [metric(mean=9.0), metric(), metric(feature_name="it's")]
    )
    store.save_monitoring_metrics(config, "feature", [metric(row_count=4)])
    found = store.query_monitoring_metrics(config, "proj", "feature", {"feature_name": "rate"})
    assert len(found) == 1 and set(found[0]) == set(monitoring_table_meta("feature")[1])
    assert found[0]["row_count"] == 4 and found[0]["mean"] == 0.5
    assert found[0]["metric_date"] == "2024-01-01" and found[0]["is_baseline"] is False
    assert found[0]["computed_at"] == "2024-01-02T00:00:00+00:00"
    assert found[0]["histogram"] == {"bins": [0.0, 1.0], "counts": [3]}
    assert found[0]["max_event_timestamp"] is None and found[0]["p50"] is None
    odd = store.query_monitoring_metrics(config, "proj", "feature", {"feature_name": "it's"})
    assert len(odd) == 1
    assert store.query_monitoring_metrics(config, "other", "feature") == []
    with pytest.raises(ValueError, match="'nope'"):
        store.query_monitoring_metrics(config, "proj", "feature", {"nope": 1})


def test_metrics_between_days(repo, store):
    days = [date(2024, 1, day) for day in (3, 1, 2)]
    store.save_monitoring_metrics(
        repo.config, "feature", [metric(metric_date=day) for day in days]
    )

    def between(start, end):
        found = store.query_monitoring_metrics(
            repo.config, "proj", "feature", start_date=start, end_date=end
        )
        return [each["metric_date"][-2:] for each in found]

    assert between(None, None) == ["01", "02", "03"]
    assert between(days[2], None) == ["02", "03"]
    assert between(days[1], days[1]) == ["01"]


def test_one_baseline(repo, store):
    config = repo.config
    store.clear_monitoring_baseline(config, "proj")  # there is no table yet
    store.save_monitoring_metrics(
        config,
        "feature",
        [metric(is_baseline=True), metric(feature_view_name="w", is_baseline=True)],
    )
    store.clear_monitoring_baseline(config, "proj", feature_view_name="v", feature_name="rate")
    left = store.query_monitoring_metrics(config, "proj", "feature", {"is_baseline": True})
    assert [each["feature_view_name"] for each in left] == ["w"]
    snapshots = len(repo.catalog.load_table("feast.feast_monitoring_feature_metrics").snapshots())
    store.clear_monitoring_baseline(config, "proj", feature_view_name="v")  # nothing to do
    table = repo.catalog.load_table("feast.feast_monitoring_feature_metrics")
    assert len(table.snapshots()) == snapshots


def test_jobs_of_feast(repo, store):
    jobs = DQMJobManager(store, repo.config)
    jobs.ensure_table()
    job = jobs.submit("proj", "compute", "v", {"days": 3})
    jobs.update_status(job, "running")
    jobs.update_status(job, "completed", result_summary={"features": 2})
    found = jobs.get_job(job)
    assert found["status"] == "completed" and found["parameters"] == {"days": 3}
    assert found["result_summary"] == {"features": 2}
    assert found["started_at"] <= found["completed_at"]
    assert jobs.get_job(job, project="other") is None


def test_feasts_monitoring_service(repo):
    """What `feast monitor` runs, from a view to rows of all three kinds."""
    view = FeatureView(
        name="stats",
        entities=[DRIVER],
        schema=[
            Field(name="rate", dtype=Float64),
            Field(name="trips", dtype=Int64),
            Field(name="city", dtype=String),
        ],
        source=repo.source("d", rows()),
    )
    repo.store.apply([DRIVER, view, FeatureService(name="svc", features=[view])])
    service = MonitoringService(repo.store)
    result = service.compute_metrics(
        project="proj", feature_view_name="stats", start_date=T0.date(), end_date=(T0 + 3 * DAY).date()
    )
    assert result["status"] == "completed"
    store = repo.store._get_provider().offline_store
    found = store.query_monitoring_metrics(repo.config, "proj", "feature")
    assert {each["feature_name"] for each in found} == {"rate", "trips", "city"}
    assert {each["row_count"] for each in found} == {4}
    views = store.query_monitoring_metrics(repo.config, "proj", "feature_view")
    assert [each["total_features"] for each in views] == [3]
