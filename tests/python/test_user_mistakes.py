"""What a wrong call is told: an exception of ours, or a TypeError, that names the argument."""

import datetime as dt

import frazil
import pyarrow as pa
import pytest

ROWS = pa.table({"id": [1, 2], "amount": [1.0, 2.0]})


@pytest.fixture
def table(catalog):
    made = catalog.create_table("ns.t", ROWS.schema, format_version=3)
    made.append(ROWS)
    return made


MISTAKES = [
    (lambda t: t.scan(limit="3"), TypeError, "limit '3'"),
    (lambda t: t.scan(as_of=1.5), TypeError, "as_of 1.5"),
    (lambda t: t.delete("id = 1", mode="mor"), frazil.InvalidError, "neither 'copy-on-write'"),
    (lambda t: t.append(ROWS, snapshot_properties=["a"]), TypeError, "properties are a dict"),
    (lambda t: t.append(ROWS, branch="nope"), frazil.NotFoundError, "branch 'nope'"),
    (lambda t: t.upsert(ROWS, join_cols="idd"), frazil.InvalidError, "no column 'idd'; the columns are: id"),
    (lambda t: t.update_schema().add_column("x", int), TypeError, "column 'x'.*no type"),
    (
        lambda t: t.update_schema().add_column("x", "double", default_value=float("nan")),
        frazil.InvalidError,
        "default of nan",
    ),
    (lambda t: t.maintenance.expire_snapshots("last week"), frazil.InvalidError, "older_than 'last week'"),
    (lambda t: t.maintenance.expire_snapshots(1.5), TypeError, "older_than 1.5"),
    (lambda t: t.maintenance.compact(snapshot_properties="a"), TypeError, "properties are a dict"),
]


@pytest.mark.parametrize(("call", "kind", "words"), MISTAKES, ids=[words for _, _, words in MISTAKES])
def test_mistake(table, call, kind, words):
    before = table.metadata_location
    with pytest.raises(kind, match=words):
        call(table)
    assert table.refresh().metadata_location == before


def test_an_identifier_of_another_type(catalog):
    with pytest.raises(TypeError, match="identifier 5 is neither"):
        catalog.load_table(5)
    with pytest.raises(TypeError, match="properties are a dict"):
        catalog.create_table("ns.u", ROWS.schema, properties=["a"])


def test_a_join_column_may_be_a_text(table):
    result = table.upsert(pa.table({"id": [2, 3], "amount": [5.0, 6.0]}), join_cols="id")
    assert (result.rows_updated, result.rows_added) == (1, 1)


@pytest.mark.parametrize(
    "when",
    ["2100-01-01", dt.date(2100, 1, 1), dt.datetime(2100, 1, 1), 4102444800000, dt.timedelta(0)],
    ids=lambda when: type(when).__name__,
)
def test_when_expiry_counts_from(table, when):
    table.append(ROWS)
    assert table.maintenance.expire_snapshots(when).snapshots == 1


def test_what_was_changed_can_be_seen(table):
    assert table.sort_order().fields == ()
    table.update_sort_order().desc("id", null_order="nulls-first").commit()
    table.update_schema().add_column("n", "int", default_value=7).commit()
    assert str(table.sort_order()) == "identity(1) desc nulls-first"
    assert table.sort_orders()[0].fields == ()
    field = table.schema().find_field("n")
    assert (field.initial_default, field.write_default) == (7, 7)
    assert table.schema().find_field("id").write_default is None


@pytest.mark.parametrize(
    ("name", "value"),
    [("commit.retry.num-retries", "many"), ("commit.status-check.min-wait-ms", "-1"), ("write.avro.compression-codec", "zip")],
)
def test_a_wrong_property_can_be_put_right(table, name, value):
    table.set_properties({name: value})
    with pytest.raises(frazil.InvalidError, match=name):
        table.append(ROWS)
    table.remove_properties(name)
    table.append(ROWS)
    assert table.scan().count() == 4
