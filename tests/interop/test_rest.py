"""The REST catalog: lost and refused answers to commits, tokens, secrets."""

import json
import urllib.request
import uuid
from pathlib import Path

import pyarrow as pa
import pytest
from aws_gate import SignedGate, running_gate
from fault_proxy import fault_proxy

import frazil

SCHEMA = pa.schema([("id", pa.int64())])


def make(uri, **more):
    catalog = frazil.load_catalog("rest", type="rest", uri=uri, **more)
    namespace = "n" + uuid.uuid4().hex[:12]
    catalog.create_namespace(namespace)
    return catalog, catalog.create_table(f"{namespace}.t", schema=SCHEMA), f"{namespace}.t"


def rows(*values):
    return pa.table({"id": pa.array(values, pa.int64())})


def ids(table):
    return sorted(table.scan().to_arrow()["id"].to_pylist())


def is_commit(method, path):
    return method == "POST" and "/tables/" in path


@pytest.mark.parametrize("kind, more", [("lose", {}), ("lose_status", {"status": 500}), ("lose_status", {"status": 503})])
def test_a_commit_whose_answer_was_lost_is_done_once(rest_local, kind, more):
    with fault_proxy(rest_local) as proxy:
        catalog, table, name = make(proxy.url)
        table.append(rows(1))
        proxy.befall(kind, matches=is_commit, **more)
        table.append(rows(2))
        table.append(rows(3))
        assert proxy.count(kind) == 1
        assert ids(catalog.load_table(name)) == [1, 2, 3]
        assert len(catalog.load_table(name).snapshots()) == 3


def test_a_commit_that_may_not_have_happened_is_unknown_and_deletes_nothing(rest_local):
    with fault_proxy(rest_local) as proxy:
        catalog, table, name = make(proxy.url)
        table.set_properties({"commit.status-check.num-retries": "1", "commit.status-check.min-wait-ms": "1"})
        proxy.befall("status", matches=is_commit, status=500)
        with pytest.raises(frazil.CommitUnknownError):
            table.append(rows(1))
        assert ids(catalog.load_table(name)) == []
        table.refresh()
        table.append(rows(2))
        assert ids(table) == [2]


def make_two(uri, **more):
    catalog, first, name = make(uri, **more)
    second = catalog.create_table(f"{name}2", schema=SCHEMA)
    second.append(rows(1, 2))
    return catalog, first, second


def reread(catalog, *tables):
    return [ids(catalog.load_table(table.name())) for table in tables]


def is_joint_commit(method, path):
    return method == "POST" and path.endswith("/transactions/commit")


def test_several_tables_change_in_one_commit(rest_local):
    with fault_proxy(rest_local) as proxy:
        catalog, first, second = make_two(proxy.url)
        third = catalog.create_table(f"{'.'.join(first.name())}3", schema=SCHEMA)
        results = catalog.commit_tables([
            frazil.TableChange(first, rows(5), snapshot_properties={"why": "tests"}),
            frazil.TableChange(second, rows(3), delete_filter="id = 1"),
            frazil.TableChange(third, delete_filter="id = 1"),
        ])
        assert [(r.rows_added, r.rows_deleted) for r in results] == [(1, 0), (1, 1), (0, 0)]
        assert [r.snapshot_id for r in results] == [first.current_snapshot().snapshot_id, second.current_snapshot().snapshot_id, -1]
        assert first.current_snapshot().summary["why"] == "tests"
        assert [ids(first), ids(second), ids(third)] == [[5], [2, 3], []] == reread(catalog, first, second, third)
        assert sum(is_joint_commit(method, path) for method, path, _ in proxy.log) == 1


def test_a_joint_commit_is_built_on_what_others_appended(rest_local):
    catalog, first, second = make_two(rest_local)
    catalog.load_table(second.name()).append(rows(7))
    catalog.commit_tables([frazil.TableChange(first, rows(5)), frazil.TableChange(second, rows(3))])
    assert reread(catalog, first, second) == [[5], [1, 2, 3, 7]]


def test_a_conflict_in_one_table_leaves_all(rest_local):
    catalog, first, second = make_two(rest_local)
    catalog.load_table(second.name()).delete("id = 2")
    with pytest.raises(frazil.CommitConflictError):
        catalog.commit_tables([frazil.TableChange(first, rows(5)), frazil.TableChange(second, rows(3), delete_filter="id = 1")])
    assert reread(catalog, first, second) == [[], [1]]


