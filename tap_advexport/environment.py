"""Reads the variables of `--config=ENV`: those of the process, and those of a file `.env`."""

from __future__ import annotations

import io
import logging
import os
from pathlib import Path
from typing import Final

from dotenv import dotenv_values, find_dotenv

from tap_advexport.errors import ConfigError
from tap_advexport.json_files import read_text

logger = logging.getLogger(__name__)

PREFIX: Final = "TAP_ADVEXPORT_"


def all_variables() -> dict[str, str]:
    """Return the variables of the process, over those of a `.env` in the working folder or above.

    The file may belong to another tool, so an unreadable one only causes a warning.
    """
    return {**_of_dotenv(), **os.environ}


def _of_dotenv() -> dict[str, str]:
    try:
        path = find_dotenv(usecwd=True)
    except OSError:  # The working folder is gone.
        return {}
    # It also finds named pipes, and reading one may never end.
    if not Path(path).is_file():
        return {}
    try:
        text = read_text(path, ConfigError, path)
    except ConfigError as error:
        logger.warning("%s; it is passed over", error)
        return {}
    found = dotenv_values(stream=io.StringIO(text))
    return {name: value for name, value in found.items() if value is not None}
