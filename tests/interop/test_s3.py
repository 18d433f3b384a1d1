"""S3 by a server that verifies signatures: what it refuses, odd names, and faults on the way to it."""

import os
import uuid

import pyarrow as pa
import pyarrow.fs
import pytest
from fault_proxy import fault_proxy

import frazil


def open_catalog(folder, properties, **more):
    warehouse = f"s3://lake/{uuid.uuid4().hex}"
    settings = {"uri": f"sqlite:///{folder}/{uuid.uuid4().hex}.db", "warehouse": warehouse, **properties, **more}
    return frazil.load_catalog("s3", **settings)


def make_table(catalog, name="ns.t"):
    catalog.create_namespace(name.rsplit(".", 1)[0])
    return catalog.create_table(name, schema=pa.schema([("id", pa.int64()), ("text", pa.string())]))


def rows(start, stop):
    return pa.table({"id": range(start, stop), "text": [f"row {i}" for i in range(start, stop)]})


def ids(table):
    return sorted(table.scan(selected_fields=["id"]).to_arrow()["id"].to_pylist())


def random_rows(n):
    """Text that does not compress: files of several parts."""
    noise = os.urandom(16 * n).hex()
    return pa.table({"id": range(n), "text": [noise[i * 32 : i * 32 + 32] for i in range(n)]})


def test_rows_come_back(s3_store, tmp_path):
    table = make_table(open_catalog(tmp_path, s3_store))
    table.append(rows(0, 1000))
    table.append(rows(1000, 2000))
    table.delete("id < 10")
    table.maintenance.compact()
    assert ids(table) == list(range(10, 2000))


def test_a_large_file_is_uploaded_in_parts_and_read_in_ranges(s3_store, tmp_path):
    table = make_table(open_catalog(tmp_path, s3_store))
    data = random_rows(700_000)  # 20 MB as Parquet
    with fault_proxy(s3_store["s3.endpoint"]) as proxy:
        catalog = open_catalog(tmp_path, {**s3_store, "s3.endpoint": proxy.url})
        table = make_table(catalog)
        table.append(data)
        assert sum("partNumber=" in path for _, path, _ in proxy.log) >= 2
        assert table.scan().to_arrow().sort_by("id").equals(data)


@pytest.mark.parametrize("odd", ["a=b", "with space", "caf\u00e9-\u6e29\u5ea6", "plus+and&", "percent%41", "a'b(c)!*;:@$,~"])
def test_odd_names_are_signed_as_they_are_sent(s3_store, tmp_path, odd):
    table = make_table(open_catalog(tmp_path, s3_store), f"ns.{odd}")
    table.append(rows(0, 5))
    assert ids(table) == list(range(5))


def test_partition_folders_with_equals_signs(s3_store, tmp_path):
    catalog = open_catalog(tmp_path, s3_store)
    catalog.create_namespace("ns")
    schema = pa.schema([("id", pa.int64()), ("text", pa.string())])
    table = catalog.create_table("ns.p", schema=schema, partition_spec="text")
    table.append(pa.table({"id": [1, 2, 3], "text": ["a b", "=", "\u00e9/x"]}))
    assert ids(table) == [1, 2, 3]
    assert ids(catalog.load_table("ns.p")) == [1, 2, 3]


@pytest.mark.parametrize("key", ["s3.secret-access-key", "s3.access-key-id"])
def test_wrong_keys_are_refused_without_being_told(s3_store, tmp_path, key):
    wrong = {**s3_store, key: "completely-wrong-value"}
    # AWS answers 403 to both; this server answers 404 to a key that nobody has.
    with pytest.raises((frazil.AuthError, frazil.StorageError), match="HTTP 40[34]") as refused:
        make_table(open_catalog(tmp_path, wrong))
    for secret in wrong["s3.secret-access-key"], wrong["s3.access-key-id"], s3_store["s3.secret-access-key"]:
        assert secret not in str(refused.value)


