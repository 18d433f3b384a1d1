"""Rows as they come: batches, what is read for them, progress, and interrupts."""

import os
import subprocess
import sys
import textwrap
from datetime import timedelta

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feast import Entity, FeatureView, Field
from feast.on_demand_feature_view import on_demand_feature_view
from feast.types import Float64, Int64
from feast.value_type import ValueType
from feast_repo import T0, driver_rows

import frazil
from frazil.feast import FrazilSource, SavedDatasetFrazilStorage, progress, retrieval

HOUR = timedelta(hours=1)
N_ROWS = 200_000
DRIVER = Entity(name="driver", join_keys=["driver_id"], value_type=ValueType.INT64)


def view(source):
    return FeatureView(
        name="stats",
        entities=[DRIVER],
        ttl=timedelta(days=1),
        schema=[Field(name="conv_rate", dtype=Float64), Field(name="trips", dtype=Int64)],
        source=source,
    )


def big_frame(n=N_ROWS):
    return pd.DataFrame(
        {"driver_id": [i % 7 for i in range(n)], "event_timestamp": T0 + HOUR, "note": "x"}
    )


def job(repo, frame=None, features=("stats:conv_rate", "stats:trips")):
    return repo.store.get_historical_features(
        entity_df=big_frame() if frame is None else frame, features=list(features)
    )


@pytest.fixture
def applied(make_repo):
    repo = make_repo(offline={"staging_location": "staging"})
    source = repo.source("d", driver_rows(), created_timestamp_column="created")
    repo.store.apply([DRIVER, view(source)])
    return repo


def test_batches_are_the_rows(applied):
    whole = job(applied).to_arrow()
    batches = list(job(applied).to_arrow_batches())
    assert len(batches) > 2 and max(batch.num_rows for batch in batches) <= 65536
    assert pa.Table.from_batches(batches).equals(whole)
    assert all(column.num_chunks == 1 for column in whole.columns)
    empty = job(applied, big_frame(0)).to_arrow_batches()
    assert empty.read_all().num_rows == 0 and empty.schema.names == whole.schema.names


def test_a_job_tells_what_it_reads(applied, make_repo):
    asked = job(applied)
    (before,) = asked.explain()
    assert before["view"] == "stats" and before["entity_rows"] == N_ROWS and before["search"]["rows_read"] == 0
    assert before["search"]["files_total"] == 1 and asked.report() == []
    won = asked.to_arrow()["trips"]
    (after,) = asked.report()
    assert after["entity_rows_won"] == len(won) - won.null_count and after["fetch"]["rows_read"] > 0
    for pull in pulls(applied, ["trips"]):
        (told,) = pull.explain()
        assert told["view"] == "d" and told["search"]["rows_wanted"] == 36 and pull.report() == []
    by_duckdb = job(make_repo(offline={"engine": "duckdb"}))
    by_duckdb.to_arrow()
    assert by_duckdb.explain()[0]["search"] == before["search"] and by_duckdb.report() == []


