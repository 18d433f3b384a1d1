"""The same call gives the same bytes: pins, the tags that keep them, and rows since a snapshot."""

import logging
from datetime import datetime, timedelta, timezone

import pandas as pd
import pyarrow as pa
import pytest
from feast import Entity, FeatureView, Field
from feast.types import Float64, Int64
from feast.value_type import ValueType
from feast_repo import T0, driver_rows

import frazil
from frazil.feast import FrazilSource, IcebergRetrievalJob, pins

HOUR = timedelta(hours=1)
DRIVER = Entity(name="driver", join_keys=["driver_id"], value_type=ValueType.INT64)
FEATURES = ["stats:conv_rate", "stats:trips"]


@pytest.fixture(autouse=True)
def _forget():
    """What a process has looked at already."""
    pins._looked_at.clear()


def view(source, name="stats"):
    return FeatureView(
        name=name,
        entities=[DRIVER],
        ttl=timedelta(days=1),
        schema=[Field(name="conv_rate", dtype=Float64), Field(name="trips", dtype=Int64)],
        source=source,
    )


def source_of(**pin):
    return FrazilSource(
        name="stats_source", table="d", timestamp_field="event_timestamp",
        created_timestamp_column="created", **pin,
    )  # fmt: skip


def entity_frame():
    return pd.DataFrame(
        {
            "driver_id": [3, 1, 2, 1, 9],
            "event_timestamp": [T0 + timedelta(minutes=50 * i) for i in range(5)],
        }
    )


def asked(repo, **options):
    options.setdefault("entity_df", entity_frame())
    return repo.store.get_historical_features(features=FEATURES, **options)


def ipc(table):
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def parquet(table):
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return sink.getvalue().to_pybytes()


def append(table, rows):
    table.append(pa.Table.from_pandas(rows, preserve_index=False), truncate_nanoseconds=True)


def unsettle(table):
    """All that happens to a table: rows appended that would win, deleted, moved, forgotten."""
    later = driver_rows(created_lag=HOUR)
    append(table, later.assign(trips=later.trips + 1000))
    table.delete("driver_id = 2")
    table.maintenance.compact(rewrite_all=True)
    table.maintenance.expire_snapshots(datetime.now(timezone.utc) + HOUR, retain_last=1)


PINS = {
    "snapshot_id": lambda table: {"snapshot_id": table.current_snapshot_id()},
    "tag": lambda table: {"tag": "train"},
    "as_of": lambda table: {"as_of": datetime.now(timezone.utc)},
}


@pytest.mark.parametrize("where", ["source", "store"])
@pytest.mark.parametrize("kind", ["snapshot_id", "tag"])
def test_the_same_bytes_after_all_that_happens_to_a_table(make_repo, where, kind):
    repo = make_repo()
    table = repo.table("d", driver_rows())
    append(table, driver_rows(drivers=(1, 9), hours=3))  # ties: by commit, within the snapshot
    if kind == "tag":
        table.create_tag("train")
    pin = PINS[kind](table)
    if where == "store":
        for key, value in pin.items():
            setattr(repo.store.config.offline_store, key, value)
        pin = {}
    repo.store.apply([DRIVER, view(source_of(**pin))])
    ranged = {"entity_df": None, "start_date": T0, "end_date": T0 + 3 * HOUR}
    before = [asked(repo).to_arrow(), asked(repo, **ranged).to_arrow()]
    repo.store.config.offline_store.staging_location = "staged"
    exported = [open(path, "rb").read() for path in asked(repo).to_remote_storage()]
    unsettle(table.refresh())
    after = [asked(repo).to_arrow(), asked(repo, **ranged).to_arrow()]
    for old, new in zip(before, after):
        assert ipc(old) == ipc(new) and parquet(old) == parquet(new)
    assert exported == [open(path, "rb").read() for path in asked(repo).to_remote_storage()]
    # Without the pin the rows are others: the test would see a change.
    repo.store.config.offline_store.snapshot_id = repo.store.config.offline_store.tag = None
    repo.store.apply([view(source_of())])
    assert ipc(asked(repo).to_arrow()) != ipc(before[0])


