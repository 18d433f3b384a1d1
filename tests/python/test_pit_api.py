"""pit_join and latest_per_key against a plain reading of the contract in Python."""

import os
import pathlib
import random
from datetime import datetime, timedelta, timezone

import pyarrow as pa
import pytest

import frazil

T0 = datetime(2024, 1, 1, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)
STAMP = pa.timestamp("us", "UTC")


def reference(entities, features, keys, ttl, cutoff=False, time="event_timestamp"):
    """Row numbers of the winners, or None."""
    winners = []
    for row in entities:
        t, best = row[time], None
        for number, candidate in enumerate(features):
            if t is None or candidate["ts"] is None:
                continue
            if any(row[k] is None or row[k] != candidate[k] for k in keys):
                continue
            if candidate["ts"] > t or (ttl and candidate["ts"] < t - ttl):
                continue
            created = candidate["created"]
            if cutoff and (created is None or created > t):
                continue
            rank = (candidate["ts"], created is not None, created or T0, number)
            if best is None or rank > best[0]:
                best = (rank, number)
        winners.append(None if best is None else best[1])
    return winners


def make(catalog, name, features, n_commits=3, **options):
    schema = pa.schema(
        [
            ("a", pa.int64()),
            ("b", pa.string()),
            ("ts", STAMP),
            ("created", STAMP),
            ("x", pa.float64()),
            ("names", pa.list_(pa.string())),
        ]
    )
    table = catalog.create_table(name, schema, **options)
    step = max(1, len(features) // n_commits)
    for at in range(0, len(features), step):
        table.append(pa.Table.from_pylist(features[at : at + step], schema=schema))
    return table


def sample(rng, n):
    def some(value):
        return None if rng.random() < 0.05 else value

    return [
        {
            "a": some(rng.randrange(6)),
            "b": some(rng.choice("xyz")),
            "ts": some(T0 + HOUR * rng.randrange(48)),
            "created": some(T0 + HOUR * rng.randrange(48)),
            "x": float(i),
            "names": [str(i)] * (i % 3),
        }
        for i in range(n)
    ]


@pytest.mark.parametrize("ttl", [None, timedelta(hours=5)])
@pytest.mark.parametrize("cutoff", [False, True])
@pytest.mark.parametrize("spec", [None, "bucket(4, a)", "day(ts)"])
def test_join_equals_the_contract(catalog, ttl, cutoff, spec):
    rng = random.Random(f"{ttl} {cutoff} {spec}")
    features = sample(rng, 300)
    table = make(catalog, "ns.f", features, partition_spec=spec)
    entities = [
        {"a": rng.choice([0, 1, 2, 3, None, 99]), "b": rng.choice("xyz"),
         "event_timestamp": rng.choice([None, *[T0 + HOUR * rng.randrange(60) for _ in range(9)]])}
        for _ in range(200)
    ]  # fmt: skip
    frame = pa.Table.from_pylist(
        entities, schema=pa.schema([("a", pa.int64()), ("b", pa.string()), ("event_timestamp", STAMP)])
    )
    view = frazil.View(
        table, name="f", join_keys=["a", "b"], timestamp_field="ts",
        created_timestamp_column="created", ttl=ttl, created_cutoff=cutoff,
        features=["x", ("names", "n")],
    )  # fmt: skip
    out = frazil.pit_join(frame, [view]).to_arrow()
    assert out.column_names == ["a", "b", "event_timestamp", "x", "n"]
    assert out.select(["a", "b", "event_timestamp"]).to_pylist() == entities
    # Rows of one commit keep their order only without partitions, so compare what decides.
    winners = reference(entities, features, ["a", "b"], ttl, cutoff)
    for row, expected in zip(out.to_pylist(), winners):
        if expected is None:
            assert row["x"] is None and row["n"] is None
            continue
        got, want = features[int(row["x"])], features[expected]
        assert (got["a"], got["b"], got["ts"], got["created"]) == (
            want["a"], want["b"], want["ts"], want["created"],
        )  # fmt: skip
        assert row["n"] == got["names"]


def test_swapped_composite_keys_are_not_mixed_up(catalog):
    schema = pa.schema([("a", pa.int64()), ("b", pa.int64()), ("ts", STAMP), ("x", pa.int64())])
    table = catalog.create_table("ns.f", schema)
    table.append(
        pa.table({"a": [1, 11], "b": [11, 1], "ts": [T0, T0], "x": [1, 2]}, schema=schema)
    )
    frame = pa.table({"a": [11, 1, 1], "b": [1, 11, 1], "event_timestamp": [T0, T0, T0]})
    view = frazil.View(table, "f", ["a", "b"], "ts", features=["x"])
    assert frazil.pit_join(frame, [view]).to_arrow().column("x").to_pylist() == [2, 1, None]


def test_key_names_full_names_and_two_views(catalog):
    schema = pa.schema([("driver", pa.int64()), ("ts", STAMP), ("x", pa.int64())])
    one = catalog.create_table("ns.one", schema)
    two = catalog.create_table("ns.two", schema)
    one.append(pa.table({"driver": [5], "ts": [T0], "x": [1]}, schema=schema))
    two.append(pa.table({"driver": [5], "ts": [T0], "x": [2]}, schema=schema))
    frame = pa.table({"id": [5, 6], "when": pa.array([T0, T0], STAMP), "keep": ["p", "q"]})
    views = [
        frazil.View(t, n, {"id": "driver"}, "ts", features=["x"])
        for t, n in ((one, "one"), (two, "two"))
    ]
    out = frazil.pit_join(frame, views, timestamp_field="when", full_feature_names=True).to_arrow()
    assert out.to_pylist() == [
        {"id": 5, "when": T0, "keep": "p", "one__x": 1, "two__x": 2},
        {"id": 6, "when": T0, "keep": "q", "one__x": None, "two__x": None},
    ]
    with pytest.raises(frazil.InvalidError):
        frazil.pit_join(frame, views, timestamp_field="when").to_arrow()


def test_a_view_without_keys(catalog):
    schema = pa.schema([("ts", STAMP), ("x", pa.int64())])
    table = catalog.create_table("ns.f", schema)
    table.append(pa.table({"ts": [T0, T0 + HOUR], "x": [1, 2]}, schema=schema))
    frame = pa.table({"event_timestamp": [T0 - HOUR, T0, T0 + 5 * HOUR]})
    out = frazil.pit_join(frame, [frazil.View(table, "f", (), "ts", features=["x"])]).to_arrow()
    assert out.column("x").to_pylist() == [None, 1, 2]


def test_mixed_units_lose_nothing(catalog):
    schema = pa.schema([("k", pa.int64()), ("ts", STAMP), ("x", pa.int64())])
    table = catalog.create_table("ns.f", schema)
    epoch = datetime(1970, 1, 1, tzinfo=timezone.utc)
    table.append(pa.table({"k": [1], "ts": [epoch], "x": [7]}, schema=schema))
    view = frazil.View(table, "f", ["k"], "ts", ttl=timedelta(microseconds=1), features=["x"])
    frame = pa.table(
        {"k": [1, 1, 1], "event_timestamp": pa.array([1000, 1100, 0], pa.timestamp("ns", "UTC"))}
    )
    assert frazil.pit_join(frame, [view]).to_arrow().column("x").to_pylist() == [7, None, 7]


def test_pins_and_filters(catalog):
    schema = pa.schema([("k", pa.int64()), ("ts", STAMP), ("x", pa.int64())])
    table = catalog.create_table("ns.f", schema)
    first = table.append(pa.table({"k": [1], "ts": [T0], "x": [1]}, schema=schema)).snapshot_id
    table.create_tag("train")
    table.append(pa.table({"k": [1], "ts": [T0 + HOUR], "x": [2]}, schema=schema))
    frame = pa.table({"k": [1], "event_timestamp": [T0 + 2 * HOUR]})

    def x(**options):
        view = frazil.View(table, "f", ["k"], "ts", features=["x"], **options)
        return frazil.pit_join(frame, [view]).to_arrow().column("x").to_pylist()

    assert x() == [2]
    assert x(snapshot_id=first) == [1]
    assert x(ref="train") == [1]
    assert x(row_filter="x < 2") == [1]
    with pytest.raises(frazil.NotFoundError):
        x(ref="nope")


def test_wrong_arguments(catalog):
    schema = pa.schema([("k", pa.int64()), ("ts", STAMP), ("x", pa.int64())])
    table = catalog.create_table("ns.f", schema)
    frame = pa.table({"k": [1], "event_timestamp": [T0]})

    def join(frame=frame, **options):
        options = {"join_keys": ["k"], "features": ["x"], "timestamp_field": "ts", **options}
        frazil.pit_join(frame, [frazil.View(table, "f", **options)]).to_arrow()

    for bad in (
        {"features": ["nope"]},
        {"join_keys": ["nope"]},
        {"timestamp_field": "x"},
        {"created_timestamp_column": "nope"},
        {"frame": pa.table({"k": ["text"], "event_timestamp": [T0]})},
        {"frame": pa.table({"k": [1]})},
        {"ttl": timedelta(seconds=-1)},
    ):
        with pytest.raises(frazil.InvalidError):
            join(**bad)


def test_rows_of_a_join_are_read_once(catalog):
    schema = pa.schema([("k", pa.int64()), ("ts", STAMP), ("x", pa.int64())])
    table = catalog.create_table("ns.f", schema)
    frame = pa.table({"k": [1], "event_timestamp": [T0]})
    view = frazil.View(table, "f", ["k"], "ts", features=["x"])
    joined = frazil.pit_join(frame, [view])
    joined.to_arrow_batch_reader().read_all()
    with pytest.raises(frazil.InvalidError, match="already"):
        joined.to_arrow()
    again = frazil.pit_join(frame, [view])
    assert again.to_arrow() is again.to_arrow()
    assert again.to_pandas().shape == (1, 3)
    assert all(column.num_chunks == 1 for column in again.to_arrow().columns)


def test_what_a_join_reads_is_told_before_and_after(catalog):
    features = [{"a": i % 6, "b": "x", "ts": T0 + HOUR * i, "created": T0, "x": float(i), "names": []} for i in range(48)]
    table = make(catalog, "ns.f", features, n_commits=4)
    frame = pa.table({"a": [1, 2, 99], "ts": pa.array([T0 + HOUR * 20] * 3, STAMP)})
    view = frazil.View(table, "stats", ["a"], "ts", features=["x"], ttl=timedelta(hours=12))
    (before,) = frazil.explain_join(frame, [view], timestamp_field="ts")
    assert before["view"] == "stats" and before["entity_rows"] == 3 and before["slices"] == before["windows"] == 1
    assert before["search"]["files_total"] == 4 and before["search"]["files_pruned_by_bounds"] == 2
    assert before["search"]["rows_wanted"] > 0 and before["search"]["rows_read"] == 0
    assert before["fetch"]["rows_read"] == before["entity_rows_won"] == 0
    joined = frazil.pit_join(frame, [view], timestamp_field="ts")
    assert joined.report()[0]["search"]["rows_read"] == 24
    assert joined.to_arrow()["x"].to_pylist() == [19.0, 20.0, None]
    (after,) = joined.report()
    assert after.keys() == before.keys() and after["search"].keys() == after["fetch"].keys() == before["search"].keys()
    assert after["entity_rows_won"] == 2 and after["fetch"]["rows_read"] >= 2 and after["fetch"]["bytes_read"] > 0
    assert after["rows_swept"] + after["rows_filled"] == 24


def test_a_report_and_its_rows_outlive_each_other(catalog):
    table = make(catalog, "ns.f", sample(random.Random(1), 60))
    frame = pa.table({"a": [1, 2], "ts": pa.array([T0 + HOUR * 20] * 2, STAMP)})
    view = frazil.View(table, "stats", ["a"], "ts", features=["x"])
    joined = frazil.pit_join(frame, [view], timestamp_field="ts")
    reader = joined.to_arrow_batch_reader()
    kept = joined._reports
    del joined
    assert reader.read_all().num_rows == 2
    del reader
    assert frazil._core.join_reports(kept)[0]["entity_rows"] == 2
    unread = frazil.pit_join(frame, [view], timestamp_field="ts")
    assert len(unread.report()) == 1
    with pytest.raises(ValueError):
        frazil._core.join_reports(object())
    assert frazil.pit_join(frame, [], timestamp_field="ts").report() == []


def test_wrong_arguments_of_explain_join(catalog):
    table = make(catalog, "ns.f", sample(random.Random(1), 10))
    frame = pa.table({"a": [1], "ts": pa.array([T0], STAMP)})
    with pytest.raises(frazil.InvalidError, match="'nothing'"):
        frazil.explain_join(frame, [frazil.View(table, "stats", ["a"], "ts", features=["nothing"])], timestamp_field="ts")
    with pytest.raises(TypeError, match="__arrow_c_stream__"):
        frazil.explain_join(object(), [], timestamp_field="ts")


def test_latest_per_key(catalog):
    rng = random.Random(1)
    features = sample(rng, 200)
    table = make(catalog, "ns.f", features)
    start, end = T0 + 5 * HOUR, T0 + 30 * HOUR
    out = frazil.latest_per_key(
        table, ["a"], "ts", "created", start=start, end=end, columns=["a", "x"]
    ).to_arrow()
    best = {}
    for i, row in enumerate(features):
        if row["ts"] is None or not start <= row["ts"] <= end:
            continue
        rank = (row["ts"], row["created"] is not None, row["created"] or T0, i)
        if row["a"] not in best or rank > best[row["a"]]:
            best[row["a"]] = rank
    assert out.column_names == ["a", "x"]
    assert dict(zip(out["a"].to_pylist(), out["x"].to_pylist())) == {
        key: float(rank[-1]) for key, rank in best.items()
    }


@pytest.mark.parametrize("older, newer, is_read", [
    (range(10), range(10), False),
    (range(3, 7), range(10), False),
    (range(10), [0, 1, 2, 3, 4, 6, 7, 8, 9], True),
    (range(11), range(10), True),
    ([*range(9), None], range(10), True),
])
def test_latest_leaves_files_alone_whose_keys_are_known(catalog, older, newer, is_read):
    """A file whose keys all have newer rows in others is not opened: it may as well be gone."""
    schema = pa.schema([("a", pa.int64()), ("ts", STAMP), ("x", pa.string())])
    table = catalog.create_table("ns.known", schema)
    table.append(pa.Table.from_pylist([{"a": a, "ts": T0, "x": "old"} for a in older], schema=schema))
    (old_file,) = set(table.scan(selected_fields=("_file",)).to_arrow()["_file"].to_pylist())
    for hour in range(1, os.cpu_count() + 2):  # each thread begins with a file: one of them has ended before the old one's turn
        table.append(pa.Table.from_pylist([{"a": a, "ts": T0 + hour * HOUR, "x": "new"} for a in newer], schema=schema))
    rows = frazil.latest_per_key(table, ["a"], "ts").to_arrow().to_pylist()
    wanted = {**{a: "old" for a in older}, **{a: "new" for a in newer}}
    assert {row["a"]: row["x"] for row in rows} == wanted
    pathlib.Path(old_file.removeprefix("file://")).unlink()
    if is_read:
        with pytest.raises(frazil.FrazilError):
            frazil.latest_per_key(table, ["a"], "ts").to_arrow()
    else:
        assert frazil.latest_per_key(table, ["a"], "ts").to_arrow().to_pylist() == rows


def test_progress_is_told_and_what_it_raises_ends_the_join(catalog):
    features = sample(random.Random(4), 200)
    table = make(catalog, "ns.told", features)
    rows = 300_000
    frame = pa.table({"a": list(range(rows)), "event_timestamp": pa.array([T0 + HOUR] * rows, STAMP)})
    view = frazil.View(table, "f", ["a"], "ts", features=["x"])
    told = []
    frazil.pit_join(frame, [view], progress=told.append).to_arrow()
    assert all(isinstance(each, frazil.PitProgress) for each in told)
    last = told[-1]
    assert last[:3] == (rows, 0, 1)
    assert last.files[0] == last.files[1] > 0 and last.rows[0] == last.rows[1] > 0
    assert [each.entity_rows for each in told] == sorted(each.entity_rows for each in told)

    def refuse(progress):
        raise ValueError(f"at {progress.entity_rows}")

    with pytest.raises(ValueError, match="at "):
        frazil.pit_join(frame, [view], progress=refuse)
    assert frazil.pit_join(frame, [view]).to_arrow().num_rows == rows


def test_a_small_memory_limit_gives_the_same_rows(catalog, tmp_path):
    rng = random.Random(5)
    features = sample(rng, 500)
    table = make(catalog, "ns.spilled", features)
    rows = 200_000
    frame = pa.table(
        {
            "a": [rng.randrange(20) for _ in range(rows)],
            "event_timestamp": pa.array([T0 + HOUR * rng.randrange(100) for _ in range(rows)], STAMP),
            "words": [f"row {i}" for i in range(rows)],
        }
    )
    view = frazil.View(table, "f", ["a"], "ts", "created", ttl=40 * HOUR, features=["x", "names"])
    spilled = frazil.pit_join(frame, [view], memory_limit_mb=1, spill_dir=str(tmp_path / "spilled"))
    assert list((tmp_path / "spilled").iterdir()) == []
    assert spilled.to_arrow().equals(frazil.pit_join(frame, [view]).to_arrow())


def test_latest_of_the_whole_table(catalog):
    features = sample(random.Random(2), 50)
    table = make(catalog, "ns.f", features)
    out = frazil.latest_per_key(table, [], "ts", "created").to_arrow()
    assert out.num_rows == 1
    assert out["ts"].to_pylist() == [max(row["ts"] for row in features if row["ts"])]


def test_a_moved_row_wins_no_tie(catalog):
    """Of two equal rows the later written wins, also after the earlier one was moved to a newer file."""
    schema = pa.schema([("a", pa.int64()), ("ts", STAMP), ("x", pa.string())])
    table = catalog.create_table("ns.moved", schema, format_version=3)
    table.append(pa.Table.from_pylist([{"a": i, "ts": T0, "x": "old"} for i in range(3)], schema=schema))
    table.append(pa.Table.from_pylist([{"a": i, "ts": T0, "x": "new"} for i in range(2)], schema=schema))
    frame = pa.table({"a": [0, 1, 2], "event_timestamp": pa.array([T0 + HOUR] * 3, STAMP)})
    view = frazil.View(table, name="f", join_keys=["a"], timestamp_field="ts", features=["x"])
    for deleted, left in [("a = 9", ["new", "new", "old"]), ("a = 2", ["new", "new", None])]:
        table.delete(deleted)  # the second writes the file of the old rows again
        assert frazil.pit_join(frame, [view]).to_arrow()["x"].to_pylist() == left
        latest = frazil.latest_per_key(table, ["a"], "ts").to_arrow().sort_by("a")
        assert latest["x"].to_pylist() == [x for x in left if x is not None]
    files = table.scan(selected_fields=("x", "_file")).to_arrow()
    assert len(set(files["_file"].to_pylist())) == 2


def test_only_rows_since_a_snapshot(catalog):
    def rows(trips):
        return pa.table({"k": [1, 2], "event_timestamp": pa.array([10, 10], pa.timestamp("us", "UTC")), "trips": trips})

    table = catalog.create_table_as("ns.since", rows([1, 2]))
    first = table.current_snapshot_id()
    table.append(rows([3, 4]).slice(0, 1))
    second = table.current_snapshot_id()
    table.append(rows([5, 6]).slice(1, 1))
    entities = pa.table({"k": [1, 2, 3], "event_timestamp": pa.array([20] * 3, pa.timestamp("us", "UTC"))})

    def joined(**options):
        view = frazil.View(table, "v", ["k"], features=["trips"], **options)
        return frazil.pit_join(entities, [view]).to_arrow()["trips"].to_pylist()

    def latest(**options):
        found = frazil.latest_per_key(table, ["k"], "event_timestamp", **options).to_arrow()
        return sorted(zip(found["k"].to_pylist(), found["trips"].to_pylist()))

    assert joined() == [3, 6, None]
    assert joined(from_snapshot_id=first) == [3, 6, None]
    assert joined(from_snapshot_id=first, snapshot_id=second) == [3, None, None]
    assert joined(from_snapshot_id=second) == [None, 6, None]
    assert latest(from_snapshot_id=second) == [(2, 6)]
    assert latest(from_snapshot_id=first, snapshot_id=second) == [(1, 3)]
    table.maintenance.compact(rewrite_all=True)  # says nothing about new rows
    assert joined(from_snapshot_id=second) == [None, 6, None]
    with pytest.raises(frazil.NotFoundError, match="no snapshot 5 to read from"):
        joined(from_snapshot_id=5)
    with pytest.raises(frazil.InvalidError, match="no ancestor"):
        joined(from_snapshot_id=second, snapshot_id=first)
