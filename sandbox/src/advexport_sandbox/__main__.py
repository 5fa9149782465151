"""Runs the command line as `python -m advexport_sandbox`."""

from advexport_sandbox.cli import main

raise SystemExit(main())
