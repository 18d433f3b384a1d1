"""Glue: what stands in its tables, pages, versions, signatures, lost answers."""

import datetime
import uuid

import pyarrow as pa
import pytest
from pyiceberg.catalog import load_catalog as load_pyiceberg

import frazil

SCHEMA = pa.schema([pa.field("id", pa.int64(), nullable=False), ("city", pa.string()), ("tags", pa.list_(pa.string())),
                    ("price", pa.decimal128(9, 2)), ("at", pa.timestamp("us", "UTC")),
                    ("place", pa.struct([("lat", pa.float32()), ("zip", pa.map_(pa.string(), pa.int32()))]))])


@pytest.fixture
def catalog(glue, tmp_path):
    return frazil.load_catalog("glue", **glue.properties, warehouse=f"file://{tmp_path}/warehouse")


@pytest.fixture
def database(catalog):
    name = "d" + uuid.uuid4().hex[:12]
    catalog.create_namespace(name, {"Description": "of the tests", "owner": "me"})
    return name


def rows(*ids):
    return pa.table({"id": ids}, schema=pa.schema([pa.field("id", pa.int64(), nullable=False)]))


def seen(glue, database, table="t"):
    return glue.call("GetTable", DatabaseName=database, Name=table)["Table"]


def test_what_stands_in_a_table_is_what_pyiceberg_writes(glue, catalog, database, tmp_path):
    catalog.create_table(f"{database}.ours", schema=SCHEMA)
    other = load_pyiceberg("glue", **glue.properties, warehouse=f"file://{tmp_path}/warehouse")
    other.create_table(f"{database}.theirs", schema=other.load_table(f"{database}.ours").schema())
    ours, theirs = seen(glue, database, "ours"), seen(glue, database, "theirs")
    assert ours["StorageDescriptor"]["Columns"] == theirs["StorageDescriptor"]["Columns"]
    assert ours["StorageDescriptor"]["Location"] == theirs["StorageDescriptor"]["Location"].replace("theirs", "ours")
    assert ours["TableType"] == theirs["TableType"]
    assert ours["Parameters"].keys() == theirs["Parameters"].keys() == {"table_type", "metadata_location"}


def test_a_commit_keeps_what_others_wrote(glue, catalog, database):
    table = catalog.create_table(f"{database}.t", schema=rows(1).schema)
    before = seen(glue, database)
    glue.call("UpdateTable", DatabaseName=database, TableInput={
        "Name": "t", "TableType": "EXTERNAL_TABLE", "Owner": "somebody", "Description": "words",
        "StorageDescriptor": before["StorageDescriptor"], "Parameters": {**before["Parameters"], "team": "search"}})
    table.append(rows(1))
    after = seen(glue, database)
    assert (after["Owner"], after["Description"], after["Parameters"]["team"]) == ("somebody", "words", "search")
    assert after["Parameters"]["previous_metadata_location"] == before["Parameters"]["metadata_location"]
    assert after["Parameters"]["metadata_location"] == table.metadata_location
    sent = [asked for action, asked in glue.actions if action == "UpdateTable" and asked["DatabaseName"] == database]
    assert sent[-1]["SkipArchive"] is True and int(sent[-1]["VersionId"]) >= 1


def test_columns_that_were_dropped_stay_as_past_ones(glue, catalog, database):
    table = catalog.create_table(f"{database}.t", schema=SCHEMA)
    with table.update_schema() as change:
        change.delete_column("city")
        change.add_column("more", "double", doc="a" * 254 + "\u00e9 cut here")
    columns = {column["Name"]: column for column in seen(glue, database)["StorageDescriptor"]["Columns"]}
    assert columns["city"]["Parameters"]["iceberg.field.current"] == "false"
    assert columns["more"]["Type"] == "double" and columns["more"]["Comment"] == "a" * 254
    assert columns["place"]["Type"] == "struct<lat:float,zip:map<string,int>>"


