"""Importing frazil is cheap, and what it exports is there."""

import subprocess
import sys

import frazil
import pytest


def run(code):
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_imports_no_data_library():
    heavy = "pyarrow pandas numpy polars duckdb feast pyiceberg"
    out = run(
        "import sys, frazil\n"
        f"print([name for name in {heavy.split()!r} if name in sys.modules])"
    )
    assert out.strip() == "[]"


def test_import_takes_milliseconds():
    out = run(
        "import time, json, dataclasses, datetime, threading\n"
        "start = time.perf_counter()\n"
        "import frazil\n"
        "print(time.perf_counter() - start)"
    )
    assert float(out) < 0.25  # a few ms; the bound is for a machine under load


def test_everything_in_all_is_there():
    for name in frazil.__all__:
        assert getattr(frazil, name) is not None


def test_version():
    assert frazil.__version__.count(".") == 2


def test_only_the_init_function_is_exported():
    import shutil

    if shutil.which("nm") is None:
        import pytest

        pytest.skip("nm is not installed")
    out = subprocess.run(
        ["nm", "-D", "--defined-only", frazil._core.__file__],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert [line.split()[-1] for line in out.splitlines()] == ["PyInit__core"]


@pytest.mark.parametrize("found", ["0.66.2", "0.68.0", "1.0.0"])
def test_another_feast_is_refused_by_name(monkeypatch, found):
    versions = pytest.importorskip("frazil.feast.versions")
    monkeypatch.setattr(versions, "version", lambda name: found)
    with pytest.raises(ImportError, match=f"works with Feast 0.67, and {found}.*pip install"):
        versions.check_feast()


def test_a_missing_feast_is_named(monkeypatch):
    versions = pytest.importorskip("frazil.feast.versions")

    def missing(name):
        raise versions.PackageNotFoundError(name)

    monkeypatch.setattr(versions, "version", missing)
    with pytest.raises(ImportError, match=r"pip install 'frazil\[feast\]'"):
        versions.check_feast()
