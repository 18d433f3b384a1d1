"""Random sequences of every table operation, compared after each step with a plain-Python model of the table.

The model keeps rows by a number `u` that no two rows share, and values by the column they were written to: a schema
change changes what a row reads as, never the row. Each ref has its own rows; each snapshot remembers its own.
One sequence is one seed. FRAZIL_MODEL_SEEDS=100-200 runs others than those below, FRAZIL_MODEL_STEPS=n longer ones.
"""

import copy
import datetime
import decimal
import importlib.util
import math
import multiprocessing
import os
import pathlib
import random
import struct

import frazil
import pyarrow as pa
import pytest
from frazil.exceptions import CommitConflictError, InvalidError, NotFoundError

UTC = datetime.timezone.utc
MERGE, COPY = "merge-on-read", "copy-on-write"
STEPS = int(os.environ.get("FRAZIL_MODEL_STEPS", "25"))


def seeds():
    first, _, last = os.environ.get("FRAZIL_MODEL_SEEDS", "0-14").partition("-")
    return range(int(first), int(last or int(first) + 1))


# ---- types and values ----


class Primitive:
    def __init__(self, name):
        self.name = name

    def arrow(self):
        if self.name.startswith("decimal"):
            return pa.decimal128(int(self.name[8:-1].split(",")[0]), 2)
        return {"boolean": pa.bool_(), "int": pa.int32(), "long": pa.int64(), "float": pa.float32(), "double": pa.float64(), "date": pa.date32(),
                "timestamp": pa.timestamp("us"), "timestamptz": pa.timestamp("us", "UTC"), "string": pa.string(), "binary": pa.binary()}[self.name]

    def make(self, chance):
        if chance.random() < 0.15:
            return None
        n = chance.randrange(-12, 25)
        if self.name.startswith("decimal"):
            return decimal.Decimal(n * 25).scaleb(-2)
        if self.name in ("float", "double"):
            return chance.choice([n / 4, n / 4, float(n), math.nan, -0.0, 0.0, math.inf, -math.inf])
        if self.name == "string":
            return chance.choice(["", "a", "ab", "b", "ü", "\U0001f600x", "it's", "\uffff", f"name {n}", f"name {n}", "z" * 40])
        return {"boolean": n % 2 == 0, "int": n, "long": chance.choice([n, n, n << 40]), "date": datetime.date(1970, 1, 1) + datetime.timedelta(days=n * 20),
                "timestamp": datetime.datetime(1970, 1, 1) + datetime.timedelta(hours=n * 7, microseconds=n),
                "timestamptz": datetime.datetime(1970, 1, 1, tzinfo=UTC) + datetime.timedelta(hours=n * 7, microseconds=n),
                "binary": bytes([n % 256] * (n % 4))}[self.name]

    def read(self, raw):
        return raw

    def whole(self, raw):
        return raw


class Column:
    def __init__(self, key, name, kind, default=None):
        self.key, self.name, self.kind = key, name, kind
        self.initial = self.write = default

    def field(self):
        return pa.field(self.name, self.kind.arrow())


class Struct:
    def __init__(self, columns):
        self.columns = columns

    def arrow(self):
        return pa.struct([column.field() for column in self.columns])

    def make(self, chance):
        return None if chance.random() < 0.2 else {column.key: column.kind.make(chance) for column in self.columns}

    def read(self, raw):
        return None if raw is None else {column.name: column.kind.read(raw.get(column.key, column.initial)) for column in self.columns}

    def whole(self, raw):
        return None if raw is None else {column.key: column.kind.whole(raw.get(column.key, column.initial)) for column in self.columns}


class Many:
    """A list, or a map from strings."""

    def __init__(self, kind, is_map=False):
        self.kind, self.is_map = kind, is_map

    def arrow(self):
        return pa.map_(pa.string(), self.kind.arrow()) if self.is_map else pa.list_(self.kind.arrow())

    def make(self, chance):
        if chance.random() < 0.2:
            return None
        values = [self.kind.make(chance) for _ in range(chance.randrange(4))]
        return [(f"k{i}", value) for i, value in enumerate(values)] if self.is_map else values

    def _each(self, raw, change):
        if raw is None:
            return None
        return [(key, change(value)) for key, value in raw] if self.is_map else [change(value) for value in raw]

    def read(self, raw):
        return self._each(raw, self.kind.read)

    def whole(self, raw):
        return self._each(raw, self.kind.whole)


PRIMITIVES = ["boolean", "int", "long", "float", "double", "date", "timestamp", "timestamptz", "string", "binary", "decimal(9,2)"]
WIDER = {"int": "long", "float": "double", "decimal(9,2)": "decimal(18,2)", "decimal(18,2)": "decimal(30,2)"}
NOT_KEYS = {"float", "double"}


