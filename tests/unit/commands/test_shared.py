"""How the small commands start and end."""

from __future__ import annotations

import io
import subprocess
import sys
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import click
import pytest

from tap_advexport.commands import audit, coverage, merge_states
from tap_advexport.commands.shared import moment_of, plural, run_cli, settings_of
from tap_advexport.errors import ConfigError
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import ModuleType


def ending(end: Callable[[], int | None]) -> click.Command:
    return click.Command("tool", callback=end)


def raising(error: BaseException) -> click.Command:
    def end() -> None:
        raise error

    return ending(end)


@pytest.mark.parametrize(("code", "exit_code"), [(None, 0), (0, 0), (2, 2)])
def test_what_a_command_returns_is_its_exit_code(code: int | None, exit_code: int) -> None:
    assert run_cli(ending(lambda: code), []) == exit_code


@pytest.mark.parametrize(
    "error",
    [ConfigError("a: not\n  so"), click.BadParameter("not so"), click.UsageError("not\nso")],
    ids=["ours", "parameter", "usage"],
)
def test_a_mistake_is_one_line_with_the_name_of_the_command(
    error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_cli(raising(error), []) == 1
    assert run_cli(raising(error), [], failed=3) == 3
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 2
    assert told[0].startswith("tool: ")
    assert told[0].endswith("not so")


def test_letters_that_the_terminal_does_not_know_are_no_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="latin-1"))
    assert run_cli(click.Command("tool", callback=lambda: click.echo("Łódź")), []) == 0
    assert written.getvalue() == b"\\u0141\xf3d\\u017a\n"


@pytest.mark.parametrize("error", [KeyboardInterrupt(), click.Abort()], ids=["signal", "click"])
def test_an_interrupted_command_ends_as_shells_expect(error: BaseException) -> None:
    assert run_cli(raising(error), []) == 130


def test_a_full_disk_is_one_line_and_a_reader_that_has_gone_none() -> None:
    for error, told in [(28, "tool: No space left on device\n"), (32, "")]:
        program = (
            "import click; from tap_advexport.commands.shared import run_cli\n"
            f"def end(): raise OSError({error}, 'No space left on device')\n"
            "raise SystemExit(run_cli(click.Command('tool', callback=end), []))"
        )
        command = [sys.executable, "-c", program]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (1, told)


@pytest.mark.parametrize(("closed", "told"), [(">&-", "standard output"), ("<&-", "standard in")])
def test_a_closed_stream_is_one_line(closed: str, told: str) -> None:
    command = f'"{sys.executable}" -m tap_advexport.commands.coverage - {closed}'
    done = subprocess.run(
        ["bash", "-c", command], cwd=ROOT, stdin=subprocess.PIPE, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert told in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_closed_stderr_changes_no_exit_code() -> None:
    command = f'"{sys.executable}" -m tap_advexport.commands.audit no-such.duckdb 2>&-'
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (2, b"")


def test_help_is_no_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_cli(ending(lambda: 1), ["--help"]) == 0
    assert "Usage: tool" in capsys.readouterr().out


def test_options_go_before_the_config_and_it_before_the_defaults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "config.json"
    path.write_text('{"start_date": "2024-01-01", "end_date": "2024-02-01", "auth_token": "x"}')
    monkeypatch.setenv("TAP_ADVEXPORT_START_DATE", "2023-01-01")
    options = {"start_date": None, "end_date": "2024-03-01", "lookback_days": None}
    found = settings_of(str(path), options)
    assert found["start_date"] == date(2024, 1, 1)
    assert found["end_date"] == date(2024, 3, 1)
    assert found["lookback_days"] == settings_of(None, options)["lookback_days"]
    assert found.keys() == options.keys()
    assert settings_of("ENV", options)["start_date"] == date(2023, 1, 1)
    assert settings_of(None, options)["start_date"] is None


def test_the_environment_is_the_same_as_the_taps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = "TAP_ADVEXPORT_TIMEZONE=Asia/Tokyo\nTAP_ADVEXPORT_LOOKBACK_DAYS=3\n"
    (tmp_path / ".env").write_text(text, "utf-8")
    monkeypatch.setenv("TAP_ADVEXPORT_LOOKBACK_DAYS", "5")
    found = settings_of("ENV", {"timezone": None, "lookback_days": None})
    assert (str(found["timezone"]), found["lookback_days"]) == ("Asia/Tokyo", 5)


@pytest.mark.parametrize("text", ["0001-01-01T00:00+05:00", "9999-12-31T23:00-05:00", "tomorrow"])
def test_a_moment_that_no_calendar_holds_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is not a time"):
        moment_of(text)


def test_a_wrong_setting_is_named() -> None:
    with pytest.raises(ConfigError, match="timezone"):
        settings_of(None, {"timezone": "Mars/Base"})


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024-04-02", datetime(2024, 4, 2, tzinfo=UTC)),
        ("2024-04-02T03:00", datetime(2024, 4, 2, 3, tzinfo=UTC)),
        ("2024-04-02T03:00:00+02:00", datetime(2024, 4, 2, 1, tzinfo=UTC)),
    ],
)
def test_a_moment_is_in_utc_unless_it_says_otherwise(text: str, moment: datetime) -> None:
    assert moment_of(text) == moment
    assert moment_of(text).tzinfo is UTC


def test_what_is_no_moment_names_the_option() -> None:
    with pytest.raises(click.BadParameter, match="'soon' is not a time") as caught:
        moment_of("soon")
    assert "--now" in caught.value.format_message()


def test_without_a_moment_it_is_now() -> None:
    assert moment_of(None).tzinfo is UTC


@pytest.mark.parametrize(("count", "words"), [(0, "0 days"), (1, "1 day"), (1200, "1,200 days")])
def test_a_number_has_its_unit_in_the_right_number(count: int, words: str) -> None:
    assert plural(count, "day") == words


@pytest.mark.parametrize("command", [audit, coverage, merge_states])
def test_wrong_usage_ends_as_the_documentation_says(command: ModuleType) -> None:
    code = command.main(["--nonsense"])
    name = command.__name__.rpartition(".")[2].replace("_", "-")
    page = (ROOT / "docs/reference/commands.md").read_text("utf-8")
    [row] = [line for line in page.splitlines() if line.startswith(f"| `tap-advexport-{name}` | ")][
        1:
    ]
    # The columns of the table: the command, then codes 0, 1 and 2.
    assert "wrong usage" in row.split(" | ")[1 + code]
