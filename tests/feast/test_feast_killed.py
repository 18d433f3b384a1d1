"""Killed at any moment, a write leaves the whole commit or none: saved datasets, batches, logs.

A forked child does the write and is killed after a while that grows from round to round, from
nothing to longer than the write takes.
"""

import os
import signal
import time
from datetime import timedelta

import pandas as pd
import pyarrow as pa
import pytest
from feast import Entity, FeatureService, FeatureView, Field
from feast.feature_logging import LoggingConfig
from feast.types import Float64, Int64
from feast.value_type import ValueType
from feast_repo import T0, driver_rows

from frazil.feast import FrazilLoggingDestination, SavedDatasetFrazilStorage

ROUNDS = 24
N_ROWS = 4000
DRIVER = Entity(name="driver", join_keys=["driver_id"], value_type=ValueType.INT64)

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")


@pytest.fixture
def store(repo):
    view = FeatureView(
        name="stats",
        entities=[DRIVER],
        ttl=timedelta(days=1),
        schema=[Field(name="conv_rate", dtype=Float64), Field(name="trips", dtype=Int64)],
        source=repo.source("d", driver_rows(), created_timestamp_column="created"),
    )
    service = FeatureService(
        name="service",
        features=[view],
        logging_config=LoggingConfig(destination=FrazilLoggingDestination(table="logs")),
    )
    repo.store.apply([DRIVER, view, service])
    return repo.store


def job(store, **more):
    frame = pd.DataFrame(
        {"driver_id": [i % 5 for i in range(N_ROWS)], "event_timestamp": T0, **more}
    )
    return store.get_historical_features(
        entity_df=frame, features=["stats:conv_rate", "stats:trips"]
    )


def in_a_child(write, kill_after_s=None):
    """Was it killed before its end?"""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            write()
            status = 0
        finally:
            os._exit(status)
    if kill_after_s is not None:
        time.sleep(kill_after_s)
        os.kill(child, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, -signal.SIGKILL)
    return code != 0


def rounds(write_of, check):
    """`write_of(number)` gives the write of a round; `check(number)` looks at what is there."""
    started = time.monotonic()
    assert not in_a_child(write_of(0))
    took_s = time.monotonic() - started
    check(0)
    killed = []
    for number in range(1, ROUNDS + 1):
        killed.append(in_a_child(write_of(number), took_s * 1.5 * (number - 1) / (ROUNDS - 1)))
        check(number)
    assert any(killed)


def count(repo, name):
    if not repo.catalog.table_exists(f"feast.{name}"):
        return None
    return repo.catalog.load_table(f"feast.{name}").scan().count()


def test_a_new_dataset(repo, store):
    def write_of(number):
        storage = SavedDatasetFrazilStorage(table=f"saved{number}")
        return lambda: job(store).persist(storage)

    def check(number):
        assert count(repo, f"saved{number}") in (None, N_ROWS)

    rounds(write_of, check)


@pytest.mark.parametrize("same_columns", [True, False], ids=["same columns", "other columns"])
def test_a_dataset_in_the_place_of_another(repo, store, same_columns):
    """The old one or the new one, with its own columns."""
    storage = SavedDatasetFrazilStorage(table="saved")
    name = "number" if same_columns else "number{}"

    def write_of(number):
        more = {name.format(number % 2): number}
        return lambda: job(store, **more).persist(storage, allow_overwrite=True)

    def check(number):
        table = repo.catalog.load_table("feast.saved")
        rows = table.scan().to_arrow()
        (column,) = [each for each in rows.column_names if each.startswith("number")]
        (value,) = set(rows.column(column).to_pylist())
        assert rows.num_rows == N_ROWS and value <= number
        assert column == name.format(value % 2)

    rounds(write_of, check)


def test_a_batch(repo, store):
    """Each write is a commit of its own: a multiple of its rows is there."""
    base = count(repo, "d")
    batch = driver_rows(drivers=range(500), hours=2)

    def write_of(number):
        return lambda: store.write_to_offline_store("stats", batch.assign(trips=number))

    def check(number):
        assert (count(repo, "d") - base) % len(batch) == 0

    rounds(write_of, check)
    assert count(repo, "d") > base


def log_rows(store, n):
    from feast.feature_logging import FeatureServiceLoggingSource

    service = store.get_feature_service("service")
    schema = FeatureServiceLoggingSource(service, "proj").get_schema(store.registry)
    columns = {}
    for field in schema:
        if pa.types.is_timestamp(field.type):
            columns[field.name] = pa.array([T0] * n, field.type)
        elif pa.types.is_string(field.type):
            columns[field.name] = pa.array(["x"] * n)
        else:
            columns[field.name] = pa.nulls(n, field.type)
    return pa.table(columns, schema=schema)


@pytest.mark.parametrize("kept", [False, True], ids=["new tables", "one table"])
def test_logs(repo, store, kept):
    rows = log_rows(store, N_ROWS)
    service = store.get_feature_service("service")

    def name_of(number):
        return "logs" if kept else f"logs{number}"

    def write_of(number):
        service.logging_config.destination.table = name_of(number)
        return lambda: store.write_logged_features(rows, service)

    def check(number):
        assert (count(repo, name_of(number)) or 0) % N_ROWS == 0

    rounds(write_of, check)
    if not kept:  # none of them is there without its rows
        found = [count(repo, name_of(number)) for number in range(ROUNDS + 1)]
        assert set(found) <= {None, N_ROWS} and found[0] == N_ROWS
