"""Fixtures for the tests of the Feast plugin."""

import pytest

pytest.importorskip("feast")

from feast_repo import Repo  # noqa: E402

collect_ignore = ["universal_creators.py"]


@pytest.fixture
def repo(tmp_path):
    return Repo(tmp_path)


@pytest.fixture
def make_repo(tmp_path):
    return lambda **options: Repo(tmp_path, **options)


@pytest.fixture(params=["native", "duckdb"])
def engine_repo(request, make_repo):
    """A repo for each engine that needs no cluster."""
    return make_repo(offline={"engine": request.param})
