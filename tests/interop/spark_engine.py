"""Spark 4.1 with Iceberg's runtime, for the tests that compare with it; they are skipped where there is none.

Wants pyspark (in this Python, or in the one that $FRAZIL_SPARK_PYTHON names) and iceberg-spark-runtime-4.1_2.13 in
~/.m2 or at $FRAZIL_SPARK_JAR: `make test-spark` sets both up.
"""

import glob
import importlib.util
import json
import os
import subprocess
import sys
import textwrap

import pyarrow as pa
import pytest

JARS = "~/.m2/repository/org/apache/iceberg/iceberg-spark-runtime-4.1_2.13/*/iceberg-spark-runtime-4.1_2.13-*.jar"

# What each script starts with: `folder`, and `spark` with a catalog "c" of tables below it.
SESSION = textwrap.dedent("""
    import json
    import sys
    from pyspark.sql import SparkSession
    folder, jar = sys.argv[1:]
    spark = (SparkSession.builder.master("local[2]").config("spark.jars", jar)
      .config("spark.ui.enabled", "false").config("spark.driver.memory", "1g")
      .config("spark.driver.bindAddress", "127.0.0.1").config("spark.driver.host", "127.0.0.1")
      .config("spark.sql.extensions", "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions")
      .config("spark.sql.catalog.c", "org.apache.iceberg.spark.SparkCatalog")
      .config("spark.sql.catalog.c.type", "hadoop").config("spark.sql.catalog.c.warehouse", folder)
      .config("spark.sql.session.timeZone", "UTC").config("spark.sql.shuffle.partitions", "2").getOrCreate())
    run = spark.sql
""")

READ_ROWS = """
tables = json.load(open(f"{folder}/tables.json"))
rows = {name: [row.asDict() for row in spark.read.format("iceberg").load(path).collect()] for name, path in tables.items()}
json.dump(rows, open(f"{folder}/rows.json", "w"), default=str)
"""


def find_spark():
    """Spark's Python and Iceberg's runtime, or None."""
    jars = [os.environ["FRAZIL_SPARK_JAR"]] if "FRAZIL_SPARK_JAR" in os.environ else glob.glob(os.path.expanduser(JARS))
    python = os.environ.get("FRAZIL_SPARK_PYTHON") or (sys.executable if importlib.util.find_spec("pyspark") else None)
    return (python, jars[-1]) if python is not None and jars else None


def run_in_spark(script, folder):
    """Run a script, after SESSION, in a folder; skips the test where there is no Spark."""
    found = find_spark()
    if found is None:
        pytest.skip("no pyspark, or no Iceberg runtime for it; make test-spark has them")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "script.py"
    path.write_text(SESSION + textwrap.dedent(script))
    done = subprocess.run([found[0], path, folder, found[1]], capture_output=True, text=True, timeout=900)
    if done.returncode != 0:
        pytest.fail(done.stderr[-3000:])


def read_in_spark(locations, folder):
    """Rows of tables by their metadata files, as dicts of what JSON can say. All in one run: Spark starts slowly."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tables.json").write_text(json.dumps(locations))
    run_in_spark(READ_ROWS, folder)
    return json.loads((folder / "rows.json").read_text())


def plain(value):
    if isinstance(value, dict):
        return tuple(sorted((key, plain(inner)) for key, inner in value.items()))
    return tuple(plain(inner) for inner in value) if isinstance(value, (list, tuple)) else value


def rows(table, columns):
    """The rows of a pyarrow table in an order of their own, to be compared."""
    return sorted((tuple(map(plain, row)) for row in zip(*(table.column(name).to_pylist() for name in columns))), key=repr)


def in_utc(table, local=()):
    """Spark writes timestamps that pyarrow gives without their zone; columns named in `local` have none."""
    for i, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type) and field.name not in local:
            table = table.set_column(i, field.name, table.column(i).cast(pa.timestamp("us", "UTC")))
    return table
