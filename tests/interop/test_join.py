"""The point-in-time join against a brute-force reference on thousands of random cases, and against pandas and DuckDB."""

import datetime
import decimal
import os
import random
import uuid

import duckdb
import frazil
import pandas as pd
import polars
import pyarrow as pa
import pytest
from join_cases import Pool, listed

from frazil.feast import duckdb_sql

EPOCH = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
TABLES_PER_TYPE = 25
JOINS_PER_TABLE = 10

# Arrow type and a small domain of values, so that keys repeat.
KEY_TYPES = {
    "int32": (pa.int32(), [-1, 0, 1, 2, 2**31 - 1]),
    "int64": (pa.int64(), [-(2**63), 0, 1, 2, 2**63 - 1]),
    "string": (pa.string(), ["", "a", "aa", "ä", "a\0b"]),
    "binary": (pa.binary(), [b"", b"\0", b"\0\0", b"a", b"\xff"]),
    "boolean": (pa.bool_(), [True, False]),
    "date": (pa.date32(), [datetime.date(1969, 12, 31), datetime.date(1970, 1, 1), datetime.date(2026, 1, 1)]),
    "timestamp": (pa.timestamp("us", tz="UTC"), [EPOCH, EPOCH + datetime.timedelta(microseconds=1), EPOCH - datetime.timedelta(days=20000)]),
    "double": (pa.float64(), [0.0, 1.5, -2.0, float("inf")]),
    "decimal": (pa.decimal128(9, 2), [decimal.Decimal("1.00"), decimal.Decimal("-1.00"), decimal.Decimal("0.01")]),
    "fixed": (pa.binary(16), [uuid.UUID(int=1).bytes, uuid.UUID(int=2).bytes]),
}


@pytest.fixture(scope="module")
def catalog(tmp_path_factory):
    folder = tmp_path_factory.mktemp("join")
    catalog = frazil.load_catalog("join", uri=f"sqlite:///{folder}/catalog.db", warehouse=str(folder / "warehouse"))
    catalog.create_namespace("t")
    return catalog


def seconds(value):
    return EPOCH + datetime.timedelta(seconds=value)


def maybe(generator, value, chance=0.1):
    return None if generator.random() < chance else value


def make_features(generator, types, n):
    rows = []
    for number in range(n):
        keys = [maybe(generator, generator.choice(domain)) for _, domain in types]
        event = maybe(generator, seconds(generator.randrange(12)))
        created = maybe(generator, seconds(generator.randrange(12)), 0.3)
        rows.append((*keys, event, created, maybe(generator, number)))
    return rows


def make_entities(generator, types, n):
    return [(*[maybe(generator, generator.choice(domain)) for _, domain in types],
             maybe(generator, seconds(generator.randrange(-1, 13)))) for _ in range(n)]


def to_arrow(rows, types, more):
    names = [f"k{i}" for i in range(len(types))] + [name for name, _ in more]
    kinds = [kind for kind, _ in types] + [kind for _, kind in more]
    columns = [pa.array([row[i] for row in rows], kind) for i, kind in enumerate(kinds)]
    return pa.table(columns, names=names)


def reference(entities, batches, n_keys, ttl, cutoff):
    """The contract, word for word. Later appends have greater sequence numbers; position decides inside one."""
    ranked = [(row, (sequence, position)) for sequence, rows in enumerate(batches) for position, row in enumerate(rows)]
    answers = []
    for entity in entities:
        key, time = entity[:n_keys], entity[n_keys]
        best, best_order = None, None
        for row, place in ranked:
            event, created = row[n_keys], row[n_keys + 1]
            if time is None or event is None or None in key or row[:n_keys] != key or event > time:
                continue
            if ttl is not None and event < time - ttl:
                continue
            if cutoff and (created is None or created > time):
                continue
            order = (event, created or datetime.datetime.min.replace(tzinfo=datetime.timezone.utc), place)
            if best_order is None or order > best_order:
                best, best_order = row, order
        answers.append(best[n_keys + 2] if best else None)
    return answers


