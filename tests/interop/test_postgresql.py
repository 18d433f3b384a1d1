"""A catalog in PostgreSQL whose connections break."""

import re
import uuid

import pyarrow as pa
import pytest
from stream_proxy import stream_proxy

import frazil

ROW = pa.table({"id": pa.array([1], pa.int64())})


@pytest.fixture
def proxy(postgres_uri):
    with stream_proxy(int(re.search(r":(\d+)/", postgres_uri)[1])) as proxy:
        yield proxy


@pytest.fixture
def catalog(proxy, postgres_uri, tmp_path):
    uri = re.sub(r":\d+/", f":{proxy.port}/", postgres_uri)
    return frazil.load_catalog("n" + uuid.uuid4().hex, type="sql", uri=uri, warehouse=f"file://{tmp_path}/warehouse")


@pytest.fixture
def table(catalog):
    catalog.create_namespace("demo")
    return catalog.create_table("demo.t", schema=ROW.schema)


@pytest.mark.parametrize("kind", ["drop", "lose", "late"])
def test_a_commit_whose_answer_was_lost_is_done_once(catalog, proxy, table, kind):
    """Late: when the connection breaks the old pointer is seen, and the commit happens all the same."""
    proxy.befall(kind, b"COMMIT", seconds=1)
    if kind == "drop":
        with pytest.raises(frazil.StorageError, match="PostgreSQL"):
            table.append(ROW)
        assert table.refresh().scan().count() == 0
        table.append(ROW)
    else:
        table.append(ROW)
    assert proxy.n_befallen == 1
    again = catalog.load_table("demo.t")
    assert again.scan().to_arrow()["id"].to_pylist() == [1]
    assert len(again.snapshots()) == 1
    assert again.maintenance.verify(read_data=True).is_sound


@pytest.mark.parametrize("kind", ["drop", "lose", "late"])
def test_a_creation_whose_answer_was_lost_is_done_or_refused(catalog, proxy, kind):
    catalog.create_namespace("demo")
    proxy.befall(kind, b"COMMIT", seconds=1)
    if kind == "drop":
        with pytest.raises(frazil.FrazilError, match="PostgreSQL"):
            catalog.create_table_as("demo.t", ROW)
        catalog.create_table_as("demo.t", ROW)
    else:
        catalog.create_table_as("demo.t", ROW)
    assert catalog.load_table("demo.t").scan().to_arrow()["id"].to_pylist() == [1]


def test_a_commit_that_stays_in_flight_is_unknown_and_deletes_nothing(catalog, proxy, table, tmp_path):
    table.set_properties({"commit.status-check.num-retries": "1", "commit.status-check.min-wait-ms": "1"})
    before = set(tmp_path.glob("**/*.json"))
    proxy.befall("late", b"COMMIT", seconds=15)
    with pytest.raises(frazil.CommitUnknownError):
        table.append(ROW)
    assert len(set(tmp_path.glob("**/*.json")) - before) == 1
