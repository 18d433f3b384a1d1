"""Real servers for the tests: each is started on a free loopback port, and ended by its process id.

A server that this machine cannot have is None with a reason, which the tests report as skipped: tools/setup
interop says what to install. Programs that have to be built or fetched are kept outside of the tree, in
~/.cache/frazil-servers (FRAZIL_SERVERS names another folder).
"""

import base64
import contextlib
import email.utils
import hashlib
import hmac
import importlib.util
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

CACHE = pathlib.Path(os.environ.get("FRAZIL_SERVERS", pathlib.Path.home() / ".cache" / "frazil-servers"))
ACCESS_KEY = "frazil-test-key"
SECRET_KEY = "frazil/test+secret=key"
ACCOUNT = "frazilaccount"
ACCOUNT_KEY = base64.b64encode(b"frazil/azure+account=key" * 2).decode()


class NotAvailable(Exception):
    """Why a server cannot be had."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(url, process, log, seconds=300):
    """Until anything answers; any status will do."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"{process.args[0]} did not start:\n{log.read_text()[-4000:]}")


def wait_for_port(port, process, log, seconds=300):
    """Until it accepts connections."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise RuntimeError(f"{process.args[0]} did not start:\n{log.read_text()[-4000:]}")


@contextlib.contextmanager
def running(command, url, folder, name, **more):
    log = pathlib.Path(folder) / f"{name}.log"
    with open(log, "w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, **more)
    try:
        if url is not None:
            wait_for(url, process, log)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def s3(folder, bucket="lake"):
    """The properties of an S3 store that verifies signatures, with a bucket in it."""
    program = CACHE / "versitygw"
    if not program.exists():
        raise NotAvailable("versitygw is not built")
    root = pathlib.Path(folder) / "s3"
    (root / bucket).mkdir(parents=True, exist_ok=True)
    port = free_port()
    command = [program, "--port", f"127.0.0.1:{port}", "--access", ACCESS_KEY, "--secret", SECRET_KEY]
    command += ["--region", "us-east-1", "--quiet", "posix", root]
    endpoint = f"http://127.0.0.1:{port}"
    with running([str(part) for part in command], endpoint, folder, "versitygw"):
        yield {
            "s3.endpoint": endpoint,
            "s3.access-key-id": ACCESS_KEY,
            "s3.secret-access-key": SECRET_KEY,
            "s3.region": "us-east-1",
        }


@contextlib.contextmanager
def gcs(folder, bucket="lake"):
    """The properties of a Google Cloud Storage with a bucket in it. It checks no token."""
    program = CACHE / "fake-gcs-server"
    if not program.exists():
        raise NotAvailable("fake-gcs-server is not built")
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    command = [program, "-backend", "memory", "-scheme", "http", "-host", "127.0.0.1", "-port", port, "-log-level", "warn"]
    command += ["-external-url", endpoint, "-public-host", f"127.0.0.1:{port}"]
    with running([str(part) for part in command], f"{endpoint}/storage/v1/b", folder, "fake-gcs-server"):
        body = json.dumps({"name": bucket}).encode()
        request = urllib.request.Request(f"{endpoint}/storage/v1/b?project=p", body, {"content-type": "application/json"})
        urllib.request.urlopen(request).close()
        yield {
            "gcs.service.host": endpoint,
            "gcs.oauth2.token": "frazil-test-token",
            "gcs.oauth2.token-expires-at": str(int((time.time() + 86400) * 1000)),
        }


def from_base64_url(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def shared_key(method, path, query=(), headers=(), body=b"", standard=None):
    """The headers of a request on Azure Storage, signed with the account's key. `headers` are Azure's own ones."""
    own = {"x-ms-date": email.utils.formatdate(usegmt=True), "x-ms-version": "2021-12-02", **dict(headers)}
    names = ["content-md5", "content-type", "date", "if-modified-since", "if-match", "if-none-match", "if-unmodified-since", "range"]
    parts = [method, "", "", str(len(body) or ""), *[(standard or {}).get(name, "") for name in names]]
    parts += [f"{name}:{own[name]}" for name in sorted(own)]
    parts += [f"/{ACCOUNT}{path}" + "".join(f"\n{name}:{value}" for name, value in sorted(query))]
    digest = hmac.new(base64.b64decode(ACCOUNT_KEY), "\n".join(parts).encode(), hashlib.sha256).digest()
    return {**own, "authorization": f"SharedKey {ACCOUNT}:{base64.b64encode(digest).decode()}"}


def blob_sas(container="lake", permissions="racwdl", ends_s=86400):
    """A shared access signature for a container: what Azure's documents call a service SAS."""
    version = "2020-12-06"
    end = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + ends_s))
    parts = [permissions, "", end, f"/blob/{ACCOUNT}/{container}", "", "", "", version, "c", "", "", "", "", "", "", ""]
    digest = hmac.new(base64.b64decode(ACCOUNT_KEY), "\n".join(parts).encode(), hashlib.sha256).digest()
    signature = base64.b64encode(digest).decode()
    return urllib.parse.urlencode({"sv": version, "se": end, "sr": "c", "sp": permissions, "sig": signature})


