"""The command line: serve until a signal comes, or list the faults."""

from __future__ import annotations

import json
import signal
import sys
from argparse import ArgumentDefaultsHelpFormatter, ArgumentParser, Namespace
from dataclasses import fields
from datetime import date, datetime
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from advexport_sandbox.admin import inject_order
from advexport_sandbox.answers import Endpoint
from advexport_sandbox.config import SandboxConfig
from advexport_sandbox.faults import FAULTS
from advexport_sandbox.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_SETTINGS_HELP = {
    "host": "address to bind",
    "port": "port to bind; 0 takes a free one",
    "files_host": "host name in download URLs, such as localhost, to have another origin",
    "token": "the token that is accepted",
    "now": "date-time at which the API's clock stands still until moved; default: the real clock",
    "timezone": "decides which day it is for the API",
    "seed": "decides all figures",
    "rows_per_day": "mean number of daily rows",
    "rows_spread": "how far from the mean a day may be, as a share of it",
    "empty_day_share": "share of days without rows",
    "repeat_share": "share of rows that come twice with the same dimensions",
    "vanish_share": "share of rows that are taken back after some days",
    "late_share": "share of rows that appear after some days",
    "maturing_days": "days after the end of a day until its figures stand still",
    "latency": "seconds that a task runs",
    "tail_share": "share of tasks that run tail-factor times as long",
    "tail_factor": "see tail-share",
    "max_running": "how many tasks run at once; default: no limit",
    "url_lifetime": "seconds for which a download URL holds",
    "cache_bytes": "how much of rendered files is kept in memory",
}
_TYPES: dict[str, Callable[[str], object]] = {
    "host": str,
    "files_host": str,
    "token": str,
    "timezone": str,
    "now": datetime.fromisoformat,
    "port": int,
    "seed": int,
    "maturing_days": int,
    "max_running": int,
    "cache_bytes": int,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    options = _parser().parse_args(arguments)
    return _list_faults() if options.command == "faults" else _serve(options)


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        "advexport-sandbox", description="A stand-in for an asynchronous report-export API."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("faults", help="list the faults that can be injected, in Markdown")
    serve = commands.add_parser(
        "serve",
        help="serve until SIGTERM or SIGINT",
        formatter_class=ArgumentDefaultsHelpFormatter,
    )
    defaults = SandboxConfig()
    for name, about in _SETTINGS_HELP.items():
        serve.add_argument(
            f"--{name.replace('_', '-')}",
            type=_TYPES.get(name, float),
            default=getattr(defaults, name),
            help=about,
        )
    serve.add_argument("--port-file", type=Path, help="file to write the bound port to")
    serve.add_argument(
        "--fault",
        action="append",
        default=[],
        help="name of a fault, or JSON as for POST /sandbox/faults; repeatable",
    )
    serve.add_argument(
        "--prerender",
        action="append",
        default=[],
        metavar="INTERVAL:FIRST:LAST",
        help="render files sorted by time ahead, such as daily:2024-01-01:2024-01-31; repeatable",
    )
    return parser


def _list_faults() -> int:
    sys.stdout.write("| fault | calls | what happens |\n| --- | --- | --- |\n")
    for fault in FAULTS.values():
        calls = ", ".join(endpoint for endpoint in Endpoint if endpoint in fault.endpoints)
        sys.stdout.write(f"| `{fault.name}` | {calls} | {fault.about} |\n")
    return 0


def _serve(options: Namespace) -> int:
    stopped = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    names = {field.name for field in fields(SandboxConfig)}
    config = SandboxConfig(**{key: text for key, text in vars(options).items() if key in names})
    sandbox = Sandbox(config)
    for text in options.fault:
        inject_order(sandbox, json.loads(text) if text.startswith("{") else {"name": text})
    for text in options.prerender:
        interval, first, last = text.split(":")
        sandbox.prerender(interval, date.fromisoformat(first), date.fromisoformat(last))
    with sandbox:
        if options.port_file:
            _write_port(options.port_file, sandbox.origin)
        sys.stdout.write(sandbox.url + "\n")
        sys.stdout.flush()
        stopped.wait()
    return 0


def _write_port(path: Path, origin: str) -> None:
    """Write the file in one step, since another program may be waiting for it."""
    draft = path.with_name(path.name + ".draft")
    draft.write_text(origin.rpartition(":")[2] + "\n")
    draft.replace(path)
