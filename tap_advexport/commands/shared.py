"""How the small commands start and end: settings by options or config, one line for a mistake."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from tap_advexport.commands.state_files import read_config
from tap_advexport.errors import UserError
from tap_advexport.settings import parse_some

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_FAILED = 1


def run_command(command: click.Command, args: Sequence[str] | None) -> int:
    """Run it and return the exit code: 0, or 1 with one line for what is wrong."""
    try:
        command.main(args=args, standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        return _fail(command, error.format_message())
    except UserError as error:
        return _fail(command, str(error))
    except (click.Abort, KeyboardInterrupt):
        return 130
    except BrokenPipeError:
        # Whoever read has enough. The interpreter's own end flushes once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _FAILED
    return 0


def settings_of(config: str | None, options: Mapping[str, object]) -> dict[str, Any]:
    """The settings that `options` name: as given there, or in the tap's config file.

    Raises:
        ConfigError: one is wrong, or the file is.
    """
    found = read_config(config) if config else {}
    given = {name: value for name, value in options.items() if value is not None}
    return parse_some({**found, **given}, options.keys())


def moment_of(text: str | None) -> datetime:
    """The moment that a person gave, or the present."""
    if text is None:
        return datetime.now(UTC)  # noqa: TID251 - where this command reads the clock
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is no time YYYY-MM-DDTHH:MM:SSZ", param_hint="--now"
        ) from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _fail(command: click.Command, message: str) -> int:
    sys.stderr.write(f"{command.name}: {' '.join(message.split())}\n")
    return _FAILED