@contextlib.contextmanager
def azure(folder, container="lake"):
    """The properties of an Azure Blob Storage that verifies signatures, with a container in it."""
    program = CACHE / "node" / "node_modules" / ".bin" / "azurite-blob"
    if not program.exists():
        raise NotAvailable("azurite is not installed")
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}/{ACCOUNT}"
    command = [program, "--blobHost", "127.0.0.1", "--blobPort", port, "--inMemoryPersistence", "--disableTelemetry"]
    command += ["--skipApiVersionCheck", "--silent"]
    environment = dict(os.environ, AZURITE_ACCOUNTS=f"{ACCOUNT}:{ACCOUNT_KEY}")
    with running([str(part) for part in command], endpoint, folder, "azurite", env=environment):
        path = f"/{ACCOUNT}/{container}"
        headers = shared_key("PUT", path, [("restype", "container")])
        request = urllib.request.Request(f"http://127.0.0.1:{port}{path}?restype=container", b"", headers, method="PUT")
        request.add_header("content-type", "")
        urllib.request.urlopen(request).close()
        connection = f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={ACCOUNT_KEY};BlobEndpoint={endpoint};"
        yield {"adls.connection-string": connection, "adls.account-name": ACCOUNT, "py-io-impl": "pyiceberg.io.fsspec.FsspecFileIO"}


@contextlib.contextmanager
def rest(folder, warehouse, properties=None):
    """The URI of a REST catalog: Apache Iceberg's own test server, on a SQLite file."""
    jars = CACHE / "rest" / "lib"
    if shutil.which("java") is None or not jars.is_dir():
        raise NotAvailable("the REST test server's jars or Java are missing")
    port = free_port()
    settings = {
        "catalog-impl": "org.apache.iceberg.jdbc.JdbcCatalog",
        "uri": f"jdbc:sqlite:{folder}/rest.db",
        "warehouse": warehouse,
        "jdbc.schema-version": "V1",
        **(properties or {}),
    }
    environment = dict(os.environ, CATALOG_REST_PORT=str(port), AWS_REGION="us-east-1")
    for key, value in settings.items():
        # CATALOG_A_B__C is "a.b-c".
        name = "CATALOG_" + key.replace("-", "__").replace(".", "_").upper()
        environment[name] = value
    command = ["java", "-Xmx512m", "-cp", f"{jars}/*", "org.apache.iceberg.rest.RESTCatalogServer"]
    uri = f"http://127.0.0.1:{port}"
    with running(command, f"{uri}/v1/config", folder, "rest", env=environment):
        yield uri


@contextlib.contextmanager
def aws(folder):
    """The endpoint of moto's AWS: Glue, STS and instance metadata. It verifies no signature."""
    if importlib.util.find_spec("moto") is None:
        raise NotAvailable("moto is not installed")
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    with running([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], endpoint, folder, "moto"):
        yield endpoint


def newest_java():
    """The newest Java that is installed, and its version; the one of the path may be older."""
    found = [(0, None)]
    for program in pathlib.Path("/usr/lib/jvm").glob("*/bin/java"):
        release = program.parent.parent / "release"
        version = re.search(r'JAVA_VERSION="(\d+)', release.read_text()) if release.exists() else None
        found.append((int(version[1]) if version else 0, program))
    return max(found, key=lambda pair: pair[0])


@contextlib.contextmanager
def nessie(folder, store):
    """The URI of a Nessie server, whose warehouse "lake" lies in an S3 store."""
    jar = CACHE / "nessie.jar"
    version, java = newest_java()
    if not jar.exists() or version < 21:
        raise NotAvailable("Nessie's jar or a Java of version 21 or newer is missing")
    port = free_port()
    s3 = "nessie.catalog.service.s3.default-options"
    settings = {
        "quarkus.http.host": "127.0.0.1",
        "quarkus.http.port": port,
        "quarkus.management.host": "127.0.0.1",
        "quarkus.management.port": free_port(),
        "nessie.version.store.type": "IN_MEMORY",
        "nessie.catalog.default-warehouse": "lake",
        "nessie.catalog.warehouses.lake.location": "s3://lake/nessie/",
        f"{s3}.endpoint": store["s3.endpoint"],
        f"{s3}.path-style-access": "true",
        f"{s3}.region": store["s3.region"],
        f"{s3}.access-key": "urn:nessie-secret:quarkus:frazil.access-key",
        "frazil.access-key.name": store["s3.access-key-id"],
        "frazil.access-key.secret": store["s3.secret-access-key"],
    }
    command = [str(java), "-Xmx512m", *(f"-D{key}={value}" for key, value in settings.items()), "-jar", str(jar)]
    uri = f"http://127.0.0.1:{port}/iceberg"
    with running(command, f"{uri}/v1/config", folder, "nessie"):
        yield uri


