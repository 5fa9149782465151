"""Settings from environment variables, and from a `.env` file in the working folder or above it."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from dotenv import dotenv_values, find_dotenv

from tap_advexport.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping


def read_environment(
    schema: Mapping[str, Any], name: str, environment: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """The settings that the environment gives: TAP_ADVEXPORT_START_DATE and so on.

    Texts stay texts where the tap checks them itself; JSON is read where a setting is an object.
    Real variables win over those of `.env`.

    Raises:
        ConfigError: an object or array is no valid JSON; the value is not printed.
    """
    variables = _variables() if environment is None else environment
    prefix = f"{name.upper().replace('-', '_')}_"
    found = {}
    for setting, kind in schema["properties"].items():
        text = variables.get(prefix + setting.upper().replace("-", "_"))
        if text is not None:
            found[setting] = _value(setting, text, kind)
    return found


def _variables() -> dict[str, str]:
    of_file = dotenv_values(find_dotenv(usecwd=True))
    return {name: text for name, text in of_file.items() if text is not None} | dict(os.environ)


def _value(setting: str, text: str, kind: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any JSON
    types = kind.get("type", [])
    if not text or not {"object", "array"} & set([types] if isinstance(types, str) else types):
        return text
    try:
        return json.loads(text)
    except ValueError:
        msg = f"{setting}: the environment variable holds no valid JSON"
        raise ConfigError(msg) from None
