"""Azure and Google Cloud Storage: odd names, parts, faults on the way, and who may ask. (S3 has pages of its own.)"""

import datetime
import os
import time
import uuid

import pyarrow as pa
import pytest
import servers
from aws_gate import running_gate
from test_s3 import FAULTS, ids, make_table, random_rows, rows
from token_gate import StoreProxy, TokenGate, TokenServices

import frazil

HOST = f"{servers.ACCOUNT}.dfs.core.windows.net"


class Store:
    def __init__(self, name, properties):
        self.is_azure = name == "azure"
        self.properties = properties
        self.root = f"abfss://lake@{HOST}" if self.is_azure else "gs://lake"
        connection = dict(part.split("=", 1) for part in properties.get("adls.connection-string", "").split(";") if part)
        self.endpoint = connection["BlobEndpoint"].rsplit("/", 1)[0] if self.is_azure else properties["gcs.service.host"]

    def at(self, url):
        """The properties that reach the store through a proxy."""
        return {key: value.replace(self.endpoint, url) for key, value in self.properties.items()}

    def place(self, url):
        """The same without keys and tokens."""
        if self.is_azure:
            authority = url.removeprefix("http://")
            return {"adls.account-name": servers.ACCOUNT, "adls.blob-storage-authority": authority, "adls.blob-storage-scheme": "http"}
        return {"gcs.service.host": url}

    def open(self, folder, properties=None, **more):
        settings = {"uri": f"sqlite:///{folder}/{uuid.uuid4().hex}.db", "warehouse": f"{self.root}/{uuid.uuid4().hex}"}
        return frazil.load_catalog("store", **settings | (properties or self.properties) | more)


@pytest.fixture(params=["gcs", "azure"])
def store(request):
    return Store(request.param, request.getfixturevalue(f"{request.param}_store"))


@pytest.fixture
def proxy(store):
    with running_gate(StoreProxy(store.endpoint)) as made:
        yield made


@pytest.fixture
def gate(store):
    with running_gate(TokenGate(store.endpoint, store.is_azure)) as made:
        yield made


@pytest.fixture
def services(gate):
    with running_gate(TokenServices(gate)) as made:
        yield made


@pytest.fixture(autouse=True)
def no_other_keys(monkeypatch, tmp_path):
    for name in ["GOOGLE_APPLICATION_CREDENTIALS", "GCE_METADATA_HOST"]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def use(catalog, name="ns.t"):
    table = make_table(catalog, name)
    table.append(rows(0, 5))
    assert ids(table) == list(range(5))
    return table


# ---- names, sizes, faults ----


@pytest.mark.parametrize("odd", ["a=b", "with space", "caf\u00e9-\u6e29\u5ea6", "plus+and&", "percent%41", "a'b(c)!*;:@$,~"])
def test_odd_names(store, tmp_path, odd):
    use(store.open(tmp_path), f"ns.{odd}")


def test_a_large_file_is_uploaded_in_parts_and_read_in_ranges(store, proxy, tmp_path):
    data = random_rows(700_000)  # 20 MB as Parquet
    table = make_table(store.open(tmp_path, store.at(proxy.url)))
    table.append(data)
    part = "comp=block&" if store.is_azure else "upload_id="
    assert sum(part in path for _, path, _ in proxy.log) >= 2
    assert table.scan().to_arrow().sort_by("id").equals(data)


@pytest.mark.parametrize("kind, more", [fault for fault in FAULTS if "body" not in fault[1]], ids=lambda value: str(value))
def test_each_kind_of_request_survives_a_fault(store, proxy, tmp_path, kind, more):
    """The first request of each method, and every fifth after, meets the fault: nothing is lost or doubled."""
    catalog = store.open(tmp_path, store.at(proxy.url))
    table = make_table(catalog)
    seen = {}

    def matches(method, path):
        seen[method] = seen.get(method, -1) + 1
        return seen[method] % 5 == 0

    proxy.befall(kind, times=1000, matches=matches, **more)
    for start in range(0, 50, 10):
        table.append(rows(start, start + 10))
    table.delete("id < 5")
    assert ids(catalog.load_table("ns.t")) == list(range(5, 50))
    assert proxy.count(kind) >= 3
    before = len(proxy.log)
    catalog.drop_table("ns.t", purge=True)
    assert len(proxy.log) > before


@pytest.mark.parametrize("kind, more", FAULTS[:3] + FAULTS[5:6] + FAULTS[8:], ids=lambda value: str(value))
def test_parts_of_an_upload_survive_faults(store, proxy, tmp_path, kind, more):
    """A part that was kept although nobody heard of it is in the object once."""
    data = random_rows(700_000)
    table = make_table(store.open(tmp_path, store.at(proxy.url)))
    seen = []

    def matches(method, path):
        is_part = ("comp=block" if store.is_azure else "upload_id=") in path
        seen.extend([path] if is_part else [])
        return is_part and len(seen) % 2 == 0

    proxy.befall(kind, times=3, matches=matches, **more)
    table.append(data)
    assert proxy.count(kind) >= 1
    assert table.scan().to_arrow().sort_by("id").equals(data)


