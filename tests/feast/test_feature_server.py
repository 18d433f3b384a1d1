"""`frazil serve` beside Feast's own Python server on the same tables: equal JSON, and what it survives."""

import http.client
import json
import random
import socket
import struct
import subprocess
import threading
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
from feature_server_support import command, feast_client, repo_options, serving

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


def source(repo, name, keys, features, **options):
    """An offline table that has the view's columns; rows of features are written online alone."""
    rows = {key: pa.array([1] if kind == "int" else ["x"]) for key, kind in keys.items()}
    rows.update({feature: pa.array([None], pa.float64()) for feature in features})
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
            source=source(repo, "typed", {"driver_id": "int"}, [f"f_{n.lower()}" for n, _ in TYPES]),
        )  # fmt: skip
        self.pair = FeatureView(
            name="pair", entities=[user, country], ttl=timedelta(0), online=True,
            schema=[Field(name="user_id", dtype=number), Field(name="country", dtype=text),
                    Field(name="score", dtype=double), Field(name="event_ts", dtype=number)],
            source=source(repo, "pair", {"user_id": "int", "country": "str"}, ["score", "event_ts"]),
        )  # fmt: skip
        self.alone = FeatureView(
            name="alone", entities=[], ttl=timedelta(0), online=True,
            schema=[Field(name="total", dtype=single), Field(name="label", dtype=text)],
            source=source(repo, "alone", {}, ["total", "label"]),
        )  # fmt: skip
        self.pushed = FeatureView(
            name="pushed", entities=[driver], ttl=timedelta(days=1), online=True,
            schema=[Field(name="driver_id", dtype=number), Field(name="speed", dtype=double), Field(name="trips", dtype=number)],
            source=PushSource(name="driver_push", batch_source=source(repo, "pushed", {"driver_id": "int"}, ["speed", "trips"])),
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


# ---- refusals ----


def ask(server, body, path="/get-online-features", **options):
    return requests.post(f"{server.url}{path}", timeout=30, **{"json": body, **options})


def test_refusals_name_what_is_wrong(server):
    good = {"driver_id": [1]}
    cases = [
        ({"feature_service": "nope", "entities": good}, 404, "frazil.feast.publish(store)"),
        ({"features": ["nope:a"], "entities": good}, 404, "feature view 'nope' has no online table"),
        ({"features": ["typed:nope"], "entities": good}, 404, "feature view 'typed' has no feature 'nope'"),
        ({"features": ["typed"], "entities": good}, 422, "not of the form view:feature"),
        ({"features": ["typed:f_int64"], "entities": {"user_id": [1]}}, 422, "'entities' has no 'driver_id'"),
        ({"features": ["typed:f_int64"], "entities": {"driver_id": ["x"]}}, 422, "a text is not a 64-bit whole number"),
        ({"features": ["pair:event_ts"] * 2, "entities": {"user_id": [1], "country": ["DE"]}}, 422, "two features"),
        ({"features": ["typed:f_int64"], "entities": {"driver_id": [1] * 10001}}, 413, "at most 10000"),
        ({"features": ["typed\0:f_int64"], "entities": good}, 404, "is no name"),
        ([], 422, "the body is an array"),
    ]
    for body, status, message in cases:
        answer = ask(server, body)
        assert (answer.status_code, message in answer.json()["detail"]) == (status, True), (body, answer.text)
    assert ask(server, None, data=b'{"features":', json=None).status_code == 400
    assert ask(server, None, data=b'{"a":"\xff"}', json=None).status_code == 400
    assert ask(server, None, data=b"", json=None).status_code == 400
    assert requests.get(f"{server.url}/get-online-features", timeout=30).status_code == 405
    assert requests.get(f"{server.url}/nothing", timeout=30).status_code == 404
    assert requests.get(f"{server.url}/health", timeout=30).json() == {"status": "ok"}


def test_a_null_key_is_not_found(server):
    answer = ask(server, {"features": ["pushed:trips"], "entities": {"driver_id": [1, None]}}).json()
    assert columns(answer)["trips"]["statuses"] == ["PRESENT", "NOT_FOUND"]
    assert columns(answer)["driver_id"]["values"] == [1, None]


def test_view_versions_are_told(project, server):
    body = {"features": ["pair:score"], "entities": {"user_id": [1], "country": ["DE"]}}
    body["include_feature_view_version_metadata"] = True
    with feast_client(project.repo.store) as feast:
        wanted = feast.post("/get-online-features", json=body).json()["metadata"]
    assert ask(server, body).json()["metadata"] == wanted


# ---- writing ----


def frame(rows):
    return {name: [row[name] for row in rows] for name in rows[0]}


def read_speed(server, driver):
    answer = ask(server, {"features": ["pushed:speed", "pushed:trips"], "entities": {"driver_id": [driver]}}).json()
    found = columns(answer)
    return found["speed"]["values"][0], found["trips"]["values"][0], found["speed"]["event_timestamps"][0]


def test_pushed_and_written_rows_are_read_at_once(project, server):
    later = (NOW + timedelta(hours=1)).isoformat()
    row = {"driver_id": 500, "speed": 1.25, "trips": 3, "event_timestamp": later, "created": later}
    assert ask(server, {"push_source_name": "driver_push", "df": frame([row])}, "/push").status_code == 200
    assert read_speed(server, 500) == (1.25, 3, "2026-03-01T13:30:15.123456Z")
    older = {**row, "speed": 9.0, "event_timestamp": NOW.isoformat()}
    body = {"feature_view_name": "pushed", "df": frame([older])}
    assert ask(server, body, "/write-to-online-store").status_code == 200
    assert read_speed(server, 500)[0] == 1.25  # a later event time stays
    null = {**row, "driver_id": 501, "speed": None}
    body["df"] = frame([null, {**null, "driver_id": 502, "speed": float("nan")}])
    answer = ask(server, None, "/write-to-online-store", json=None, data=json.dumps(body))
    assert answer.status_code == 200, answer.text
    assert read_speed(server, 501)[:2] == (None, 3)
    # Feast's own store reads what was written here, within its staleness.
    time.sleep(1.2)
    found = project.repo.store.get_online_features(["pushed:speed"], [{"driver_id": 500}]).to_dict()
    assert found["speed"] == [1.25]


def test_rows_that_do_not_fit_are_refused_whole(server):
    row = {"driver_id": 600, "speed": 1.25, "trips": 3, "event_timestamp": NOW.isoformat(), "created": None}
    cases = [
        ({**row, "trips": 1.5}, "column 'trips', row 0: a number is not a 64-bit whole number"),
        ({**row, "event_timestamp": "yesterday"}, "'yesterday' is no time such as"),
        ({**row, "event_timestamp": 5}, "a whole number is not a time in ISO 8601"),
        ({**row, "driver_id": None}, "a join key is null"),
        ({k: v for k, v in row.items() if k != "speed"}, "'df' lacks the feature 'speed'"),
    ]
    for wrong, message in cases:
        body = {"feature_view_name": "pushed", "df": frame([wrong])}
        answer = ask(server, body, "/write-to-online-store")
        assert answer.status_code == 422 and message in answer.json()["detail"], answer.text
    push = {"push_source_name": "nope", "df": frame([row])}
    assert "frazil.feast.publish(store)" in ask(server, push, "/push").json()["detail"]
    push = {"push_source_name": "driver_push", "df": frame([row]), "to": "online_and_offline"}
    assert ask(server, push, "/push").status_code == 501
    assert read_speed(server, 600)[0] is None


def test_feasts_remote_client_writes_and_reads(project, server):
    rng = random.Random(3)
    config = project.repo.config
    remote = FeatureStore(
        config=RepoConfig(
            project=config.project, provider="local", registry=RegistryConfig(path=config.registry.path),
            online_store={"type": "remote", "path": server.url}, entity_key_serialization_version=3,
            repo_path=config.repo_path,
        )
    )  # fmt: skip
    # What the client can send as JSON, and reads back as it was.
    names = ["INT32", "INT64", "DOUBLE", "FLOAT", "STRING", "BOOL", "UNIX_TIMESTAMP", "STRING_LIST", "INT64_LIST", "DOUBLE_LIST", "BOOL_LIST"]
    drivers = range(700, 705)

    def sent(name):
        value = Value()
        if name in names:
            # No client can send NaN, and an empty list has no type when it comes back.
            while ": " not in str(value) or "nan" in str(value) or "inf" in str(value):
                value = value_of(rng, name)
        return value

    written = {d: {f"f_{n.lower()}": sent(n) for n, _ in TYPES} for d in drivers}
    provider = remote._get_provider()
    provider.online_write_batch(remote.config, project.typed, [(key_of(driver_id=d), v, NOW, NOW) for d, v in written.items()], None)
    features = [f"typed:f_{n.lower()}" for n in names]
    got = remote.get_online_features(features, [{"driver_id": d} for d in drivers]).to_dict()
    time.sleep(1.2)
    wanted = project.repo.store.get_online_features(features, [{"driver_id": d} for d in drivers]).to_dict()
    assert set(got) == set(wanted)
    for name in names:
        column = f"f_{name.lower()}"
        if name == "UNIX_TIMESTAMP":
            continue  # a whole number without a type, over HTTP
        assert got[column] == wanted[column], name
    rows = provider.online_read(remote.config, project.typed, [key_of(driver_id=d) for d in drivers], ["f_int64", "f_string"])
    for (_, values), driver in zip(rows, drivers):
        assert values["f_int64"] == written[driver]["f_int64"]
        assert values["f_string"] == written[driver]["f_string"]
    service = remote.get_online_features(remote.get_feature_service("all_of_it"), [{"driver_id": 1, "user_id": 3, "country": "DE"}])
    assert service.to_dict()["score"] == [3 / 7]


def test_maps_and_structs_are_written_as_feast_writes_them(project, server):
    """The same JSON through Feast's server into one key and through ours into another reads the same."""
    maps = {"a": 1, "b": [1.5, 2.5], "c": "x", "d": {"e": [True]}, "g": ["s"], "n": None}
    values = {
        "map": json.dumps(maps), "struct": json.dumps({"x": 1}), "json": '{"k": [1]}', "uuid": "0" * 32,
        "decimal": "1.50",
    }  # fmt: skip
    row = {f"f_{n.lower()}": values.get(n.lower()) for n, _ in TYPES}
    row |= {"event_timestamp": NOW.replace(tzinfo=None).isoformat(), "created": NOW.replace(tzinfo=None).isoformat()}
    with feast_client(project.repo.store) as feast:
        for driver, post in ((801, lambda path, json: ask(server, json, path)), (802, feast.post)):
            body = {"feature_view_name": "typed", "df": frame([{**row, "driver_id": driver}])}
            answer = post("/write-to-online-store", json=body)
            assert answer.status_code == 200, answer.text
    time.sleep(1.2)
    names = [n.lower() for n, _ in TYPES if n.lower() in values]
    answer = columns(ask(server, {"features": [f"typed:f_{n}" for n in names], "entities": {"driver_id": [801, 802]}}).json())
    for name in names:
        one, other = answer[f"f_{name}"]["values"]
        assert one is not None and same(one, other), (name, one, other)


# ---- what it survives ----


def test_large_bodies_are_refused_and_nothing_else_suffers(project):
    with serving(*repo_options(project.repo), "--max-body-bytes", "100000") as server:
        body = b'{"entities":{"driver_id":[' + b"1," * (5 << 20) + b"1]}}"
        answer = ask(server, None, data=body, json=None)
        assert answer.status_code == 413 and answer.json()["detail"] == "the body is too large"
        chunks = (body[at : at + 65536] for at in range(0, len(body), 65536))
        assert ask(server, None, data=chunks, json=None).status_code == 413
        deep = b"[" * 50000
        assert ask(server, None, data=deep, json=None).status_code == 400
        assert read_speed(server, 3)[1] == 3


def raw(server):
    host, port = server.url.rsplit("/", 1)[1].split(":")
    return socket.create_connection((host, int(port)), timeout=30)


def is_closed(connection, seconds):
    connection.settimeout(seconds)
    try:
        return connection.recv(1000) == b""
    except ConnectionError:
        return True
    except TimeoutError:
        return False


def test_slow_clients_and_half_open_sockets_are_closed(project):
    with serving(*repo_options(project.repo), "--idle-timeout", "1") as server:
        silent = [raw(server) for _ in range(20)]
        head = raw(server)
        head.sendall(b"POST /get-online-fea")
        body = raw(server)
        body.sendall(b"POST /get-online-features HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
        drip = raw(server)  # never silent for long, never done
        drip.sendall(b"POST /get-online-features HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
        half = raw(server)
        half.shutdown(socket.SHUT_WR)
        cut = 0
        for _ in range(40):
            assert read_speed(server, 3)[1] == 3
            time.sleep(0.1)
            try:
                drip.sendall(b" ")
            except ConnectionError:
                cut += 1
                break
        assert cut == 1
        for connection in [*silent, head, body, half]:
            assert is_closed(connection, 10)
            connection.close()


def test_a_client_that_goes_away_is_forgotten(project):
    with serving(*repo_options(project.repo)) as server:
        for _ in range(50):
            connection = raw(server)
            connection.sendall(b"POST /push HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{}")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()
        end = time.monotonic() + 20
        while True:
            text = requests.get(f"{server.url}/metrics", timeout=30).text
            if "\nfrazil_connections 1\n" in text or time.monotonic() > end:
                break
            time.sleep(0.05)
        assert "\nfrazil_connections 1\n" in text and "\nfrazil_requests_in_flight 1\n" in text


def test_a_catalog_that_vanishes_is_served_within_the_bound_then_stale(project):
    database = project.repo.folder / "data" / "frazil.db"
    away = database.with_name("away.db")
    with serving(*repo_options(project.repo), "--max-staleness-ms", "1500") as server:
        before = read_speed(server, 3)
        # An open SQLite database outlives its name: it is the file's content that is taken away.
        saved = database.read_bytes()
        away.write_bytes(saved)
        try:
            database.write_bytes(b"this is no database" * 100)
            body = {"features": ["pushed:speed"], "entities": {"driver_id": [3]}}
            seen = []
            end = time.monotonic() + 30
            while time.monotonic() < end and 503 not in seen:
                answer = ask(server, body)
                seen.append(answer.status_code)
                time.sleep(0.1)
            assert seen[0] == 200 and seen[-1] == 503, seen
            assert answer.headers["Retry-After"] == "1"
            assert requests.get(f"{server.url}/health", timeout=30).status_code == 200
        finally:
            database.write_bytes(saved)
        end = time.monotonic() + 30
        while ask(server, body).status_code != 200 and time.monotonic() < end:
            time.sleep(0.1)
        assert read_speed(server, 3) == before


class Load:
    """Threads that send one request after another, on connections that the server may close only with an answer."""

    def __init__(self, server, n_threads):
        self.host, self.port = server.url.rsplit("/", 1)[1].split(":")
        self.body = json.dumps({"features": ["pushed:speed"], "entities": {"driver_id": list(range(40))}})
        self.answered, self.lost, self.ends = [], [], threading.Event()
        self.threads = [threading.Thread(target=self.send) for _ in range(n_threads)]
        for thread in self.threads:
            thread.start()

    def send(self):
        connection = None
        while not self.ends.is_set():
            if connection is None:
                connection = http.client.HTTPConnection(self.host, int(self.port), timeout=30)
                try:
                    connection.connect()
                except OSError:
                    return  # nothing was sent
            try:
                connection.request("POST", "/get-online-features", self.body)
                answer = connection.getresponse()
                content = answer.read()
                assert answer.status == 200 and content.endswith(b"}")
                self.answered.append(1)
                if answer.will_close:
                    connection.close()
                    connection = None
            except Exception as error:
                self.lost.append(repr(error))
                return

    def wait_for(self, n_more):
        wanted = len(self.answered) + n_more
        while len(self.answered) < wanted and any(thread.is_alive() for thread in self.threads):
            time.sleep(0.01)
        assert self.lost == []

    def end(self):
        self.ends.set()
        for thread in self.threads:
            thread.join()
        assert self.lost == []


def test_stopping_under_load_answers_every_request(project):
    with serving(*repo_options(project.repo)) as server:
        load = Load(server, 16)
        load.wait_for(500)
        assert server.stop() == 0
        load.end()


def test_reloading_under_load_answers_every_request(project):
    with serving(*repo_options(project.repo)) as server:
        load = Load(server, 8)
        for _ in range(5):
            load.wait_for(100)
            server.reload()
        load.wait_for(100)
        load.end()
        assert read_speed(server, 3)[1] == 3


def test_a_write_under_way_is_finished_when_stopping(project):
    with serving(*repo_options(project.repo)) as server:
        rows = [{"driver_id": 10000 + i, "speed": 0.5, "trips": i, "event_timestamp": NOW.isoformat(), "created": None} for i in range(2000)]
        answers = []
        thread = threading.Thread(target=lambda: answers.append(ask(server, {"push_source_name": "driver_push", "df": frame(rows)}, "/push")))
        thread.start()
        end = time.monotonic() + 20
        while "\nfrazil_requests_in_flight 2\n" not in requests.get(f"{server.url}/metrics", timeout=30).text:
            if answers or time.monotonic() > end:
                break  # it was too fast to be seen, which is fine as well
        assert server.stop() == 0
        thread.join()
        assert answers[0].status_code == 200


def test_a_corrupted_index_is_built_anew(project, tmp_path):
    options = [*repo_options(project.repo), "--cache-dir", str(tmp_path / "cache")]
    with serving(*options) as server:
        wanted = [read_speed(server, n) for n in DRIVERS]
    files = [path for path in (tmp_path / "cache").rglob("*") if path.is_file() and path.stat().st_size > 0]
    for path in files:
        path.write_bytes(bytes(len(path.read_bytes())))
    with serving(*options) as server:
        assert [read_speed(server, n) for n in DRIVERS] == wanted


def test_views_that_are_dropped_and_made_anew_are_followed(make_repo):
    project = Project(make_repo())
    with serving(*repo_options(project.repo), "--max-staleness-ms", "200") as server:
        assert read_speed(server, 3)[1] == 3
        project.repo.catalog.drop_table("feast.proj_pushed_online", purge=True)
        end = time.monotonic() + 20
        body = {"features": ["pushed:speed"], "entities": {"driver_id": [3]}}
        while ask(server, body).status_code != 404 and time.monotonic() < end:
            time.sleep(0.05)
        assert ask(server, body).status_code == 404
        write(project.repo, project.pushed, [(key_of(driver_id=3), {"speed": Value(double_val=8.0), "trips": Value(int64_val=8)}, NOW, NOW)])
        end = time.monotonic() + 20
        while ask(server, body).status_code != 200 and time.monotonic() < end:
            time.sleep(0.05)
        assert read_speed(server, 3)[1] == 8


# ---- how it is run ----


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return make_certificate(tmp_path_factory.mktemp("tls"))


def make_certificate(folder):
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    return cert, key


def test_tls_and_token(project, certificate, tmp_path):
    cert, key = certificate
    token = tmp_path / "token"
    token.write_text("secret-one\n")
    options = [*repo_options(project.repo), "--tls-cert", cert, "--tls-key", key, "--token-file", token]
    body = {"features": ["pushed:trips"], "entities": {"driver_id": [3]}}
    with serving(*options, "--access-log", tmp_path / "log") as server:

        def status(given, **more):
            headers = {} if given is None else {"Authorization": given}
            with requests.Session() as session:
                return session.post(f"{server.url}/get-online-features", json=body, headers=headers, verify=str(cert), timeout=30, **more).status_code

        assert server.url.startswith("https://")
        for wrong in (None, "Bearer", "Bearer ", "Bearer secret-on", "Bearer secret-one1", "Bearer Secret-one", "Basic secret-one", "secret-one"):
            assert status(wrong) == 401, wrong
        assert status("Bearer secret-one") == 200 and status("bearer secret-one") == 200
        assert requests.get(f"{server.url}/health", verify=str(cert), timeout=30).status_code == 200
        assert requests.get(f"{server.url}/metrics", verify=str(cert), timeout=30).status_code == 401
        with pytest.raises(requests.exceptions.ConnectionError):
            requests.get(server.url.replace("https", "http") + "/health", timeout=30)
        token.write_text("secret-two")
        server.reload()
        assert status("Bearer secret-one") == 401 and status("Bearer secret-two") == 200
        # A reload that cannot be done changes nothing.
        token.write_text("")
        server.reload()
        assert any("the bearer token is empty" in line for line in server.lines)
        assert status("Bearer secret-two") == 200
        shown = "".join(server.lines) + (tmp_path / "log").read_text() + open(f"/proc/{server.process.pid}/cmdline").read()
        assert "secret-" not in shown


def test_a_token_of_the_environment(project):
    body = {"features": ["pushed:trips"], "entities": {"driver_id": [3]}}
    with serving(*repo_options(project.repo), env={"FRAZIL_TOKEN": "hush"}) as server:
        assert ask(server, body).status_code == 401
        assert ask(server, body, headers={"Authorization": "Bearer hush"}).status_code == 200


def test_a_reload_keeps_connections(project):
    with serving(*repo_options(project.repo)) as server, requests.Session() as session:
        body = {"features": ["pushed:trips"], "entities": {"driver_id": [3]}}
        connection = raw(server)
        for _ in range(3):
            assert session.post(f"{server.url}/get-online-features", json=body, timeout=30).status_code == 200
            server.reload()
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")
        connection.close()


def test_the_access_log_has_a_line_a_request(project, tmp_path):
    log = tmp_path / "access.jsonl"
    with serving(*repo_options(project.repo), "--access-log", log) as server:
        ask(server, {"features": ["pushed:trips", "pushed:speed"], "entities": {"driver_id": [3, 4, 5]}})
        ask(server, {"features": []})
        requests.get(f"{server.url}/some/where?x=1", timeout=30)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(line["path"], line["status"], line["method"]) for line in lines] == [
        ("/get-online-features", 200, "POST"), ("/get-online-features", 422, "POST"), ("other", 404, "GET"),
    ]  # fmt: skip
    assert (lines[0]["keys"], lines[0]["features"], lines[0]["remote"]) == (3, 2, "127.0.0.1")
    assert lines[0]["response_bytes"] > 100 and lines[0]["duration_us"] >= 0
    assert oct(log.stat().st_mode & 0o777) == "0o640"


def test_ttl_is_checked_on_demand(project, server):
    rows = [(key_of(driver_id=901), {"speed": Value(double_val=1.0), "trips": Value(int64_val=1)}, datetime.now(timezone.utc) - timedelta(days=2), None),
            (key_of(driver_id=902), {"speed": Value(double_val=2.0), "trips": Value(int64_val=2)}, datetime.now(timezone.utc), None)]  # fmt: skip
    write(project.repo, project.pushed, rows)
    body = {"features": ["pushed:speed"], "entities": {"driver_id": [901, 902, 903]}}
    with serving(*repo_options(project.repo), "--check-ttl") as checking:
        column = columns(ask(checking, body).json())["speed"]
        assert column["statuses"] == ["OUTSIDE_MAX_AGE", "PRESENT", "NOT_FOUND"]
        assert column["values"] == [1.0, 2.0, None]
    time.sleep(1.2)
    assert columns(ask(server, body).json())["speed"]["statuses"] == ["PRESENT", "PRESENT", "NOT_FOUND"]


def test_metrics_count(project):
    with serving(*repo_options(project.repo)) as server:
        for _ in range(3):
            read_speed(server, 3)
        ask(server, {})
        text = requests.get(f"{server.url}/metrics", timeout=30).text
    numbers = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert numbers['frazil_requests_total{path="/get-online-features",status="200"}'] == "3"
    assert numbers['frazil_requests_total{path="/get-online-features",status="422"}'] == "1"
    assert numbers['frazil_request_seconds_count{path="/get-online-features"}'] == "4"
    assert numbers["frazil_keys_total"] == "3" and numbers["frazil_values_total"] == "6"
    assert numbers['frazil_view_reads_total{view="pushed"}'] == "3"
    for line in text.splitlines():
        assert line.startswith(("# HELP frazil_", "# TYPE frazil_", "frazil_")), line


def test_a_repo_says_where_the_catalog_is(project):
    folder = project.repo.folder
    (folder / "feature_store.yaml").write_text(
        "project: ${SERVED_PROJECT}\nprovider: local\nregistry: registry.db\nonline_store: &store\n"
        "  type: frazil.feast.IcebergOnlineStore\n  read_timeout_ms: 20000\n  storage_options: {a: b}\n"
    )
    with serving("--repo", folder, env={"SERVED_PROJECT": "proj"}) as server:
        assert read_speed(server, 3)[1] == 3
    result = subprocess.run([command(), "online", "stats", "feast.proj_pushed_online", "--repo", folder, "--json"],
                            capture_output=True, text=True, check=True)  # fmt: skip
    stats = json.loads(result.stdout)
    assert stats["keys"] >= len(DRIVERS) and stats["bytes_per_key"] > 8 and stats["resident_bytes"] > 1 << 20
    values = {"speed": Value(double_val=4.5), "trips": Value(int64_val=3)}
    write(project.repo, project.pushed, [(key_of(driver_id=3), values, NOW, NOW)])  # a second file
    result = subprocess.run([command(), "online", "compact", "feast.proj_pushed_online", "--all", "--repo", folder, "--json"],
                            capture_output=True, text=True, check=True)  # fmt: skip
    compacted = json.loads(result.stdout)
    assert compacted["rows_before"] >= compacted["rows_after"] > 0
    assert compacted["files_before"] >= compacted["files_after"] > 0
    for text, message in [
        ("online_store: {type: sqlite}", "online_store.type is 'sqlite'"),
        ("online_store: [", "line 2: did not find"),
        ("project: x", "no online_store section"),
        ("online_store: {type: frazil.feast.IcebergOnlineStore, uri: [secret]}", "uri is not a text"),
    ]:
        (folder / "feature_store.yaml").write_text(text)
        result = subprocess.run([command(), "serve", "--repo", folder], capture_output=True, text=True)
        assert result.returncode == 1 and message in result.stderr and "secret" not in result.stderr, result.stderr
    (folder / "feature_store.yaml").unlink()


def test_what_is_published_again_is_taken_in(make_repo):
    project = Project(make_repo())
    with serving(*repo_options(project.repo)) as server:
        body = {"feature_service": "later", "entities": {"driver_id": [3]}}
        assert ask(server, body).status_code == 404
        project.repo.store.apply([FeatureService(name="later", features=[project.pushed])])
        assert frazil.feast.publish(project.repo.store) == "feast.proj_feast_registry"
        server.reload()
        end = time.monotonic() + 20
        while ask(server, body).status_code != 200 and time.monotonic() < end:
            time.sleep(0.05)
        assert columns(ask(server, body).json())["trips"]["values"] == [3]
