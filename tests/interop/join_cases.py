"""Random point-in-time joins, and what they give by brute force: the contract of docs/design/point-in-time.md, word for word.

A Pool makes tables of random types, versions and histories; a Case is one join of up to three of them. Times are numbers
of nanoseconds here, whatever unit a column has; an entity row's time is what its column holds after rounding.
"""

import dataclasses
import datetime
import decimal
import math
import struct
import uuid

import frazil
import pyarrow as pa

SECOND = 10**9
DAY = 86400 * SECOND
NS_PER = {"s": SECOND, "ms": 10**6, "us": 10**3, "ns": 1}
TZ_US = pa.timestamp("us", "UTC")

INTS = [pa.int8(), pa.int16(), pa.int32(), pa.uint8(), pa.uint32(), pa.int64(), pa.uint64(), pa.float64()]
TEXTS = [pa.string(), pa.large_string(), pa.binary()]
TIMES = [pa.timestamp(unit, zone) for unit in ("s", "ms", "us", "ns") for zone in (None, "UTC")]

# Type of a table's key, a small domain of values so that keys repeat, and types that an entity column may have.
KEYS = {
    "int32": (pa.int32(), [-1, 0, 1, 2, 2**31 - 1], INTS),
    "int64": (pa.int64(), [-(2**63), -1, 0, 1, 2**53 + 1, 2**63 - 1], INTS),
    "float": (pa.float32(), [0.0, -0.0, 1.0, 1.5, math.nan, math.inf], [pa.float32(), pa.float64(), pa.int64()]),
    "double": (pa.float64(), [0.0, -0.0, 1.0, 1.5, math.nan, -math.inf, 2.0**53], [pa.float32(), pa.float64(), pa.int32(), pa.int64()]),
    "string": (pa.string(), ["", "a", "aa", "A", "ä", "a\0b"], TEXTS),
    "binary": (pa.binary(), [b"", b"\0", b"\0\0", b"a", b"\xff"], TEXTS),
    "fixed": (pa.binary(16), [uuid.UUID(int=number).bytes for number in (1, 2, 2**127)], [pa.binary(16), pa.binary()]),
    "boolean": (pa.bool_(), [True, False], [pa.bool_(), pa.int64()]),
    "date": (pa.date32(), [datetime.date(1969, 12, 31), datetime.date(1970, 1, 1), datetime.date(2026, 1, 1)], [pa.date32()]),
    "timestamp": (pa.timestamp("us"), [-SECOND, -1000, 0, 1000, SECOND], TIMES),
    "timestamptz": (TZ_US, [-SECOND, -1000, 0, 1000, SECOND], TIMES),
    "decimal": (pa.decimal128(9, 2), [decimal.Decimal(text) for text in ("1.00", "-1.00", "0.01")], [pa.decimal128(9, 2)]),
}  # fmt: skip

# Features of every type that a table can have: type and values.
FEATURES = [
    (pa.bool_(), [True, False]),
    (pa.int32(), [0, -(2**31), 7]),
    (pa.float32(), [0.5, math.nan, -math.inf]),
    (pa.float64(), [0.1, math.nan, math.inf, -0.0]),
    (pa.decimal128(9, 2), [decimal.Decimal("12345.67"), decimal.Decimal("-0.01")]),
    (pa.decimal128(38, 10), [decimal.Decimal("1234567890123456789012345678.0123456789")]),
    (pa.date32(), [datetime.date(1, 1, 1), datetime.date(9999, 12, 31)]),
    (pa.time64("us"), [datetime.time(0, 0), datetime.time(23, 59, 59, 999999)]),
    (pa.timestamp("us"), [datetime.datetime(1969, 12, 31, 23, 59, 59, 999999), datetime.datetime(2026, 1, 1)]),
    (TZ_US, [datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)]),
    (pa.string(), ["", "ä", "x" * 50]),
    (pa.binary(), [b"", b"\0\xff"]),
    (pa.binary(16), [b"0123456789abcdef"]),
    (pa.list_(pa.int64()), [[], [1, None, 3]]),
    (pa.list_(pa.string()), [["a"], [None]]),
    (pa.struct([("a", pa.int64()), ("b", pa.list_(pa.string()))]), [{"a": 1, "b": ["x"]}, {"a": None, "b": None}]),
    (pa.map_(pa.string(), pa.int64()), [[("a", 1), ("b", None)], []]),
]
NS_FEATURES = [(pa.timestamp("ns"), [1, -1, SECOND + 1]), (pa.timestamp("ns", "UTC"), [1, -1, SECOND + 1])]


