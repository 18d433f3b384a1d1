"""A page of docs/ with a runbook, which says what users see, and a matrix, which cites tests."""

import pathlib
import re

HERE = pathlib.Path(__file__).parent


class RunbookPage:
    def __init__(self, name):
        self.text = (HERE.parents[1] / "docs" / name).read_text()

    def rows_of(self, heading):
        section = self.text.partition(f"## {heading}")[2].partition("\n## ")[0]
        lines = [line.strip("| ") for line in section.splitlines() if line[:2] == "| "]
        return [re.split(r" \| ", line) for line in lines][1:]

    def runbook(self, what):
        """The text for something that happened, as a pattern: "..." stands for anything."""
        (text,) = [row[1] for row in self.rows_of("Runbook") if row[0].startswith(what)]
        quoted = re.match(r"`(.*?)`", text).group(1)
        return ".*".join(re.escape(part) for part in re.split(r"\.\.\.", quoted))

    def check_matrix(self):
        """Each row cites tests that exist, or says no."""
        known = set()
        for path in HERE.glob("test_*.py"):
            known |= set(re.findall(r"^def (test_\w+)", path.read_text(), re.M))
        known |= set(re.findall(r"^def (check_\w+)", (HERE.parent / "interop" / "spark_joins.py").read_text(), re.M))
        rows = self.rows_of("What of Feast's matrix there is")
        assert len(rows) > 15
        for what, answer, *tests in rows:
            cited = re.findall(r"`((?:test|check)_\w+)`", " ".join(tests))
            assert set(cited) <= known, what
            assert bool(cited) == (not answer.startswith("no")), what
