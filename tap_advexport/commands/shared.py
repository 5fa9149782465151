"""What the small commands share: settings from options or config, one line for an error."""

from __future__ import annotations

import io
import os
import sys
from datetime import MAXYEAR, MINYEAR, UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tap_advexport.errors import ConfigError, UserError
from tap_advexport.json_files import read_object
from tap_advexport.settings import parse_some

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def run_cli(command: click.Command, args: Sequence[str] | None, *, failed: int = 1) -> int:
    """Run a command and return its exit code; on an error, print one line and return `failed`."""
    arguments = sys.argv[1:] if args is None else list(args)
    if is_closed(sys.stderr):
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - to the end
    if is_closed(sys.stdout):
        sys.stderr.write(f"{command.name}: standard output is closed\n")
        return failed
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A label or a text of a table may hold letters that the locale's encoding does not have.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        # Not `main`, which always returns 1 for a closed pipe.
        with command.make_context(command.name, arguments) as context:
            code: int | None = command.invoke(context)
        sys.stdout.flush()
    except click.exceptions.Exit as end:
        return end.exit_code
    except (click.ClickException, UserError) as error:
        told = error.format_message() if isinstance(error, click.ClickException) else str(error)
        sys.stderr.write(f"{command.name}: {' '.join(told.split())}\n")
        return failed
    except (click.Abort, KeyboardInterrupt):
        return 130
    except OSError as error:
        # If the reader has closed the pipe, nobody has to be told.
        if not isinstance(error, BrokenPipeError):
            sys.stderr.write(f"{command.name}: {error.strerror or error}\n")
        # The interpreter flushes stdout again when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return failed
    return code or 0


def is_closed(stream: object) -> bool:
    """Return whether a standard stream was closed before the program started."""
    return stream is None


def settings_of(config: str | None, options: Mapping[str, object]) -> dict[str, Any]:
    """Return the settings that `options` name, from the options or from the tap's config.

    Args:
        config: a file, or `ENV` for the environment variables that the tap reads.

    Raises:
        ConfigError: a setting is wrong, or the file is.
    """
    found: Mapping[str, object] = {}
    if config == "ENV":
        variables = _variables()
        found = {name: variables.get(f"TAP_ADVEXPORT_{name.upper()}") for name in options}
    elif config:
        found = read_object(config, ConfigError, f"config: {config}")
    given = {name: value for name, value in options.items() if value is not None}
    return parse_some({**found, **given}, options.keys())


def _variables() -> Mapping[str, str]:
    try:
        from tap_advexport.environment import all_variables  # noqa: PLC0415
    except ImportError:
        # The audit also runs where the tap's libraries are not installed.
        return os.environ
    return all_variables()


def moment_of(text: str | None) -> datetime:
    """Parse the time given on the command line; return the current time if there is none."""
    if text is None:
        return datetime.now(UTC)  # noqa: TID251 - where this command reads the clock
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    # In the first and last year of the calendar, other zones may be outside of it.
    if moment is None or not MINYEAR < moment.year < MAXYEAR:
        raise click.BadParameter(
            f"{text!r} is not a time (expected YYYY-MM-DDTHH:MM:SSZ)", param_hint="--now"
        )
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def plural(count: int, unit: str) -> str:
    """Return a count with its unit, in the singular or the plural."""
    return f"{count:,} {unit}" if count == 1 else f"{count:,} {unit}s"