def test_on_demand_views_see_whole_columns(applied):
    @on_demand_feature_view(
        sources=[applied.store.get_feature_view("stats")],
        schema=[Field(name="total", dtype=Float64)],
    )
    def summed(inputs: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({"total": [float(inputs["trips"].sum())] * len(inputs)})

    applied.store.apply([summed])
    asked = job(applied, features=["stats:trips", "summed:total"])
    batches = asked.to_arrow_batches().read_all()
    assert len(set(batches.column("total").to_pylist())) == 1
    assert batches.equals(asked.to_arrow())


class Watched:
    """Batches of a reader, with how many of them were made before the first was used."""

    def __init__(self, monkeypatch):
        self.alive = self.most = 0
        shown = retrieval.shown

        def watched(batches, what, n_rows):
            for batch in shown(batches, what, n_rows):
                self.alive += 1
                self.most = max(self.most, self.alive)
                yield batch
                self.alive -= 1

        monkeypatch.setattr(retrieval, "shown", watched)


def test_what_is_saved_is_never_held_whole(applied, monkeypatch):
    watched = Watched(monkeypatch)
    storage = SavedDatasetFrazilStorage(table="saved")
    job(applied).persist(storage)
    assert watched.most == 1
    assert applied.catalog.load_table("feast.saved").scan().count() == N_ROWS
    monkeypatch.setattr(retrieval, "_ROWS_PER_FILE", 90_000)
    paths = job(applied).to_remote_storage()
    assert watched.most == 1
    assert [pq.read_metadata(path).num_rows for path in paths] == [90_000, 90_000, 20_000]
    assert pa.concat_tables(map(pq.read_table, paths)).equals(job(applied).to_arrow())


def test_an_error_in_the_middle_is_raised_as_it_is(applied, monkeypatch):
    def broken(batches, what, n_rows):
        yield next(batches)
        raise KeyError("the rows ended")

    monkeypatch.setattr(retrieval, "shown", broken)
    with pytest.raises(KeyError, match="the rows ended"):
        job(applied).persist(SavedDatasetFrazilStorage(table="saved"))
    assert not applied.catalog.table_exists("feast.saved")


def test_a_saved_dataset_knows_where_it_came_from(applied):
    import json

    storage = SavedDatasetFrazilStorage(table="saved")
    frame = big_frame(10).rename(columns={"event_timestamp": "happened"})
    asked = job(applied, frame)
    applied.store.create_saved_dataset(from_=asked, name="named", storage=storage)
    table = applied.catalog.load_table("feast.saved")
    assert len(table.snapshots()) == 1
    (read,) = json.loads(table.current_snapshot().summary["frazil.dataset.sources"])
    (expected,) = asked.snapshots
    assert read == {
        "view": "stats", "table": "feast.d", "snapshot_id": expected.snapshot_id,
        "committed_at": expected.committed_at.isoformat(),
    }  # fmt: skip
    back = applied.store.get_saved_dataset("named").to_df()  # by the name that its times have
    assert back["trips"].fillna(-1).tolist() == asked.to_df()["trips"].fillna(-1).tolist()


def test_an_overwritten_dataset_has_a_past(applied):
    storage = SavedDatasetFrazilStorage(table="saved")
    job(applied, big_frame(3)).persist(storage)
    table = applied.catalog.load_table("feast.saved")
    first = table.current_snapshot_id()
    job(applied, big_frame(4)).persist(storage, allow_overwrite=True)
    job(applied, big_frame(5).drop(columns="note")).persist(storage, allow_overwrite=True)
    table.refresh()
    assert [len(table.scan(snapshot_id=each.snapshot_id).to_arrow()) for each in table.snapshots()] == [3, 4, 5]
    assert "note" in table.scan(snapshot_id=first).to_arrow().column_names
    assert "note" not in table.scan().to_arrow().column_names


# ---- what is read ----


@pytest.fixture
def daily(repo):
    """A table of ten daily files with a wide column, and the files that scans of it planned."""
    days = [driver_rows(hours=1).assign(event_timestamp=T0 + timedelta(days=day), wide="w" * 500)
            for day in range(10)]  # fmt: skip
    table = repo.table("d", days[0], partition_spec="day(event_timestamp)")
    for rows in days[1:]:
        table.append(pa.Table.from_pandas(rows, preserve_index=False), truncate_nanoseconds=True)
    return repo, table


def pulls(repo, features, **window):
    store = repo.store._get_provider().offline_store
    options = {
        "config": repo.store.config,
        "data_source": FrazilSource(table="d", timestamp_field="event_timestamp"),
        "join_key_columns": ["driver_id"], "feature_name_columns": features,
        "timestamp_field": "event_timestamp", "created_timestamp_column": "created", **window,
    }  # fmt: skip
    return (
        store.pull_all_from_table_or_query(**options),
        store.pull_latest_from_table_or_query(**options),
    )


@pytest.mark.parametrize("which", [0, 1], ids=["all", "latest"])
def test_pulls_read_the_files_of_their_window(daily, which):
    """Files outside of it may be gone: nobody looks at them."""
    repo, table = daily
    window = {"start_date": T0 + timedelta(days=4), "end_date": T0 + timedelta(days=5)}
    for task in table.refresh().scan().plan_files():
        if not any(f"day={T0.date() + timedelta(days=day)}" in task.partition for day in (4, 5)):
            os.remove(task.file_path.removeprefix("file://"))
    rows = pulls(repo, ["trips"], **window)[which].to_arrow()
    assert rows.num_rows == (6, 3)[which]
    assert rows.column_names == ["driver_id", "trips", "event_timestamp", "created"]
    with pytest.raises(frazil.NotFoundError, match="parquet"):
        pulls(repo, ["trips"])[which].to_arrow()


@pytest.mark.parametrize("which", [0, 1], ids=["all", "latest"])
def test_pulls_read_the_columns_that_are_asked_for(daily, which):
    """The pages of another column may be unreadable: nobody looks at them."""
    repo, table = daily
    for task in table.refresh().scan().plan_files():
        path = task.file_path.removeprefix("file://")
        group = pq.read_metadata(path).row_group(0)
        wide = next(
            group.column(i) for i in range(group.num_columns)
            if group.column(i).path_in_schema == "wide"
        )  # fmt: skip
        start = wide.dictionary_page_offset or wide.data_page_offset
        with open(path, "r+b") as file:
            file.seek(start)
            file.write(b"\xff" * wide.total_compressed_size)
    assert pulls(repo, ["trips"])[which].to_arrow().num_rows == (30, 3)[which]
    with pytest.raises(frazil.CorruptError, match="wide"):
        pulls(repo, ["trips", "wide"])[which].to_arrow()


# ---- on a terminal ----


def test_progress_on_a_terminal_only(applied, monkeypatch, capsys):
    job(applied).to_arrow()
    for pulled in pulls(applied, ["trips"]):
        pulled.to_arrow()
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr(progress, "on_terminal", lambda: True)
    import tqdm

    class Eager(tqdm.tqdm):
        def __init__(self, *args, delay=0, **options):
            super().__init__(*args, **options)

    monkeypatch.setattr(tqdm, "tqdm", Eager)
    job(applied).to_arrow()
    said = capsys.readouterr().err
    assert "joining stats: 100%" in said and "features: 100%" in said and "200k/200k" in said
    pulls(applied, ["trips"])[0].to_arrow()
    assert "d: 100%" in capsys.readouterr().err


# ---- interrupts ----

INTERRUPTED = """
import os, signal, sys, threading, time
import pandas as pd
import pyarrow as pa
from datetime import datetime, timedelta, timezone
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from feast_repo import Repo, T0
from test_feast_streaming import DRIVER, job, view

repo = Repo(Path(sys.argv[1]))
n = 3_000_000
stamps = pa.array([T0] * 1).take(pa.array([0] * n)).cast(pa.timestamp("us", "UTC"))
rows = pa.table({"driver_id": pa.array(range(n), pa.int64()), "event_timestamp": stamps,
                 "conv_rate": pa.array(range(n), pa.int64()).cast(pa.float64()),
                 "trips": pa.array(range(n), pa.int64())})
source = repo.source("d", rows)
repo.store.apply([DRIVER, view(source)])
frame = pd.DataFrame({"driver_id": range(n), "event_timestamp": pd.Timestamp(T0)})
from frazil.feast import SavedDatasetFrazilStorage

threads = threading.active_count()


def descriptors():
    return len(os.listdir("/proc/self/fd"))


def attempt(run):
    sent = []

    def interrupt():
        sent.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(0.15, interrupt)
    timer.start()
    try:
        run()
    except KeyboardInterrupt:
        return time.monotonic() - sent[0]
    finally:
        timer.join()
    return None


work = {
    "to_arrow": lambda: job(repo, frame).to_arrow(),
    "batches": lambda: [None for _ in job(repo, frame).to_arrow_batches()],
    "persist": lambda: job(repo, frame).persist(SavedDatasetFrazilStorage(table="s")),
}[sys.argv[3]]
before = None
for i in range(4):
    took = attempt(work)
    if took is None:
        print("finished")
        continue
    if before is None:
        before = descriptors()
    print("interrupted", took)
print("leaked", max(0, descriptors() - before) if before else 0, threading.active_count() - threads)
print("there", repo.catalog.table_exists("feast.s"))
print("works", job(repo, frame[:10]).to_arrow().num_rows)
"""


@pytest.mark.parametrize("what", ["to_arrow", "batches", "persist"])
def test_ctrl_c_ends_a_job_and_leaks_nothing(tmp_path, what):
    (tmp_path / "repo").mkdir()
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(INTERRUPTED), str(tmp_path / "repo"),
         os.path.dirname(__file__), what],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    lines = [line.split() for line in result.stdout.splitlines()]
    assert result.returncode == 0, result.stderr
    assert any(line[0] == "interrupted" for line in lines), result.stdout
    assert ["leaked", "0", "0"] in lines and ["works", "10"] in lines, result.stdout
    print(result.stdout)
