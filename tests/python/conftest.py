"""Fixtures for the tests of the Python package: a catalog in a folder of its own."""

import pytest

import frazil


@pytest.fixture
def catalog(tmp_path):
    made = frazil.load_catalog(
        "default",
        type="sql",
        uri=f"sqlite:///{tmp_path}/catalog.db",
        warehouse=str(tmp_path / "warehouse"),
    )
    made.create_namespace("ns")
    return made
