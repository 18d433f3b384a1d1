"""DuckDB with its Iceberg extension, for the tests that compare with it; they are skipped where there is none."""

import importlib.util
import pathlib

import pytest


def connect():
    """A database with the extension loaded, in UTC."""
    duckdb = pytest.importorskip("duckdb")
    connection = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    for name in ["avro", "httpfs", "iceberg"]:
        module = importlib.util.find_spec(f"duckdb_extension_{name}")
        if module is None:
            pytest.skip(f"duckdb-extension-{name} is not installed")
        (file,) = pathlib.Path(module.submodule_search_locations[0]).rglob("*.duckdb_extension")
        connection.execute(f"LOAD '{file}'")
    connection.execute("SET TimeZone = 'UTC'")
    return connection