def test_an_upload_that_ends_early_leaves_nothing(store, proxy, tmp_path):
    catalog = store.open(tmp_path, store.at(proxy.url))
    table = make_table(catalog)
    seen = []

    def is_second_part(method, path):
        seen.extend([path] if ("comp=block&" if store.is_azure else "upload_id=") in path else [])
        return len(seen) == 2

    proxy.befall("status", matches=is_second_part, status=403)
    with pytest.raises(frazil.AuthError):
        table.append(random_rows(700_000))
    if not store.is_azure:
        assert [method for method, path, _ in proxy.log if "upload_id=" in path][-1] == "DELETE"
    assert ids(table) == []
    assert table.maintenance.remove_orphan_files(datetime.timedelta(0), allow_recent=True).num_rows == 0


def test_retries_end_and_say_so(store, proxy, tmp_path):
    catalog = store.open(tmp_path, store.at(proxy.url))
    use(catalog)
    proxy.befall("status", times=10_000, matches=lambda method, path: method == "GET", status=503)
    with pytest.raises(frazil.StorageError, match="HTTP 503"):
        catalog.load_table("ns.t")
    assert 2 <= proxy.count("status") <= 16


class PagedProxy(StoreProxy):
    """Pages of a listing are short."""

    def _forward(self, handler, body):
        if "prefix=" in handler.path:
            handler.path += "&maxresults=10&maxResults=10"
        return super()._forward(handler, body)


def test_a_listing_of_many_pages(store, tmp_path):
    with running_gate(PagedProxy(store.endpoint)) as proxy:
        properties = store.at(proxy.url)
        if store.is_azure:  # a signature of the account's key would not hold for what the proxy adds
            properties = {**store.place(proxy.url), "adls.sas-token": servers.blob_sas()}
        catalog = store.open(tmp_path, properties)
        catalog.create_namespace("ns")
        table = catalog.create_table("ns.t", schema=pa.schema([("id", pa.int64())]), partition_spec="bucket(64, id)")
        table.append(pa.table({"id": range(500)}))
        location = table.location()
        catalog.drop_table("ns.t")
        other = catalog.create_table("ns.u", schema=pa.schema([("id", pa.int64())]), location=location)
        other.append(pa.table({"id": [1]}))
        found = other.maintenance.remove_orphan_files(datetime.timedelta(0), dry_run=False, allow_recent=True)
        assert sum(found["removed"].to_pylist()) >= 64
        assert sum("prefix=" in path for _, path, _ in proxy.log) >= 7
        assert ids(other) == [1]


# ---- who may ask ----


def said_by(work):
    with pytest.raises(frazil.FrazilError) as refused:
        work()
    return refused.value, f"{refused.value} {refused.value!r}"


def test_without_credentials_the_error_says_what_to_set(store, tmp_path):
    error, said = said_by(lambda: make_table(store.open(tmp_path, store.place(store.endpoint))))
    assert isinstance(error, frazil.AuthError)
    for name in ["adls.account-key", "adls.sas-token"] if store.is_azure else ["gcs.oauth2.token", "gcs.credentials-file"]:
        assert name in said


def test_a_container_that_is_not_there(store, tmp_path):
    warehouse = store.root.replace("lake", "no-such-lake") + "/w"
    error, said = said_by(lambda: make_table(store.open(tmp_path, warehouse=warehouse)))
    assert "HTTP 404" in said and "create the" in said, said


def test_a_wrong_key_is_refused_without_being_told(azure_store, tmp_path):
    store = Store("azure", azure_store)
    wrong = "d3Jvbmcga2V5IG9mIGFuIGFjY291bnQ="
    settings = {**store.place(store.endpoint), "adls.account-key": wrong}
    error, said = said_by(lambda: make_table(store.open(tmp_path, settings)))
    assert isinstance(error, frazil.AuthError) and "AuthorizationFailure" in said or "AuthenticationFailed" in said
    assert wrong not in said and servers.ACCOUNT_KEY not in said
    error, said = said_by(lambda: make_table(store.open(tmp_path, {**settings, "adls.account-key": "no base64!"})))
    assert "adls.account-key" in said and "no base64!" not in said
    error, said = said_by(lambda: make_table(store.open(tmp_path, {**settings, "adls.account-name": "another"})))
    assert "another" in said


