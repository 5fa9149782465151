"""`python -m tap_advexport` is the command."""

from tap_advexport.cli import main

if __name__ == "__main__":
    main()