@pytest.mark.parametrize("kind, more", [("lose", {}), ("lose_status", {"status": 500})])
def test_a_joint_commit_whose_answer_was_lost_is_done_once(rest_local, kind, more):
    with fault_proxy(rest_local) as proxy:
        catalog, first, second = make_two(proxy.url)
        proxy.befall(kind, matches=is_joint_commit, **more)
        catalog.commit_tables([frazil.TableChange(first, rows(5)), frazil.TableChange(second, rows(3))])
        assert proxy.count(kind) == 1
        assert [ids(first), ids(second)] == [[5], [1, 2, 3]] == reread(catalog, first, second)


@pytest.mark.parametrize("status", [500, 503])
def test_a_joint_commit_that_may_not_have_happened_deletes_nothing(rest_local, status):
    with fault_proxy(rest_local) as proxy:
        catalog, first, second = make_two(proxy.url)
        for table in first, second:
            table.set_properties({"commit.status-check.num-retries": "1", "commit.status-check.min-wait-ms": "1"})
        files = Path(first.location().removeprefix("file:")).parent
        n_before = len(list(files.glob("**/*.parquet")))
        proxy.befall("status", matches=is_joint_commit, status=status)
        with pytest.raises(frazil.CommitUnknownError):
            catalog.commit_tables([frazil.TableChange(first, rows(5)), frazil.TableChange(second, rows(3))])
        assert reread(catalog, first, second) == [[], [1, 2]]
        assert len(list(files.glob("**/*.parquet"))) == n_before + 2


def test_a_server_that_offers_no_joint_commits_is_told(rest_local):
    with fault_proxy(rest_local) as proxy:
        body = b'{"defaults": {}, "overrides": {}, "endpoints": ["GET /v1/{prefix}/namespaces"]}'
        proxy.befall("status", matches=lambda method, path: path.endswith("/v1/config"), status=200, body=body)
        catalog, first, second = make_two(proxy.url)
        with pytest.raises(frazil.UnsupportedError, match=r"catalog 'rest': its server does not offer POST /v1/\{prefix\}/transactions/commit"):
            catalog.commit_tables([frazil.TableChange(first, rows(5)), frazil.TableChange(second, rows(3))])
        assert reread(catalog, first, second) == [[], [1, 2]]


def make_view(uri, namespace, name):
    view = {
        "name": name,
        "schema": {"type": "struct", "schema-id": 0, "fields": [{"id": 1, "name": "id", "type": "long", "required": False}]},
        "view-version": {"version-id": 1, "timestamp-ms": 1, "schema-id": 0, "summary": {}, "default-namespace": [namespace],
                         "representations": [{"type": "sql", "sql": "SELECT 1 AS id", "dialect": "spark"}]},
        "properties": {},
    }
    request = urllib.request.Request(f"{uri}/v1/namespaces/{namespace}/views", json.dumps(view).encode(), {"content-type": "application/json"})
    urllib.request.urlopen(request).close()


@pytest.mark.parametrize("more", [{}, {"rest-page-size": "2"}])
def test_views_are_listed(rest_local, more):
    catalog, table, _ = make(rest_local, **more)
    namespace = table.name()[0]
    assert catalog.list_views(namespace) == []
    for name in "c", "a", "b":
        make_view(rest_local, namespace, name)
    assert catalog.list_views(namespace) == [(namespace, "a"), (namespace, "b"), (namespace, "c")]
    assert catalog.list_tables(namespace) == [(namespace, "t")]
    with pytest.raises(frazil.NoSuchNamespaceError):
        catalog.list_views("none")


def test_a_stale_commit_is_made_again(rest_local):
    _, table, name = make(rest_local)
    other = frazil.load_catalog("rest", type="rest", uri=rest_local).load_table(name)
    other.append(rows(1))
    table.append(rows(2))
    assert ids(table) == [1, 2]


@pytest.mark.parametrize("kind, more", [("reset", {}), ("status", {"status": 503}), ("cut", {"keep": 5}), ("status", {"status": 429})])
def test_reads_are_repeated(rest_local, kind, more):
    with fault_proxy(rest_local) as proxy:
        catalog, table, name = make(proxy.url)
        table.append(rows(1))
        proxy.befall(kind, times=2, matches=lambda method, path: method == "GET", **more)
        assert ids(catalog.load_table(name)) == [1]
        assert proxy.count(kind) == 2


