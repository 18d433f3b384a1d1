"""`frazil serve` beside Feast's own Python server on the same tables: equal JSON, and what it survives."""

import json
import random
import socket
import struct
import time
from datetime import datetime, timedelta, timezone

import pandas as pd
import pyarrow as pa
import pytest
import requests
from feast import Entity, FeatureService, FeatureStore, FeatureView, Field, PushSource
from feast.protos.feast.types import Value_pb2 as pb
from feast.protos.feast.types.EntityKey_pb2 import EntityKey as EntityKeyProto
from feast.repo_config import RegistryConfig, RepoConfig
from feast.types import from_value_type
from feast.value_type import ValueType
from feature_server_support import feast_client, repo_options, serving

import frazil.feast
from frazil.feast import FrazilSource

Value = pb.Value
NOW = datetime(2026, 3, 1, 12, 30, 15, 123456, tzinfo=timezone.utc)

# ---- one random value of each type ----

WORDS = ["", "plain", 'quote " and \\ slash', "line\nbreak\ttab", "\x01\x1f", "äöü €", "日本語", "😀 emoji", "</script>"]
FLOATS = [0.0, -0.0, 1.0, -1.0, 0.1, 1e22, 1e16, 123456789.0, 1e-7, 5e-324, 1.7976931348623157e308,
          float("nan"), float("inf"), float("-inf"), 100.0, 2.5, 1 / 3]  # fmt: skip


def float32(value):
    try:
        return struct.unpack("f", struct.pack("f", value))[0]
    except OverflowError:
        return float("inf")


def scalar(rng, name):
    if name == "BOOL":
        return rng.random() < 0.5
    if name == "INT32":
        return rng.choice([0, 1, -1, 2**31 - 1, -(2**31), rng.randrange(-1000, 1000)])
    if name == "INT64":
        return rng.choice([0, 2**63 - 1, -(2**63) + 1, rng.randrange(-(10**12), 10**12)])
    if name == "DOUBLE":
        return rng.choice([*FLOATS, rng.uniform(-1e6, 1e6), rng.gauss(0, 1)])
    if name == "FLOAT":
        return float32(rng.choice([*FLOATS, rng.uniform(-1e6, 1e6), rng.gauss(0, 1)]))
    if name == "STRING":
        return rng.choice([*WORDS, "x" * rng.randrange(300)])
    if name == "BYTES":
        return rng.randbytes(rng.randrange(8))
    if name == "UNIX_TIMESTAMP":
        return rng.randrange(-(10**9), 4 * 10**9)
    if name == "JSON":
        return json.dumps({"a": [1, "ä", None]})
    if name in ("UUID", "TIME_UUID"):
        return f"{rng.getrandbits(128):032x}"
    if name == "DECIMAL":
        return f"{rng.randrange(10**6)}.{rng.randrange(100):02d}"
    raise AssertionError(name)


def nested(rng, depth=0):
    """A value as it stands in a map."""
    kinds = ["INT64", "DOUBLE", "STRING", "BOOL", "STRING_LIST", "DOUBLE_LIST", "null"]
    kind = rng.choice(kinds + (["MAP", "VALUE_LIST"] if depth < 3 else []))
    return Value() if kind == "null" else value_of(rng, kind, depth + 1)


def map_of(rng, depth):
    return pb.Map(val={f"{rng.choice(WORDS)}{i}": nested(rng, depth) for i in range(rng.randrange(4))})


def value_of(rng, name, depth=0):
    lower = name.lower()
    some = range(rng.randrange(4))
    if name in ("PDF_BYTES", "IMAGE_BYTES"):
        return Value(bytes_val=scalar(rng, "BYTES"))
    if name in ("MAP", "STRUCT"):
        return Value(**{f"{lower}_val": map_of(rng, depth)})
    if name in ("MAP_LIST", "STRUCT_LIST"):
        return Value(**{f"{lower}_val": pb.MapList(val=[map_of(rng, depth) for _ in some])})
    if name in ("VALUE_LIST", "VALUE_SET"):
        inner = [value_of(rng, "INT64_LIST", depth + 1) for _ in some]
        return Value(**{f"{lower[6:]}_val": pb.RepeatedValue(val=inner)})
    if name == "ZONED_TIMESTAMP":
        zone = rng.choice(["UTC", "UTC+05:30", "UTC-07:00", ""])
        return Value(zoned_timestamp_val=pb.ZonedTimestamp(unix_timestamp=rng.randrange(2 * 10**9), zone=zone))
    if name.endswith(("_LIST", "_SET")):
        item = name.rsplit("_", 1)[0]
        proto = Value()
        inner = getattr(proto, f"{lower}_val")
        inner.SetInParent()
        inner.val.extend(scalar(rng, item) for _ in some)
        return proto
    return Value(**{f"{lower}_val": scalar(rng, name)})


