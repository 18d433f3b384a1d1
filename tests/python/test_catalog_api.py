"""Namespaces and tables: create, list, rename, drop, register; and which exception says what."""

import pyarrow as pa
import pytest

import frazil

SCHEMA = pa.schema([pa.field("id", pa.int64(), nullable=False), pa.field("name", pa.string())])


def test_namespaces(catalog):
    assert catalog.list_namespaces() == [("ns",)]
    catalog.create_namespace(("a",))
    catalog.create_namespace_if_not_exists("a")
    with pytest.raises(frazil.NamespaceAlreadyExistsError):
        catalog.create_namespace("a")
    assert catalog.namespace_exists("a")
    catalog.drop_namespace("a")
    assert not catalog.namespace_exists("a")
    with pytest.raises(frazil.NoSuchNamespaceError):
        catalog.drop_namespace("a")


def test_namespace_with_tables_is_not_dropped(catalog):
    catalog.create_table("ns.t", SCHEMA)
    with pytest.raises(frazil.NamespaceNotEmptyError):
        catalog.drop_namespace("ns")


def test_tables(catalog):
    table = catalog.create_table("ns.t", SCHEMA)
    assert table.name() == ("ns", "t")
    assert catalog.list_tables("ns") == [("ns", "t")]
    assert catalog.table_exists("ns.t") and not catalog.table_exists("ns.u")
    with pytest.raises(frazil.TableAlreadyExistsError):
        catalog.create_table("ns.t", SCHEMA)
    assert catalog.create_table_if_not_exists("ns.t", SCHEMA).uuid == table.uuid
    renamed = catalog.rename_table("ns.t", ("ns", "u"))
    assert renamed.uuid == table.uuid
    catalog.drop_table("ns.u")
    with pytest.raises(frazil.NoSuchTableError):
        catalog.load_table("ns.u")
    with pytest.raises(frazil.NoSuchTableError):
        catalog.drop_table("ns.u")


def test_views(catalog, tmp_path):
    catalog.create_table("ns.t", SCHEMA)
    assert catalog.list_views(("ns",)) == []
    with pytest.raises(frazil.NoSuchNamespaceError):
        catalog.list_views("none")
    with pytest.raises(frazil.UnsupportedError, match="of type rest and sql"):
        frazil.load_catalog("none", type="static", warehouse=str(tmp_path)).list_views("ns")


def test_exceptions_are_also_what_python_expects(catalog):
    with pytest.raises(LookupError):
        catalog.load_table("ns.missing")
    with pytest.raises(frazil.FrazilError, match="ns.missing|missing"):
        catalog.load_table("ns.missing")
    with pytest.raises(ValueError):
        frazil.load_catalog("x", type="no such type")


def test_create_in_a_missing_namespace(catalog):
    with pytest.raises(frazil.NoSuchNamespaceError):
        catalog.create_table("other.t", SCHEMA)


def test_create_options(catalog, tmp_path):
    table = catalog.create_table(
        "ns.t",
        SCHEMA,
        location=str(tmp_path / "elsewhere"),
        partition_spec="bucket(4, id)",
        sort_order="id asc nulls first",
        properties={"a": "b", "n": 5, "yes": True},
    )
    assert table.location().endswith("elsewhere")
    assert [(f.name, f.transform) for f in table.spec().fields] == [("id_bucket", "bucket[4]")]
    assert table.properties["a"] == "b"
    assert table.properties["n"] == "5"
    assert table.properties["yes"] == "true"
    assert table.format_version == 2


def test_register(catalog):
    table = catalog.create_table("ns.t", SCHEMA)
    table.append(pa.table({"id": [1], "name": ["a"]}))
    again = catalog.register_table("ns.again", table.metadata_location)
    assert again.to_arrow().num_rows == 1
    with pytest.raises(frazil.TableAlreadyExistsError):
        catalog.register_table("ns.again", table.metadata_location)