def test_client_credentials_become_a_token(rest_local):
    with fault_proxy(rest_local) as proxy:
        _, table, _ = make(proxy.url, credential="user:frazil-secret/1", scope="catalog")
        table.append(rows(1))
        assert ids(table) == [1]
        assert sum(path.endswith("/v1/oauth/tokens") for _, path, _ in proxy.log) == 1


def test_a_refused_token_is_fetched_anew(rest_local):
    with fault_proxy(rest_local) as proxy:
        catalog, _, name = make(proxy.url, credential="user:frazil-secret/1", token="ended")
        proxy.befall("status", matches=lambda method, path: path.endswith("/tables/t"), status=401)
        catalog.load_table(name)
        assert sum(path.endswith("/v1/oauth/tokens") for _, path, _ in proxy.log) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 419, 422, 500, 501])
def test_errors_hold_no_secret(rest_local, status):
    secrets = {"credential": "user:frazil-secret/1", "token": "frazil-token/2"}
    with fault_proxy(rest_local) as proxy:
        catalog, _, name = make(proxy.url, **secrets)
        body = b'{"error": {"message": "no frazil-token/2 or frazil-secret/1", "type": "T", "code": 1}}'
        proxy.befall("status", times=100, status=status, body=body)
        with pytest.raises(frazil.FrazilError) as failure:
            catalog.load_table(name)
        assert "frazil-token/2" not in str(failure.value) and "frazil-secret/1" not in str(failure.value)
        assert "frazil-secret/1" not in repr(catalog)


def test_a_host_without_an_address():
    with pytest.raises(frazil.FrazilError, match=r"attempts\): Could not resolve host") as refused:
        frazil.load_catalog("r", type="rest", uri="http://nowhere.invalid", token="a-very-secret-token").list_namespaces()
    assert "secret" not in str(refused.value)


def test_an_address_with_a_password_is_refused_without_being_told():
    with pytest.raises(frazil.InvalidError) as refused:
        frazil.load_catalog("rest", type="rest", uri="http://user:frazil-secret@127.0.0.1:1/")
    assert "frazil-secret" not in str(refused.value)


AWS_KEYS = ("rest-key-id", "rest/secret+key=", "rest+token==")


@pytest.fixture
def signed(rest_local):
    """A server that takes signed requests alone."""
    gate = SignedGate(rest_local, [AWS_KEYS])
    gate.service = "glue"
    with running_gate(gate):
        yield gate


def signing(gate, prefix="rest", secret=AWS_KEYS[1]):
    return {"type": "rest", "uri": gate.url, "rest.sigv4-enabled": "true", "rest.signing-name": "glue", f"{prefix}.region": "us-east-1",
            f"{prefix}.access-key-id": AWS_KEYS[0], f"{prefix}.secret-access-key": secret, f"{prefix}.session-token": AWS_KEYS[2]}


@pytest.mark.parametrize("prefix", ["rest", "client"])
def test_requests_are_signed_for_aws(signed, prefix):
    catalog = frazil.load_catalog("rest", **signing(signed, prefix))
    namespace = "n" + uuid.uuid4().hex[:12]
    for name in namespace, f"{namespace}.inner":
        catalog.create_namespace(name)
    table = catalog.create_table(f"{namespace}.inner.odd name=1&+", schema=SCHEMA)
    table.append(rows(1))
    assert ids(table) == [1]
    assert catalog.list_tables(f"{namespace}.inner") == [(namespace, "inner", "odd name=1&+")]
    assert len(signed.seen) >= 5


def test_wrong_signatures_are_refused_without_being_told(signed):
    with pytest.raises(frazil.AuthError, match="HTTP 403") as refused:
        frazil.load_catalog("rest", **signing(signed, secret="frazil-wrong/secret"))
    for secret in "frazil-wrong/secret", *AWS_KEYS:
        assert secret not in str(refused.value)


def test_signing_needs_a_region_and_no_token(signed):
    settings = signing(signed)
    with pytest.raises(frazil.InvalidError, match="neither token nor credential"):
        frazil.load_catalog("rest", **settings, token="frazil-token/2")
    del settings["rest.region"]
    with pytest.raises(frazil.InvalidError, match="rest.signing-region"):
        frazil.load_catalog("rest", **settings)
