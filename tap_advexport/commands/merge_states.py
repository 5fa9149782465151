"""The command `tap-advexport-merge-states`: merges the states of several machines."""

from __future__ import annotations

import json
import sys
from collections import Counter
from typing import TYPE_CHECKING, Final

import click

from tap_advexport.commands.shared import moment_of, run_cli, settings_of
from tap_advexport.commands.state_files import read_state
from tap_advexport.coverage.merge import (
    Reading,
    merge_states,
    remarks_on_states,
    streams_of_several_shapes,
)
from tap_advexport.coverage.state_envelope import bookmarks_of
from tap_advexport.errors import StateError

if TYPE_CHECKING:
    from collections.abc import Sequence

_NAME: Final = "tap-advexport-merge-states"
_UNKNOWN_TO_MELTANO: Final = "for a state that it does not know, `meltano state get` prints {}"


def main(args: Sequence[str] | None = None) -> int:
    """Print the merged state and return the exit code."""
    return run_cli(merge_states_command, args)


@click.command(name=_NAME)
@click.argument("states", nargs=-1, required=True, metavar="STATE...")
@click.option("--config", metavar="FILE", help="Config of the tap, or ENV: timezone and start_date "
              "are taken from it.")  # fmt: skip
@click.option("--start-date", metavar="DATE", help="From where on a state that holds nothing but "
              "a bookmark counts.")  # fmt: skip
@click.option("--account", metavar="LABEL", help="Whose days to take, of the state of a dlt "
              "pipeline that loads several accounts.")  # fmt: skip
@click.option("--timezone", metavar="ZONE", help="The account's time zone. Default: UTC.")
@click.option("--any-shape", "is_any_shape", is_flag=True, help="Merge states of loads that differ "
              "in columns, stream_maps, timezone or the tap's version too.")  # fmt: skip
@click.option("--meltano", "is_for_meltano", is_flag=True,
              help="Print what `meltano state set` takes.")  # fmt: skip
@click.option("--now", metavar="TIME", help="Read the states as of this moment. Default: now.")
def merge_states_command(
    *,
    states: tuple[str, ...],
    config: str | None,
    now: str | None,
    is_any_shape: bool,
    is_for_meltano: bool,
    **options: str | None,
) -> None:
    """Merge states of loads into the same warehouse, and print the one that covers all of them.

    STATE is a file, or - for standard input: a Singer state, or what `meltano state get` prints.
    Exit code 0, or 1 with one line for what is wrong with the input.
    """
    settings = settings_of(config, options)
    reading = Reading(moment_of(now), settings["timezone"], settings["start_date"])
    for name, count in Counter(states).items():
        if count > 1:
            raise StateError(f"state: {name} is given twice")
    read = {name: read_state(name, settings["account"]) for name in states}
    if not is_any_shape and (streams := streams_of_several_shapes(read)):
        raise StateError(
            f"state: {', '.join(streams)}: the states differ in columns, stream_maps, timezone, "
            "account or the tap's version; those of several accounts must stay apart: days of one "
            "would count for the other. If all are of one account, repeat with --any-shape"
        )
    merged = merge_states(read, reading)
    empty = [name for name in states if not bookmarks_of(read[name], f"state: {name}")]
    if len(empty) == len(states):
        raise StateError(f"state: no bookmark in {', '.join(empty)}: {_UNKNOWN_TO_MELTANO}")
    for name in empty:
        sys.stderr.write(f"{_NAME}: {name}: no bookmark in it: {_UNKNOWN_TO_MELTANO}\n")
    for name, remark in remarks_on_states(read, reading):
        sys.stderr.write(f"{_NAME}: {name}: {remark}\n")
    value = {"singer_state": merged} if is_for_meltano else merged
    sys.stdout.write(json.dumps(value) + "\n")


if __name__ == "__main__":
    sys.exit(main())
