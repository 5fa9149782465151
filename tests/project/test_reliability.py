"""docs/reliability.md is held to the tests, and the tests to it."""

from __future__ import annotations

import ast
import re

from advexport_sandbox import FAULTS
from tests.command.test_odd_files import BAD, GOOD
from tests.support.paths import TESTS

TEXT = (TESTS.parent / "docs" / "reliability.md").read_text("utf-8")
# Each test of these causes a fault through the command, and has its row.
THROUGH_THE_COMMAND = (
    "command/test_faults.py",
    "command/test_interruption.py",
    "command/test_odd_files.py",
    "laws/test_soak.py",
    "command/test_surroundings.py",
)
NAMED = re.findall(r"`(test_\w+\.py)::(test_\w+)`", TEXT)


def functions_of(name: str) -> set[str]:
    return {
        node.name
        for path in TESTS.rglob(name)
        for node in ast.parse(path.read_text("utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def rows_of(heading: str) -> list[list[str]]:
    [section] = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", TEXT, re.DOTALL | re.MULTILINE)
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_every_test_that_the_page_names_exists() -> None:
    assert NAMED
    assert [f"{file}::{name}" for file, name in NAMED if name not in functions_of(file)] == []


def test_every_fault_of_the_sandbox_has_one_row_with_what_is_done_and_a_test() -> None:
    rows = rows_of("The API")
    faults = [name for row in rows for name in re.findall(r"`([\w-]+)`", row[0])]
    assert sorted(faults) == sorted(FAULTS)
    assert all(re.search(r"`test_\w+\.py::", row[2]) for row in rows)
    assert all(row[1] for row in rows)


def test_every_odd_file_has_its_row() -> None:
    rows = {row[0]: row[1] for row in rows_of("Files")}
    assert list(rows) == [*GOOD, *BAD]
    assert [name for name in BAD if "an error" not in rows[name] and "cut" not in rows[name]] == []
    assert [name for name in GOOD if "error" in rows[name]] == []


def test_every_test_of_faults_through_the_command_has_its_row() -> None:
    written = {
        (file.partition("/")[2], name)
        for file in THROUGH_THE_COMMAND
        for name in functions_of(file)
    }
    assert sorted(written - set(NAMED)) == []