def canonical(value):
    """Equal exactly when the values are: NaN equals itself, 0.0 is not -0.0."""
    if isinstance(value, float):
        return "nan" if math.isnan(value) else struct.pack(">d", value)
    if isinstance(value, dict):
        return tuple((name, canonical(inner)) for name, inner in value.items())
    if isinstance(value, (list, tuple)):
        return tuple(canonical(inner) for inner in value)
    if isinstance(value, datetime.datetime):
        return value.replace(tzinfo=None)
    return value


# ---- filters, with the three values of SQL ----


def literal(value):
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, (datetime.date, datetime.datetime)):
        return f"'{value.isoformat()}'"
    return repr(value) if isinstance(value, float) else str(value)


def order_key(value):
    if isinstance(value, float):
        return (1, 0.0) if math.isnan(value) else (0, value + 0.0)
    return value.encode() if isinstance(value, str) else value


COMPARE = {"=": lambda a, b: a == b, "!=": lambda a, b: a != b, "<": lambda a, b: a < b, "<=": lambda a, b: a <= b, ">": lambda a, b: a > b,
           ">=": lambda a, b: a >= b}


def leaves(columns, path=()):
    """(path of columns, primitive type) of everything that structs alone lead to."""
    for column in columns:
        if isinstance(column.kind, Primitive):
            yield (*path, column), column.kind
        elif isinstance(column.kind, Struct):
            yield from leaves(column.kind.columns, (*path, column))


def value_at(path, row):
    for column in path:
        if row is None:
            return None
        row = row.get(column.key, column.initial)
    return row


def make_predicate(chance, columns):
    path, kind = chance.choice([each for each in leaves(columns) if each[1].name != "binary"])
    name = ".".join(f'"{column.name}"' for column in path)
    path = copy.deepcopy(path)
    value = None
    while value is None or (isinstance(value, float) and not math.isfinite(value)):
        value = kind.make(chance)
    way = chance.random()
    if way < 0.15:
        wanted = chance.random() < 0.5
        return f"{name} is {'' if wanted else 'not '}null", lambda row: (value_at(path, row) is None) == wanted
    if way < 0.25 and kind.name in ("float", "double"):
        return f"{name} is nan", lambda row: isinstance(value_at(path, row), float) and math.isnan(value_at(path, row))
    if way < 0.4:
        values = [value, *[each for each in (kind.make(chance) for _ in range(3)) if each is not None and each == each and each not in (math.inf, -math.inf)]]
        keys, wanted = {order_key(each) for each in values}, chance.random() < 0.6
        text = f"{name} {'' if wanted else 'not '}in ({', '.join(map(literal, values))})"

        def is_in(row):
            found = value_at(path, row)
            return None if found is None else (order_key(found) in keys) == wanted
        return text, is_in
    if way < 0.5 and kind.name == "string":
        prefix = chance.choice(["a", "name", "name 1", "ü", "z", "\U0001f600"])

        def starts(row):
            found = value_at(path, row)
            return None if found is None else found.startswith(prefix)
        return f"{name} like '{prefix}%'", starts
    sign = chance.choice(list(COMPARE))

    def compares(row):
        found = value_at(path, row)
        return None if found is None else COMPARE[sign](order_key(found), order_key(value))
    return f"{name} {sign} {literal(value)}", compares


def make_filter(chance, columns, depth=0):
    """A filter's text, and a function from a row to True, False or None."""
    way = chance.random()
    if depth == 2 or way < 0.5:
        return make_predicate(chance, columns)
    left, left_is = make_filter(chance, columns, depth + 1)
    if way < 0.6:
        return f"not ({left})", lambda row: None if left_is(row) is None else not left_is(row)
    right, right_is = make_filter(chance, columns, depth + 1)
    if way < 0.8:
        def both(row):
            a, b = left_is(row), right_is(row)
            return False if a is False or b is False else None if a is None or b is None else True
        return f"({left}) and ({right})", both

    def either(row):
        a, b = left_is(row), right_is(row)
        return True if a is True or b is True else None if a is None or b is None else False
    return f"({left}) or ({right})", either


# ---- the model ----


class Head:
    """The rows of a ref or a snapshot, by u; in format version 3 their lineage as far as it is known."""

    def __init__(self, rows=None, lineage=None):
        self.rows, self.lineage = dict(rows or {}), dict(lineage or {})

    def copy(self):
        return Head(self.rows, self.lineage)


class Snap:
    def __init__(self, head, columns, operation, parent, added):
        self.head, self.columns, self.operation, self.parent, self.added = head, columns, operation, parent, added