def online_types():
    found = []
    for kind in ValueType:
        if kind.name in ("UNKNOWN", "NULL", "SCALAR_MAP"):
            continue
        try:
            dtype = from_value_type(kind)
        except (ValueError, KeyError):
            continue
        if dtype.to_value_type() == kind:
            found.append((kind.name, dtype))
    return found


TYPES = online_types()

# ---- the project ----

DRIVERS = list(range(40))


def source(repo, name, keys, **options):
    rows = {key: pa.array([1] if kind == "int" else ["x"]) for key, kind in keys.items()}
    rows["event_timestamp"] = pa.array([NOW], pa.timestamp("us", "UTC"))
    rows["created"] = pa.array([NOW], pa.timestamp("us", "UTC"))
    return repo.source(name, pa.table(rows), created_timestamp_column="created", **options)


def key_of(**parts):
    values = [Value(int64_val=v) if isinstance(v, int) else Value(string_val=v) for v in parts.values()]
    return EntityKeyProto(join_keys=list(parts), entity_values=values)


def write(repo, view, rows):
    config = repo.store.config
    repo.store._get_provider().online_store.online_write_batch(config, view, rows, None)


class Project:
    """Views of each kind, with rows, and a service over them."""

    def __init__(self, repo):
        self.repo = repo
        rng = random.Random(1)
        driver = Entity(name="driver", join_keys=["driver_id"], value_type=ValueType.INT64)
        user = Entity(name="user", join_keys=["user_id"], value_type=ValueType.INT64)
        country = Entity(name="country", join_keys=["country"], value_type=ValueType.STRING)
        number, text = from_value_type(ValueType.INT64), from_value_type(ValueType.STRING)
        double, single = from_value_type(ValueType.DOUBLE), from_value_type(ValueType.FLOAT)
        self.typed = FeatureView(
            name="typed", entities=[driver], ttl=timedelta(days=1), online=True,
            schema=[Field(name="driver_id", dtype=number)] + [Field(name=f"f_{n.lower()}", dtype=t) for n, t in TYPES],
            source=source(repo, "typed", {"driver_id": "int"}),
        )  # fmt: skip
        self.pair = FeatureView(
            name="pair", entities=[user, country], ttl=timedelta(0), online=True,
            schema=[Field(name="user_id", dtype=number), Field(name="country", dtype=text),
                    Field(name="score", dtype=double), Field(name="event_ts", dtype=number)],
            source=source(repo, "pair", {"user_id": "int", "country": "str"}),
        )  # fmt: skip
        self.alone = FeatureView(
            name="alone", entities=[], ttl=timedelta(0), online=True,
            schema=[Field(name="total", dtype=single), Field(name="label", dtype=text)],
            source=source(repo, "alone", {}),
        )  # fmt: skip
        self.pushed = FeatureView(
            name="pushed", entities=[driver], ttl=timedelta(days=1), online=True,
            schema=[Field(name="driver_id", dtype=number), Field(name="speed", dtype=double), Field(name="trips", dtype=number)],
            source=PushSource(name="driver_push", batch_source=source(repo, "pushed", {"driver_id": "int"})),
        )  # fmt: skip
        self.service = FeatureService(name="all_of_it", features=[self.typed[["f_int64", "f_string"]], self.pair, self.alone])
        self.twice = FeatureService(
            name="twice",
            features=[
                self.pushed.with_name("origin").with_join_key_map({"driver_id": "origin_id"}),
                self.pushed.with_name("target").with_join_key_map({"driver_id": "target_id"}),
            ],
        )
        repo.store.apply([driver, user, country, self.typed, self.pair, self.alone, self.pushed, self.service, self.twice])
        self.fill(rng)

    def fill(self, rng):
        stamp = [NOW, NOW.replace(microsecond=0), NOW.replace(microsecond=5000), NOW - timedelta(days=400)]
        rows = []
        for number in DRIVERS:
            values = {f"f_{n.lower()}": Value() if rng.random() < 0.15 else value_of(rng, n) for n, _ in TYPES}
            rows.append((key_of(driver_id=number), values, rng.choice(stamp), NOW))
        write(self.repo, self.typed, rows)
        write(self.repo, self.pair, [
            (key_of(country=c, user_id=u), {"score": Value(double_val=u / 7), "event_ts": Value(int64_val=u)}, NOW, None)
            for u in range(20) for c in ("DE", "FR", "日本")
        ])  # fmt: skip
        write(self.repo, self.alone, [
            (EntityKeyProto(join_keys=["__dummy_id"], entity_values=[Value(string_val="")]),
             {"total": Value(float_val=12.5), "label": Value(string_val="one")}, NOW, None)
        ])  # fmt: skip
        write(self.repo, self.pushed, [
            (key_of(driver_id=n), {"speed": Value(double_val=n * 1.5), "trips": Value(int64_val=n)}, NOW, NOW)
            for n in DRIVERS
        ])  # fmt: skip
        frazil.feast.publish(self.repo.store)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    from feast_repo import Repo

    return Project(Repo(tmp_path_factory.mktemp("server")))


