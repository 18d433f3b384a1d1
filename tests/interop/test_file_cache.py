"""Files of S3 read through a folder of this machine: requests counted by a proxy before a server that verifies signatures."""

import json
import multiprocessing
import os
import pathlib
import subprocess
import uuid

import pyarrow as pa
import pytest
from fault_proxy import fault_proxy

import frazil

ROWS = 50_000


@pytest.fixture
def proxy(s3_store):
    with fault_proxy(s3_store["s3.endpoint"]) as between:
        yield between


def settings(s3_store, proxy, tmp_path, cache=True, **more):
    folder = {"cache.directory": str(tmp_path / "cache")} if cache else {}
    catalog = {"uri": f"sqlite:///{tmp_path}/catalog.db", "warehouse": f"s3://lake/{tmp_path.name}-{os.getpid()}"}
    return {**catalog, **s3_store, "s3.endpoint": proxy.url, **folder, **more}


def make_table(properties):
    catalog = frazil.load_catalog("default", **{key: value for key, value in properties.items() if key != "cache.directory"})
    catalog.create_namespace("ns")
    table = catalog.create_table("ns.t", schema=pa.schema([("id", pa.int64()), ("text", pa.string())]))
    for start in range(0, 3 * ROWS, ROWS):
        texts = [uuid.uuid4().hex for _ in range(ROWS)]
        table.append(pa.table({"id": range(start, start + ROWS), "text": texts}))
    table.delete("id < 10")
    return table


def ids(properties):
    catalog = frazil.load_catalog("default", **properties)
    return catalog.load_table("ns.t").scan(selected_fields=["id"]).to_arrow()["id"].to_pylist()


def kept_bytes(tmp_path):
    return sum(path.stat().st_blocks * 512 for path in (tmp_path / "cache" / "v1").iterdir())


def asked(proxy):
    with proxy.lock:
        count = len(proxy.log)
        proxy.log.clear()
    return count


def test_the_second_reader_asks_nothing(s3_store, proxy, tmp_path):
    properties = settings(s3_store, proxy, tmp_path)
    make_table(properties)
    asked(proxy)
    assert sorted(ids(properties)) == list(range(10, 3 * ROWS))
    assert asked(proxy) > 0
    assert sorted(ids(properties)) == list(range(10, 3 * ROWS))
    assert asked(proxy) == 0
    # The metadata of the next commit has a name of its own: readers of the cache see it at once.
    frazil.load_catalog("default", **properties).load_table("ns.t").append(pa.table({"id": [-1], "text": ["new"]}))
    assert len(ids(properties)) == 3 * ROWS - 9


def test_a_cold_read_with_the_cache_asks_no_more_than_without(s3_store, proxy, tmp_path):
    properties = settings(s3_store, proxy, tmp_path)
    make_table(properties)
    asked(proxy)
    ids(settings(s3_store, proxy, tmp_path, cache=False))
    without = asked(proxy)
    ids(properties)
    assert asked(proxy) <= without


def test_footer_and_metadata_come_with_the_request_that_opens(s3_store, proxy, tmp_path):
    """Metadata, manifest list, manifests and each data file's footer with page indexes: one request a file."""
    properties = settings(s3_store, proxy, tmp_path, cache=False)
    make_table(properties)
    table = frazil.load_catalog("default", **properties).load_table("ns.t")
    asked(proxy)
    plan = table.scan(row_filter=f"id = {ROWS + 5}", selected_fields=["id"]).explain()
    assert plan["files_planned"] == 1 and plan["pages_total"] >= 1
    assert plan["server_requests"] == asked(proxy) == 1 + plan["manifests_read"] + plan["files_opened"]


def test_explain_tells_requests_and_what_the_cache_gave(s3_store, proxy, tmp_path):
    properties = settings(s3_store, proxy, tmp_path)
    make_table(properties)
    build = os.environ.get("FRAZIL_BUILD", pathlib.Path(__file__).parents[2] / "build" / "asan")
    command = [f"{build}/cli/frazil", "explain", "scan", "ns.t", "--run", "--json"]
    for key, value in properties.items():
        command += ["-p", f"{key}={value}"] if key not in ("uri", "warehouse") else [f"--{key}", value]
    asked(proxy)
    counts = [json.loads(subprocess.run(command, check=True, capture_output=True).stdout) for _ in range(2)]
    assert 0 < counts[0]["server_requests"] <= asked(proxy) and counts[0]["server_bytes"] > 1_000_000
    assert counts[1]["server_requests"] == counts[1]["server_bytes"] == 0
    assert counts[1]["cached_bytes"] >= counts[1]["bytes_read"] > 1_000_000
    assert [c["rows_matched"] for c in counts] == [3 * ROWS - 10] * 2


def damage(path):
    data = bytearray(path.read_bytes())
    for at in range(100, len(data), 10_000):
        data[at] ^= 1
    path.write_bytes(data)


def test_damaged_and_cut_files_are_read_anew(s3_store, proxy, tmp_path):
    properties = settings(s3_store, proxy, tmp_path)
    make_table(properties)
    ids(properties)
    for path in (tmp_path / "cache" / "v1").iterdir():
        if path.name != "lock":
            damage(path)
    assert sorted(ids(properties)) == list(range(10, 3 * ROWS))
    for path in (tmp_path / "cache" / "v1").iterdir():
        os.truncate(path, path.stat().st_size // 2)
    assert sorted(ids(properties)) == list(range(10, 3 * ROWS))
    asked(proxy)
    ids(properties)
    assert asked(proxy) == 0


def test_a_dropped_table_leaves_nothing_of_its_files(s3_store, proxy, tmp_path):
    properties = settings(s3_store, proxy, tmp_path)
    make_table(properties)
    ids(properties)
    catalog = frazil.load_catalog("default", **properties)
    catalog.drop_table("ns.t", purge=True)
    assert [path.name for path in (tmp_path / "cache" / "v1").iterdir()] in (["lock"], [])


def count_rows(properties, n, results):
    results.put([len(ids(properties)) for _ in range(n)])


def test_processes_share_a_small_cache(s3_store, proxy, tmp_path):
    properties = settings(s3_store, proxy, tmp_path, **{"cache.max-bytes": str(3 << 20)})
    make_table(properties)
    spawn = multiprocessing.get_context("spawn")
    results = spawn.Queue()
    readers = [spawn.Process(target=count_rows, args=(properties, 5, results)) for _ in range(3)]
    for reader in readers:
        reader.start()
    assert [results.get(timeout=300) for _ in readers] == [[3 * ROWS - 10] * 5] * 3
    for reader in readers:
        reader.join()
    assert kept_bytes(tmp_path) <= 3 << 20


def test_faults_on_the_way_do_not_reach_the_cache(s3_store, proxy, tmp_path):
    properties = settings(s3_store, proxy, tmp_path)
    make_table(properties)
    proxy.befall("cut", times=3, keep=1000, matches=lambda method, path: path.endswith(".parquet"))
    assert sorted(ids(properties)) == list(range(10, 3 * ROWS))
    assert proxy.count("cut") == 3
    assert sorted(ids(properties)) == list(range(10, 3 * ROWS))
