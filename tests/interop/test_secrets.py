"""No credential in anything that frazil says: errors, logs, reprs, JSON, files; also where a server says it back."""

import base64
import contextlib
import json
import logging
import os
import pathlib
import subprocess
import traceback
import urllib.parse
import uuid

import pyarrow as pa
import pytest
import servers
from aws_gate import S3Gate, running_gate
from fault_proxy import fault_proxy
from feast import FeatureStore
from test_object_stores import Store
from token_gate import StoreProxy, TokenGate, TokenServices

import frazil
import frazil.feast

ROOT = pathlib.Path(__file__).resolve().parents[2]
COMMAND = pathlib.Path(os.environ.get("FRAZIL_BUILD", ROOT / "build" / "asan")) / "cli" / "frazil"
S3_KEYS = ("AKfrazilsecretid", "frazil/secret+of=s3", "frazil+session/token==")
REST = {"credential": "client:frazil-client-secret/1", "token": "frazil-bearer-token/2", "header.X-Team": "frazil-header-secret"}
OWN = (servers.ACCESS_KEY, servers.SECRET_KEY)
COMMANDS = ["catalog ls", "table ls {n}", "table show {n}.t", "table files {n}.t", "table snapshots {n}.t", "table metadata_log_entries {n}.t",
            "scan {n}.t", "explain scan {n}.t --run", "verify {n}.t", "expire {n}.t", "orphans {n}.t", "compact {n}.t"]


class Reach:
    """A catalog with its store, what must never be told, the proxies on the way to both with what each is told, and a
    property with a wrong value."""

    def __init__(self, properties, proxies, wrong, root="s3://lake"):
        self.properties = properties
        self.proxies = proxies
        self.wrong = wrong
        self.root = root
        self.more_secrets = ["frazil:pg@pass/word"]

    def open(self, **more):
        return frazil.load_catalog("secret", **{**self.properties, **more})

    def with_wrong(self):
        key, value = self.wrong
        self.more_secrets.append(value)
        return {**self.properties, key: value}

    def check(self, text, where):
        for secret in [*sum(self.proxies.values(), []), *self.more_secrets]:
            for form in secret, urllib.parse.quote(secret, safe=""), base64.b64encode(secret.encode()).decode():
                assert form not in text, f"{where}: {text}"


class OneToken(TokenServices):
    """Gives out one token to all, so that a store which says it back says the one that it was sent."""

    TOKEN = "frazil-fetched/token+1="

    def _give(self):
        self.gate.tokens.add(self.TOKEN)
        return 200, {"access_token": self.TOKEN, "token_type": "Bearer", "expires_in": self.life_s}


def account_of(services, request):
    return {"gcs.credentials-file": services.account_file(request.getfixturevalue("tmp_path_factory").mktemp("keys") / "account.json")}


@contextlib.contextmanager
def reach_of_other_store(kind, request, folder):
    """Google's or Azure's store, with one of the proofs that it takes."""
    name, _, proof = kind.partition("-")
    store = Store(name, request.getfixturevalue(f"{name}_store"))
    told, kept = [], []  # the second never leaves this machine
    with contextlib.ExitStack() as stack:
        checks_tokens = proof in ("token", "account", "application")
        gate = stack.enter_context(running_gate(TokenGate(store.endpoint, store.is_azure) if checks_tokens else StoreProxy(store.endpoint)))
        services = stack.enter_context(running_gate(OneToken(gate)))
        if proof == "token":
            own = {"adls.token" if store.is_azure else "gcs.oauth2.token": "frazil/given+token="}
            gate.tokens.add("frazil/given+token=")
        elif proof == "account":
            own = account_of(services, request)
            kept += services.pem().splitlines()[1:3]
        elif proof == "application":
            own = {"adls.tenant-id": "tenant", "adls.client-id": "client", "adls.client-secret": "client+secret", "adls.authority-host": services.url}
        elif proof == "signature":
            own = {"adls.sas-token": servers.blob_sas()}
            told += dict(urllib.parse.parse_qsl(own["adls.sas-token"]))["sig"],
        else:
            own = {"adls.account-key": servers.ACCOUNT_KEY}
        if proof in ("account", "application"):
            told.append(OneToken.TOKEN)
        told += [value for key, value in own.items() if key in ("adls.token", "gcs.oauth2.token", "adls.client-secret", "adls.account-key")]
        key = next(key for key in reversed(own) if key != "adls.authority-host")
        wrong = base64.b64encode(b"frazil-wrong-secret").decode()
        properties = {"type": "sql", "uri": f"sqlite:///{folder}/catalog.db", "warehouse": f"{store.root}/{uuid.uuid4().hex}",
                      **store.place(gate.url), **own}
        reach = Reach(properties, {gate: told}, (key, f"sv=1&sig={wrong}" if proof == "signature" else wrong), store.root)
        reach.more_secrets += kept
        yield reach
        gate.rules.clear()