def run_table(catalog, generator, types, name):
    stamp = pa.timestamp("us", tz="UTC")
    more = [("event", stamp), ("created", stamp), ("value", pa.int64())]
    batches = [make_features(generator, types, generator.choice([0, 1, 5, 20])) for _ in range(generator.randrange(4))]
    table = catalog.create_table(f"t.{name}", schema=to_arrow([], types, more).schema)
    for batch in batches:
        table.append(to_arrow(batch, types, more))
    found = sum(check_join(generator, table, batches, types) for _ in range(JOINS_PER_TABLE))
    catalog.drop_table(f"t.{name}", purge=True)
    return found


def check_join(generator, table, batches, types):
    """Random entity rows and options on one table; returns how many rows found a winner."""
    entities = make_entities(generator, types, generator.choice([0, 1, 10, 25]))
    ttl = generator.choice([None, None, datetime.timedelta(0), datetime.timedelta(seconds=3), datetime.timedelta(seconds=1)])
    cutoff = generator.random() < 0.3
    view = frazil.View(table, name="v", join_keys={f"k{i}": f"k{i}" for i in range(len(types))}, timestamp_field="event",
                       created_timestamp_column="created", ttl=ttl, features=["value"], created_cutoff=cutoff)
    frame = to_arrow(entities, types, [("event_timestamp", pa.timestamp("us", tz="UTC"))])
    result = frazil.pit_join(frame, [view]).to_arrow()
    assert result.drop(["value"]).equals(frame), "entity columns come back as they were, in order"
    expected = reference(entities, batches, len(types), ttl or None, cutoff)
    assert result["value"].to_pylist() == expected, (ttl, cutoff, entities, batches)
    return sum(value is not None for value in expected)


@pytest.mark.parametrize("kind", KEY_TYPES)
def test_one_key_equals_brute_force(catalog, kind):
    generator = random.Random(f"one {kind}")
    found = sum(run_table(catalog, generator, [KEY_TYPES[kind]], f"one_{kind}_{case}") for case in range(TABLES_PER_TYPE))
    assert found > TABLES_PER_TYPE * JOINS_PER_TABLE


def test_several_keys_equal_brute_force(catalog):
    generator = random.Random("several")
    found = 0
    for case in range(TABLES_PER_TYPE):
        types = [KEY_TYPES[generator.choice(list(KEY_TYPES))] for _ in range(generator.choice([0, 2, 2, 3]))]
        types = [(kind, domain[:2]) for kind, domain in types]
        found += run_table(catalog, generator, types, f"several_{case}")
    assert found > 100


CASES = int(os.environ.get("FRAZIL_JOIN_CASES", "240"))
CASES_PER_POOL = 20
PARTS = 4  # so that two processes can share the work


