"""docs/online-store.md: its runbook says what users see, and its matrix cites tests that exist."""

import logging
import time
from datetime import datetime, timedelta, timezone

import pandas as pd
import pytest
from feast import Field, RequestSource
from feast.on_demand_feature_view import on_demand_feature_view
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.types import Int32, Int64
from feast_repo import T0
from online_support import DRIVER, HOUR, Online, key, row, stalled_catalog, view
from runbook_page import RunbookPage

import frazil

PAGE = RunbookPage("online-store.md")
runbook = PAGE.runbook
NAME = "feast.proj_v_online"


def test_a_view_was_not_applied(repo):
    store = repo.store._get_provider().online_store
    with pytest.raises(frazil.NoSuchTableError, match=runbook("a view was not applied")):
        store.online_read(repo.store.config, view(), [key(1)])


def test_the_catalog_stalls(repo):
    online = Online(repo, view())
    online.write(row(1, 1))
    settings = online.config.online_store
    settings.max_staleness_ms, settings.read_timeout_ms = 0, 50
    assert online.x(1) == [1]
    with stalled_catalog(repo):
        with pytest.raises(frazil.TimeoutError, match=runbook("the catalog stalls")):
            online.x(1)


def test_the_catalog_stays_away(repo):
    """Reads go on for the bound, then they say so, and by themselves when it is back."""
    online = Online(repo, view())
    online.write(row(1, 1))
    online.config.online_store.max_staleness_ms = 500
    online.store._opened(online.config, online.view).prepare()
    database = repo.folder / "data" / "frazil.db"
    content = database.read_bytes()
    database.write_bytes(b"no database" * 1000)
    with pytest.raises(frazil.StaleError, match=runbook("the catalog stays away")):
        for _ in range(600):
            assert online.x(1) == [1]
            time.sleep(0.05)
    database.write_bytes(content)
    for _ in range(600):
        try:
            assert online.x(1) == [1]
            return
        except frazil.StaleError:
            time.sleep(0.05)
    pytest.fail("reads stay stale")


def test_a_feature_reads_as_not_found(repo, caplog):
    online = Online(repo, view())
    online.view = view(features=(("x", Int64), ("later", Int64)))
    with caplog.at_level(logging.WARNING):
        assert online.read(key(1)) == [(None, None)]
    assert runbook("a feature reads as not found").replace("\\", "") in caplog.text


def test_a_value_does_not_fit(repo):
    online = Online(repo, view(features=(("x", Int32),)))
    with pytest.raises(ValueError, match=runbook("a value does not fit its feature")):
        online.write((key(1), {"x": Value(int64_val=1 << 40)}, T0, None))


def test_a_key_of_another_kind(repo):
    online = Online(repo, view())
    wrong = EntityKey(join_keys=["k"], entity_values=[Value(double_val=1)])
    with pytest.raises(ValueError, match=runbook("a key of another kind")):
        online.read(wrong)


def test_others_wrote_first(repo):
    assert issubclass(frazil.CommitConflictError, frazil.FrazilError)
    assert runbook("others wrote first").startswith("CommitConflictError")


def test_a_table_is_left_by_teardown(repo, caplog):
    repo.table("proj_w_online", pd.DataFrame({"a": [1]}))
    store = repo.store._get_provider().online_store
    with caplog.at_level(logging.WARNING):
        store.teardown(repo.store.config, [view("w")], [])
    assert runbook("a table is left by teardown").replace("\\", "") in caplog.text


def test_a_damaged_index_is_rebuilt(repo):
    online = Online(repo, view())
    online.write(*[row(i, i) for i in range(50)])
    online.store._opened(online.config, online.view).prepare()
    online.store._forget(online.config, online.view)
    folder = repo.folder / "data" / "frazil-lookup"
    files = [path for path in folder.rglob("*") if path.is_file() and path.stat().st_size]
    assert files
    for path in files:
        path.write_bytes(b"\xff" * path.stat().st_size)
    assert online.x(*range(50)) == list(range(50))
    online.store._opened(online.config, online.view).prepare()
    assert online.x(*range(50)) == list(range(50))


def test_a_cache_folder_that_may_not_be_used(make_repo, tmp_path):
    (tmp_path / "shared").mkdir(mode=0o777)
    (tmp_path / "shared").chmod(0o777)
    online = Online(make_repo(online={"cache_dir": "shared"}), view())
    online.write(row(1, 1))
    opened = online.store._opened(online.config, online.view)
    opened.prepare()
    assert online.x(1) == [1]
    stats = opened.stats()
    assert stats["is_ready"] and stats["memory_bytes"] > 0 and stats["file_bytes"] == 0
    assert list((tmp_path / "shared").iterdir()) == []


# ---- what the matrix cites beside ----


def test_on_demand_views(repo):
    stats = view("stats", (("trips", Int64),))

    @on_demand_feature_view(
        sources=[stats, RequestSource(name="now", schema=[Field(name="extra", dtype=Int64)])],
        schema=[Field(name="more", dtype=Int64)],
    )
    def more_trips(inputs: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({"more": inputs["trips"] + inputs["extra"]})

    repo.store.apply([DRIVER, stats, more_trips])
    repo.store.write_to_online_store(
        "stats", pd.DataFrame({"driver_id": [1], "event_timestamp": [T0], "trips": [5]})
    )
    out = repo.store.get_online_features(
        ["stats:trips", "more_trips:more"], [{"driver_id": 1, "extra": 3}]
    ).to_dict()
    assert out["trips"] == [5] and out["more"] == [8]


def test_compaction_drops_expired_keys(make_repo):
    repo = make_repo(online={"key_ttl_seconds": 3600, "partition_count": 1})
    online = Online(repo, view())
    now = datetime.now(timezone.utc)
    online.write(row(1, 1, now - 2 * HOUR), row(2, 2, now))
    online.write(row(3, 3, now))
    table = online.store._opened(online.config, online.view)
    assert table.compact(all=True).rows_after == 2
    assert repo.catalog.load_table(NAME).scan().count() == 2
    assert online.x(1, 2, 3) == [None, 2, 3]


def n_files(repo):
    return len(list(repo.catalog.load_table(NAME).scan().plan_files()))


@pytest.mark.parametrize("automatic", [True, False])
def test_compaction_behind_writes(make_repo, automatic):
    repo = make_repo(online={"partition_count": 1, "compact_automatically": automatic})
    online = Online(repo, view())
    for i in range(40):
        online.write(row(i % 5, i, T0 + timedelta(seconds=i)))
    for _ in range(600):
        files = n_files(repo)
        if not automatic or files < 20:
            break
        time.sleep(0.05)
    assert files == 40 if not automatic else files < 20
    assert online.x(*range(5)) == [35, 36, 37, 38, 39]


def test_the_matrix_cites_tests_that_exist():
    PAGE.check_matrix()
