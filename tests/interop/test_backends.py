"""One suite on every pair of a catalog and a store: SQLite, PostgreSQL, REST, Glue, Hive, Nessie; local files, S3, GCS, Azure.

Nessie keeps tables in object stores alone, never removes their files, makes no version 3, shows the current
snapshot only, and does not see that a table which should be empty is not: its part of the suite is less.
"""

import multiprocessing
import os
import uuid

import pyarrow as pa
import pytest
import servers
from pyiceberg.catalog import load_catalog as load_pyiceberg

import frazil

WRITERS = 8
APPENDS = int(os.environ.get("FRAZIL_APPENDS", "5"))  # a writer's commits; make interop takes 50
STORES = {"s3": "s3://lake", "gcs": "gs://lake", "azure": f"abfss://lake@{servers.ACCOUNT}.dfs.core.windows.net"}
SCHEMA = pa.schema([("id", pa.int64()), ("city", pa.string()), ("value", pa.float64())])


class Backend:
    """How the same tables are reached by frazil and by PyIceberg."""

    def __init__(self, name, properties):
        self.name = name
        self.properties = properties

    def below(self, namespace, name):
        """Another namespace: a child, where there are children."""
        return namespace + ("_" if self.name.startswith(("glue", "hive")) else ".") + name

    @property
    def odd_name(self):
        """A table's name with odd characters, where they are allowed (Nessie cannot register such paths)."""
        return "odd_name_1" if self.name.startswith(("hive", "nessie")) else "odd name=1"

    @property
    def is_nessie(self):
        return self.name.startswith("nessie")

    def frazil(self):
        return frazil.load_catalog("backend", **self.properties)

    def pyiceberg(self):
        return load_pyiceberg("backend", **self.properties)


@pytest.fixture(params=["sqlite-local", "sqlite-s3", "postgresql-local", "postgresql-s3", "rest-local", "rest-s3",
                        "glue-local", "glue-s3", "hive-local", "hive-s3", "nessie-s3", "sqlite-gcs", "sqlite-azure", "rest-gcs"])
def backend(request, tmp_path):
    catalog, store = request.param.split("-")
    properties = {}
    if catalog == "rest":
        properties |= {"type": "rest", "uri": request.getfixturevalue(f"rest_{store}")}
    elif catalog == "nessie":
        properties |= {"type": "rest", "uri": request.getfixturevalue("nessie_uri"), "warehouse": "lake"}
    elif catalog == "glue":
        properties |= request.getfixturevalue("glue").properties | {"warehouse": f"file://{tmp_path}/warehouse"}
    elif catalog == "hive":
        port = request.getfixturevalue("hive_s3_port" if store == "s3" else "hive_port")
        properties |= {"type": "hive", "uri": f"thrift://127.0.0.1:{port}", "warehouse": f"file://{tmp_path}/warehouse"}
    else:
        properties |= {"type": "sql", "uri": f"sqlite:///{tmp_path}/catalog.db", "warehouse": f"file://{tmp_path}/warehouse"}
    if catalog == "postgresql":
        properties["uri"] = request.getfixturevalue("postgres_uri").replace("postgresql", "postgresql+psycopg2", 1)
    if store in STORES:
        properties |= request.getfixturevalue(f"{store}_store")
        if catalog not in ("rest", "nessie"):
            properties["warehouse"] = f"{STORES[store]}/{uuid.uuid4().hex}"
    return Backend(request.param, properties)


@pytest.fixture
def names(backend):
    """A namespace of its own, which is left empty at the end."""
    namespace = "n" + uuid.uuid4().hex[:12]
    catalog = backend.frazil()
    catalog.create_namespace(namespace)
    yield namespace
    for table in catalog.list_tables(namespace):
        catalog.drop_table(table, purge=not backend.is_nessie)
    catalog.drop_namespace(namespace)


def rows(start, stop, city="here"):
    n = stop - start
    return pa.table({"id": range(start, stop), "city": [city] * n, "value": [i / 2 for i in range(start, stop)]})