class Sequence:
    def __init__(self, folder, seed):
        self.folder, self.seed, self.chance = folder, seed, random.Random(seed)
        self.log, self.n_keys, self.next_u = [], 0, 0
        self.snaps, self.heads = {}, {"main": Head()}
        self.refs_tags, self.basis = {}, None
        self.create()

    # -- making --

    def key(self):
        self.n_keys += 1
        return self.n_keys

    def name(self):
        return self.chance.choice(["c{}", "C {}", "ö{}", "x_{}"]).format(self.key())

    def make_type(self, depth=0):
        way = self.chance.random()
        if depth == 2 or way < 0.75:
            return Primitive(self.chance.choice(PRIMITIVES))
        if way < 0.9:
            return Struct([self.make_column(depth + 1) for _ in range(self.chance.randrange(1, 4))])
        return Many(self.make_type(depth + 1), self.chance.random() < 0.5)

    def make_column(self, depth=0):
        return Column(self.key(), self.name(), self.make_type(depth))

    def create(self):
        chance = self.chance
        self.columns = [Column(self.key(), "u", Primitive("long")), Column(self.key(), "id", Primitive("long")), Column(self.key(), "g", Primitive("string")),
                        Column(self.key(), "d", Primitive(chance.choice(["double", "float"])))]
        self.columns += [self.make_column() for _ in range(chance.randrange(1, 6))]
        self.version = self.first_version = chance.choice([1, 2, 2, 3, 3])
        properties = {
            "write.parquet.row-group-limit": chance.choice(["7", "20", "1000"]), "write.parquet.page-row-limit": chance.choice(["3", "10", "1000"]),
            "write.parquet.compression-codec": chance.choice(["zstd", "snappy", "gzip", "uncompressed", "lz4", "brotli"]),
            "write.target-file-size-bytes": chance.choice(["2000", "100000000"]),
            "write.parquet.dict-size-bytes": chance.choice(["0", "50", "1000000"]),
            "write.parquet.page-version": chance.choice(["v1", "v2"]), "write.delete.granularity": chance.choice(["file", "partition"]),
            "commit.manifest.min-count-to-merge": chance.choice(["2", "4", "100"]),
            "write.parquet.bloom-filter-enabled.column.id": chance.choice(["true", "false"])}
        terms = [term for _, _, term in self.partition_choices()]
        spec = chance.choice([None, ", ".join(dict.fromkeys(chance.choices(terms, k=chance.randrange(1, 3))))])
        order = chance.choice([None, None, "g desc nulls first, id", "bucket(3, id), d desc", "d asc nulls first"])
        self.log.append(f"create version {self.version}, {self.columns_text()}, spec {spec}, order {order}, {properties}")
        self.open()
        self.catalog.create_namespace_if_not_exists("t")
        self.table = self.catalog.create_table("t.t", pa.schema([column.field() for column in self.columns]), partition_spec=spec, sort_order=order,
                                               properties=properties, format_version=self.version)

    def open(self):
        self.catalog = frazil.load_catalog("c", uri=f"sqlite:///{self.folder}/catalog.db", warehouse=f"file://{self.folder}/warehouse")

    def columns_text(self):
        return str(pa.schema([column.field() for column in self.columns])).replace("\n", "; ")

    def partition_choices(self):
        """(column path, transform, as text)."""
        found = []
        for path, kind in leaves(self.columns):
            if path[0].name == "u":
                continue
            name = ".".join(column.name for column in path)
            ways = ["identity"]
            if kind.name not in ("float", "double", "boolean"):
                ways += ["bucket[3]"]
            if kind.name in ("int", "long", "string", "binary") or kind.name.startswith("decimal"):
                ways += ["truncate[2]"]
            if kind.name == "date" or kind.name.startswith("timestamp"):
                ways = ["year", "month", "bucket[3]"]
            for way in ways:
                verb, _, number = way.partition("[")
                quoted = ".".join(f'"{part.name}"' for part in path) if len(path) == 1 else f'"{name}"'
                text = quoted if way == "identity" else f"{verb}({number[:-1]}, {quoted})" if number else f"{verb}({quoted})"
                found.append((name, way, text))
        return found

    def make_rows(self, columns, n):
        rows = []
        for _ in range(n):
            row = {column.key: column.kind.make(self.chance) for column in columns}
            row[1], row[2] = self.next_u, self.chance.choice([None, *range(40)])
            self.next_u += 1
            rows.append(row)
        return rows

    def data(self, rows, columns, without=()):
        """Arrow rows; u is column 1 whatever its place."""
        shown = [column for column in columns if column not in without]
        arrays = [pa.array([column.kind.read(row.get(column.key, column.initial)) for row in rows], column.kind.arrow()) for column in shown]
        return pa.Table.from_arrays(arrays, schema=pa.schema([column.field() for column in shown]))

    # -- after a commit --

    def note(self, ref, snapshot_id, head, added=(), relatives=None):
        """A ref has a new snapshot (or none: -1) with these rows. `relatives`: by u, the rows whose id it may have taken."""
        before = self.heads[ref]
        self.table.refresh()
        if snapshot_id == -1:
            assert self.basis is not None or set(head.rows) == set(before.rows), "nothing was to be done, it says"
            return
        found = self.table.snapshot_by_id(snapshot_id)
        assert self.table.refs()[ref].snapshot_id == snapshot_id
        self.heads[ref] = head
        self.read_lineage(ref, before, head, relatives or {}, found)
        self.snaps[snapshot_id] = Snap(head.copy(), copy.deepcopy(self.columns), found.operation, found.parent_snapshot_id, list(added))

    def read_lineage(self, ref, before, head, relatives, snapshot):
        if self.version < 3:
            return
        rows = self.table.scan(ref=ref, selected_fields=("u", "_row_id", "_last_updated_sequence_number")).to_arrow().to_pylist()
        ids = [row["_row_id"] for row in rows]
        assert None not in ids and len(set(ids)) == len(ids), "row ids are there and differ"
        metadata = self.table._metadata
        first_row_id = next(each["first-row-id"] for each in metadata["snapshots"] if each["snapshot-id"] == snapshot.snapshot_id)
        assert all(0 <= each < metadata["next-row-id"] for each in ids)
        head.lineage = {}
        for row in rows:
            u, now = row["u"], (row["_row_id"], row["_last_updated_sequence_number"])
            head.lineage[u] = now
            known = before.lineage.get(u)
            if u in before.rows and len(relatives.get(u, ())) < 2:
                assert known is None or known == now, f"row {u} was {known}, is {now}"
            elif u in relatives:
                old = {before.lineage[each][0] for each in relatives[u] if each in before.lineage}
                assert not old or now[0] in old, f"row {u} took the id {now[0]} instead of one of {old}"
                assert now[1] == snapshot.sequence_number or known == now
            else:
                assert now[0] >= first_row_id and now[1] == snapshot.sequence_number, (u, now, snapshot)

    def pick_ref(self):
        branches = [name for name in self.heads if name != "main"]
        return self.chance.choice(branches) if branches and self.chance.random() < 0.25 else "main"

    def seen(self, ref):
        """The head that a handle sees, which may be an old one: what it counts refers to that."""
        return (self.basis or self.heads)[ref]

    def mode(self):
        return COPY if self.version == 1 else self.chance.choice([COPY, MERGE])

    # -- changes of rows: on any handle, with the schema it shows; what they did is applied to the head of now --

    def append(self, table, columns, ref):
        rows = self.make_rows(columns, self.chance.choice([1, 3, 20, 60]))
        without = [column for column in columns if column.key > 2 and self.chance.random() < 0.1]
        for row in rows:
            row.update({column.key: column.write for column in without})
        self.log.append(f"append to {ref} {len(rows)} rows, u from {rows[0][1]}, without {[column.name for column in without]}")
        result = table.append(self.data(rows, columns, without), branch=ref)
        assert result.rows_added == len(rows)
        head = self.heads[ref].copy()
        head.rows.update((row[1], row) for row in rows)
        self.note(ref, result.snapshot_id, head, rows)

    def delete(self, table, columns, ref):
        text, matches = make_filter(self.chance, columns)
        mode = self.mode()
        self.log.append(f"delete from {ref} where {text}, {mode}")
        result = table.delete(text, branch=ref, mode=mode)
        head = self.heads[ref].copy()
        head.rows = {u: row for u, row in head.rows.items() if matches(row) is not True}
        assert result.rows_deleted == sum(matches(row) is True for row in self.seen(ref).rows.values())
        assert (result.snapshot_id == -1) == (result.rows_deleted == 0)
        self.note(ref, result.snapshot_id, head)

    def overwrite(self, table, columns, ref):
        text, matches = make_filter(self.chance, columns)
        if self.chance.random() < 0.1:
            text, matches = None, lambda row: True
        mode, rows = self.mode(), self.make_rows(columns, self.chance.choice([1, 5, 30]))
        self.log.append(f"overwrite in {ref} where {text} by {len(rows)} rows, u from {rows[0][1]}, {mode}")
        result = table.overwrite(self.data(rows, columns), text, branch=ref, mode=mode)
        head = self.heads[ref].copy()
        head.rows = {u: row for u, row in head.rows.items() if matches(row) is not True}
        assert (result.rows_deleted, result.rows_added) == (sum(matches(row) is True for row in self.seen(ref).rows.values()), len(rows))
        head.rows.update((row[1], row) for row in rows)
        self.note(ref, result.snapshot_id, head, rows)

    def upsert(self, table, columns, ref):
        keys = self.chance.choice([["id"], ["id"], ["id", "g"], None])
        if keys is None:
            pool = [column for column in columns if isinstance(column.kind, Primitive) and column.kind.name not in NOT_KEYS and column.key != 1]
            picked = self.chance.sample(pool, min(len(pool), self.chance.randrange(1, 4)))
        else:
            picked = [column for column in columns if column.key in ([2] if keys == ["id"] else [2, 3])]
        if not picked:
            return

        def key_of(row):
            values = tuple(canonical(row.get(column.key, column.initial)) for column in picked)
            return None if None in values else values

        def by_key(head):
            found = {}
            for row in head.rows.values():
                found.setdefault(key_of(row), []).append(row)
            found.pop(None, None)
            return found

        there, seen_there = by_key(self.heads[ref]), by_key(self.seen(ref))
        rows, seen = [], set()
        candidates = self.make_rows(columns, self.chance.choice([1, 8, 25]))
        for row in candidates:
            way = self.chance.random()
            if there and way < 0.6:
                old = self.chance.choice(self.chance.choice(sorted(there.values(), key=lambda group: group[0][1])))
                whole = {column.key: column.kind.whole(old.get(column.key, column.initial)) for column in columns}
                if way < 0.2:
                    row = whole
                else:
                    row.update({column.key: whole[column.key] for column in picked})
            key = key_of(row)
            if key is None or key not in seen:
                seen.add(key)
                rows.append(row)
        mode = self.mode()
        self.log.append(f"upsert in {ref} {len(rows)} rows by {[column.name for column in picked]}, u {[row[1] for row in rows]}, {mode}")
        result = table.upsert(self.data(rows, columns), [column.name for column in picked], branch=ref, mode=mode)
        head, relatives, added = self.heads[ref].copy(), {}, []
        for row in rows:
            old = there.get(key_of(row), [])
            if not old and row[1] in self.seen(ref).rows:
                continue  # it was as it should be, and is gone since: the upsert comes first
            for each in old:
                del head.rows[each[1]]
            if old:
                relatives[row[1]] = [each[1] for each in old]
            else:
                added.append(row)
            head.rows[row[1]] = row
        old = [(row, seen_there.get(key_of(row), [])) for row in rows]
        assert result.rows_added == sum(not group for _, group in old)
        changed = [row[1] for row, group in old if group and row[1] not in {each[1] for each in group}]
        unsure = sum(len(group) > 1 and row[1] in {each[1] for each in group} for row, group in old)  # as many as follow an equal one
        assert len(changed) <= result.rows_updated <= len(changed) + unsure, f"{result.rows_updated} rows updated, not {len(changed)}"
        self.note(ref, result.snapshot_id, head, added, relatives)

    def compact(self, table, columns, ref):
        options = {}
        if self.chance.random() < 0.5:
            options["rewrite_all"] = True
        if self.chance.random() < 0.3:
            options["row_filter"] = make_filter(self.chance, columns)[0]
        if self.chance.random() < 0.3:
            options["sort_order"] = self.chance.choice(["", "id desc", "u"])
        if options.get("sort_order") == "" and not self.has_order(table):
            del options["sort_order"]
        if self.chance.random() < 0.5:
            options["min_input_files"] = 2
        self.log.append(f"compact {options}")
        result = table.maintenance.compact(**options)
        self.note("main", result.snapshot_id, self.heads["main"].copy())

    def has_order(self, table):
        metadata = table._metadata
        order = next(each for each in metadata["sort-orders"] if each["order-id"] == metadata["default-sort-order-id"])
        return bool(order["fields"])

    CHANGES = [append, append, append, delete, delete, overwrite, upsert, upsert, compact]

    def change(self):
        self.chance.choice(self.CHANGES)(self, self.table, self.columns, self.pick_ref())

    def concurrent(self):
        """A handle that has not seen the last commits changes rows: it conflicts, or does what it would have done after them."""
        stale, columns, basis = self.catalog.load_table("t.t"), copy.deepcopy(self.columns), dict(self.heads)
        for _ in range(self.chance.randrange(1, 3)):
            self.chance.choice([Sequence.change, Sequence.change, Sequence.evolve_spec, Sequence.evolve, Sequence.rewrite_manifests])(self)
        change = self.chance.choice(self.CHANGES)
        ref = self.chance.choice(list(basis))
        before = self.catalog.load_table("t.t").metadata_location
        try:
            self.log.append("behind the last commits:")
            self.basis = basis
            change(self, stale, columns, ref)
        except CommitConflictError as error:
            self.log.append(f"conflict: {error}")
            assert self.catalog.load_table("t.t").metadata_location == before
        finally:
            self.basis = None
        self.table.refresh()

    # -- evolution --

    def refused(self, change, why):
        """Do it, or see that it was refused and nothing changed; whether it was done."""
        before = self.table.metadata_location
        try:
            change()
        except InvalidError as error:
            assert why is not None, error
            self.log.append(f"refused: {error}")
            assert self.table.refresh().metadata_location == before
            return False
        return True

    def structs(self):
        """(path of names, list of columns) that columns can be added to."""
        found = [((), self.columns)]

        def walk(kind, path):
            if isinstance(kind, Struct):
                found.append((path, kind.columns))
                for column in kind.columns:
                    walk(column.kind, (*path, column.name))
            elif isinstance(kind, Many):
                walk(kind.kind, (*path, "value" if kind.is_map else "element"))

        for column in self.columns:
            walk(column.kind, (column.name,))
        return found

    def evolve(self):
        chance = self.chance
        path, columns = chance.choice(self.structs()) if chance.random() < 0.5 else ((), self.columns)
        fixed = {1, 2, 3, 4}
        free = [column for column in columns if column.key not in fixed]
        way = chance.choice(["add", "add", "rename", "drop", "widen", "move", "default"])
        if way != "add" and not free:
            return
        column = chance.choice(free) if free else None
        dotted = ".".join((*path, column.name)) if column else ""
        update = self.table.update_schema()
        if way == "add":
            column = self.make_column(len(path))
            if self.version == 3 and isinstance(column.kind, Primitive) and chance.random() < 0.6:
                default = column.kind.make(chance)
                if not (isinstance(default, float) and not math.isfinite(default)):
                    column.initial = column.write = default
            arrow = column.kind.arrow()
            self.log.append(f"add {(*path, column.name)} {arrow} default {column.initial!r}")
            update.add_column(".".join((*path, column.name)), arrow, default_value=column.initial).commit()
            columns.append(column)
        elif way == "rename":
            new = self.name()
            self.log.append(f"rename {dotted} to {new}")
            update.rename_column(dotted, new).commit()
            column.name = new
        elif way == "drop" and len(columns) > 1:
            self.log.append(f"drop {dotted}")
            if self.refused(lambda: update.delete_column(dotted).commit(), "a spec, an order or a key may need it"):
                columns.remove(column)
        elif way == "widen" and isinstance(column.kind, Primitive) and column.kind.name in WIDER:
            self.log.append(f"widen {dotted} from {column.kind.name}")
            column_type = WIDER[column.kind.name]
            if self.refused(lambda: update.update_column(dotted, column_type).commit(), None):
                column.kind = Primitive(column_type)
        elif way == "default" and self.version == 3 and isinstance(column.kind, Primitive):
            default = column.kind.make(chance)
            if not (isinstance(default, float) and not math.isfinite(default)):
                self.log.append(f"rows to come have {default!r} in {dotted}")
                update.set_default_value(dotted, default).commit()
                column.write = default
        elif way == "move":
            beside = chance.choice(columns)
            columns_now = [each for each in columns if each is not column]
            if beside is column or chance.random() < 0.3:
                self.log.append(f"move {dotted} first")
                update.move_first(dotted).commit()
                columns_now.insert(0, column)
            else:
                after = chance.random() < 0.5
                other = ".".join((*path, beside.name))
                self.log.append(f"move {dotted} {'after' if after else 'before'} {other}")
                (update.move_after if after else update.move_before)(dotted, other).commit()
                columns_now.insert(columns_now.index(beside) + after, column)
            columns[:] = columns_now

    def evolve_spec(self):
        chance = self.chance
        fields = [field for field in self.table.spec().fields if str(field.transform) != "void"]
        removed = [field.name for field in fields if chance.random() < 0.6]
        added = chance.sample(self.partition_choices(), chance.randrange(0, 2))
        names = [f"p{self.key()}" if chance.random() < 0.7 else None for _ in added]
        self.log.append(f"spec: remove {removed}, add {[(*each[:2], name) for each, name in zip(added, names)]}")

        def commit():
            with self.table.update_spec() as update:
                for name in removed:
                    update.remove_field(name)
                for (source, transform, _), name in zip(added, names):
                    update.add_field(source, transform, name)
        self.refused(commit, "a name or a term may be taken")

    def evolve_order(self):
        terms = [each for each in self.partition_choices() if each[1] in ("identity", "bucket[3]")]
        update = self.table.update_sort_order()
        picked = self.chance.sample(terms, self.chance.randrange(0, 3))
        self.log.append(f"sort by {picked}")
        for source, transform, _ in picked:
            (update.asc if self.chance.random() < 0.5 else update.desc)(source, transform, self.chance.choice(["nulls-first", "nulls-last"]))
        update.commit()

    def upgrade(self):
        if self.version < 3:
            self.version += 1
            self.log.append(f"upgrade to {self.version}")
            self.table.upgrade_table_version(self.version)

    # -- maintenance and refs --

    def rewrite_manifests(self):
        self.log.append("rewrite manifests")
        result = self.table.maintenance.rewrite_manifests()
        self.note("main", result.snapshot_id, self.heads["main"].copy())

    def expire(self):
        keep = self.chance.randrange(1, 4)
        self.log.append(f"expire, retain {keep}")
        dry = self.table.maintenance.expire_snapshots(datetime.timedelta(0), retain_last=keep, dry_run=True)
        done = self.table.maintenance.expire_snapshots(datetime.timedelta(0), retain_last=keep)
        assert dry == done
        self.table.refresh()
        left = {snapshot.snapshot_id for snapshot in self.table.snapshots()}
        assert len(self.snaps) - len(left) == done.snapshots
        assert {ref.snapshot_id for ref in self.table.refs().values()} <= left
        for gone in set(self.snaps) - left:
            with pytest.raises(NotFoundError):
                self.table.scan(snapshot_id=gone)
            del self.snaps[gone]

    def orphans(self):
        self.log.append("orphan files")
        found = self.table.maintenance.remove_orphan_files(datetime.timedelta(0), dry_run=False, allow_recent=True)
        self.log.append(f"{found.num_rows} orphans")

    def make_ref(self):
        if not self.snaps:
            return
        snapshot_id = self.chance.choice(list(self.snaps))
        is_branch = self.chance.random() < 0.6
        name = f"{'b' if is_branch else 't'}{self.chance.randrange(2)}"
        self.log.append(f"ref {name} at {snapshot_id}")
        if is_branch:
            self.table.create_branch(name, snapshot_id)
            self.heads[name] = self.snaps[snapshot_id].head.copy()
        else:
            self.table.create_tag(name, snapshot_id)
            self.refs_tags[name] = snapshot_id

    def drop_ref(self):
        names = [name for name in [*self.heads, *self.refs_tags] if name != "main"]
        if names:
            name = self.chance.choice(names)
            self.log.append(f"remove ref {name}")
            self.table.remove_ref(name)
            self.heads.pop(name, None)
            self.refs_tags.pop(name, None)

    def set_main(self):
        if self.snaps:
            snapshot_id = self.chance.choice(list(self.snaps))
            self.log.append(f"main at {snapshot_id}")
            self.table.manage_snapshots().set_current_snapshot(snapshot_id).commit()
            self.heads["main"] = self.snaps[snapshot_id].head.copy()

    def reopen(self):
        self.log.append("reopen")
        self.open()
        self.table = self.catalog.load_table("t.t")

    STEPS = [(change, 20), (concurrent, 7), (evolve, 8), (evolve_spec, 3), (evolve_order, 1), (upgrade, 1), (rewrite_manifests, 2), (expire, 2), (orphans, 1),
             (make_ref, 3), (drop_ref, 1), (set_main, 1), (reopen, 1)]

    def step(self):
        steps, weights = zip(*self.STEPS)
        self.chance.choices(steps, weights)[0](self)

    # -- checks --

    def shown(self, rows, columns):
        return {row[1]: tuple(canonical(column.kind.read(row.get(column.key, column.initial))) for column in columns) for row in rows}

    def same(self, scan, rows, columns, what):
        found = scan.to_arrow()
        assert found.column_names == [column.name for column in columns], what
        assert found.schema.types == pa.schema([column.field() for column in columns]).types, what
        u = [column.key for column in columns].index(1)
        there = [tuple(map(canonical, row.values())) for row in found.to_pylist()]
        got, wanted = {row[u]: row for row in there}, self.shown(rows, columns)
        assert len(got) == len(there), f"{what}: rows twice"
        missing, extra = sorted(set(wanted) - set(got)), sorted(set(got) - set(wanted))
        assert (missing, extra) == ([], []), f"{what}: missing {missing[:10]}, too many {extra[:10]}"
        for each, row in wanted.items():
            assert got[each] == row, f"{what}: row {each}"

    def check(self, engines):
        chance, head = self.chance, self.heads["main"]
        self.same(self.table.scan(), head.rows.values(), self.columns, "scan")
        for _ in range(4):
            text, matches = make_filter(chance, self.columns)
            picked = [self.columns[i] for i in sorted(chance.sample(range(len(self.columns)), chance.randrange(0, len(self.columns))))]
            if not any(column.key == 1 for column in picked):
                picked.append(next(column for column in self.columns if column.key == 1))
            scan = self.table.scan(text, tuple(column.name for column in picked))
            wanted = [row for row in head.rows.values() if matches(row) is True]
            self.same(scan, wanted, [column for column in self.columns if column in picked] if scan.to_arrow().column_names !=
                      [column.name for column in picked] else picked, f"scan where {text}")
        for name, branch in self.heads.items():
            if name != "main":
                self.same(self.table.scan(ref=name), branch.rows.values(), self.columns, f"branch {name}")
        for name, snapshot_id in self.refs_tags.items():
            snap = self.snaps[snapshot_id]
            self.same(self.table.scan(ref=name), snap.head.rows.values(), snap.columns, f"tag {name}")
        for snapshot_id in chance.sample(list(self.snaps), min(2, len(self.snaps))):
            snap = self.snaps[snapshot_id]
            self.same(self.table.scan(snapshot_id=snapshot_id), snap.head.rows.values(), snap.columns, f"snapshot {snapshot_id}")
        self.check_appends()
        limit = chance.randrange(50)
        assert self.table.scan(limit=limit).to_arrow().num_rows == min(limit, len(head.rows))
        places = self.table.scan(selected_fields=("_file", "_pos")).to_arrow().to_pylist()
        assert len({(row["_file"], row["_pos"]) for row in places}) == len(head.rows)
        assert {row["_file"] for row in places} <= {task.file_path for task in self.table.scan().plan_files()}
        found = self.table.maintenance.verify(all_snapshots=chance.random() < 0.2, read_data=True)
        assert found.is_sound, [finding for finding in found.findings if finding.severity == "error"]
        if engines:
            self.check_engines()

    def check_appends(self):
        """Rows that were appended since an ancestor of the head."""
        at, chain, rows = self.table.current_snapshot_id(), [], []
        while at in self.snaps:
            chain.append(at)
            at = self.snaps[at].parent
        if len(chain) > 1:
            n = self.chance.randrange(1, len(chain))
            for each in chain[:n]:
                if self.snaps[each].operation == "append":
                    rows += self.snaps[each].added
            self.same(self.table.scan(from_snapshot_id=chain[n]), rows, self.columns, f"appended since {chain[n]}")

    def check_engines(self):
        wanted = self.shown(self.heads["main"].rows.values(), self.columns)
        names = [column.name for column in self.columns]
        u = names.index("u")
        for engine, read in ENGINES.items():
            if engine == "DuckDB" and (self.version > self.first_version == 1 or not self.sources_are_there()):
                continue  # 1.5.5 refuses manifests and lists of version 1, which have no sequence numbers, after an upgrade
            try:
                found = read(self.table.metadata_location)
            except Exception as error:  # each engine raises its own kinds
                raise AssertionError(f"{engine} refuses: {error}") from error
            there = [tuple(map(canonical, row.values())) for row in found.select(names).to_pylist()]
            got = {row[u]: row for row in there}
            assert len(got) == len(there) and set(got) == set(wanted), f"{engine}: rows"
            for each, row in wanted.items():
                same = got[each] == row or (engine == "PyIceberg" and without_lists(got[each]) == without_lists(row))
                assert same, f"{engine}: row {each}"

    def sources_are_there(self):
        """DuckDB 1.5.5 aborts where a column is gone that files are partitioned by."""
        metadata = self.table._metadata
        schema = self.table.schema()
        ids = {part.id for _, part in schema._walk(schema.fields, "")}
        return all(field["source-id"] in ids for spec in metadata["partition-specs"] for field in spec["fields"])


