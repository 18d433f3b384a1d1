"""docs/offline-store.md: its runbook says what users see, and its matrix cites tests that exist."""

import os
import pathlib
import re
import sqlite3
import subprocess
import sys
from datetime import datetime, timedelta, timezone

import pandas as pd
import pyarrow as pa
import pytest
from feast import Entity, FeatureView, Field
from feast.types import Int64
from feast.value_type import ValueType
from feast_repo import T0, driver_rows
from runbook_page import RunbookPage

from frazil.feast import FrazilSource, pins, settings

PAGE = RunbookPage("offline-store.md")
runbook = PAGE.runbook
DRIVER = Entity(name="driver", join_keys=["driver_id"], value_type=ValueType.INT64)


def source(**options):
    options = {"table": "d", "timestamp_field": "event_timestamp", **options}
    return FrazilSource(created_timestamp_column="created", **options)


def ask(repo, frame=None):
    if frame is None:
        frame = pd.DataFrame({"driver_id": [1, 2], "event_timestamp": T0 + timedelta(hours=1)})
    return repo.store.get_historical_features(entity_df=frame, features=["stats:trips"]).to_df()


def apply(repo, **options):
    """What `feast apply` does before anything else."""
    repo.store._get_provider().validate_data_source(repo.store.config, source(**options))


def stats_view():
    return FeatureView(
        name="stats", entities=[DRIVER], ttl=timedelta(days=1),
        schema=[Field(name="trips", dtype=Int64)], source=source(),
    )  # fmt: skip


@pytest.fixture
def ready(repo):
    table = repo.table("d", driver_rows())
    repo.store.apply([DRIVER, stats_view()])
    return repo, table


def test_the_catalog_cannot_be_opened(ready):
    repo, _ = ready
    database = repo.folder / "data" / "frazil.db"
    database.rename(repo.folder / "moved.db")
    database.mkdir()
    settings._catalogs.clear()
    with pytest.raises(OSError, match=runbook("the catalog's file cannot be opened")):
        ask(repo)


def test_the_catalog_is_another(ready):
    repo, _ = ready
    (repo.folder / "data" / "frazil.db").unlink()
    settings._catalogs.clear()
    with pytest.raises(Exception, match=runbook("the catalog is another, or empty")):
        ask(repo)


def test_the_catalog_is_held(ready):
    """SQLite is given a minute: the longest test here."""
    repo, _ = ready
    holder = sqlite3.connect(repo.folder / "data" / "frazil.db")
    holder.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.raises(TimeoutError, match=runbook("another program holds the catalog")):
            ask(repo)
    finally:
        holder.close()


def test_names_that_are_wrong(ready):
    repo, _ = ready
    repo.table("driver", driver_rows())
    wanted = runbook("the table's name is wrong").replace(r"\['feast\.driver'\]", ".*")
    with pytest.raises(Exception, match=wanted):
        apply(repo, table="drivers")
    with pytest.raises(ValueError, match=runbook("a column's name is wrong")):
        apply(repo, timestamp_field="event_timestmp")


def test_a_feature_or_join_key_that_is_misspelt(ready):
    repo, _ = ready
    view = FeatureView(
        name="stats", entities=[DRIVER], schema=[Field(name="tripz", dtype=Int64)], source=source()
    )
    with pytest.raises(ValueError, match=runbook("a feature or join key is misspelt")):
        repo.store.apply([DRIVER, view])
    other = Entity(name="other", join_keys=["other_id"], value_type=ValueType.INT64)
    view = FeatureView(
        name="stats", entities=[other], schema=[Field(name="trips", dtype=Int64)], source=source()
    )
    with pytest.raises(ValueError, match=r"no column for \['other_id'\]"):
        repo.store.apply([other, view])
    mapped = source(field_mapping={"trips": "tripz", "driver_id": "other_id"})
    view = FeatureView(
        name="stats", entities=[other], schema=[Field(name="tripz", dtype=Int64)], source=mapped
    )
    repo.store.apply([other, view])


