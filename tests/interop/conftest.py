"""Servers for a whole run of tests. A server that cannot be had skips what needs it, by name; with
FRAZIL_REQUIRE_SERVERS=1 it fails it."""

import contextlib
import os

import pytest
import servers
from aws_gate import running_gate
from glue_gate import GlueGate


def _started(start, *args, **more):
    """Enters a server's context for a fixture."""
    stack = contextlib.ExitStack()
    try:
        return stack, stack.enter_context(start(*args, **more))
    except servers.NotAvailable as missing:
        if os.environ.get("FRAZIL_REQUIRE_SERVERS") == "1":
            pytest.fail(f"NOT RUN: {missing}")
        pytest.skip(f"NOT RUN: {missing}")


@pytest.fixture(scope="session")
def s3_store(tmp_path_factory):
    stack, properties = _started(servers.s3, tmp_path_factory.mktemp("s3"))
    with stack:
        yield properties


@pytest.fixture(scope="session")
def postgres_uri(tmp_path_factory):
    stack, uri = _started(servers.postgres, tmp_path_factory.mktemp("postgres"))
    with stack:
        yield uri


@pytest.fixture(scope="session")
def hive_port(tmp_path_factory):
    stack, port = _started(servers.hive, tmp_path_factory.mktemp("hive"))
    with stack:
        yield port


@pytest.fixture(scope="session")
def hive_s3_port(tmp_path_factory, s3_store):
    stack, port = _started(servers.hive, tmp_path_factory.mktemp("hive_s3"), s3_store)
    with stack:
        yield port


@pytest.fixture(scope="session")
def rest_local(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rest")
    stack, uri = _started(servers.rest, folder, f"file://{folder}/warehouse")
    with stack:
        yield uri


@pytest.fixture(scope="session")
def rest_s3(tmp_path_factory, s3_store):
    settings = {key: value for key, value in s3_store.items() if key != "s3.region"}
    settings |= {"io-impl": "org.apache.iceberg.aws.s3.S3FileIO", "s3.path-style-access": "true"}
    stack, uri = _started(servers.rest, tmp_path_factory.mktemp("rest_s3"), "s3://lake/rest", settings)
    with stack:
        yield uri


@pytest.fixture(scope="session")
def gcs_store(tmp_path_factory):
    stack, properties = _started(servers.gcs, tmp_path_factory.mktemp("gcs"))
    with stack:
        yield properties


@pytest.fixture(scope="session")
def azure_store(tmp_path_factory):
    stack, properties = _started(servers.azure, tmp_path_factory.mktemp("azure"))
    with stack:
        yield properties


@pytest.fixture(scope="session")
def rest_gcs(tmp_path_factory, gcs_store):
    settings = {"io-impl": "org.apache.iceberg.gcp.gcs.GCSFileIO", "gcs.service.host": gcs_store["gcs.service.host"],
                "gcs.project-id": "p", "gcs.no-auth": "true"}
    stack, uri = _started(servers.rest, tmp_path_factory.mktemp("rest_gcs"), "gs://lake/rest", settings)
    with stack:
        yield uri


@pytest.fixture(scope="session")
def nessie_uri(tmp_path_factory, s3_store):
    stack, uri = _started(servers.nessie, tmp_path_factory.mktemp("nessie"), s3_store)
    with stack:
        yield uri


@pytest.fixture(scope="session")
def aws_endpoint(tmp_path_factory):
    stack, endpoint = _started(servers.aws, tmp_path_factory.mktemp("aws"))
    with stack:
        yield endpoint


@pytest.fixture(scope="session")
def glue(aws_endpoint):
    with running_gate(GlueGate(aws_endpoint, [(servers.ACCESS_KEY, servers.SECRET_KEY, None)])) as gate:
        gate.properties = {
            "type": "glue",
            "glue.endpoint": gate.url,
            "glue.region": "us-east-1",
            "glue.access-key-id": servers.ACCESS_KEY,
            "glue.secret-access-key": servers.SECRET_KEY,
        }
        yield gate


RESULTS = pytest.StashKey[dict]()


def pytest_configure(config):
    config.stash[RESULTS] = {}


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    backend = getattr(item, "callspec", None) and item.callspec.params.get("backend")
    if backend is not None and (report.when == "call" or report.outcome != "passed"):
        word = {"passed": "passes", "failed": "FAILS", "skipped": "not run"}[report.outcome]
        item.config.stash[RESULTS][item.originalname, backend] = word


def pytest_sessionfinish(session):
    """FRAZIL_BACKENDS names the file that gets the matrix of what ran here."""
    path = os.environ.get("FRAZIL_BACKENDS")
    results = session.config.stash[RESULTS]
    if path is None or not results:
        return
    backends = sorted({backend for _, backend in results})
    tests = list(dict.fromkeys(test for test, _ in results))
    lines = [
        "# Catalogs and stores",
        "",
        "Made by `make interop`: one suite (`tests/interop/test_backends.py`) on real servers. \"not run\": the server could not be",
        "had where this was made. Glue is moto's, behind a gate that checks signatures and versions as AWS does (`glue_gate.py`). Google",
        "Cloud Storage is fake-gcs-server, Azure is azurite; the REST test server has no client for the latter.",
        "",
        "| | " + " | ".join(backend.replace("-", " + ") for backend in backends) + " |",
        "|---" * (len(backends) + 1) + "|",
    ]
    for test in tests:
        words = [results.get((test, backend), "not run") for backend in backends]
        lines.append(f"| {test.removeprefix('test_').replace('_', ' ')} | " + " | ".join(words) + " |")
    with open(path, "w") as out:
        out.write("\n".join(lines) + "\n")