def test_as_of_is_the_snapshot_of_that_time(repo):
    table = repo.table("d", driver_rows())
    pin = {"as_of": datetime.now(timezone.utc)}
    repo.store.apply([DRIVER, view(source_of(**pin))])
    before = ipc(asked(repo).to_arrow())
    first = table.current_snapshot_id()
    later = driver_rows(created_lag=HOUR)
    append(table, later.assign(trips=0))
    assert ipc(asked(repo).to_arrow()) == before
    assert [read.snapshot_id for read in asked(repo).snapshots] == [first]


def test_a_job_names_the_snapshots_it_reads(repo):
    table = repo.table("d", driver_rows())
    repo.table("empty", driver_rows()[:0])
    other = FrazilSource(table="empty", timestamp_field="event_timestamp")
    repo.store.apply([DRIVER, view(source_of()), view(other, "nothing")])
    job = repo.store.get_historical_features(
        entity_df=entity_frame(), features=["stats:trips", "nothing:conv_rate"]
    )
    assert isinstance(job, IcebergRetrievalJob)
    stats, nothing = sorted(job.snapshots, key=lambda read: read.view, reverse=True)
    assert stats.view == "stats" and stats.table == "feast.d"
    assert stats.snapshot_id == table.current_snapshot_id()
    assert abs(stats.committed_at - datetime.now(timezone.utc)) < HOUR
    assert (nothing.table, nothing.snapshot_id, nothing.committed_at) == ("feast.empty", None, None)
    assert job.metadata.features == ["stats:trips", "nothing:conv_rate"]


def test_a_job_stays_with_what_it_read_first(repo):
    table = repo.table("d", driver_rows())
    repo.store.apply([DRIVER, view(source_of())])
    job = asked(repo)
    first = job.to_arrow()
    append(table, driver_rows(created_lag=HOUR).assign(trips=0))
    assert ipc(job.to_arrow()) == ipc(first)
    assert [read.snapshot_id for read in job.snapshots] != [table.current_snapshot_id()]
    assert [read.snapshot_id for read in asked(repo).snapshots] == [table.current_snapshot_id()]


# ---- tags ----


def validate(repo, source):
    """As `feast apply` does; FeatureStore.apply() leaves it out."""
    repo.store._get_provider().validate_data_source(repo.store.config, source)


def tags(table):
    return {name: ref for name, ref in table.refresh().refs().items() if ref.type == "tag"}


def test_apply_tags_what_is_pinned_by_id(repo):
    table = repo.table("d", driver_rows())
    first = table.current_snapshot_id()
    append(table, driver_rows(hours=1))
    second = table.current_snapshot_id()
    validate(repo, source_of(snapshot_id=second, since_snapshot_id=first))
    assert {name: ref.snapshot_id for name, ref in tags(table).items()} == {
        f"feast-{first}": first,
        f"feast-{second}": second,
    }
    table.set_properties({"history.expire.max-ref-age-ms": 1})
    table.maintenance.expire_snapshots(datetime.now(timezone.utc) + HOUR, retain_last=1)
    assert len(tags(table)) == 2 and len(table.snapshots()) == 2


def test_a_first_read_tags_as_well(repo):
    table = repo.table("d", driver_rows())
    repo.store.config.offline_store.snapshot_id = table.current_snapshot_id()
    repo.store.apply([DRIVER, view(source_of())])
    assert not tags(table)
    asked(repo).to_df()
    assert list(tags(table)) == [f"feast-{table.current_snapshot_id()}"]


def test_what_a_tag_keeps_gets_no_other(repo):
    table = repo.table("d", driver_rows())
    table.create_tag("mine")
    repo.store.apply([DRIVER, view(source_of(snapshot_id=table.current_snapshot_id()))])
    asked(repo).to_df()
    assert list(tags(table)) == ["mine"]
    pins._looked_at.clear()
    table.set_properties({"history.expire.max-ref-age-ms": 5})  # now "mine" ends some day
    asked(repo).to_df()
    assert len(tags(table)) == 2


