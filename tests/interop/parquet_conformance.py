"""Write docs/conformance/parquet.md: each file of parquet-testing, read by frazil, pyarrow and carquet.

Usage: parquet_conformance.py PARQUET_DUMP OUTPUT

Values are compared one by one with pyarrow's. carquet, the only other Parquet library in C, reads in a
process of its own: on some files it does not come back.
"""

import json
import pathlib
import re
import subprocess
import sys

import parquet_fixtures as fixtures

TIMEOUT_SECONDS = 60
CARQUET_PROGRAM = """
import json, sys
sys.path.insert(0, sys.argv[2])
import carquet, parquet_fixtures
print(json.dumps(parquet_fixtures.plain_table(carquet.read_table(sys.argv[1]))))
"""


def short(text):
    """The first line of an error, without the file's path, as a table's cell."""
    line = (str(text).strip().splitlines() or ["no message"])[0]
    line = re.sub(r"'?/[^ ']*/([^/ ']+)'?(: )?", "", line)
    return re.sub(r"^FRZ_ERR_\w+: parquet ", "", line)[:110].replace("|", "\\|")


def with_carquet(path):
    """Names and rows, or a RuntimeError."""
    try:
        run = subprocess.run([sys.executable, "-c", CARQUET_PROGRAM, str(path), str(pathlib.Path(__file__).parent)],
                             capture_output=True, text=True, timeout=TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"not done after {TIMEOUT_SECONDS} s") from None
    if run.returncode < 0:
        raise RuntimeError(f"killed by signal {-run.returncode}")
    if run.returncode:
        raise RuntimeError(run.stderr.strip().splitlines()[-1].split(": ", 1)[-1])
    return json.loads(run.stdout)


def attempt(read, *arguments):
    try:
        return read(*arguments)
    except Exception as error:  # each library raises its own kinds
        return error


def same(expected, found, spared):
    if found[0] != expected[0] or (expected[0] and len(found[1]) != len(expected[1])):
        return False
    rows = enumerate(zip(json.loads(json.dumps(expected[1])), found[1]))
    return all(a == b or i in spared for i, (a, b) in rows)


def judge(expected, found, name):
    if isinstance(found, Exception):
        return f"refused: {short(found)}"
    if isinstance(expected, Exception):
        return f"{len(found[1]):,} rows"
    return "equal" if same(expected, found, fixtures.SPARED.get(name, ())) else "**different**"


def rows_of(folder, dump):
    """A table's rows: file, pyarrow, frazil, carquet."""
    for path in sorted(p for p in folder.rglob("*.parquet*") if p.is_file()):
        expected = attempt(fixtures.with_pyarrow, path)
        own = f"refused: {short(expected)}" if isinstance(expected, Exception) else f"{len(expected[1]):,} rows"
        ours = judge(expected, attempt(fixtures.with_frazil, dump, path), path.name)
        theirs = judge(expected, attempt(with_carquet, path), path.name)
        yield [path.relative_to(folder).as_posix(), own, ours, theirs]


def kind(cell):
    return "refused" if cell.startswith("refused") else "different" if "different" in cell else "read"


def table(rows):
    lines = ["| file | pyarrow | frazil | carquet |", "|---|---|---|---|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def totals(rows):
    lines = ["| | read, equal to pyarrow where it reads | different | refused |", "|---|---|---|---|"]
    for name, column in [("frazil", 2), ("carquet", 3)]:
        kinds = [kind(row[column]) for row in rows]
        lines.append(f"| {name} | {kinds.count('read')} | {kinds.count('different')} | {kinds.count('refused')} |")
    return "\n".join(lines)


def main():
    import carquet
    import pyarrow

    dump, output = sys.argv[1], pathlib.Path(sys.argv[2])
    good = list(rows_of(fixtures.FIXTURES / "parquet-testing" / "data", dump))
    bad = list(rows_of(fixtures.FIXTURES / "parquet-testing" / "bad_data", dump))
    if not good or not bad:
        sys.exit(f"no fixtures in {fixtures.FIXTURES}: set FRAZIL_FIXTURES")
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(f"""# Parquet files of other implementations

Made by `make conformance`, which reads every file of [apache/parquet-testing](https://github.com/apache/parquet-testing) with
frazil, pyarrow {pyarrow.__version__} and carquet {carquet.__version__} and compares every value with pyarrow's.

## data: {len(good)} files

{totals(good)}

What frazil refuses it refuses by name: encrypted files; pages whose checksum is wrong (pyarrow does not look at checksums unless
asked); pages beyond its limit of 512 MiB. Of `int96_from_spark.parquet` one row is not
compared: pyarrow takes the Julian day as unsigned.

{table(good)}

## bad_data: {len(bad)} files

Malformed on purpose: an error is right, a crash never is. Where pyarrow reads a file all the same, equal values are right too.

{table(bad)}
""")
    wrong = [row[0] for row in good + bad if kind(row[2]) == "different"]
    missing = [row[0] for row in good if kind(row[2]) == "refused" and kind(row[1]) == "read"]
    unexpected = [name for name in missing if pathlib.Path(name).name not in fixtures.REFUSED]
    print(f"{output}: {len(good)} + {len(bad)} files; different: {wrong}; refused where pyarrow reads: {missing}")
    return 1 if wrong or unexpected else 0


if __name__ == "__main__":
    sys.exit(main())
