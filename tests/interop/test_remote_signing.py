"""S3 requests that the catalog's server signs: no key of the store is on this side."""

import uuid

import numpy as np
import pyarrow as pa
import pytest
import servers
from aws_gate import running_gate
from botocore.auth import S3SigV4Auth
from signing_server import SigningServer

import frazil

SCHEMA = pa.schema([("id", pa.int64()), ("x", pa.float64())])
TOKEN = "frazil-token/of-the-caller"


def rows(*values):
    return pa.table({"id": pa.array(values, pa.int64()), "x": pa.array([float(value) for value in values])})


def ids(table):
    return sorted(table.scan().to_arrow()["id"].to_pylist())


@pytest.fixture
def server(rest_s3):
    with running_gate(SigningServer(rest_s3, servers.ACCESS_KEY, servers.SECRET_KEY, {})) as gate:
        yield gate


def make(uri, store, **more):
    reach = {key: store[key] for key in ("s3.endpoint", "s3.region")}
    catalog = frazil.load_catalog("signed", type="rest", uri=uri, **reach, **more)
    namespace = "n" + uuid.uuid4().hex[:12]
    catalog.create_namespace(namespace)
    return catalog, catalog.create_table(f"{namespace}.t", schema=SCHEMA)


def write_and_read(catalog, table):
    table.append(rows(1, 2))
    table.append(rows(3))
    table.delete("id = 2")
    again = catalog.load_table(".".join(table.name()))
    assert ids(again) == [1, 3]
    return again


def test_a_table_without_keys(server, s3_store):
    catalog, table = make(server.url, s3_store)
    write_and_read(catalog, table)
    methods = {asked["method"] for _, _, asked in server.asked}
    assert {"GET", "PUT"} <= methods
    namespace, name = table.name()
    assert {path for path, _, _ in server.asked} == {f"/v1/namespaces/{namespace}/tables/{name}/sign"}
    assert all(asked["region"] == "us-east-1" and asked["uri"].startswith(s3_store["s3.endpoint"]) for _, _, asked in server.asked)


def test_nessie_signs(nessie_uri, s3_store):
    catalog, table = make(nessie_uri, s3_store, warehouse="lake", **{"s3.remote-signing-enabled": "true"})
    write_and_read(catalog, table)


def test_uploads_in_parts_and_many_removals(server, s3_store):
    """Bodies are not shown to the server but those that name what is removed."""
    catalog, table = make(server.url, s3_store)
    values = np.random.default_rng(1).integers(0, 1 << 60, 1_500_000)
    many = pa.table({"id": values, "x": values.astype(float)})
    table.append(many)
    assert {"POST", "PUT"} <= {asked["method"] for _, _, asked in server.asked}
    assert table.scan().to_arrow()["id"].to_numpy().sum() == values.sum()
    table.append(rows(1))
    table.overwrite(rows(1))
    table.maintenance.expire_snapshots(older_than=2**50, retain_last=1)
    shown = [asked for _, _, asked in server.asked if "body" in asked]
    assert shown and all(asked["uri"].endswith("?delete=") and "<Key>" in asked["body"] for asked in shown)
    assert ids(catalog.load_table(".".join(table.name()))) == [1]


@pytest.mark.parametrize("terms, path", [
    ({"s3.signer.uri": "{url}"}, "/v1/aws/s3/sign"),
    ({"s3.signer.uri": "{url}/a/", "s3.signer.endpoint": "/b/sign"}, "/a/b/sign"),
    ({"signer.endpoint": "some/sign"}, "/some/sign"),
    ({"signer.uri": "http://nowhere.invalid", "signer.endpoint": "{url}/whole/sign"}, "/whole/sign"),
])
def test_where_signatures_come_from(server, s3_store, terms, path):
    server.terms.update({key: value.format(url=server.url) for key, value in terms.items()})
    catalog, table = make(server.url, s3_store, token=TOKEN)
    table.append(rows(1))
    assert ids(table) == [1]
    assert {asked_by for asked_by, _, _ in server.asked} == {path}
    assert {headers["authorization"] for _, headers, _ in server.asked} == {f"Bearer {TOKEN}"}