@pytest.mark.parametrize("key", ["adls.sas-token", f"adls.sas-token.{HOST}"])
def test_shared_access_signatures(azure_store, tmp_path, key):
    store = Store("azure", azure_store)
    place = store.place(store.endpoint)
    use(store.open(tmp_path, {**place, key: servers.blob_sas()}))
    use(store.open(tmp_path, {**place, key: "?" + servers.blob_sas()}), "ns.odd name=1")
    ended = servers.blob_sas(ends_s=-60)
    error, said = said_by(lambda: make_table(store.open(tmp_path, {**place, key: ended})))
    assert isinstance(error, frazil.AuthError) and "HTTP 403" in said
    for secret in [ended, ended.partition("sig=")[2]]:
        assert secret not in said


def test_a_given_token(store, gate, tmp_path):
    gate.tokens.add("the/given=token")
    key = "adls.token" if store.is_azure else "gcs.oauth2.token"
    use(store.open(tmp_path, {**store.place(gate.url), key: "the/given=token"}))
    error, said = said_by(lambda: make_table(store.open(tmp_path, {**store.place(gate.url), key: "another/token"})))
    assert isinstance(error, frazil.AuthError) and "another/token" not in said


def credentials(store, services, tmp_path, kind):
    """The properties of one way to get tokens."""
    place = store.place(services.gate.url)
    if store.is_azure:
        return {**place, "adls.tenant-id": "tenant", "adls.client-id": "client", "adls.client-secret": "client+secret",
                "adls.authority-host": services.url}
    if kind == "account":
        return {**place, "gcs.credentials-file": services.account_file(tmp_path / "account.json")}
    if kind == "user":
        services.user_file(tmp_path / ".config" / "gcloud" / "application_default_credentials.json")
    elif kind == "environment":
        os.environ["GOOGLE_APPLICATION_CREDENTIALS"] = services.account_file(tmp_path / "account.json")
    else:
        os.environ["GCE_METADATA_HOST"] = services.url.removeprefix("http://")
    return {**place, "gcs.credentials-source": "default"}


@pytest.mark.parametrize("store, kind", [("azure", "secret"), *(("gcs", kind) for kind in ["account", "user", "environment", "metadata"])], indirect=["store"])
def test_tokens_are_fetched_and_renewed(store, services, tmp_path, monkeypatch, kind):
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "")
    monkeypatch.setenv("GCE_METADATA_HOST", "")
    table = use(store.open(tmp_path, credentials(store, services, tmp_path, kind)))
    assert len(services.asked) == 1
    services.life_s = 0  # the next ones end at once: each request fetches its own
    time.sleep(1.1)  # a token of this second is not replaced because a server refuses it
    services.end_tokens()
    table.append(rows(5, 10))
    assert ids(table) == list(range(10))
    assert services.gate.refused >= 1 and len(services.asked) >= 3


def test_refused_credentials_are_not_told(store, services, tmp_path):
    settings = credentials(store, services, tmp_path, "account")
    if store.is_azure:
        settings["adls.client-secret"] = "wrong+secret"
    else:
        services.account_file(tmp_path / "account.json")
        services.key = type(services)(services.gate).key  # another one now
    error, said = said_by(lambda: make_table(store.open(tmp_path, settings)))
    assert isinstance(error, frazil.AuthError) and "invalid_client" in said
    for secret in [*services.secrets(), "wrong+secret", "assertion"]:
        assert secret not in said


@pytest.mark.parametrize("text, says", [("{", "not a file of Google credentials"), ('{"type": "external_account"}', "external_account"),
                                        ('{"type": "service_account", "private_key": "hush"}', "not whole"),
                                        ('{"type": "service_account", "private_key": "hush", "client_email": "me"}', "RSA key")])
def test_files_of_google_credentials_that_are_none(gcs_store, tmp_path, text, says):
    store = Store("gcs", gcs_store)
    (tmp_path / "bad.json").write_text(text)
    settings = {**store.place(store.endpoint), "gcs.credentials-file": str(tmp_path / "bad.json")}
    error, said = said_by(lambda: make_table(store.open(tmp_path, settings)))
    assert says in said and "hush" not in said
    error, said = said_by(lambda: make_table(store.open(tmp_path, {**settings, "gcs.credentials-file": str(tmp_path / "none.json")})))
    assert isinstance(error, frazil.AuthError)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 500])
def test_errors_that_say_secrets_back(store, proxy, tmp_path, status):
    settings = store.at(proxy.url)
    secrets = [servers.ACCOUNT_KEY, "sig-of-a-sas"] if store.is_azure else [settings["gcs.oauth2.token"]]
    if store.is_azure:
        settings["adls.sas-token"] = "sv=1&sig=sig-of-a-sas"
    echo = " ".join(secrets)
    bodies = [f"<Error><Code>{echo}</Code><Message>{echo}</Message></Error>", f'{{"error": {{"message": "{echo}", "code": 403}}}}', echo]
    for body in bodies:
        proxy.befall("status", times=1000, status=status, body=body.encode())
        error, said = said_by(lambda: make_table(store.open(tmp_path, settings)))
        proxy.rules.clear()
        for secret in secrets:
            assert secret not in said
