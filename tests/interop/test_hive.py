"""A Hive metastore: what stands in its tables, locks, names, lost answers."""

import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pytest
from hive_metastore.ttypes import LockComponent, LockLevel, LockRequest, LockType, ShowLocksRequest, UnlockRequest
from pyiceberg.catalog import load_catalog as load_pyiceberg
from stream_proxy import stream_proxy

import frazil

SCHEMA = pa.schema([pa.field("id", pa.int64(), nullable=False), ("city", pa.string()), ("tags", pa.list_(pa.string())),
                    ("price", pa.decimal128(9, 2)), ("at", pa.timestamp("us", "UTC")), ("day", pa.date32()),
                    ("place", pa.struct([("lat", pa.float32()), ("zip", pa.map_(pa.string(), pa.int32()))]))])
ALTER = b"alter_table_with_environment_context"


@pytest.fixture
def proxy(hive_port):
    with stream_proxy(hive_port) as proxy:
        yield proxy


@pytest.fixture
def properties(hive_port, tmp_path):
    return {"type": "hive", "uri": f"thrift://127.0.0.1:{hive_port}", "warehouse": f"file://{tmp_path}/warehouse"}


@pytest.fixture
def other(properties):
    return load_pyiceberg("hive", **properties)


@pytest.fixture
def catalog(properties, proxy):
    return frazil.load_catalog("hive", **{**properties, "uri": f"thrift://127.0.0.1:{proxy.port}"})


@pytest.fixture
def database(catalog):
    name = "d" + uuid.uuid4().hex[:12]
    catalog.create_namespace(name, {"comment": "of the tests", "owner": "me"})
    return name


def rows(*ids):
    return pa.table({"id": ids}, schema=pa.schema([pa.field("id", pa.int64(), nullable=False)]))


def ids(table):
    return sorted(table.scan().to_arrow()["id"].to_pylist())


def seen(other, database, table="t"):
    with other._client as client:
        return client.get_table(database, table)


def locks(other, database, table="t"):
    with other._client as client:
        return client.show_locks(ShowLocksRequest(dbname=database, tablename=table)).locks


def test_what_stands_in_a_table_is_what_pyiceberg_writes(catalog, other, database):
    catalog.create_table(f"{database}.ours", schema=SCHEMA, properties={"write.parquet.compression-codec": "zstd"})
    other.create_table(f"{database}.theirs", schema=other.load_table(f"{database}.ours").schema())
    ours, theirs = seen(other, database, "ours"), seen(other, database, "theirs")
    assert ours.sd.cols == theirs.sd.cols
    assert ours.sd.location == theirs.sd.location.replace("theirs", "ours")
    assert (ours.sd.inputFormat, ours.sd.outputFormat, ours.sd.serdeInfo) == (
        theirs.sd.inputFormat, theirs.sd.outputFormat, theirs.sd.serdeInfo)
    assert (ours.tableType, ours.partitionKeys) == (theirs.tableType, theirs.partitionKeys)
    assert ours.parameters.keys() == theirs.parameters.keys()
    assert ours.parameters["table_type"] == "ICEBERG" and ours.parameters["EXTERNAL"] == "TRUE"


def test_a_namespace_has_its_properties_and_place(other, database, tmp_path):
    found = other.load_namespace_properties(database)
    assert (found["comment"], found["owner"]) == ("of the tests", "me")
    assert found["location"] == f"file:{tmp_path}/warehouse/{database}.db"


def test_a_commit_keeps_what_others_wrote(catalog, other, database):
    table = catalog.create_table(f"{database}.t", schema=rows(1).schema, properties={"color": "red", "size": "7"})
    before = seen(other, database)
    before.owner = "somebody"
    before.parameters["team"] = "search"
    with other._client as client:
        client.alter_table(database, "t", before)
    table.append(rows(1))
    table.remove_properties("color")
    table.set_properties({"long": "x" * 5000})
    after = seen(other, database)
    assert (after.owner, after.parameters["team"], after.parameters["size"]) == ("somebody", "search", "7")
    assert "color" not in after.parameters and "long" not in after.parameters
    assert after.parameters["metadata_location"] == table.metadata_location
    with table.update_schema() as change:
        change.add_column("more", "double", doc="words")
    assert [(c.name, c.type, c.comment) for c in seen(other, database).sd.cols][-1] == ("more", "double", "words")


def test_other_tables_are_not_ours(catalog, other, database):
    for i in range(3):
        catalog.create_table(f"{database}.t{i}", schema=rows(1).schema)
    plain = seen(other, database, "t0")
    plain.tableName = "plain"
    plain.parameters = {"EXTERNAL": "TRUE"}
    with other._client as client:
        client.create_table(plain)
    assert catalog.list_tables(database) == [(database, f"t{i}") for i in range(3)]
    assert (database,) in catalog.list_namespaces()
    assert catalog.list_namespaces(database) == []
    for call in catalog.load_table, catalog.drop_table:
        with pytest.raises(frazil.NoSuchTableError, match="no Iceberg table"):
            call(f"{database}.plain")


def test_names_are_checked(catalog, database):
    with pytest.raises(frazil.InvalidError, match="one level"):
        catalog.create_namespace("a.b")
    with pytest.raises(frazil.InvalidError, match="odd name"):
        catalog.create_table(f"{database}.odd name", schema=rows(1).schema)
    catalog.create_table(f"{database}.Large", schema=rows(1).schema)
    assert catalog.list_tables(database) == [(database, "large")]
    assert ids(catalog.load_table(f"{database}.LARGE")) == []