HIVE_SETTINGS = {
    "metastore.expression.proxy": "org.apache.hadoop.hive.metastore.DefaultPartitionExpressionProxy",
    "metastore.task.threads.always": "org.apache.hadoop.hive.metastore.events.EventCleanerTask",
}


def hadoop_s3(store):
    """How Hadoop reaches an S3 store: the metastore makes the folders of databases and tables."""
    return {
        "fs.s3.impl": "org.apache.hadoop.fs.s3a.S3AFileSystem",
        "fs.s3a.path.style.access": "true",
        "fs.s3a.directory.marker.retention": "keep",  # a folder that holds something cannot be removed from versitygw
        "fs.s3a.connection.ssl.enabled": "false",
        "fs.s3a.endpoint": store["s3.endpoint"],
        "fs.s3a.endpoint.region": store["s3.region"],
        "fs.s3a.access.key": store["s3.access-key-id"],
        "fs.s3a.secret.key": store["s3.secret-access-key"],
    }


@contextlib.contextmanager
def hive(folder, store=None):
    """The port of a Hive metastore, on an empty Derby database; with an S3 store it makes the folders of databases there, too."""
    home = CACHE / "hive"
    if shutil.which("java") is None or not (home / "derby").is_dir():
        raise NotAvailable("the Hive metastore's jars, its database or Java are missing")
    port = free_port()
    folder = pathlib.Path(folder)
    shutil.copytree(home / "derby", folder / "derby")
    settings = HIVE_SETTINGS | {
        "metastore.thrift.port": port,
        "javax.jdo.option.ConnectionURL": f"jdbc:derby:{folder}/derby",
        "metastore.warehouse.dir": f"{folder}/warehouse",
        **(hadoop_s3(store) if store else {}),
    }
    pairs = [f"<property><name>{key}</name><value>{value}</value></property>" for key, value in settings.items()]
    (folder / "metastore-site.xml").write_text(f"<configuration>{''.join(pairs)}</configuration>")
    command = ["java", "-Xmx512m", f"-Dderby.stream.error.file={folder}/derby.log", "-cp", f"{folder}:{home}/lib/*"]
    with running([*command, "org.apache.hadoop.hive.metastore.HiveMetaStore"], None, folder, "hive") as process:
        wait_for_port(port, process, folder / "hive.log")
        yield port


def postgres_programs():
    found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else None


@contextlib.contextmanager
def postgres(folder):
    """The URI of an empty PostgreSQL database, without a scheme's driver."""
    programs = postgres_programs()
    if programs is None:
        raise NotAvailable("postgresql is not installed")
    password = "frazil:pg@pass/word"
    # PostgreSQL refuses to run as root, and another user cannot look into the folders of a test run.
    user = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.getuid() == 0 else {}
    top = pathlib.Path(tempfile.mkdtemp(prefix="frazil-postgres-"))
    data, secret = top / "data", top / "password"
    secret.write_text(password)
    data.mkdir()
    if user:
        for path in [top, data, secret]:
            shutil.chown(path, "postgres", "postgres")
    try:
        yield from _postgres_in(programs, data, secret, folder, user)
    finally:
        shutil.rmtree(top)


def _postgres_in(programs, data, secret, folder, user):
    init = [programs / "initdb", "-D", data, "-U", "frazil", "-A", "scram-sha-256", "--pwfile", secret, "-E", "UTF8"]
    subprocess.run([*map(str, init), "--no-sync"], check=True, capture_output=True, cwd="/", **user)
    port = free_port()
    command = [programs / "postgres", "-D", data, "-p", port, "-h", "127.0.0.1", "-k", "", "-F"]
    with running([str(part) for part in command], None, folder, "postgres", cwd="/", **user) as process:
        ready = [str(programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
        for _ in range(2400):
            if subprocess.run(ready).returncode == 0:
                break
            assert process.poll() is None, (pathlib.Path(folder) / "postgres.log").read_text()
            time.sleep(0.05)
        yield f"postgresql://frazil:frazil%3Apg%40pass%2Fword@127.0.0.1:{port}/postgres"
        process.send_signal(2)  # ends at once; SIGTERM would wait for connections