@pytest.mark.parametrize("part", range(PARTS))
def test_random_joins_equal_brute_force_and_duckdb(catalog, part):
    """Tables of all types and versions with deletes, several views, differing keys and units, pins, time to live, the created
    cutoff. `make test-joins` runs 10,000 of them."""
    found = rows = 0
    for number in range(part, CASES // CASES_PER_POOL, PARTS):
        pool = Pool(catalog, random.Random(f"pool {number}"), f"pool{number}")
        for case_number in range(CASES_PER_POOL):
            case = pool.case()
            native = frazil.pit_join(case.entity, case.views).to_arrow()
            native = native.select(range(case.entity.num_columns, native.num_columns))
            told = (number, case_number, case.views, case.entity.to_pylist())
            assert listed(native.columns) == listed(case.brute_force()), told
            by_duckdb = duckdb_sql.pit_join(case.entity, case.views)
            assert by_duckdb.schema == native.schema, told
            assert listed(by_duckdb.columns) == listed(native.columns), told
            rows += native.num_rows
            found += native.num_rows - native.column(0).null_count
        pool.drop()
    assert found > rows // 50 > 0


def int_table(catalog, name, keys, key_type, events, unit="us"):
    rows = pa.table({"k": pa.array(keys, key_type), "event": pa.array(events, pa.timestamp(unit, tz="UTC")),
                     "value": pa.array(range(len(keys)), pa.int64())})
    table = catalog.create_table(f"t.{name}", schema=rows.schema)
    table.append(rows)
    return table


def view_of(table, **options):
    return frazil.View(table, name="v", join_keys={"k": "k"}, timestamp_field="event", features=["value"], **options)


@pytest.mark.parametrize("key_type", [pa.int8(), pa.int16(), pa.int32(), pa.uint32(), pa.int64(), pa.uint64(), pa.float64()])
def test_numbers_of_every_width_match(catalog, key_type):
    table = int_table(catalog, f"wide_{key_type}", [1, 2], pa.int64(), [0, 0])
    entities = pa.table({"k": pa.array([1, 2, 3], key_type), "event_timestamp": pa.array([5, 5, 5], pa.timestamp("us", tz="UTC"))})
    assert frazil.pit_join(entities, [view_of(table)]).to_arrow()["value"].to_pylist() == [0, 1, None]


def test_nanoseconds_round_inward(catalog):
    """t = 1100 ns with a time to live of 1 us must not admit an event at 0."""
    table = int_table(catalog, "nanoseconds", [1], pa.int64(), [0])
    times = pa.array([1100, 1000, 999, -1], pa.timestamp("ns", tz="UTC"))
    entities = pa.table({"k": pa.array([1, 1, 1, 1]), "event_timestamp": times})
    ttl = datetime.timedelta(microseconds=1)
    assert frazil.pit_join(entities, [view_of(table, ttl=ttl)]).to_arrow()["value"].to_pylist() == [None, 0, 0, None]


@pytest.mark.parametrize("convert", [lambda t: t, lambda t: t.to_pandas(), polars.from_arrow, lambda t: duckdb.sql("SELECT * FROM t")],
                         ids=["pyarrow", "pandas", "polars", "duckdb"])
def test_entities_of_every_library(catalog, convert, request):
    table = int_table(catalog, f"library_{request.node.callspec.id}", [1, 2], pa.int64(), [0, 0])
    entities = convert(pa.table({"k": [1, 9, 2], "event_timestamp": pa.array([1, 1, 1], pa.timestamp("us", tz="UTC"))}))
    assert frazil.pit_join(entities, [view_of(table)]).to_arrow()["value"].to_pylist() == [0, None, 1]


def test_result_goes_to_every_library(catalog):
    table = int_table(catalog, "out", [1], pa.int64(), [0])
    entities = pa.table({"k": [1], "event_timestamp": pa.array([1], pa.timestamp("us", tz="UTC"))})
    assert polars.DataFrame(frazil.pit_join(entities, [view_of(table)]))["value"].to_list() == [0]
    joined = frazil.pit_join(entities, [view_of(table)]).to_arrow()
    assert duckdb.sql("SELECT value FROM joined").fetchall() == [(0,)]
    assert frazil.pit_join(entities, [view_of(table)]).to_pandas()["value"].tolist() == [0]


@pytest.mark.parametrize("entities, words", [
    (pa.table({"k": ["a"], "event_timestamp": pa.array([1], pa.timestamp("us"))}), ["join key", "'k'", "string", "int64"]),
    (pa.table({"other": [1], "event_timestamp": pa.array([1], pa.timestamp("us"))}), ["join key 'k'", "entity"]),
    (pa.table({"k": [1], "event_timestamp": ["2026-01-01"]}), ["event_timestamp", "string"]),
    (pa.table({"k": [1]}), ["event_timestamp", "entity"]),
])
def test_wrong_entities_are_refused_by_name(catalog, entities, words):
    name = f"wrong_{abs(hash(tuple(words)))}"
    table = int_table(catalog, name, [1], pa.int64(), [0])
    with pytest.raises(frazil.InvalidError) as error:
        frazil.pit_join(entities, [view_of(table)]).to_arrow()
    assert all(word in str(error.value) for word in words), error.value


def test_unknown_feature_lists_the_columns(catalog):
    table = int_table(catalog, "unknown", [1], pa.int64(), [0])
    entities = pa.table({"k": [1], "event_timestamp": pa.array([1], pa.timestamp("us", tz="UTC"))})
    view = frazil.View(table, name="v", join_keys={"k": "k"}, timestamp_field="event", features=["valeu"])
    with pytest.raises(frazil.InvalidError, match="'valeu'.*k, event, value"):
        frazil.pit_join(entities, [view]).to_arrow()


def test_equal_names_are_refused(catalog):
    table = int_table(catalog, "equal", [1], pa.int64(), [0])
    entities = pa.table({"k": [1], "event_timestamp": pa.array([1], pa.timestamp("us", tz="UTC"))})
    with pytest.raises(frazil.InvalidError, match="value"):
        frazil.pit_join(entities, [view_of(table), view_of(table)]).to_arrow()


def test_large_join_equals_duckdb_and_pandas(catalog):
    generator = random.Random("large")
    n, n_keys = 50_000, 500
    features = pd.DataFrame({"k": [generator.randrange(n_keys) for _ in range(n)],
                             "event": pd.to_datetime(sorted(generator.sample(range(10**9), n)), unit="s", utc=True).astype("datetime64[us, UTC]"),
                             "value": range(n)})
    entities = pd.DataFrame({"k": [generator.randrange(n_keys + 50) for _ in range(20_000)],
                             "event_timestamp": pd.to_datetime([generator.randrange(10**9) for _ in range(20_000)], unit="s", utc=True).astype("datetime64[us, UTC]")})
    rows = pa.Table.from_pandas(features, preserve_index=False)
    table = catalog.create_table("t.large", schema=rows.schema, partition_spec="bucket(4, k)")
    for start in range(0, n, 10_000):
        table.append(rows.slice(start, 10_000))
    result = frazil.pit_join(pa.Table.from_pandas(entities, preserve_index=False), [view_of(table)]).to_pandas()

    ordered = entities.reset_index().sort_values("event_timestamp")
    by_pandas = pd.merge_asof(ordered, features, left_on="event_timestamp", right_on="event", by="k").sort_values("index")
    by_duckdb = duckdb.sql("SELECT value FROM (SELECT *, row_number() OVER () AS place FROM entities) e ASOF LEFT JOIN features f "
                           "ON e.k = f.k AND e.event_timestamp >= f.event ORDER BY place").df()
    assert result["value"].fillna(-1).tolist() == by_pandas["value"].fillna(-1).tolist()
    assert result["value"].fillna(-1).tolist() == by_duckdb["value"].fillna(-1).tolist()
    assert result["value"].notna().sum() > 15_000


def test_row_groups_outside_the_window_are_not_read(catalog):
    """Damage in a row group whose times are out of reach goes unnoticed; entity rows that reach it are told."""
    rows = pa.table({"k": pa.array([1] * 300), "event": pa.array(range(300), pa.timestamp("us", tz="UTC")),
                     "value": pa.array(range(300), pa.int64())})
    table = catalog.create_table("t.groups", schema=rows.schema, properties={"write.parquet.row-group-limit": "100"})
    table.append(rows)
    (file,) = table.inspect.files().to_pylist()
    assert len(file["split_offsets"]) == 3
    with open(file["file_path"], "r+b") as damaged:
        damaged.seek(file["split_offsets"][2] + 60)
        damaged.write(b"\xff" * 20)

    def join(time):
        entities = pa.table({"k": [1], "event_timestamp": pa.array([time], pa.timestamp("us", tz="UTC"))})
        return frazil.pit_join(entities, [view_of(table)]).to_arrow()["value"].to_pylist()

    assert join(150) == [150]
    with pytest.raises(frazil.CorruptError, match=file["file_path"].rsplit("/", 1)[1]):
        join(250)
