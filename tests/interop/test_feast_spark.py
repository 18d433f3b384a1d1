"""The offline store's engine for Spark: each check of spark_joins.py is a test here. All run in one session."""

import glob
import os
import pathlib
import re
import subprocess
import sys

import pytest
from spark_engine import find_spark

HERE = pathlib.Path(__file__).resolve().parent
CHECKS = re.findall(r"^def (check_\w+)", (HERE / "spark_joins.py").read_text(), re.M)
SQLITE = "~/.m2/repository/org/xerial/sqlite-jdbc/*/sqlite-jdbc-*.jar"


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """What the checks printed, by name."""
    found, driver = find_spark(), glob.glob(os.path.expanduser(SQLITE))
    if found is None or not driver:
        pytest.skip("no pyspark, no Iceberg runtime for it, or no JDBC driver of SQLite; make test-spark has them")
    # Spark's Python has pyspark, this one has Feast and frazil.
    packages = os.pathsep.join(path for path in sys.path if path.endswith("-packages"))
    command = [found[0], str(HERE / "spark_joins.py"), str(tmp_path_factory.mktemp("spark")), f"{found[1]},{driver[-1]}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1800, env={**os.environ, "PYTHONPATH": packages})
    said = dict(re.findall(r"^(?:not )?ok (check_\w+)((?:\n(?!ok |not ok ).*|.)*)", done.stdout, re.M))
    assert done.returncode == 0 and said, done.stdout[-3000:] + done.stderr[-3000:]
    return {"out": done.stdout, **said}


@pytest.mark.parametrize("check", CHECKS)
def test_spark(said, check):
    assert f"\nok {check}\n" in "\n" + said["out"], said.get(check, "did not run")