@contextlib.contextmanager
def reach_of(kind, request, folder):
    store = request.getfixturevalue("s3_store")
    with contextlib.ExitStack() as stack:
        gate = stack.enter_context(running_gate(S3Gate(store["s3.endpoint"], [S3_KEYS], OWN)))
        properties = {"s3.endpoint": gate.url, "s3.region": "us-east-1", "s3.access-key-id": S3_KEYS[0], "s3.secret-access-key": S3_KEYS[1],
                      "s3.session-token": S3_KEYS[2], "warehouse": f"s3://lake/{uuid.uuid4().hex}"}
        proxies = {gate: [*S3_KEYS]}  # and what each is told
        if kind == "rest":
            proxy = stack.enter_context(fault_proxy(request.getfixturevalue("rest_s3")))
            properties |= {"type": "rest", "uri": proxy.url, **REST}
            del properties["warehouse"]
            proxies[proxy] = ["frazil-client-secret/1", "frazil-bearer-token/2", "frazil-header-secret"]
        elif kind == "glue":
            glue = request.getfixturevalue("glue")
            glue.keys.append(("AKglueSecretId", "glue/secret+key=", "glue+token/=="))
            properties |= {"type": "glue", "glue.endpoint": glue.url, "glue.region": "us-east-1", "glue.access-key-id": "AKglueSecretId",
                           "glue.secret-access-key": "glue/secret+key=", "glue.session-token": "glue+token/=="}
            proxies[glue] = ["AKglueSecretId", "glue/secret+key=", "glue+token/=="]
        elif kind == "postgresql":
            properties |= {"type": "sql", "uri": request.getfixturevalue("postgres_uri")}
        else:
            properties |= {"type": "sql", "uri": f"sqlite:///{folder}/catalog.db"}
        yield Reach(properties, proxies, ("s3.secret-access-key", "frazil-wrong-secret"))
        for proxy in proxies:
            proxy.rules.clear()


@pytest.fixture(params=["sqlite", "postgresql", "rest", "glue", "gcs-token", "gcs-account", "azure-key", "azure-signature", "azure-token",
                        "azure-application"])
def reach(request, tmp_path):
    start = reach_of_other_store if "-" in request.param else reach_of
    with start(request.param, request, tmp_path) as made:
        yield made


@pytest.fixture
def namespace(reach):
    name = "n" + uuid.uuid4().hex[:12]
    catalog = reach.open()
    catalog.create_namespace(name, {"owner": "tests"})
    catalog.create_table(f"{name}.t", schema=pa.schema([("id", pa.int64())])).append(rows(0))
    return name


def rows(start):
    return pa.table({"id": range(start, start + 3)})


def said_by(work):
    """All that a failure says; "" where there is none."""
    try:
        work()
    except Exception as error:
        parts = [str(error), repr(error), repr(error.args), repr(vars(error)), "".join(traceback.format_exception(error))]
        return "\n".join(parts)
    return ""


def operations(reach, namespace):
    catalog = reach.open()
    table = catalog.load_table(f"{namespace}.t")
    yield lambda: reach.open().list_namespaces()
    yield lambda: catalog.list_tables(namespace)
    yield lambda: catalog.load_table(f"{namespace}.t").scan().to_arrow()
    yield lambda: catalog.load_table(f"{namespace}.none")
    yield lambda: catalog.create_table(f"{namespace}.u{uuid.uuid4().hex[:6]}", schema=pa.schema([("id", pa.int64())]))
    yield lambda: catalog.register_table(f"{namespace}.r", f"{reach.root}/{namespace}/none.metadata.json")
    yield lambda: table.append(rows(3))
    yield lambda: table.delete("id = 1")
    yield lambda: table.maintenance.compact()
    yield lambda: table.maintenance.verify(read_data=True)
    yield lambda: catalog.drop_namespace(namespace)


