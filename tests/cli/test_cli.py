"""The `frazil` command: each script in cases/ runs in an empty folder and must print and return what lies beside it.

cases/NAME.sh goes with NAME.stdout, NAME.stderr and NAME.exit. What differs from run to run is masked, see MASKS.
After a wanted change, FRAZIL_CLI_UPDATE=1 rewrites the expected files; read the difference before it is committed.
A script that cannot run here ends with exit code 77 and says why.
"""

import os
import pathlib
import pty
import re
import shutil
import subprocess
import tempfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
CASES = pathlib.Path(__file__).resolve().parent / "cases"
SKIPPED = 77

MASKS = [
    (r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", "UUID"),
    (r"\b20(?:2[6-9]|[3-9]\d)-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?\+00:00", "TIME"),  # cases use dates before 2026
    (r"\b1[7-9]\d{11}\b", "MILLISECONDS"),
    (r"\b\d+ bytes\b", "N bytes"),
    (r"\boffset \d+: bytes of length \d+ where \d+ are left", "offset N: bytes of length N where N are left"),
    (r"\bat offset \d+ of \d+", "at offset N of N"),
    (r'("(?:file_size_in_bytes|length)": )\d+', r"\1N"),
    (r'("column_sizes": )\[[^]]*\]', r"\1[...]"),
    (r'("+(?:added|total)-files-size"+: ?)("+)\d+', r"\1\2N"),
]
SNAPSHOT_ID = re.compile(r'(?:snapshot +|snap-|TIME,|(?:snapshot|parent)[_-]id": ?|BRANCH,)(\d{8,})')


def tools():
    folder = pathlib.Path(os.environ.get("FRAZIL_BUILD", ROOT / "build" / "asan")).resolve() / "cli"
    if not (folder / "frazil").exists():
        pytest.skip(f"no command at {folder}; make test builds it")
    return folder


def environment():
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FRAZIL_")}
    return dict(kept, PATH=f"{tools()}:{os.environ['PATH']}", LC_ALL="C", TZ="UTC", BASH_ENV=str(CASES.parent / "steps.sh"))


def masked(text, folder):
    text = text.replace(str(folder), "FOLDER")
    for pattern, name in MASKS:
        text = re.sub(pattern, name, text)
    for snapshot in sorted(set(SNAPSHOT_ID.findall(text)), key=len, reverse=True):
        text = text.replace(snapshot, "ID")
    return text


@pytest.fixture
def folder():
    """An empty folder that other users may enter, which pytest's own are not."""
    made = pathlib.Path(tempfile.mkdtemp(prefix="frazil-cli-")).resolve()
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.mark.parametrize("case", sorted(path.stem for path in CASES.glob("*.sh")))
def test_case(case, folder):
    result = subprocess.run(["bash", str(CASES / f"{case}.sh")], cwd=folder, env=environment(), stdin=subprocess.DEVNULL,
                            capture_output=True, text=True, timeout=120)
    if result.returncode == SKIPPED:
        pytest.skip(result.stdout.strip())
    got = {"stdout": masked(result.stdout, folder), "stderr": masked(result.stderr, folder), "exit": f"{result.returncode}\n"}
    for suffix, text in got.items():
        path = CASES / f"{case}.{suffix}"
        if os.environ.get("FRAZIL_CLI_UPDATE"):
            path.write_text(text)
    wanted = {suffix: (CASES / f"{case}.{suffix}").read_text() for suffix in got}
    assert got == wanted


def on_terminal(command, folder):
    """What a command prints where standard error is a terminal."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(command, cwd=folder, env=environment(), stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=theirs)
    os.close(theirs)
    shown = b""
    try:
        while chunk := os.read(ours, 65536):
            shown += chunk
    except OSError:  # how Linux tells that the other end is closed
        pass
    os.close(ours)
    assert process.wait() == 0
    return shown


def test_progress_is_shown_on_a_terminal_and_wiped(folder):
    (folder / "rows.csv").write_text("n\n" + "".join(f"{n}\n" for n in range(200_000)))
    shown = on_terminal(["frazil", "import", "rows.csv", "demo.rows"], folder)
    assert b"200000 rows read" in shown
    assert shown.endswith(b"\r\x1b[K")
    again = subprocess.run(["frazil", "import", "rows.csv", "demo.rows"], cwd=folder, env=environment(), capture_output=True)
    assert again.returncode == 0
    assert again.stderr == b""


def printed(*words):
    return subprocess.run(["frazil", *words], env=environment(), capture_output=True, text=True, check=True).stdout


def test_the_manual_is_complete():
    """Every command, change, metadata table and option of the help is in the manual."""
    manual = (ROOT / "docs" / "man" / "frazil.1").read_text().replace("\\-", "-")
    listed = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", printed("--help")))
    listed |= set(re.findall(r"^  ([a-z][a-z-]+)", printed("--help").partition("\n\nfrazil COMMAND")[0], re.M))
    changes = printed("alter", "--help").partition("changes:\n")[2].partition("\n\n")[0]
    listed |= set(re.findall(r"^  ([a-z-]+)", changes, re.M))
    tables = printed("table", "--help").partition("METADATA is one of\n")[2].partition("\n\n")[0]
    listed |= set(re.findall(r"[a-z_]+", tables))
    assert len(listed) > 80
    assert [word for word in sorted(listed) if not re.search(rf"(?<![\w-]){word}(?![\w-])", manual)] == []