def test_without_credentials_the_error_says_what_to_set(s3_store, tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3_store["s3.access-key-id"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3_store["s3.secret-access-key"])
    bare = {key: value for key, value in s3_store.items() if "key" not in key}
    with pytest.raises(frazil.AuthError, match="s3.credentials-source"):
        make_table(open_catalog(tmp_path, bare))
    table = make_table(open_catalog(tmp_path, {**bare, "s3.credentials-source": "environment"}))
    table.append(rows(0, 3))
    assert ids(table) == [0, 1, 2]


def test_keys_of_a_profile(s3_store, tmp_path, monkeypatch):
    bare = {key: value for key, value in s3_store.items() if "key" not in key}
    credentials = tmp_path / "credentials"
    credentials.write_text(
        "[default]\naws_access_key_id = nobody\naws_secret_access_key = nothing\n\n# the one\n[lake]\n"
        f"aws_access_key_id = {s3_store['s3.access-key-id']}\naws_secret_access_key={s3_store['s3.secret-access-key']}\n"
    )
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(credentials))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    table = make_table(open_catalog(tmp_path, {**bare, "s3.profile-name": "lake"}))
    table.append(rows(0, 3))
    assert ids(table) == [0, 1, 2]
    with pytest.raises(frazil.AuthError, match="profile 'other'"):
        make_table(open_catalog(tmp_path, {**bare, "s3.profile-name": "other"}))


def test_a_bucket_that_is_not_there(s3_store, tmp_path):
    with pytest.raises(frazil.StorageError, match="NoSuchBucket.*create the bucket"):
        make_table(open_catalog(tmp_path, s3_store, warehouse="s3://no-such-lake/w"))


def test_anonymous_requests_are_not_signed(s3_store, tmp_path):
    with pytest.raises(frazil.AuthError):
        make_table(open_catalog(tmp_path, {**s3_store, "s3.anonymous": "true"}))


def test_a_tampered_body_is_refused(s3_store, tmp_path):
    with fault_proxy(s3_store["s3.endpoint"]) as proxy:
        catalog = open_catalog(tmp_path, {**s3_store, "s3.endpoint": proxy.url})
        proxy.befall("tamper", matches=lambda method, path: method == "PUT")
        with pytest.raises(frazil.FrazilError, match="HTTP 400|HTTP 403"):
            make_table(catalog)


FAULTS = [
    ("status", {"status": 500}),
    ("status", {"status": 503, "headers": [("Retry-After", "0")]}),
    ("status", {"status": 429}),
    ("status", {"status": 503, "body": b"<Error><Code>SlowDown</Code></Error>"}),
    ("status", {"status": 400, "body": b"<Error><Code>RequestTimeout</Code></Error>"}),
    ("reset", {}),
    ("delay", {"seconds": 0.3}),
    ("cut", {"keep": 10}),
    ("lose", {}),
    ("lose_status", {"status": 500}),
]


@pytest.mark.parametrize("kind, more", FAULTS, ids=lambda value: str(value))
def test_each_kind_of_request_survives_a_fault(s3_store, tmp_path, kind, more):
    """The first request of each method, and every fifth after, meets the fault: nothing is lost or doubled."""
    with fault_proxy(s3_store["s3.endpoint"]) as proxy:
        catalog = open_catalog(tmp_path, {**s3_store, "s3.endpoint": proxy.url})
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


def odd_table(catalog):
    """A table of many files, some with names that XML and URLs write otherwise."""
    catalog.create_namespace("ns")
    schema = pa.schema([("id", pa.int64()), ("text", pa.string())])
    table = catalog.create_table("ns.t", schema=schema, partition_spec="text")
    names = ["a&b", "<c>", "d e", "\u00e9\u6e29", "'\"", "+%=", "tab\there", "line\nbreak"]
    table.append(pa.table({"id": range(80), "text": [names[i % 8] + str(i) for i in range(80)]}))
    return table


def deletes(log):
    single = [path for method, path, _ in log if method == "DELETE"]
    many = [path for method, path, _ in log if method == "POST" and "?delete" in path]
    return single, many


