"""Runs the command line for `python -m tap_advexport`."""

from tap_advexport.cli import main

if __name__ == "__main__":
    main()