def test_lists_come_in_pages(glue, catalog, database):
    for i in range(5):
        catalog.create_table(f"{database}.t{i}", schema=rows(1).schema)
    glue.call("CreateTable", DatabaseName=database, TableInput={"Name": "hive_table", "Parameters": {}})
    assert catalog.list_tables(database) == [(database, f"t{i}") for i in range(5)]
    assert (database,) in catalog.list_namespaces()
    assert catalog.list_namespaces(database) == []
    with pytest.raises(frazil.NoSuchTableError, match="no Iceberg table"):
        catalog.load_table(f"{database}.hive_table")
    with pytest.raises(frazil.NamespaceNotEmptyError):
        catalog.drop_namespace(database)


def test_namespaces_have_one_level(catalog):
    with pytest.raises(frazil.InvalidError, match="one level"):
        catalog.create_namespace("a.b")
    with pytest.raises(frazil.InvalidError, match="one level"):
        catalog.load_table("a.b.t")


def test_a_catalog_of_another_account_is_named_in_each_request(glue, database, tmp_path):
    other = frazil.load_catalog("glue", **glue.properties, **{"glue.id": "123456789012", "glue.skip-archive": "false"})
    other.create_table(f"{database}.t", schema=rows(1).schema, location=f"file://{tmp_path}/t").append(rows(1))
    sent = [asked for action, asked in glue.actions if asked.get("DatabaseName") == database]
    assert sent and all(asked["CatalogId"] == "123456789012" for asked in sent)
    assert sent[-1]["SkipArchive"] is False


def test_the_database_says_where_tables_lie(glue, catalog, tmp_path):
    name = "d" + uuid.uuid4().hex[:12]
    catalog.create_namespace(name, {"location": f"file://{tmp_path}/elsewhere/"})
    assert catalog.create_table(f"{name}.t", schema=rows(1).schema).location() == f"file://{tmp_path}/elsewhere/t"
    bare = frazil.load_catalog("glue", **glue.properties)
    bare.create_namespace(name + "x")
    with pytest.raises(frazil.InvalidError, match="no location"):
        bare.create_table(f"{name}x.t", schema=rows(1).schema)


@pytest.mark.parametrize("kind, more", [("lose", {}), ("lose_status", {"status": 500}), ("status", {"status": 503}), ("reset", {})])
def test_a_commit_whose_answer_was_lost_is_done_once(glue, catalog, database, kind, more):
    table = catalog.create_table(f"{database}.t", schema=rows(1).schema)
    for number in range(3):  # the first, second and third request of a commit
        left = [number + 1]

        def matches(method, path):
            left[0] -= 1
            return left[0] == 0

        glue.befall(kind, matches=matches, **more)
        table.append(rows(number))
    assert sorted(catalog.load_table(f"{database}.t").scan().to_arrow()["id"].to_pylist()) == [0, 1, 2]
    assert len(catalog.load_table(f"{database}.t").snapshots()) == 3


def test_a_commit_that_may_not_have_happened_is_unknown_and_deletes_nothing(glue, catalog, database, tmp_path):
    table = catalog.create_table(f"{database}.t", schema=rows(1).schema)
    table.set_properties({"commit.status-check.num-retries": "1", "commit.status-check.min-wait-ms": "1"})
    before = set(tmp_path.glob("**/*.json"))
    real = glue._forward
    glue._forward = lambda handler, body: (
        (500, [], b"") if handler.headers["x-amz-target"] == "AWSGlue.UpdateTable" else real(handler, body))
    try:
        with pytest.raises(frazil.CommitUnknownError):
            table.append(rows(1))
    finally:
        del glue._forward
    assert len(set(tmp_path.glob("**/*.json")) - before) == 1


def test_throttled_requests_wait_and_end(glue, catalog, database):
    busy = b'{"__type": "ThrottlingException", "message": "Rate exceeded"}'
    glue.befall("status", times=3, status=400, body=busy)
    assert catalog.list_tables(database) == []
    assert [entry for entry in glue.log if entry[2] == "status"][-3:]