def ids(table):
    return sorted(table.scan(selected_fields=["id"]).to_arrow()["id"].to_pylist())


def test_rows_are_created_appended_deleted_compacted_and_read(backend, names):
    catalog = backend.frazil()
    table = catalog.create_table(f"{names}.t", schema=SCHEMA, partition_spec="bucket(4, id)", sort_order="id")
    for start in range(0, 100, 20):
        table.append(rows(start, start + 20))
    table.delete("id < 10")
    table.delete("id = 50", mode="merge-on-read")
    table.upsert(rows(95, 105, "there"), ["id"])
    expected = [i for i in range(10, 105) if i != 50]
    assert ids(table) == expected
    table.maintenance.compact()
    again = backend.frazil().load_table(f"{names}.t")
    assert ids(again) == expected
    assert again.scan("city = 'there'").count() == 10
    assert again.maintenance.verify(read_data=True).is_sound


def test_tables_evolve(backend, names):
    table = backend.frazil().create_table(f"{names}.t", schema=SCHEMA, partition_spec="city")
    table.append(rows(0, 3))
    with table.update_schema() as change:
        change.add_column("extra", "long")
        change.rename_column("value", "amount")
    with table.update_spec() as change:
        change.add_field("id", "bucket[2]")
    with table.update_sort_order() as change:
        change.asc("id")
    table.set_properties({"owner": "tests"})
    table.append(pa.table({"id": [3], "city": ["there"], "amount": [1.5], "extra": [7]}))
    if not backend.is_nessie:
        table.create_tag("done")
    table.append(pa.table({"id": [4], "city": ["there"], "amount": [2.0], "extra": [8]}))
    if not backend.is_nessie:
        table.upgrade_table_version(3)
    again = backend.frazil().load_table(f"{names}.t")
    assert ids(again) == [0, 1, 2, 3, 4]
    assert again.properties["owner"] == "tests"
    if backend.is_nessie:
        return
    assert again.scan(ref="done").count() == 4
    assert again.format_version == 3
    again.remove_ref("done")
    again.remove_properties("owner")
    again.maintenance.expire_snapshots(older_than=2**50, retain_last=1)
    assert len(backend.frazil().load_table(f"{names}.t").snapshots()) == 1
    assert ids(again) == [0, 1, 2, 3, 4]


def test_names_are_listed_renamed_registered_and_dropped(backend, names):
    catalog = backend.frazil()
    inner = backend.below(names, "inner")
    parts = tuple(inner.split("."))
    catalog.create_namespace(inner, {"owner": "tests"})
    assert parts in catalog.list_namespaces(".".join(parts[:-1]))
    table = catalog.create_table(f"{inner}.{backend.odd_name}", schema=SCHEMA)
    table.append(rows(0, 3))
    assert catalog.list_tables(inner) == [(*parts, backend.odd_name)]
    with pytest.raises(frazil.TableAlreadyExistsError):
        catalog.create_table(f"{inner}.{backend.odd_name}", schema=SCHEMA)
    with pytest.raises(frazil.NamespaceAlreadyExistsError):
        catalog.create_namespace(inner)
    with pytest.raises(frazil.NamespaceNotEmptyError):
        catalog.drop_namespace(inner)
    with pytest.raises(frazil.NoSuchTableError):
        catalog.load_table(f"{inner}.none")
    if backend.is_nessie:
        assert catalog.list_tables(backend.below(names, "none")) == []
    else:
        with pytest.raises(frazil.NoSuchNamespaceError):
            catalog.list_tables(backend.below(names, "none"))
    catalog.rename_table(f"{inner}.{backend.odd_name}", f"{names}.plain")
    location = catalog.load_table(f"{names}.plain").metadata_location
    catalog.drop_table(f"{names}.plain")
    with pytest.raises(frazil.NoSuchTableError):
        catalog.load_table(f"{names}.plain")
    catalog.register_table(f"{names}.back", location)
    assert ids(catalog.load_table(f"{names}.back")) == [0, 1, 2]
    catalog.drop_namespace(inner)