def array(values, kind):
    """Arrow values; times come as nanoseconds and are rounded down to the unit of their column."""
    if pa.types.is_timestamp(kind) and not any(isinstance(value, datetime.datetime) for value in values):
        step = NS_PER[kind.unit]
        return pa.array([None if value is None else value // step for value in values], pa.int64()).cast(kind)
    if pa.types.is_date(kind) and not any(isinstance(value, datetime.date) for value in values):
        return pa.array([None if value is None else value // DAY for value in values], pa.int32()).cast(kind)
    return pa.array(values, kind)


def nanoseconds(column):
    """What a column of times holds."""
    if pa.types.is_date(column.type):
        return [None if value is None else value * DAY for value in column.cast(pa.int32()).to_pylist()]
    step = NS_PER[column.type.unit]
    return [None if value is None else value * step for value in column.cast(pa.int64()).to_pylist()]


def comparable(column):
    """Values of a key column such that equal keys are equal: numbers as numbers, texts as bytes, times as nanoseconds."""
    if pa.types.is_timestamp(column.type):
        return nanoseconds(column)
    values = []
    for value in column.to_pylist():
        if isinstance(value, float) and math.isnan(value):
            value = "nan"
        elif isinstance(value, float) and value == 0:
            value = 0
        elif isinstance(value, str):
            value = value.encode()
        values.append(value)
    return values


def fits(value, kind):
    """Whether an entity column of a type can hold a key."""
    try:
        made = array([value], kind)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError, TypeError):
        return False
    return pa.types.is_timestamp(kind) or comparable(made)[0] == comparable(pa.array([value]))[0]


def as_kind(value, kind):
    """A key as a value that an entity column of another type can hold; None where there is none."""
    if value is None:
        return None
    if isinstance(value, str) and pa.types.is_binary(kind):
        return value.encode()
    if isinstance(value, bytes) and not (pa.types.is_binary(kind) or pa.types.is_fixed_size_binary(kind)):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return None
    if isinstance(value, bool) and pa.types.is_integer(kind):
        return int(value)
    if pa.types.is_floating(kind) and isinstance(value, int):
        return float(value) if int(float(value)) == value else None
    if pa.types.is_integer(kind) and isinstance(value, float):
        return int(value) if math.isfinite(value) and value == int(value) and abs(value) < 2**31 else None
    if pa.types.is_floating(kind) and isinstance(value, float) and kind == pa.float32():
        return struct.unpack("f", struct.pack("f", value))[0]
    return value if fits(value, kind) else None


@dataclasses.dataclass
class Model:
    """A table and what it holds: for each snapshot, its rows in order of commit."""

    table: frazil.Table
    keys: list  # names in KEYS
    features: list  # Arrow types
    snapshots: list  # (snapshot id or None, pa.Table of live rows)
    created: bool


class Pool:
    """Tables to join, made in a catalog."""

    def __init__(self, catalog, generator, name, n_tables=3):
        self.generator = generator
        self.models = [self.make(catalog, f"t.{name}_{number}") for number in range(n_tables)]
        self.catalog = catalog

    def drop(self):
        for model in self.models:
            self.catalog.drop_table(model.table.identifier, purge=True)

    def time(self):
        """A moment in a small domain around one of three origins, at times off by a step of a unit."""
        chance = self.generator
        return chance.choice([0, 0, 20454 * DAY]) + chance.randrange(-6, 6) * SECOND + chance.choice([0, 0, 0, 1000, -1000, 1, -1, 999])

    def maybe(self, value, chance=0.1):
        return None if self.generator.random() < chance else value

    def make(self, catalog, name):
        chance = self.generator
        version = chance.choice([1, 2, 2, 3, 3])
        times = [pa.timestamp("us"), TZ_US, TZ_US, pa.date32()]
        if version == 3:
            times += [pa.timestamp("ns"), pa.timestamp("ns", "UTC")]
        keys = [chance.choice(list(KEYS)) for _ in range(chance.choice([0, 1, 1, 1, 2, 3]))]
        has_created = chance.random() < 0.8
        features = chance.sample(FEATURES + (NS_FEATURES if version == 3 else []), 2)
        fields = [(f"k{i}", KEYS[key][0]) for i, key in enumerate(keys)]
        fields.append(("event", chance.choice(times)))
        if has_created:
            fields.append(("created", chance.choice(times)))
        fields.append(("id", pa.int64()))
        fields += [(f"f{i}", kind) for i, (kind, _) in enumerate(features)]
        schema = pa.schema(fields)
        table = catalog.create_table(name, schema=schema, properties={"format-version": str(version)})
        live = schema.empty_table()
        snapshots = [(None, live)]
        for _ in range(chance.randrange(4)):
            start = live.num_rows + 1000 * len(snapshots)
            rows = self.rows(schema, keys, features, start, chance.choice([0, 1, 5, 20]))
            table.append(rows)
            live = pa.concat_tables([live, rows])
            if version > 1 and live.num_rows and chance.random() < 0.3:
                gone = chance.choice(live["id"].to_pylist())
                table.delete(f"id = {gone}", mode="merge-on-read")
                live = live.filter(pa.array([each != gone for each in live["id"].to_pylist()]))
            snapshots.append((table.current_snapshot_id(), live))
        return Model(table, keys, [kind for kind, _ in features], snapshots, has_created)

    def rows(self, schema, keys, features, start, n):
        chance = self.generator
        columns = []
        for i, field in enumerate(schema):
            if field.name == "id":
                values = list(range(start, start + n))
            elif field.name in ("event", "created"):
                values = [self.maybe(self.time(), 0.1 if field.name == "event" else 0.3) for _ in range(n)]
            else:
                domain = KEYS[keys[i]][1] if i < len(keys) else features[int(field.name[1:])][1]
                values = [self.maybe(chance.choice(domain)) for _ in range(n)]
            columns.append(array(values, field.type))
        return pa.table(columns, schema=schema)

    def case(self):
        return Case(self)


class Case:
    """One join: entity rows, views, and what must come out."""

    def __init__(self, pool):
        chance = pool.generator
        models = [chance.choice(pool.models) for _ in range(chance.choice([1, 1, 2, 3]))]
        n = chance.choice([0, 1, 10, 25])
        unit = chance.choice(TIMES)
        columns = {"event_timestamp": array([pool.maybe(pool.time()) for _ in range(n)], unit)}
        self.views, self.expected = [], []
        self.joined = []
        for number, model in enumerate(models):
            keys = {}
            for i, key in enumerate(model.keys):
                kind, domain, others = KEYS[key]
                other = chance.choice([kind, *others])
                keys[f"v{number}k{i}"] = f"k{i}"
                columns[f"v{number}k{i}"] = array(
                    [pool.maybe(as_kind(chance.choice(domain), other)) for _ in range(n)], other
                )
            ttl = chance.choice([None, None, datetime.timedelta(0), datetime.timedelta(microseconds=1),
                                 datetime.timedelta(seconds=3), datetime.timedelta(days=1)])  # fmt: skip
            snapshot, rows = chance.choice(model.snapshots)
            if snapshot is None:
                snapshot, rows = model.snapshots[-1]
            pin = {} if snapshot == model.snapshots[-1][0] else {"snapshot_id": snapshot}
            features = ["id", *(f"f{i}" for i in range(len(model.features)))]
            self.views.append(frazil.View(
                model.table, name=f"view{number}", join_keys=keys, timestamp_field="event",
                created_timestamp_column="created" if model.created else None, ttl=ttl,
                created_cutoff=model.created and chance.random() < 0.3,
                features=tuple((name, f"view{number}__{name}") for name in features), **pin,
            ))  # fmt: skip
            self.joined.append((rows, features))
        self.entity = pa.table(columns)

    def brute_force(self):
        """A column for each feature of each view."""
        times = nanoseconds(self.entity["event_timestamp"].combine_chunks())
        columns = []
        for view, (rows, features) in zip(self.views, self.joined):
            mine = [comparable(self.entity[name].combine_chunks()) for name in view.join_keys]
            theirs = [comparable(rows[name].combine_chunks()) for name in view.join_keys.values()]
            entity_keys = list(zip(*mine)) if mine else [()] * len(times)
            row_keys = list(zip(*theirs)) if theirs else [()] * rows.num_rows
            events = nanoseconds(rows["event"].combine_chunks())
            made = nanoseconds(rows["created"].combine_chunks()) if "created" in rows.column_names else [None] * len(events)
            age = (view.ttl // datetime.timedelta(microseconds=1)) * 1000 if view.ttl else None
            winners = []
            for time, key in zip(times, entity_keys):
                best, best_order = None, None
                for place, (event, created, row_key) in enumerate(zip(events, made, row_keys)):
                    if time is None or event is None or None in key or row_key != key or event > time:
                        continue
                    if age is not None and event < time - age:
                        continue
                    if view.created_cutoff and (created is None or created > time):
                        continue
                    order = (event, -math.inf if created is None else created, place)
                    if best_order is None or order > best_order:
                        best, best_order = place, order
                winners.append(best)
            indices = pa.array(winners, pa.int64())
            columns += [rows[name].combine_chunks().take(indices) for name in features]
        return columns


def listed(columns):
    """Values to compare: NaN is NaN, and 0.0 is not -0.0."""
    return [repr(nanoseconds(column) if pa.types.is_timestamp(column.type) else column.to_pylist()) for column in columns]
