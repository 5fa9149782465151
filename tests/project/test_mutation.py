"""scripts/mutate: its configuration names what exists, and its verdict is right."""

from __future__ import annotations

import re
import tomllib

from scripts.check_mutants import unjustified
from tests.support.paths import ROOT

CONFIG = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["mutmut"]
PAGE = (ROOT / "docs" / "mutation.md").read_text("utf-8")


def test_modules_and_tests_of_the_configuration_exist() -> None:
    named = [*CONFIG["only_mutate"], *CONFIG["pytest_add_cli_args_test_selection"]]
    assert [name for name in named if not (ROOT / name).is_file()] == []


def test_every_reason_is_about_a_module_that_is_mutated() -> None:
    modules = {name.removesuffix(".py").replace("/", ".") for name in CONFIG["only_mutate"]}
    reasons = re.findall(
        r"^\| `(tap_advexport\.[\w.]+?)\.x\S+__mutmut_\d+` \| (.*) \|$", PAGE, re.MULTILINE
    )
    assert {module for module, _ in reasons} <= modules
    assert all(reason for _, reason in reasons)


def test_a_survivor_needs_a_reason_and_a_killed_mutant_none() -> None:
    results = """
    tap_advexport.a.x_f__mutmut_1: survived
    tap_advexport.a.x_f__mutmut_2: survived
    tap_advexport.a.x_f__mutmut_3: killed
    tap_advexport.a.x_f__mutmut_4: no tests
    tap_advexport.a.x_f__mutmut_5: segfault
    tap_advexport.a.x_f__mutmut_6: not checked
"""
    document = "| `tap_advexport.a.x_f__mutmut_1` | it is the same |\n"
    left = unjustified(results, document)
    assert left == [f"tap_advexport.a.x_f__mutmut_{number}" for number in (2, 4, 5)]
