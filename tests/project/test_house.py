"""The house is as docs/design.md draws it, and what stands in it is found by its name."""

from __future__ import annotations

import ast
import re
import tomllib
from collections import defaultdict
from typing import TYPE_CHECKING, Final

from tests.support.paths import ROOT, TESTS

if TYPE_CHECKING:
    from pathlib import Path

PACKAGE: Final = ROOT / "tap_advexport"
MODULES: Final = sorted(
    path for path in PACKAGE.rglob("*.py") if path.name not in {"__init__.py", "__main__.py"}
)
DESIGN: Final = (ROOT / "docs/design.md").read_text("utf-8")

# Longer than a module should be, each with the reason why it is still one thing.
LONG: Final = {"settings.py": "the table of all settings, and what reads one"}
MOST_LINES: Final = 350

# Public names that several modules have on purpose.
SHARED_NAMES: Final = {
    "main": "where a command starts",
}

# Modules that nothing alone can test: entry points, protocols, tables of data.
TESTED_ELSEWHERE: Final = {
    "cli.py": "the process itself: tests/command",
    "clock.py": "a protocol, and the machine's clocks",
    "records/worker.py": "a process: tests/unit/records/test_pool.py",
    "reports.py": "tables, held to the catalog's snapshot by tests/unit/singer/test_sdk.py",
    "sync/destination.py": "a protocol: tests/unit/sync/test_engine.py is one",
}


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def test_every_module_has_a_test_of_its_name_or_says_why_not() -> None:
    untested = {
        name_of(path)
        for path in MODULES
        if not (TESTS / "unit" / path.relative_to(PACKAGE).parent / f"test_{path.name}").exists()
    }
    assert untested == TESTED_ELSEWHERE.keys()


def test_every_unit_test_is_of_a_module() -> None:
    unit = TESTS / "unit"
    tests = [path.relative_to(unit) for path in unit.rglob("test_*.py")]
    modules = [PACKAGE / path.parent / path.name.removeprefix("test_") for path in tests]
    assert [path.as_posix() for path in modules if not path.exists()] == []


def test_what_is_said_to_test_a_module_is_there() -> None:
    named = {
        path for text in TESTED_ELSEWHERE.values() for path in re.findall(r"tests/[\w/.]+\w", text)
    }
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


def test_every_module_is_short() -> None:
    lengths = {name_of(path): len(path.read_text("utf-8").splitlines()) for path in MODULES}
    assert {name for name, count in lengths.items() if count > MOST_LINES} == LONG.keys()


def test_no_two_public_things_have_one_name() -> None:
    owners = defaultdict(list)
    for path in MODULES:
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
                owners[node.name].append(name_of(path))
    shared = {name: places for name, places in owners.items() if len(places) > 1}
    assert shared.keys() <= SHARED_NAMES.keys(), shared


def test_the_drawing_has_every_room_from_the_top_down() -> None:
    [drawing] = re.findall(r"```text\ntap_advexport/\n(.*?)```", DESIGN, re.DOTALL)
    rooms = re.findall(r"^  (\w+)(/|\.py)", drawing, re.MULTILINE)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    [contract] = [
        each for each in project["tool"]["importlinter"]["contracts"] if each["id"] == "house"
    ]
    layers = [name for layer in contract["layers"] for name in layer.split(" | ")]
    assert [name for name, _ in rooms] == layers
    for name, kind in rooms:
        assert (PACKAGE / name).is_dir() == (kind == "/")


def test_the_drawing_names_every_module_of_every_room() -> None:
    [drawing] = re.findall(r"```text\ntap_advexport/\n(.*?)```", DESIGN, re.DOTALL)
    drawn = set()
    for room, text in re.findall(r"^  (\w+)/ +(.*(?:\n {6,}.*)*)", drawing, re.MULTILINE):
        for names in re.findall(r"\[([\w ]+)\]", " ".join(text.split())):
            drawn |= {f"{room}/{name}.py" for name in names.split()}
    assert drawn == {name_of(path) for path in MODULES if path.parent != PACKAGE}


def test_the_table_of_rules_names_things_that_are_there() -> None:
    table = DESIGN.partition("## Where to change a rule")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| .* \| `([\w/]+\.py)`(?:: `(\w+)`)?", table, re.MULTILINE)
    assert len(rows) > 10
    for path, name in rows:
        text = (PACKAGE / path).read_text("utf-8")
        assert re.search(rf"\b{name}\b", text), (path, name)


# --- Words ---------------------------------------------------------------------------------------

# What the API's documentation calls a section, and nothing else does.
QUOTED: Final = '"Demand an export"'
WORDS_OF_NO_FIELD: Final = re.compile(
    r"demand|\banew\b|\blooks? at (?:a|the) task|\bis no (?:date|number|zone)\b"
    r"|belongs? into|\bmust be \d+ to \d+|\blest\b",
    re.IGNORECASE,
)
NO_VERBS: Final = frozenset(
    {"a", "all", "an", "any", "as", "at", "by", "each", "every", "from", "how", "in", "it", "its"}
    | {"no", "none", "of", "on", "one", "only", "some", "that", "the", "this", "to", "what"}
    | {"when", "where", "whether", "which", "who", "whose", "why", "with"}
)


def test_the_package_speaks_in_words_of_the_field() -> None:
    found = [
        f"{name_of(path)}:{number}: {line.strip()}"
        for path in MODULES
        for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1)
        if WORDS_OF_NO_FIELD.search(line.replace(QUOTED, ""))
    ]
    assert found == []


def test_docstrings_of_functions_begin_with_a_verb() -> None:
    """Ruff's D401 knows moods of verbs, and lets pass whatever is none."""
    found = [
        f"{name_of(path)}:{node.lineno}: {docstring.splitlines()[0]}"
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef)
        and not any("property" in ast.unparse(each) for each in node.decorator_list)
        and (docstring := ast.get_docstring(node))
        and docstring.split(maxsplit=1)[0].strip(",.:").lower() in NO_VERBS
    ]
    assert found == []