def test_a_purge_leaves_no_file(backend, names):
    catalog = backend.frazil()
    table = catalog.create_table(f"{names}.t", schema=SCHEMA)
    table.append(rows(0, 3))
    location = table.metadata_location
    if backend.is_nessie:
        with pytest.raises(frazil.InvalidError, match="gc.enabled is false"):
            catalog.drop_table(f"{names}.t", purge=True)
        return
    catalog.drop_table(f"{names}.t", purge=True)
    with pytest.raises(frazil.FrazilError):
        catalog.register_table(f"{names}.again", location)


def test_tables_are_created_with_rows_and_replaced_by_others(backend, names):
    catalog = backend.frazil()
    table = catalog.create_table_as(f"{names}.t", rows(0, 10), partition_spec="bucket(2, id)")
    assert ids(table) == list(range(10))
    assert ids(backend.frazil().load_table(f"{names}.t")) == list(range(10))
    assert len(table.snapshots()) == 1
    with pytest.raises(frazil.TableAlreadyExistsError):
        catalog.create_table_as(f"{names}.t", rows(0, 1))
    catalog.replace_table(f"{names}.t", pa.table({"other": ["x"]}))  # to no partitions
    catalog.replace_table(f"{names}.t", pa.table({"other": ["a", "b"]}))  # what it has already
    again = backend.frazil().load_table(f"{names}.t")
    assert sorted(again.scan().to_arrow()["other"].to_pylist()) == ["a", "b"]
    assert sorted(backend.pyiceberg().load_table(f"{names}.t").scan().to_arrow()["other"].to_pylist()) == ["a", "b"]


def test_pyiceberg_reads_what_was_written(backend, names):
    table = backend.frazil().create_table(f"{names}.t", schema=SCHEMA, partition_spec="bucket(2, id)")
    table.append(rows(0, 10))
    table.delete("id < 3")
    other = backend.pyiceberg().load_table(f"{names}.t")
    assert sorted(other.scan().to_arrow()["id"].to_pylist()) == list(range(3, 10))


def test_pyiceberg_and_frazil_write_by_turns(backend, names):
    other = backend.pyiceberg().create_table(f"{names}.t", schema=SCHEMA)
    other.append(rows(0, 5))
    table = backend.frazil().load_table(f"{names}.t")
    table.append(rows(5, 10))
    other.refresh()
    other.append(rows(10, 15))
    table.append(rows(15, 20))  # on a version that PyIceberg has replaced
    table.refresh()
    assert ids(table) == list(range(20))
    other.refresh()
    assert sorted(other.scan().to_arrow()["id"].to_pylist()) == list(range(20))


def write(backend, identifier, writer, barrier):
    barrier.wait()
    table = backend.frazil().load_table(identifier)
    for number in range(APPENDS):
        table.append(pa.table({"writer": [writer], "number": [number]}))


def test_concurrent_writers_lose_no_row(backend, names):
    identifier = f"{names}.shared"
    schema = pa.schema([("writer", pa.int64()), ("number", pa.int64())])
    table = backend.frazil().create_table(identifier, schema=schema)
    n_before = 1 if backend.is_nessie else 0  # of writers that begin with an empty table it would lose all but one
    if n_before:
        table.append(pa.table({"writer": [-1], "number": [-1]}))
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(WRITERS)
    processes = [context.Process(target=write, args=(backend, identifier, w, barrier)) for w in range(WRITERS)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(1800)
    assert [process.exitcode for process in processes] == [0] * WRITERS
    table = backend.frazil().load_table(identifier)
    found = sorted((row["writer"], row["number"]) for row in table.scan().to_arrow().to_pylist())
    assert found[n_before:] == [(w, n) for w in range(WRITERS) for n in range(APPENDS)]
