"""Where keys come from, how they end, and what else a connection may need: every source, through signatures that are checked."""

import datetime
import time
import uuid

import pyarrow as pa
import pytest
import servers
from aws_gate import KeyServices, S3Gate, running_gate

import frazil

BASE = ("base-key", "base/secret+of=role", None)
OWN = (servers.ACCESS_KEY, servers.SECRET_KEY)
SCHEMA = pa.schema([("id", pa.int64())])


class Lake:
    """An S3 whose keys are temporary, and the services that give them out."""

    def __init__(self, gate):
        self.gate = gate
        self.life_s = 3600
        self.services = KeyServices(self.next_keys, [BASE])

    def next_keys(self):
        keys = (f"temporary-{len(self.gate.keys)}", f"secret/{uuid.uuid4().hex}", f"token+/{uuid.uuid4().hex}==")
        self.gate.keys.append(keys)
        return (*keys, self.life_s)

    def end_keys(self):
        self.gate.ended |= {key for key, _, _ in self.gate.keys}

    def open(self, folder, **properties):
        settings = {"uri": f"sqlite:///{folder}/{uuid.uuid4().hex}.db", "warehouse": f"s3://lake/{uuid.uuid4().hex}",
                    "s3.endpoint": self.gate.url, "s3.region": "us-east-1"}
        catalog = frazil.load_catalog("lake", **settings | {key.replace("_", ".", 1).replace("_", "-"): value for key, value in properties.items()})
        catalog.create_namespace("n")
        return catalog

    def secrets(self):
        return [text for keys in [*self.gate.keys, BASE] for text in keys if text]


@pytest.fixture
def lake(s3_store):
    with running_gate(S3Gate(s3_store["s3.endpoint"], [], OWN)) as gate:
        made = Lake(gate)
        with running_gate(made.services):
            yield made


@pytest.fixture(autouse=True)
def no_other_keys(monkeypatch, tmp_path):
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_REGION"]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def write_and_read(catalog, name="n.t"):
    table = catalog.create_table(name, schema=SCHEMA)
    table.append(pa.table({"id": [1, 2]}))
    assert table.scan().to_arrow()["id"].to_pylist() == [1, 2]
    return table


def use_web_identity(lake, folder, monkeypatch):
    (folder / "web-token").write_text("the-web-token\n")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(folder / "web-token"))
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::1:role/web")
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", lake.services.url)


def use_container(lake, folder, monkeypatch):
    (folder / "container-token").write_text("container-secret\n")
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", lake.services.url + "/container")
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", str(folder / "container-token"))


def use_instance(lake, folder, monkeypatch):
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", lake.services.url)


SOURCES = {"web-identity": use_web_identity, "container": use_container, "instance": use_instance}


@pytest.mark.parametrize("asked", ["default", None])
@pytest.mark.parametrize("source", SOURCES)
def test_keys_of_a_service(lake, tmp_path, monkeypatch, source, asked):
    SOURCES[source](lake, tmp_path, monkeypatch)
    if source != "instance":  # "default" ends there
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1")
    write_and_read(lake.open(tmp_path, s3_credentials_source=asked or source))
    assert set(lake.gate.seen) == {"temporary-0"}


@pytest.mark.parametrize("source", SOURCES)
def test_a_service_that_refuses_is_named_without_secrets(lake, tmp_path, monkeypatch, source):
    SOURCES[source](lake, tmp_path, monkeypatch)
    (tmp_path / "web-token").write_text("wrong-web-token")
    (tmp_path / "container-token").write_text("wrong-container-token")
    monkeypatch.setattr(lake.services, "next_keys", lambda: ("", "", "", 1))
    with pytest.raises(frazil.AuthError, match="AssumeRoleWithWebIdentity: HTTP 403 InvalidIdentityToken|container credentials: HTTP 401|instance metadata, credentials: the answer holds no credentials") as refused:
        write_and_read(lake.open(tmp_path, s3_credentials_source=source))
    assert "wrong" not in str(refused.value)


