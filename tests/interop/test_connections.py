"""TLS with a CA and certificates of one's own, keys that a REST catalog lends, and its pages."""

import contextlib
import datetime
import ipaddress
import json
import ssl
import time
import uuid

import pyarrow as pa
import pytest
import servers
from aws_gate import S3Gate, running_gate
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from fault_proxy import FaultProxy, fault_proxy
from token_gate import TokenGate

import frazil

SCHEMA = pa.schema([("id", pa.int64())])
OWN = (servers.ACCESS_KEY, servers.SECRET_KEY)


def write_and_read(catalog):
    namespace = "n" + uuid.uuid4().hex[:12]
    catalog.create_namespace(namespace)
    table = catalog.create_table(f"{namespace}.t", schema=SCHEMA)
    table.append(pa.table({"id": [1, 2]}))
    assert table.scan().to_arrow()["id"].to_pylist() == [1, 2]
    return table


# ---- TLS ----

class Authority:
    """A certificate authority of the tests' own."""

    def __init__(self, folder):
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "tests")])
        self.file = self._write("ca", self._certificate(self.name, self.key, [], is_authority=True), self.key)[0]

    def _certificate(self, name, key, names, is_authority=False):
        now = datetime.datetime.now(datetime.timezone.utc)
        made = (x509.CertificateBuilder().subject_name(name).issuer_name(self.name).public_key(key.public_key())
                .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
                .not_valid_after(now + datetime.timedelta(days=1)).add_extension(x509.BasicConstraints(is_authority, None), critical=True))
        if names:
            made = made.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return made.sign(self.key, hashes.SHA256())

    def _write(self, name, certificate, key):
        paths = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        paths[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        return [str(path) for path in paths]

    def issue(self, name):
        """The files of a certificate and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        return self._write(name, self._certificate(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]), key, names), key)


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


@contextlib.contextmanager
def tls(target, authority, wants_client=False):
    """The address of a proxy that speaks TLS."""
    proxy = FaultProxy(target)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("server"))
    if wants_client:
        context.load_verify_locations(authority.file)
        context.verify_mode = ssl.CERT_REQUIRED
    proxy.server.socket = context.wrap_socket(proxy.server.socket, server_side=True, do_handshake_on_connect=False)
    with running_gate(proxy):
        yield proxy.url.replace("http://", "https://")


def open_s3(folder, store, **more):
    settings = {"uri": f"sqlite:///{folder}/c.db", "warehouse": f"s3://lake/{uuid.uuid4().hex}", **store, **more}
    return frazil.load_catalog("lake", **settings)


def test_s3_by_a_ca_of_ones_own(s3_store, authority, tmp_path):
    with tls(s3_store["s3.endpoint"], authority) as url:
        write_and_read(open_s3(tmp_path, s3_store, **{"s3.endpoint": url, "ssl.cabundle": authority.file}))


def test_a_certificate_of_an_unknown_ca_is_refused(s3_store, authority, tmp_path):
    with tls(s3_store["s3.endpoint"], authority) as url:
        with pytest.raises(frazil.StorageError, match="certificate"):
            write_and_read(open_s3(tmp_path, s3_store, **{"s3.endpoint": url}))


def test_a_certificate_to_show(s3_store, authority, tmp_path):
    certificate, key = authority.issue("client")
    with tls(s3_store["s3.endpoint"], authority, wants_client=True) as url:
        settings = {"s3.endpoint": url, "ssl.cabundle": authority.file}
        write_and_read(open_s3(tmp_path, s3_store, **settings, **{"ssl.client.cert": certificate, "ssl.client.key": key}))


def test_a_rest_catalog_by_a_ca_of_ones_own(rest_local, authority):
    with tls(rest_local, authority) as url:
        write_and_read(frazil.load_catalog("rest", type="rest", uri=url, **{"ssl.cabundle": authority.file}))
        with pytest.raises(frazil.FrazilError, match="certificate"):
            frazil.load_catalog("rest", type="rest", uri=url)


# ---- lent keys ----

class Lender(FaultProxy):
    """A REST catalog that lends keys for its tables: new ones with each answer, which end after `life_s`."""

    def __init__(self, target, gate):
        super().__init__(target)
        self.gate = gate
        self.life_s = 3600
        self.by_prefix = False

    def _forward(self, handler, body):
        del handler.headers["accept-encoding"]  # to read the answer
        status, headers, content = super()._forward(handler, body)
        if status != 200 or "/tables" not in handler.path or b'"metadata"' not in content:
            return status, headers, content
        answer = json.loads(content)
        root, lent, wrong = self.lend(str(int((time.time() + self.life_s) * 1000)))
        if self.by_prefix:
            answer["storage-credentials"] = [{"prefix": root, "config": {**lent, **wrong}}, {"prefix": answer["metadata"]["location"], "config": lent}]
        else:
            answer["config"] = {**answer.get("config", {}), **lent}
        return status, [(n, v) for n, v in headers if n.lower() != "content-length"], json.dumps(answer).encode()


    def lend(self, ends_ms):
        keys = (f"lent-{len(self.gate.keys)}", f"secret/{uuid.uuid4().hex}", f"token+/{uuid.uuid4().hex}==")
        self.gate.keys.append(keys)
        lent = {"s3.access-key-id": keys[0], "s3.secret-access-key": keys[1], "s3.session-token": keys[2],
                "s3.session-token-expires-at-ms": ends_ms}
        return "s3://lake", lent, {"s3.access-key-id": "of-a-shorter-prefix"}


class TokenLender(Lender):
    """One that lends tokens for Google Cloud Storage."""

    def lend(self, ends_ms):
        token = f"lent.{uuid.uuid4().hex}"
        self.gate.tokens.add(token)
        lent = {"gcs.oauth2.token": token, "gcs.oauth2.token-expires-at": ends_ms}
        return "gs://lake", lent, {"gcs.oauth2.token": "of-a-shorter-prefix"}


@pytest.fixture
def lender(s3_store, rest_s3):
    with running_gate(S3Gate(s3_store["s3.endpoint"], [], OWN)) as gate, running_gate(Lender(rest_s3, gate)) as made:
        yield made


def open_lent(lender):
    return frazil.load_catalog("rest", type="rest", uri=lender.url, **{"s3.endpoint": lender.gate.url, "s3.region": "us-east-1"})


@pytest.mark.parametrize("by_prefix", [False, True])
def test_lent_keys_are_used_for_their_table(lender, by_prefix):
    lender.by_prefix = by_prefix
    write_and_read(open_lent(lender))
    assert lender.gate.seen and all(key.startswith("lent-") for key in lender.gate.seen)


def test_lent_keys_are_renewed_before_they_end(lender):
    lender.life_s = 30  # within a minute
    catalog = open_lent(lender)
    table = write_and_read(catalog)
    lender.gate.ended |= {key for key, _, _ in lender.gate.keys}
    assert table.scan().to_arrow()["id"].to_pylist() == [1, 2]
    assert len(set(lender.gate.seen)) >= 2


@pytest.fixture
def token_lender(gcs_store, rest_gcs):
    with running_gate(TokenGate(gcs_store["gcs.service.host"], is_azure=False)) as gate, running_gate(TokenLender(rest_gcs, gate)) as made:
        yield made


@pytest.mark.parametrize("by_prefix", [False, True])
def test_lent_tokens_are_used_and_renewed(token_lender, by_prefix):
    token_lender.by_prefix = by_prefix
    token_lender.life_s = 30  # within a minute
    catalog = frazil.load_catalog("rest", type="rest", uri=token_lender.url, **{"gcs.service.host": token_lender.gate.url})
    table = write_and_read(catalog)
    token_lender.gate.tokens.clear()
    assert table.scan().to_arrow()["id"].to_pylist() == [1, 2]
    assert token_lender.gate.refused == 0


# ---- pages ----

def test_a_rest_catalogs_lists_come_in_pages(rest_local):
    with fault_proxy(rest_local) as proxy:
        catalog = frazil.load_catalog("rest", type="rest", uri=proxy.url, **{"rest-page-size": "2"})
        namespace = "n" + uuid.uuid4().hex[:12]
        catalog.create_namespace(namespace)
        for name in "abc":
            catalog.create_namespace(f"{namespace}.{name}")
        for i in range(5):
            catalog.create_table(f"{namespace}.t{i}", schema=SCHEMA)
        before = len(proxy.log)
        assert catalog.list_tables(namespace) == [(namespace, f"t{i}") for i in range(5)]
        assert len(proxy.log) - before == 3
        before = len(proxy.log)
        assert catalog.list_namespaces(namespace) == [(namespace, name) for name in "abc"]
        assert len(proxy.log) - before == 2