def without_lists(row):
    """PyIceberg 0.12 reads some null lists, of files without the column, as empty ones."""
    if isinstance(row, tuple):
        return tuple(without_lists(value) for value in row) or None
    return row


def read_pyiceberg(location):
    from pyiceberg.table import StaticTable

    return StaticTable.from_metadata(location).scan().to_arrow()


def serve_duckdb(pipe):
    import duckdb

    while True:
        location = pipe.recv()
        connection = duckdb.connect(config={"allow_unsigned_extensions": "true"})  # one error of the extension ends its database
        for extension in ["avro", "httpfs", "iceberg"]:
            module = importlib.util.find_spec(f"duckdb_extension_{extension}")
            (file,) = pathlib.Path(module.submodule_search_locations[0]).rglob("*.duckdb_extension")
            connection.execute(f"LOAD '{file}'")
        connection.execute("SET TimeZone = 'UTC'")
        try:
            pipe.send(connection.execute(f"FROM iceberg_scan('{location}')").to_arrow_table())
        except duckdb.Error as error:
            pipe.send(str(error))


class DuckDB:
    """In a process of its own: some of the extension's errors abort."""

    def __init__(self):
        self.process = None

    def __call__(self, location):
        if self.process is None:
            context = multiprocessing.get_context("spawn")
            self.pipe, far = context.Pipe()
            self.process = context.Process(target=serve_duckdb, args=(far,), daemon=True)
            self.process.start()
            far.close()
        self.pipe.send(location)
        try:
            answer = self.pipe.recv()
        except EOFError:
            self.process.join()
            self.process = None
            raise RuntimeError("aborted") from None
        if isinstance(answer, str):
            raise RuntimeError(answer)
        return answer


ENGINES = {"PyIceberg": read_pyiceberg, "DuckDB": DuckDB()}
if os.environ.get("FRAZIL_MODEL_ENGINES") == "none":
    ENGINES = {}


@pytest.mark.parametrize("seed", seeds())
def test_a_sequence_of_everything(seed, tmp_path):
    sequence = Sequence(tmp_path, seed)
    try:
        for step in range(STEPS):
            sequence.step()
            sequence.check(engines=step % 8 == 7 or step == STEPS - 1)
    except BaseException as error:
        error.add_note(f"seed {seed}, after:\n" + "\n".join(f"  {line}" for line in sequence.log))
        raise