def test_static_catalog_reads_a_folder_and_a_metadata_file(catalog):
    table = catalog.create_table("ns.t", SCHEMA)
    table.append(pa.table({"id": [1], "name": ["a"]}))
    static = frazil.load_catalog("files", type="static")
    assert static.load_table(table.metadata_location).to_arrow().num_rows == 1


def test_purge_removes_files(catalog, tmp_path):
    table = catalog.create_table("ns.t", SCHEMA)
    table.append(pa.table({"id": [1], "name": ["a"]}))
    data = [path for path in (tmp_path / "warehouse").rglob("*.parquet")]
    assert data
    catalog.purge_table("ns.t")
    assert not [path for path in data if path.exists()]


def test_no_secret_in_a_repr(tmp_path):
    made = frazil.load_catalog(
        "x", uri=f"sqlite:///{tmp_path}/c.db", warehouse=str(tmp_path), token="hunter2"
    )
    assert "hunter2" not in repr(made)


def test_a_name_with_nul_is_refused(catalog):
    with pytest.raises(ValueError):
        catalog.load_table("ns.a\0b")


def test_defaults_are_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    frazil.load_catalog().create_namespace("ns")
    frazil.load_catalog("default").create_table("ns.t", SCHEMA)
    assert (tmp_path / "frazil.db").exists() and (tmp_path / "warehouse").is_dir()


def test_a_table_with_its_rows_is_one_commit(catalog):
    rows = pa.table({"id": [1, 2], "at": pa.array([1, 2], pa.timestamp("ns", "UTC"))})
    table = catalog.create_table_as(
        "ns.t", rows, partition_spec="bucket(2, id)", properties={"a": 1},
        snapshot_properties={"made-by": "test"}, truncate_nanoseconds=True,
    )  # fmt: skip
    assert table.scan().to_arrow()["id"].to_pylist() == [1, 2]
    assert table.properties["a"] == "1" and len(table.snapshots()) == 1
    assert table.current_snapshot().summary["made-by"] == "test"
    assert not table.inspect.metadata_log_entries()["file"].to_pylist()[1:]
    with pytest.raises(frazil.TableAlreadyExistsError, match="ns.t"):
        catalog.create_table_as("ns.t", rows, truncate_nanoseconds=True)
    with pytest.raises(frazil.NoSuchNamespaceError):
        catalog.create_table_as("nope.t", rows)
    with pytest.raises(frazil.InvalidError, match="nanoseconds"):
        catalog.create_table_as("ns.u", rows)
    assert not catalog.table_exists("ns.u")


def test_a_replaced_table_has_a_past(catalog):
    first = catalog.create_table_as("ns.t", pa.table({"id": [1, 2], "name": ["a", "b"]}))
    old = first.current_snapshot_id()
    table = catalog.replace_table(
        "ns.t", pa.table({"name": [7], "id": ["x"]}), snapshot_properties={"k": "v"}
    )
    assert table.scan().to_arrow().to_pylist() == [{"name": 7, "id": "x"}]
    assert table.scan(snapshot_id=old).to_arrow().to_pylist() == [
        {"id": 1, "name": "a"}, {"id": 2, "name": "b"},
    ]  # fmt: skip
    assert table.current_snapshot().parent_snapshot_id == old
    assert table.maintenance.verify(all_snapshots=True, read_data=True).is_sound
    with pytest.raises(frazil.NoSuchTableError):
        catalog.replace_table("ns.nope", pa.table({"id": [1]}))


def test_catalogs_without_joint_commits_refuse_them(catalog, tmp_path):
    table = catalog.create_table("ns.t", pa.schema([("id", pa.int64())]))
    rows = pa.table({"id": [1]})
    with pytest.raises(frazil.UnsupportedError, match="catalog 'default': only catalogs of type rest"):
        catalog.commit_tables([frazil.TableChange(table, rows)])
    with pytest.raises(frazil.InvalidError, match="change 0: neither data nor filter"):
        catalog.commit_tables([frazil.TableChange(table)])
    with pytest.raises(TypeError):
        frazil.TableChange(table, 5)
    assert list(tmp_path.glob("**/*.parquet")) == []
