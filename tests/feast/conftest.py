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