def echo(secrets):
    """Errors in each server's form that say everything back, in every field."""
    secret_text = " ".join(secrets)
    xml = f"<Error><Code>{{code}}</Code><Message>{secret_text}</Message><AWSAccessKeyId>{secret_text}</AWSAccessKeyId></Error>"
    for code in "AccessDenied", secrets[0]:
        yield xml.format(code=code).encode()
        yield json.dumps({"error": {"message": secret_text, "type": code, "code": 403}, "__type": code, "Message": secret_text, "message": secret_text}).encode()
    yield secret_text.encode()


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 501])
def test_errors_where_servers_say_secrets_back(reach, namespace, status, caplog):
    caplog.set_level(logging.DEBUG)
    failed = 0
    bodies = {proxy: list(echo(secrets)) for proxy, secrets in reach.proxies.items()}
    for turn in range(len(next(iter(bodies.values())))):
        for work in operations(reach, namespace):
            for proxy, texts in bodies.items():
                proxy.befall("status", times=1000, status=status, body=texts[turn])
            said = said_by(work)
            for proxy in bodies:
                proxy.rules.clear()
            reach.check(said, "error")
            failed += said != ""
    assert failed > 10
    reach.check(caplog.text, "log")


def test_wrong_keys(reach, namespace):
    for key in [key for key in reach.properties if "key" in key or "token" in key or "secret" in key or key == "credential"]:
        wrong = "frazil-wrong-secret/" + key
        reach.more_secrets.append(wrong)
        more = {key: wrong} if key != "credential" else {"credential": f"client:{wrong}", "token": ""}
        reach.check(said_by(lambda: reach.open(**more).load_table(f"{namespace}.t").append(rows(9))), key)


def test_reprs_and_attributes(reach, namespace):
    catalog = reach.open()
    table = catalog.load_table(f"{namespace}.t")
    for thing in catalog, table, table.scan(), table.maintenance, table.inspect, table.current_snapshot(), table.append(rows(3)):
        for text in repr(thing), str(thing), repr(getattr(thing, "__dict__", "")):
            reach.check(text, type(thing).__name__)


def test_no_file_holds_one(reach, namespace, tmp_path):
    catalog = reach.open()
    table = catalog.load_table(f"{namespace}.t")
    table.append(rows(3))
    local = frazil.load_catalog("secret", **{**reach.properties, "type": "sql", "uri": f"sqlite:///{tmp_path}/c.db", "warehouse": str(tmp_path / "w")})
    local.create_namespace("n")
    local.create_table("n.t", schema=pa.schema([("id", pa.int64())])).append(rows(0))
    for path in [path for path in tmp_path.rglob("*") if path.is_file()]:
        reach.check(path.read_bytes().decode("latin-1"), str(path))
    reach.check(json.dumps(table.properties), "table properties")


@pytest.mark.parametrize("is_wrong", [False, True])
def test_the_command(reach, namespace, tmp_path, is_wrong):
    if not COMMAND.exists():
        pytest.skip(f"no command at {COMMAND}; make test builds it")
    properties = reach.with_wrong() if is_wrong else reach.properties
    options = ["--catalog", "secret", *(option for key, value in properties.items() for option in ("-p", f"{key}={value}"))]
    for command in COMMANDS:
        for form in [], ["--json"]:
            line = [str(COMMAND), *command.format(n=namespace).split(), *options, *form]
            done = subprocess.run(line, capture_output=True, text=True, cwd=tmp_path, timeout=120)
            reach.check(done.stdout + done.stderr, command)
            is_usage = "usage" in done.stderr or "unknown option" in done.stderr
            assert is_usage or is_wrong or done.returncode == 0, done.stderr


@pytest.mark.parametrize("is_wrong", [False, True])
def test_a_feast_repo(reach, namespace, tmp_path, caplog, is_wrong):
    caplog.set_level(logging.DEBUG)
    properties = reach.with_wrong() if is_wrong else reach.properties
    properties = {key: value for key, value in properties.items() if key not in ("type", "uri", "warehouse")}
    store = {"catalog_type": reach.properties["type"], "namespace": namespace, "storage_options": properties,
             **{key: reach.properties[key] for key in ("uri", "warehouse") if key in reach.properties}}
    lines = json.dumps({"project": "p", "provider": "local", "registry": str(tmp_path / "registry.db"), "entity_key_serialization_version": 3,
                        "offline_store": {"type": "frazil.feast.IcebergOfflineStore", **store},
                        "online_store": {"type": "frazil.feast.IcebergOnlineStore", **store}})
    (tmp_path / "feature_store.yaml").write_text(lines)
    repo = FeatureStore(repo_path=str(tmp_path))
    for thing in repo.config.offline_store, repo.config.online_store:
        reach.check(repr(thing) + str(thing), "configuration")
    source = frazil.feast.FrazilSource(table=f"{namespace}.none", timestamp_field="ts")
    reach.check(said_by(lambda: source.validate(repo.config)), "source")
    reach.check(said_by(lambda: frazil.feast.catalog(repo.config).load_table(f"{namespace}.t").append(rows(6))), "catalog")
    reach.check(said_by(lambda: frazil.feast.publish(repo)), "publish")
    reach.check(repr(source), "source")
    reach.check(caplog.text, "log")