@pytest.fixture(scope="module")
def server(project):
    with serving(*repo_options(project.repo)) as running:
        yield running


# ---- requests ----


def random_request(rng):
    typed = [f"typed:f_{n.lower()}" for n, _ in TYPES]
    n_rows = rng.choice([1, 1, 2, 7, 30])
    entities = {"driver_id": [rng.choice([*DRIVERS, 999, -5]) for _ in range(n_rows)]}
    kind = rng.random()
    body = {"entities": entities}
    if kind < 0.12:
        body["feature_service"] = "all_of_it"
    elif kind < 0.2:
        body["feature_service"] = "twice"
        body["full_feature_names"] = True
        del entities["driver_id"]  # beside an alias of it, Feast takes the one that comes last
        entities["origin_id"] = [rng.choice(DRIVERS + [77]) for _ in range(n_rows)]
        entities["target_id"] = [rng.choice(DRIVERS) for _ in range(n_rows)]
    else:
        features = rng.sample(typed, rng.randrange(1, 8))
        features += rng.sample(["pair:score", "pair:event_ts", "alone:total", "alone:label", "pushed:speed"], rng.randrange(4))
        rng.shuffle(features)
        body["features"] = features
    entities["user_id"] = [rng.randrange(25) for _ in range(n_rows)]
    entities["country"] = [rng.choice(["DE", "FR", "日本", "XX"]) for _ in range(n_rows)]
    if rng.random() < 0.3:
        entities["not_a_key"] = [1] * n_rows
    if rng.random() < 0.3:
        body["full_feature_names"] = True
    if rng.random() < 0.3:
        body["an_unknown_member"] = {"deep": [1, {"x": None}]}
    names = list(entities)
    rng.shuffle(names)
    body["entities"] = {name: entities[name] for name in names}
    return body


def columns(answer):
    """An answer by name. Feast orders a view's features by hash, so their order is not compared."""
    assert len(answer["metadata"]["feature_names"]) == len(answer["results"])
    return dict(zip(answer["metadata"]["feature_names"], answer["results"]))


def same(one, other):
    """Equal JSON: 1 is not 1.0, and no float that differs in its last place."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def test_every_type_is_there():
    assert len(TYPES) >= 40, [name for name, _ in TYPES]


def test_a_thousand_random_requests_are_answered_as_by_feast(project, server):
    rng = random.Random(7)
    with feast_client(project.repo.store) as feast, requests.Session() as session:
        for _ in range(1000):
            body = random_request(rng)
            wanted = feast.post("/get-online-features", json=body)
            got = session.post(f"{server.url}/get-online-features", json=body)
            assert wanted.status_code == 200, (body, wanted.text)
            assert got.status_code == 200, (body, got.text)
            assert got.headers["Content-Type"] == "application/json"
            one, other = got.json(), wanted.json()
            entities = [n for n in other["metadata"]["feature_names"] if n in body["entities"]]
            assert one["metadata"]["feature_names"][: len(entities)] == entities, body
            mine, theirs = columns(one), columns(other)
            assert set(mine) == set(theirs), body
            for name, column in theirs.items():
                assert same(mine[name], column), (body, name, mine[name], column)
            assert set(one) == set(other)