@pytest.mark.parametrize("key, value", [("glue.secret-access-key", "wrong"), ("glue.access-key-id", "nobody")])
def test_wrong_keys_are_refused_without_being_told(glue, database, key, value):
    wrong = {**glue.properties, key: value}
    with pytest.raises(frazil.AuthError, match="Glue GetTables: HTTP 400") as refused:
        frazil.load_catalog("glue", **wrong).list_tables(database)
    for secret in wrong["glue.secret-access-key"], wrong["glue.access-key-id"], glue.properties["glue.secret-access-key"]:
        assert secret not in str(refused.value)


@pytest.mark.parametrize("minutes", [-30, 30])
def test_a_clock_that_differs_is_put_right(glue, database, minutes):
    glue.clock_ahead = datetime.timedelta(minutes=minutes)
    try:
        assert frazil.load_catalog("glue", **glue.properties).list_tables(database) == []
    finally:
        glue.clock_ahead = datetime.timedelta()


def test_temporary_keys_are_told_when_they_end(glue, database):
    glue.keys.append(("temporary", "temporary/secret", "temporary+token=="))
    temporary = {**glue.properties, "glue.access-key-id": "temporary", "glue.secret-access-key": "temporary/secret",
                 "glue.session-token": "temporary+token=="}
    catalog = frazil.load_catalog("glue", **temporary)
    assert catalog.list_tables(database) == []
    glue.ended.add("temporary")
    with pytest.raises(frazil.AuthError, match="ExpiredTokenException") as refused:
        catalog.list_tables(database)
    assert "temporary" not in str(refused.value)


def test_without_keys_or_region_the_error_says_what_to_set(glue):
    bare = {"type": "glue", "glue.endpoint": glue.url}
    with pytest.raises(frazil.AuthError, match="glue.credentials-source"):
        frazil.load_catalog("glue", **bare).list_namespaces()
    with pytest.raises(frazil.InvalidError, match="glue.region"):
        frazil.load_catalog("glue", type="glue")


def test_keys_of_client_properties(glue, database):
    keys = {key.replace("glue.", "client."): value for key, value in glue.properties.items() if "key" in key or "region" in key}
    catalog = frazil.load_catalog("glue", **{"type": "glue", "glue.endpoint": glue.url}, **keys)
    assert catalog.list_tables(database) == []


def test_a_commit_that_the_server_failed_after_is_looked_for(glue, catalog, database):
    table = catalog.create_table(f"{database}.t", schema=rows(1).schema)
    glue.befall("lose_status", matches=lambda method, called: called == "UpdateTable", status=503,
                headers=[("Retry-After", "3600")])
    table.append(rows(1))
    assert catalog.load_table(f"{database}.t").scan().to_arrow()["id"].to_pylist() == [1]


@pytest.mark.parametrize("action", ["CreateTable", "DeleteTable"])
@pytest.mark.parametrize("kind, more", [("lose", {}), ("lose_status", {"status": 503, "headers": [("Retry-After", "3600")]})])
def test_a_renaming_whose_answers_were_lost_is_done(glue, catalog, database, action, kind, more):
    catalog.create_table(f"{database}.old", schema=rows(1).schema).append(rows(1))
    glue.befall(kind, matches=lambda method, called: called == action, **more)
    catalog.rename_table(f"{database}.old", f"{database}.new")
    assert catalog.list_tables(database) == [(database, "new")]
    assert catalog.load_table(f"{database}.new").scan().to_arrow()["id"].to_pylist() == [1]


@pytest.mark.parametrize("kind, more", [("lose", {}), ("lose_status", {"status": 500})])
def test_a_drop_whose_answer_was_lost_is_done(glue, catalog, database, kind, more):
    catalog.create_table(f"{database}.t", schema=rows(1).schema)
    glue.befall(kind, matches=lambda method, called: called == "DeleteTable", **more)
    catalog.drop_table(f"{database}.t")
    assert catalog.list_tables(database) == []
    with pytest.raises(frazil.NoSuchTableError):
        catalog.drop_table(f"{database}.t")
