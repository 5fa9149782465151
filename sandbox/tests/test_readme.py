from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from advexport_sandbox import SandboxConfig
from advexport_sandbox.cli import main

if TYPE_CHECKING:
    import pytest

README = (Path(__file__).parent.parent / "README.md").read_text()


def test_the_readme_has_the_table_of_faults(capsys: pytest.CaptureFixture[str]) -> None:
    main(["faults"])
    assert capsys.readouterr().out in README, "paste the output of `advexport-sandbox faults`"


def test_the_readme_has_all_settings_with_their_defaults() -> None:
    for name, field in SandboxConfig.__dataclass_fields__.items():
        default = "" if field.default is None else field.default
        assert f"\n| `{name}` | {default} | " in README