@pytest.mark.parametrize("which", ["data", "manifest list"])
def test_a_file_is_gone(ready, which):
    repo, table = ready
    (task,) = table.scan().plan_files()
    os.remove(task.file_path if which == "data" else table.current_snapshot().manifest_list)
    with pytest.raises(LookupError, match=runbook("a data or metadata file is gone")) as caught:
        ask(repo)
    assert "`frazil verify TABLE`" in str(caught.value) and "snapshot_id=" in str(caught.value)


def test_the_tables_metadata_is_gone(ready):
    repo, table = ready
    os.remove(table.refresh().metadata_location)
    settings._catalogs.clear()
    with pytest.raises(LookupError, match="knows table 'feast.d', but not all of it is there"):
        ask(repo)


def test_a_file_is_damaged(ready):
    repo, table = ready
    (task,) = table.scan().plan_files()
    with open(task.file_path, "r+b") as file:
        file.seek(50)
        file.write(b"\xff" * 100)
    with pytest.raises(Exception, match=runbook("a data file is damaged")) as caught:
        ask(repo)
    assert "`frazil verify --data TABLE`" in str(caught.value)


def test_a_column_was_dropped(ready):
    repo, table = ready
    table.update_schema().delete_column("trips").commit()
    with pytest.raises(ValueError, match=runbook("a feature's column was dropped")):
        ask(repo)
    with pytest.raises(ValueError, match="'feast.d' has no column 'trips'; it has"):
        repo.store.materialize(T0, T0 + timedelta(days=1))


def test_rows_that_do_not_fit(ready):
    repo, _ = ready
    with pytest.raises(ValueError, match=runbook("rows to write have other columns")):
        repo.store.write_to_offline_store("stats", driver_rows().drop(columns="trips"))
    with pytest.raises(ValueError, match=runbook("rows to write have another type")):
        repo.store.write_to_offline_store("stats", driver_rows().assign(trips="abc"))
    frame = pd.DataFrame({"driver_id": ["a"], "event_timestamp": [T0]})
    with pytest.raises(ValueError, match=runbook("an entity column has another type")):
        ask(repo, frame)


OUT_OF_MEMORY = """
import resource, sys
sys.path.insert(0, sys.argv[2])
from pathlib import Path
import pandas as pd
from feast_repo import Repo, T0, driver_rows
from test_feast_runbook import DRIVER, source, stats_view

repo = Repo(Path(sys.argv[1]))
repo.table("d", driver_rows())
repo.store.apply([DRIVER, stats_view()])
frame = pd.DataFrame({"driver_id": range(4_000_000), "event_timestamp": T0})
job = repo.store.get_historical_features(entity_df=frame, features=["stats:trips"])
job.snapshots
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (60 << 20), resource.RLIM_INFINITY))
try:
    job.to_arrow()
except MemoryError as error:
    print(error)
"""


def test_out_of_memory(tmp_path):
    (tmp_path / "repo").mkdir()
    result = subprocess.run(
        [sys.executable, "-c", OUT_OF_MEMORY, str(tmp_path / "repo"), str(pathlib.Path(__file__).parent)],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert re.search(runbook("out of memory"), result.stdout), result.stderr


def test_a_bound_is_passed(ready, monkeypatch):
    import frazil

    repo, _ = ready

    def refuse(*arguments, **options):
        raise frazil.LimitError("entity rows: more than the bound")

    monkeypatch.setattr(frazil, "pit_join", refuse)
    with pytest.raises(frazil.LimitError, match=runbook("the join needs more than its bound")):
        ask(repo)


def test_a_snapshot_has_expired(ready):
    repo, table = ready
    pins._looked_at.clear()
    rows = pa.Table.from_pandas(driver_rows(hours=1), preserve_index=False)
    table.append(rows, truncate_nanoseconds=True)
    first = table.snapshots()[0].snapshot_id
    later = datetime.now(timezone.utc) + timedelta(hours=1)
    table.maintenance.expire_snapshots(later, retain_last=1)
    wanted = runbook("a pinned snapshot has expired").replace("snapshot\\ 5\\ ", rf"snapshot\ {first}\ ")
    with pytest.raises(LookupError, match=wanted):
        apply(repo, snapshot_id=first)


def test_the_matrix_cites_tests_that_exist():
    PAGE.check_matrix()