def stored(properties, warehouse):
    """Names in the bucket, by PyIceberg's file system."""
    files = pyarrow.fs.S3FileSystem(access_key=properties["s3.access-key-id"], secret_key=properties["s3.secret-access-key"],
                                    endpoint_override=properties["s3.endpoint"], region="us-east-1")
    found = files.get_file_info(pyarrow.fs.FileSelector(warehouse.removeprefix("s3://"), recursive=True, allow_not_found=True))
    return [each.path for each in found if each.is_file]


def test_a_purge_deletes_many_files_with_one_request(s3_store, tmp_path):
    with fault_proxy(s3_store["s3.endpoint"]) as proxy:
        catalog = open_catalog(tmp_path, {**s3_store, "s3.endpoint": proxy.url})
        odd_table(catalog)
        warehouse = catalog.load_table("ns.t").location().rsplit("/", 2)[0]
        assert len(stored(s3_store, warehouse)) > 80
        proxy.befall("status", matches=lambda method, path: "?delete" in path, status=503)
        catalog.drop_table("ns.t", purge=True)
        single, many = deletes(proxy.log)
        assert len(many) == 2 and len(single) <= 20, (single, many)  # names with control characters go alone
        assert stored(s3_store, warehouse) == []


@pytest.mark.parametrize("status", [501, 405, 400])
def test_a_store_without_batch_delete(s3_store, tmp_path, status):
    with fault_proxy(s3_store["s3.endpoint"]) as proxy:
        catalog = open_catalog(tmp_path, {**s3_store, "s3.endpoint": proxy.url})
        table = odd_table(catalog)
        warehouse = table.location().rsplit("/", 2)[0]
        n_files = len(stored(s3_store, warehouse))
        proxy.befall("status", times=100, matches=lambda method, path: "?delete" in path, status=status)
        catalog.drop_table("ns.t", purge=True)
        assert len(deletes(proxy.log)[0]) == n_files
        assert stored(s3_store, warehouse) == []


def test_objects_that_resist_are_asked_for_alone(s3_store, tmp_path):
    """The answer to a batch lists them; what is refused as a whole is not asked for file by file."""
    with fault_proxy(s3_store["s3.endpoint"]) as proxy:
        catalog = open_catalog(tmp_path, {**s3_store, "s3.endpoint": proxy.url})
        make_table(catalog).append(rows(0, 5))
        proxy.befall("status", matches=lambda method, path: "?delete" in path, status=403, body=b"<Error><Code>AccessDenied</Code></Error>")
        catalog.drop_table("ns.t", purge=True)
        assert deletes(proxy.log)[0] == []
        table = catalog.create_table("ns.t", schema=pa.schema([("id", pa.int64())]))
        key = table.metadata_location.removeprefix("s3://lake/")
        table.append(pa.table({"id": [1]}))
        stays = f"<DeleteResult><Error><Key>{key}</Key><Code>InternalError</Code></Error></DeleteResult>".encode()
        proxy.befall("status", matches=lambda method, path: "?delete" in path, status=200, body=stays)
        catalog.drop_table("ns.t", purge=True)
        assert [path.split("?")[0] for path in deletes(proxy.log)[0]] == [f"/lake/{key}"]


@pytest.mark.parametrize("answer", [b"", b"<DeleteResult>", b"<html></html>", b"<DeleteResult><Error><Key>a</Key>"])
def test_an_answer_to_a_batch_that_is_not_whole_removes_nothing_unseen(s3_store, tmp_path, answer):
    with fault_proxy(s3_store["s3.endpoint"]) as proxy:
        catalog = open_catalog(tmp_path, {**s3_store, "s3.endpoint": proxy.url})
        table = make_table(catalog)
        for start in range(0, 20, 5):
            table.append(rows(start, start + 5))
        proxy.befall("status", matches=lambda method, path: "?delete" in path, status=200, body=answer)
        expired = table.maintenance.expire_snapshots(older_than=2**50, retain_last=1)
        assert proxy.count("status") == 1 and expired.manifest_lists == 0, expired
        assert ids(catalog.load_table("ns.t")) == list(range(20))