def test_what_the_server_wants_with_each_request(server, s3_store):
    server.signing_config = {"properties": {"key": "value \"1\""}, "headers": {"x-of-the-server": ["a", "b"]}, "new": [1]}
    catalog, table = make(server.url, s3_store)
    table.append(rows(1))
    assert ids(table) == [1]
    for _, headers, asked in server.asked:
        assert asked["properties"] == {"key": "value \"1\""}
        assert headers["x-of-the-server"] == "a, b"


@pytest.mark.parametrize("kind, more", [("reset", {}), ("status", {"status": 503}), ("cut", {"keep": 5}), ("status", {"status": 429})])
def test_signing_is_repeated(server, s3_store, kind, more):
    catalog, table = make(server.url, s3_store)
    server.befall(kind, times=2, matches=lambda method, path: path.endswith("/sign"), **more)
    table.append(rows(1))
    assert ids(table) == [1]
    assert server.count(kind) == 2


@pytest.mark.parametrize("status, error", [(400, frazil.InvalidError), (401, frazil.AuthError), (403, frazil.AuthError), (500, frazil.StorageError)])
def test_a_refusal_is_told_without_secrets(server, s3_store, status, error):
    catalog, table = make(server.url, s3_store, token=TOKEN)
    body = f'{{"error": {{"message": "no {TOKEN}", "type": "T", "code": 1}}}}'.encode()
    server.befall("status", times=100, matches=lambda method, path: path.endswith("/sign"), status=status, body=body)
    with pytest.raises(error, match=f"signature: POST .*/sign: HTTP {status}") as refused:
        table.append(rows(1))
    assert TOKEN not in str(refused.value)
    assert ids(catalog.load_table(".".join(table.name()))) == []


def test_a_wrong_signature_is_told_without_keys(server, s3_store):
    catalog, table = make(server.url, s3_store)
    server.credentials.secret_key = "frazil-wrong/secret"
    with pytest.raises(frazil.AuthError, match="SignatureDoesNotMatch; the catalog's server signed it") as refused:
        table.append(rows(1))
    for secret in servers.ACCESS_KEY, servers.SECRET_KEY, "frazil-wrong/secret":
        assert secret not in str(refused.value)


def other_address(request, answer):
    return {**answer, "uri": answer["uri"].replace("127.0.0.1", "localhost")}


def longer_address(request, answer):
    return {**answer, "uri": answer["uri"].split("?")[0] + "x"}


def no_signature(request, answer):
    return {**answer, "headers": {}}


@pytest.mark.parametrize("change, error, words", [
    (other_address, frazil.UnsupportedError, "another address"),
    (longer_address, frazil.UnsupportedError, "another address"),
    (no_signature, frazil.CorruptError, "no header authorization"),
])
def test_answers_that_are_not_followed(server, s3_store, change, error, words):
    catalog, table = make(server.url, s3_store)
    server.change = change
    with pytest.raises(error, match=words):
        table.append(rows(1))


def test_only_headers_of_signatures_are_taken(server, s3_store):
    catalog, table = make(server.url, s3_store)
    table.append(rows(1))
    server.change = lambda request, answer: {**answer, "headers": {**answer["headers"], "Range": ["bytes=0-0"], "range": ["bytes=0-0"]}}
    assert ids(catalog.load_table(".".join(table.name()))) == [1]


def test_a_signer_that_takes_bodies_for_empty(server, s3_store):
    """As those of AWS's Java library do where the store is not reached by https."""
    catalog, table = make(server.url, s3_store)
    server.signer = S3SigV4Auth
    with pytest.raises(frazil.UnsupportedError, match="signed another body than that of this PUT"):
        table.append(rows(1))


def test_other_catalogs_have_no_signer(s3_store, tmp_path):
    catalog = frazil.load_catalog("sql", type="sql", uri=f"sqlite:///{tmp_path}/c.db", warehouse="s3://lake/none",
                                  **{"s3.endpoint": s3_store["s3.endpoint"], "s3.remote-signing-enabled": "true"})
    catalog.create_namespace("n")
    with pytest.raises(frazil.UnsupportedError, match="needs a catalog of type rest"):
        catalog.create_table("n.t", schema=SCHEMA)