def test_a_read_only_catalog_is_read_with_a_warning(make_repo, caplog):
    repo = make_repo()
    table = repo.table("d", driver_rows())
    source = FrazilSource(
        table=table.location(), timestamp_field="event_timestamp",
        snapshot_id=table.current_snapshot_id(),
    )  # fmt: skip
    repo.store.config.offline_store.catalog_type = "static"
    repo.store.config.offline_store.namespace = "x"
    with caplog.at_level(logging.WARNING, "frazil.feast"):
        repo.store.apply([DRIVER, view(source)])
        assert len(asked(repo).to_df()) == 5
    said = [record.getMessage() for record in caplog.records if record.name == "frazil.feast"]
    assert len(said) == 1 and "read-only" in said[0] and "tag=" in said[0]
    assert str(table.current_snapshot_id()) in said[0]


def test_a_snapshot_that_is_gone_is_named(repo):
    table = repo.table("d", driver_rows())
    first = table.current_snapshot_id()
    append(table, driver_rows(hours=1))
    table.maintenance.expire_snapshots(datetime.now(timezone.utc) + HOUR, retain_last=1)
    with pytest.raises(frazil.NoSuchSnapshotError, match=f"no snapshot {first}.*expired.*latest are"):
        validate(repo, source_of(snapshot_id=first))
    repo.store.apply([DRIVER, view(source_of(tag="nope"))])
    with pytest.raises(frazil.NoSuchSnapshotError, match=r"'nope'; it has \['main'\]"):
        asked(repo).snapshots
    repo.store.apply([view(source_of(as_of="2020-01-01"))])
    with pytest.raises(frazil.NoSuchSnapshotError, match="2020-01-01.*its first is of"):
        asked(repo).snapshots


# ---- rows since a snapshot ----


def test_only_rows_since_a_snapshot(engine_repo):
    repo = engine_repo
    table = repo.table("d", driver_rows(drivers=(1, 2, 3)))
    first = table.current_snapshot_id()
    append(table, driver_rows(drivers=(2,)).assign(trips=7))
    second = table.current_snapshot_id()
    append(table, driver_rows(drivers=(3,)).assign(trips=8))
    repo.store.apply([DRIVER, view(source_of(since_snapshot_id=first))])

    def trips():
        return asked(repo).to_arrow().column("trips").to_pylist()

    assert trips() == [8, None, 7, None, None]
    (read,) = asked(repo).snapshots
    assert read.since_snapshot_id == first and read.snapshot_id == table.current_snapshot_id()
    repo.store.apply([view(source_of(since_snapshot_id=first, snapshot_id=second))])
    assert trips() == [None, None, 7, None, None]
    # The store's own pin is where such a source ends.
    repo.store.apply([view(source_of(since_snapshot_id=first))])
    repo.store.config.offline_store.snapshot_id = second
    assert trips() == [None, None, 7, None, None]
    with pytest.raises(NotImplementedError, match="since_snapshot_id"):
        asked(repo).to_sql()
    store = repo.store._get_provider().offline_store
    options = {
        "config": repo.store.config, "data_source": source_of(since_snapshot_id=first),
        "join_key_columns": ["driver_id"], "feature_name_columns": ["trips"],
        "timestamp_field": "event_timestamp", "created_timestamp_column": "created",
        "start_date": T0, "end_date": T0 + 100 * HOUR,
    }  # fmt: skip
    for pull in (store.pull_all_from_table_or_query, store.pull_latest_from_table_or_query):
        job = pull(**options)
        assert set(job.to_arrow().column("trips").to_pylist()) == {7}
        assert job.snapshots[0].since_snapshot_id == first and job.snapshots[0].view is None


def test_since_survives_the_registry(repo):
    source = source_of(since_snapshot_id=5, snapshot_id=7)
    assert FrazilSource.from_proto(source.to_proto()) == source
    assert source != source_of(snapshot_id=7)
    with pytest.raises(TypeError, match="since_snapshot_id '5'"):
        source_of(since_snapshot_id="5")