def test_retries_end_and_say_so(s3_store, tmp_path):
    with fault_proxy(s3_store["s3.endpoint"]) as proxy:
        catalog = open_catalog(tmp_path, {**s3_store, "s3.endpoint": proxy.url})
        table = make_table(catalog)
        table.append(rows(0, 10))
        proxy.befall("status", times=10_000, matches=lambda method, path: method == "GET", status=503)
        with pytest.raises(frazil.StorageError, match="HTTP 503"):
            catalog.load_table("ns.t")
        assert 2 <= proxy.count("status") <= 16


def test_an_upload_that_ends_early_is_aborted(s3_store, tmp_path):
    with fault_proxy(s3_store["s3.endpoint"]) as proxy:
        catalog = open_catalog(tmp_path, {**s3_store, "s3.endpoint": proxy.url})
        table = make_table(catalog)
        proxy.befall("status", matches=lambda method, path: "partNumber=2" in path, status=403)
        with pytest.raises(frazil.AuthError):
            table.append(random_rows(700_000))
        aborted = [path for method, path, _ in proxy.log if method == "DELETE" and "uploadId=" in path]
        assert len(aborted) == 1
        assert ids(table) == []


@pytest.mark.parametrize("kind, more", [("reset", {}), ("status", {"status": 500}), ("lose", {}), ("cut", {"keep": 10})], ids=str)
def test_faults_in_the_middle_of_an_upload_lose_nothing(s3_store, tmp_path, kind, more):
    """Of a part, and of the request that ends the upload, whose answer may be lost after it was done."""
    data = random_rows(700_000)
    with fault_proxy(s3_store["s3.endpoint"]) as proxy:
        table = make_table(open_catalog(tmp_path, {**s3_store, "s3.endpoint": proxy.url}))
        proxy.befall(kind, matches=lambda method, path: "partNumber=2" in path, **more)
        proxy.befall(kind, matches=lambda method, path: method == "POST" and "uploadId=" in path, **more)
        table.append(data)
        assert proxy.count(kind) == 2
        assert table.scan().to_arrow().sort_by("id").equals(data)


def test_a_row_group_is_one_request(s3_store, tmp_path):
    """Columns that lie side by side come together, and the footer with the request that opens the file."""
    n = 200_000
    columns = {f"c{i}": memoryview(os.urandom(8 * n)).cast("q") for i in range(6)}
    data = pa.table({"id": range(n), **{name: pa.array(values, pa.int64()) for name, values in columns.items()}})
    with fault_proxy(s3_store["s3.endpoint"]) as proxy:
        catalog = open_catalog(tmp_path, {**s3_store, "s3.endpoint": proxy.url})
        catalog.create_namespace("ns")
        table = catalog.create_table("ns.wide", schema=data.schema)
        table.append(data)
        proxy.log.clear()
        assert table.scan().to_arrow().sort_by("id").equals(data)
        assert [path.rsplit(".", 1)[1] for _, path, _ in proxy.log] == ["avro", "avro", "parquet", "parquet"]


def test_a_host_without_an_address(s3_store, tmp_path):
    with pytest.raises(frazil.StorageError, match=r"attempts\): Could not resolve host") as refused:
        make_table(open_catalog(tmp_path, {**s3_store, "s3.endpoint": "http://nowhere.invalid"}))
    assert s3_store["s3.secret-access-key"] not in str(refused.value)


def test_virtual_addressing_puts_the_bucket_into_the_host(s3_store, tmp_path):
    with fault_proxy(s3_store["s3.endpoint"]) as proxy:
        endpoint = proxy.url.replace("127.0.0.1", "localhost")
        store = {**s3_store, "s3.endpoint": endpoint, "s3.force-virtual-addressing": "true"}
        # "lake.localhost" is this machine to libcurl; the server signs the path as it comes and finds no bucket in it.
        with pytest.raises(frazil.FrazilError):
            make_table(open_catalog(tmp_path, store))
        assert all(not path.startswith("/lake/") for _, path, _ in proxy.log) and proxy.log
