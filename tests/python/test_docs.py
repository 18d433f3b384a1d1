"""The examples in README.md and docs/ run, in an empty folder each."""

import os
import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
LIBRARIES = ["-ldeflate", "-lzstd", "-llz4", "-lbrotlidec", "-lbrotlienc", "-lsqlite3", "-lcurl", "-lcrypto", "-ldl", "-lpthread", "-lm"]


def blocks(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.M | re.S)


def build_folder():
    folder = pathlib.Path(os.environ.get("FRAZIL_BUILD", ROOT / "build" / "asan"))
    if not (folder / "libfrazil.a").exists():
        pytest.skip(f"no library at {folder}; make test builds it")
    return folder


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=lambda page: page.name)
def test_python_examples(page, tmp_path):
    script = tmp_path / "example.py"
    script.write_text("\n".join(blocks(page, "python")))
    tools = pathlib.Path(os.environ.get("FRAZIL_BUILD", ROOT / "build" / "asan")).resolve() / "cli"
    environment = dict(os.environ, PATH=f"{tools}:{os.environ['PATH']}")
    subprocess.run([sys.executable, str(script)], cwd=tmp_path, env=environment, check=True, timeout=120)


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "console")], ids=lambda page: page.name)
def test_console_examples(page, tmp_path):
    """Lines with '$ ' are run; where output is shown below one, it must be that output."""
    tools = build_folder() / "cli"
    environment = dict(os.environ, PATH=f"{tools}:{os.environ['PATH']}")
    for block in blocks(page, "console"):
        for step in re.split(r"^\$ ", block, flags=re.M)[1:]:
            command, _, expected = step.partition("\n")
            result = subprocess.run(command, shell=True, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
            assert result.returncode == 0, f"{command}: {result.stderr}"
            if expected:
                assert result.stdout == expected, command


def test_c_example(tmp_path):
    """README's C program compiles against the public headers and reads the table of README's Python program."""
    library = build_folder()
    (tmp_path / "example.py").write_text("\n".join(blocks(ROOT / "README.md", "python")))
    (tmp_path / "example.c").write_text("\n".join(blocks(ROOT / "README.md", "c")))
    subprocess.run([sys.executable, "example.py"], cwd=tmp_path, check=True, timeout=120)
    subprocess.run(["gcc", "-std=c99", "-fsanitize=address,undefined", "-I", str(ROOT / "include"), "example.c",
                    str(library / "libfrazil.a"), *LIBRARIES, "-o", "example"], cwd=tmp_path, check=True, timeout=120)
    result = subprocess.run(["./example"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert re.fullmatch(r"snapshot [1-9]\d*\n", result.stdout), result.stderr


def test_every_property_is_listed():
    """The table of properties in docs/tables.md has the names that the sources have, and no others."""
    name = r"(?:write|commit|history|gc|schema|frazil)\.[a-z0-9.-]*[a-z0-9.]"
    sources = "\n".join(path.read_text() for path in (ROOT / "src").rglob("*.c"))
    followed = {each + "NAME" if each.endswith(".") else each for each in re.findall(rf'"({name})"', sources)}
    page = (ROOT / "docs" / "tables.md").read_text().partition("## Properties that are followed")[2]
    listed = {each for row in re.findall(r"^\| (`.*?) \|", page, re.M) for each in re.findall(r"`([^`]+)`", row)}
    assert listed == followed
