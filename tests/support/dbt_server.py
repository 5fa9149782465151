"""dbt, imported once: a fork of this process runs each command, as the command line would.

Run by the Python of dbt's environment. Each line of stdin is a command as JSON; the answer is its
exit code and what it printed, as JSON in a line.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import tempfile
from typing import Any

MODULES = ("dbt.cli.main", "dbt.adapters.duckdb", "dbt.adapters.postgres")


def main() -> None:
    """Answer until stdin ends."""
    loaded = [importlib.import_module(name) for name in MODULES]
    for line in sys.stdin:
        order = json.loads(line)
        with tempfile.TemporaryFile() as printed:
            child = os.fork()
            if child == 0:
                _run(loaded[0], order, printed.fileno())
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            printed.seek(0)
            text = printed.read().decode(errors="replace")
        sys.stdout.write(json.dumps([code, text]) + "\n")
        sys.stdout.flush()


def _run(dbt: Any, order: dict[str, Any], printed: int) -> None:  # noqa: ANN401 - not installed here
    code: object = 2
    try:
        os.environ.update(order["environment"])
        os.dup2(printed, 1)
        os.dup2(printed, 2)
        sys.argv = ["dbt", *order["arguments"]]
        dbt.cli()
    except SystemExit as ending:
        code = ending.code or 0
    finally:
        sys.stdout.flush()
        os._exit(code if isinstance(code, int) else 2)


if __name__ == "__main__":
    main()
