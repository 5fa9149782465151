"""What `--config=ENV` reads."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tap_advexport.environment import all_variables

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_variables_of_the_process_win_over_those_of_a_dotenv_above(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("export ONE='1 2'\nTWO=2\nTHREE\n", "utf-8")
    (folder := tmp_path / "below").mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("TWO", "two")
    found = all_variables()
    assert (found["ONE"], found["TWO"]) == ("1 2", "two")
    assert "THREE" not in found


def test_without_a_dotenv_there_are_the_variables_of_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert all_variables() == dict(os.environ)