def test_a_role_is_assumed_with_given_keys(lake, tmp_path):
    catalog = lake.open(tmp_path, s3_access_key_id=BASE[0], s3_secret_access_key=BASE[1], s3_role_arn="arn:aws:iam::1:role/reader",
                        s3_role_session_name="tests", s3_sts_endpoint=lake.services.url)
    write_and_read(catalog)
    assert set(lake.gate.seen) == {"temporary-0"}
    assert lake.services.asked == [{"Action": "AssumeRole", "Version": "2011-06-15", "RoleArn": "arn:aws:iam::1:role/reader", "RoleSessionName": "tests"}]


def test_a_role_is_assumed_with_found_keys(lake, tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", BASE[0])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", BASE[1])
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", lake.services.url)
    write_and_read(lake.open(tmp_path, s3_credentials_source="environment", client_role_arn="arn:aws:iam::1:role/r"))
    assert set(lake.gate.seen) == {"temporary-0"}


def test_a_role_that_may_not_be_assumed(lake, tmp_path):
    with pytest.raises(frazil.AuthError, match="AssumeRole: HTTP 403 SignatureDoesNotMatch") as refused:
        write_and_read(lake.open(tmp_path, s3_access_key_id=BASE[0], s3_secret_access_key="wrong/secret", s3_role_arn="arn:aws:iam::1:role/r",
                                 s3_sts_endpoint=lake.services.url))
    assert "wrong/secret" not in str(refused.value) and BASE[0] not in str(refused.value)


def test_keys_that_ended_before_their_time_are_fetched_anew(lake, tmp_path, monkeypatch):
    use_instance(lake, tmp_path, monkeypatch)
    catalog = lake.open(tmp_path, s3_credentials_source="instance")
    table = write_and_read(catalog)
    lake.end_keys()
    time.sleep(1.1)  # keys that are a second old are not asked for again
    table.append(pa.table({"id": [3]}))
    assert set(lake.gate.seen) == {"temporary-0", "temporary-1"}


def test_keys_are_renewed_before_they_end(lake, tmp_path, monkeypatch):
    use_container(lake, tmp_path, monkeypatch)
    lake.life_s = 0  # each is at its end when it comes
    write_and_read(lake.open(tmp_path, s3_credentials_source="container"))
    assert len(set(lake.gate.seen)) > 3


def test_given_session_tokens_are_signed_and_told_when_they_end(lake, tmp_path):
    access, secret, token, _ = lake.next_keys()
    catalog = lake.open(tmp_path, s3_access_key_id=access, s3_secret_access_key=secret, s3_session_token=token)
    table = write_and_read(catalog)
    lake.end_keys()
    with pytest.raises(frazil.StorageError, match="ExpiredToken.*get new credentials") as refused:
        table.append(pa.table({"id": [3]}))
    assert not [text for text in lake.secrets() if text in str(refused.value)]


@pytest.mark.parametrize("minutes", [-30, 30])
def test_a_clock_that_differs_is_put_right(lake, tmp_path, minutes):
    lake.gate.clock_ahead = datetime.timedelta(minutes=minutes)
    access, secret, token, _ = lake.next_keys()
    write_and_read(lake.open(tmp_path, s3_access_key_id=access, s3_secret_access_key=secret, s3_session_token=token))


def test_buckets_in_the_hosts_name(s3_store, tmp_path):
    # *.localhost is this machine to libcurl.
    with running_gate(S3Gate(s3_store["s3.endpoint"], [BASE], OWN, domain="localhost")) as gate:
        catalog = frazil.load_catalog("lake", **{
            "uri": f"sqlite:///{tmp_path}/c.db", "warehouse": f"s3://lake/{uuid.uuid4().hex}", "s3.region": "us-east-1",
            "s3.endpoint": gate.url.replace("127.0.0.1", "localhost"), "s3.force-virtual-addressing": "true",
            "s3.access-key-id": BASE[0], "s3.secret-access-key": BASE[1]})
        catalog.create_namespace("n")
        table = write_and_read(catalog)
        table.delete("id = 1")
        catalog.drop_table("n.t", purge=True)
        assert gate.hosts == {f"lake.localhost:{gate.server.server_port}"}