def test_a_lock_of_others_is_waited_for(catalog, other, database, properties):
    table = catalog.create_table(f"{database}.t", schema=rows(1).schema)
    lock = LockComponent(level=LockLevel.TABLE, type=LockType.EXCLUSIVE, dbname=database, tablename="t", isTransactional=True)
    with other._client as client:
        taken = client.lock(LockRequest(component=[lock], user="other", hostname="there"))

        def free():
            time.sleep(1)
            client.unlock(UnlockRequest(lockid=taken.lockid))

        hasty = frazil.load_catalog("hive", **properties, **{"hive.lock-timeout-ms": "100"}).load_table(f"{database}.t")
        with pytest.raises(frazil.FrazilError, match="lock in Hive for 100 ms"):
            hasty.append(rows(0))
        freer = threading.Thread(target=free)
        freer.start()
        table.append(rows(1))
        freer.join()
    assert ids(table) == [1]
    assert locks(other, database) == []


def test_writers_take_turns(properties, other, database):
    frazil.load_catalog("hive", **properties).create_table(
        f"{database}.t", schema=rows(1).schema, properties={"commit.retry.num-retries": "1"})

    def write(writer):
        table = frazil.load_catalog("hive", **properties).load_table(f"{database}.t")
        for number in range(10):
            table.append(rows(writer * 10 + number))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    assert ids(frazil.load_catalog("hive", **properties).load_table(f"{database}.t")) == list(range(80))
    assert locks(other, database) == []


@pytest.mark.parametrize("method", [b"lock", ALTER, b"unlock"])
@pytest.mark.parametrize("kind", ["drop", "lose"])
def test_a_commit_whose_answer_was_lost_is_done_once(catalog, other, proxy, database, kind, method):
    table = catalog.create_table(f"{database}.t", schema=rows(1).schema)
    proxy.befall(kind, len(method).to_bytes(4, "big") + method)
    if kind == "drop" and method != b"unlock":
        with pytest.raises(frazil.FrazilError):
            table.set_properties({"commit.status-check.num-retries": "1"})
            table.append(rows(1))
        return
    table.append(rows(1))
    assert proxy.n_befallen == 1
    again = catalog.load_table(f"{database}.t")
    assert ids(again) == [1] and len(again.snapshots()) == 1
    assert locks(other, database) == []


def test_a_commit_that_may_be_on_its_way_keeps_the_lock_and_the_file(catalog, other, proxy, database, tmp_path):
    table = catalog.create_table(f"{database}.t", schema=rows(1).schema,
                                 properties={"commit.status-check.num-retries": "1", "commit.status-check.min-wait-ms": "1"})
    before = set(tmp_path.glob("**/*.json"))
    proxy.befall("late", ALTER, seconds=2)
    with pytest.raises(frazil.CommitUnknownError):
        table.append(rows(1))
    assert len(locks(other, database)) == 1
    assert len(set(tmp_path.glob("**/*.json")) - before) == 1
    time.sleep(4)
    assert ids(catalog.load_table(f"{database}.t")) == [1]


@pytest.mark.parametrize("kind", ["lose", "drop"])
def test_a_creation_whose_answer_was_lost_is_done_or_told(catalog, proxy, database, kind):
    proxy.befall(kind, b"create_table")
    if kind == "drop":
        with pytest.raises(frazil.StorageError, match="whether the table was made is not known"):
            catalog.create_table_as(f"{database}.t", rows(1))
        return
    catalog.create_table_as(f"{database}.t", rows(1))
    assert ids(catalog.load_table(f"{database}.t")) == [1]


def test_a_renaming_whose_answer_was_lost_is_done(catalog, other, proxy, database):
    catalog.create_table_as(f"{database}.t", rows(1))
    proxy.befall("lose", ALTER)
    catalog.rename_table(f"{database}.t", f"{database}.u")
    assert catalog.list_tables(database) == [(database, "u")]
    with pytest.raises(frazil.TableAlreadyExistsError):
        catalog.create_table_as(f"{database}.t", rows(2))
        catalog.rename_table(f"{database}.t", f"{database}.u")
    with pytest.raises(frazil.FrazilError, match="namespace 'nowhere' does not exist"):
        catalog.rename_table(f"{database}.t", "nowhere.t")
    assert locks(other, database) == []


def test_reads_are_asked_again(catalog, proxy, database):
    catalog.create_table_as(f"{database}.t", rows(1))
    proxy.befall("drop", b"get_table_req", times=2)
    proxy.befall("drop", b"get_all_tables", times=1)
    assert catalog.list_tables(database) == [(database, "t")]
    assert ids(catalog.load_table(f"{database}.t")) == [1]
    assert proxy.n_befallen == 3


def test_of_several_metastores_one_that_answers_is_asked(properties, database):
    several = {**properties, "uri": "thrift://127.0.0.1:1," + properties["uri"], "ugi": "tests:readers:writers"}
    catalog = frazil.load_catalog("hive", **several)
    catalog.create_table_as(f"{database}.t", rows(1)).append(rows(2))
    assert ids(catalog.load_table(f"{database}.t")) == [1, 2]


@pytest.mark.parametrize("more, message", [
    ({"uri": "http://host:9083"}, "not of the form thrift://host:port"),
    ({"uri": "thrift://"}, "not of the form thrift://host:port"),
    ({"hive.kerberos-authentication": "true"}, "Kerberos is not in this build"),
    ({"lock-check-min-wait-time": "soon"}, "'soon' is not a time"),
])
def test_properties_are_checked(properties, more, message):
    with pytest.raises(frazil.FrazilError, match=message):
        frazil.load_catalog("hive", **{**properties, **more})


def test_a_server_that_speaks_something_else_is_told(rest_local, properties):
    catalog = frazil.load_catalog("hive", **{**properties, "uri": rest_local.replace("http", "thrift")})
    with pytest.raises(frazil.FrazilError, match="Hive get_all_databases: "):
        catalog.list_namespaces()
