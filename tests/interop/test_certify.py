"""The example's repository on each certified pair: everything but feature_store.yaml is the same file.

`make certify` runs this with FRAZIL_REQUIRE_SERVERS=1: a pair whose server is missing fails there.
"""

import filecmp
import os
import pathlib
import shutil
import subprocess
import sys

import pytest
from pyiceberg.catalog import load_catalog

EXAMPLE = pathlib.Path(__file__).resolve().parents[2] / "examples" / "iceberg-local"
SCRIPTS = ["features.py", "run_example.py"]


@pytest.fixture
def repo(tmp_path):
    folder = tmp_path / "repo"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("data", "__pycache__"))
    yield folder
    assert filecmp.cmpfiles(EXAMPLE, folder, SCRIPTS, shallow=False)[0] == SCRIPTS


def run_twice(repo, **variables):
    """The second run finds what the first one left."""
    for _ in range(2):
        result = subprocess.run([sys.executable, "run_example.py"], cwd=repo, env={**os.environ, **variables},
                                capture_output=True, text=True, timeout=600)
        assert result.returncode == 0 and "6 of 6 checks agree with pandas" in result.stdout, result.stdout + result.stderr


def test_the_example_on_sql_and_files(repo):
    run_twice(repo)
    catalog = load_catalog("default", type="sql", uri=f"sqlite:///{repo}/data/catalog.db")
    assert len(catalog.load_table("demo.driver_stats").scan().to_arrow()) == 890


def test_the_example_on_rest_and_s3(repo, rest_s3, s3_store):
    shutil.move(repo / "feature_store.rest-s3.yaml", repo / "feature_store.yaml")
    variables = {name.upper().replace(".", "_").replace("-", "_"): value for name, value in s3_store.items()}
    run_twice(repo, REST_URI=rest_s3, **variables)
    catalog = load_catalog("default", type="rest", uri=rest_s3, **s3_store)
    table = catalog.load_table("demo.driver_stats")
    assert table.location().startswith("s3://")
    assert len(table.scan().to_arrow()) == 890
    assert not list(repo.glob("data/**/*.parquet"))
