"""Merges, checks and coerces the config from files, environment variables and a `.env`."""

from __future__ import annotations

import json
import logging
import os
from contextlib import suppress
from datetime import date
from typing import TYPE_CHECKING, Any, Final

from tap_advexport.environment import PREFIX, all_variables
from tap_advexport.errors import ConfigError
from tap_advexport.redaction import Redactor
from tap_advexport.reports import PERIODS_STREAM, REPORTS
from tap_advexport.settings import FALSE_TEXTS, SETTINGS, TRUE_TEXTS, unknown_names
from tap_advexport.singer.batch import check_batch_settings
from tap_advexport.singer.maps import check_stream_maps
from tap_advexport.singer.schemas import periods_schema, report_schema

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

logger = logging.getLogger(__name__)

# Variables that the SDK reads before there is a config: they are not settings.
NO_SETTINGS: Final = ("LOGLEVEL",)


def complete_config(
    given: Mapping[str, Any],
    schema: Mapping[str, Any],
    *,
    is_environment_read: bool,
    environment: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Merge the environment over the config files; return the types that the SDK expects.

    Only the SDK's settings are checked here; `parse_settings` checks the tap's own.

    Args:
        given: the config from the files.
        schema: the JSON schema of all settings.
        is_environment_read: whether `--config=ENV` was given.
        environment: replaces the process's variables and the `.env`.

    Raises:
        ConfigError: a setting is wrong; the text does not show a value that may be a secret.
    """
    kinds = schema["properties"]
    if environment is None:
        environment = all_variables() if is_environment_read else os.environ
    _warn_of_unknown(given, environment, kinds, is_environment_read=is_environment_read)
    merged = dict(given)
    if is_environment_read:
        merged |= _settings_of(environment, kinds)
    # Null and empty strings count as unset.
    typed = {
        name: _of_json_type(value, _types(kinds.get(name, {}))) for name, value in merged.items()
    }
    config = {name: value for name, value in typed.items() if value is not None and value != ""}
    if "batch_config" in config:
        # In stream_maps a null removes something; here it counts as unset.
        config["batch_config"] = _without_nulls(config["batch_config"])
    for name in kinds.keys() - {setting.name for setting in SETTINGS}:
        _check_type(name, config.get(name), kinds[name])
    check_stream_maps(config.get("stream_maps", {}), _columns(is_labelled="account" in config))
    check_batch_settings(config.get("batch_config", {}))
    return config


def redactor_of(config: Mapping[str, Any], environment: Mapping[str, str]) -> Redactor:
    """Return a redactor that knows the token, wherever it is given."""
    given = config.get("auth_token"), environment.get(f"{PREFIX}AUTH_TOKEN")
    return Redactor(*(token.strip() for token in given if isinstance(token, str)))


def hint_of_missing(config: Mapping[str, Any], *, is_environment_read: bool) -> str:
    """Say where the required settings that `config` lacks are to be given; empty if it has all."""
    missing = [
        setting.name
        for setting in SETTINGS
        if setting.is_required and (config.get(setting.name) or "") == ""
    ]
    variables = [PREFIX + name.upper() for name in missing]
    if not missing:
        return ""
    if is_environment_read:
        return f"set {' and '.join(variables)}"
    if found := [variable for variable in variables if os.environ.get(variable)]:
        verb = "is" if len(found) == 1 else "are"
        return f"{' and '.join(found)} {verb} set, and read with --config=ENV only"
    return (
        f"put {' and '.join(missing)} into the config, or set {' and '.join(variables)} and give "
        "--config=ENV"
    )


def _settings_of(
    environment: Mapping[str, str], kinds: Mapping[str, Any]
) -> Iterator[tuple[str, Any]]:
    for name, kind in kinds.items():
        variable = PREFIX + name.upper()
        text = environment.get(variable, "").strip()
        if not text:
            continue
        if not {"object", "array"} & set(_types(kind)):
            yield name, text
            continue
        try:
            yield name, json.loads(text)
        except (ValueError, RecursionError):
            raise ConfigError(f"{name}: {variable} is not valid JSON") from None


def _warn_of_unknown(
    given: Mapping[str, Any],
    environment: Mapping[str, str],
    kinds: Mapping[str, Any],
    *,
    is_environment_read: bool,
) -> None:
    variables = [
        name.removeprefix(PREFIX)
        for name in environment
        if name.startswith(PREFIX)
        and not _is_of_meltano(name.removeprefix(PREFIX), kinds, is_alone=is_environment_read)
    ]
    known = [*(name.upper() for name in kinds), *NO_SETTINGS]
    found = [
        *unknown_names(list(given), list(kinds)),
        *(
            (PREFIX + name, nearest and PREFIX + nearest)
            for name, nearest in unknown_names(variables, known)
        ),
    ]
    redactor = redactor_of(given, environment)
    for name, nearest in found:
        hint = f"; did you mean {nearest}?" if nearest else ""
        logger.warning("%s is not a setting of this tap%s", redactor.without_secrets(name), hint)


def _is_of_meltano(name: str, kinds: Mapping[str, Any], *, is_alone: bool) -> bool:
    """Return whether Meltano sets this variable, or the SDK reads it.

    Meltano sets extras (TAP_ADVEXPORT__SELECT), parts of objects (..._FAKER_CONFIG_SEED), and both
    for plugins that inherit from this one (..._ACME_AUTH_TOKEN, ..._ACME__SELECT).
    """
    objects = tuple(f"{key.upper()}_" for key, kind in kinds.items() if "object" in _types(kind))
    settings = tuple(f"_{key.upper()}" for key in kinds)
    return (
        name in NO_SETTINGS
        or name.startswith(("_", *objects))
        or (not is_alone and (name.endswith(settings) or "__" in name))
    )


def _columns(*, is_labelled: bool) -> dict[str, list[str]]:
    """Return the columns of each stream."""
    found = {
        report.stream: list(report_schema(report.interval, is_labelled=is_labelled)["properties"])
        for report in REPORTS
    }
    return found | {PERIODS_STREAM: list(periods_schema(is_labelled=is_labelled)["properties"])}


def _check_type(name: str, value: object, kind: Mapping[str, Any]) -> None:
    """Raise ConfigError for a value of the wrong type.

    The SDK's own error would print the value, which may hold passwords.
    """
    types = _types(kind)
    wanted = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int}
    is_right = any(isinstance(value, wanted[each]) for each in types if each in wanted)
    if value is not None and not is_right:
        article = "an" if types[0][0] in "aio" else "a"
        raise ConfigError(f"{name}: must be {article} {types[0]}")


def _of_json_type(value: Any, types: Sequence[str]) -> Any:  # noqa: ANN401 - any setting
    """Coerce a value to a type of its JSON schema; return it unchanged if that is impossible."""
    if isinstance(value, date):
        return value.isoformat()
    if not isinstance(value, str):
        return value
    text = value.strip()
    if "boolean" in types and text.lower() in TRUE_TEXTS | FALSE_TEXTS:
        return text.lower() in TRUE_TEXTS
    if "integer" in types or "number" in types:
        with suppress(ValueError):
            number = float(text)
            if number.is_integer() or "number" in types:
                return number if "number" in types else int(number)
    return text if "string" in types else value


def _without_nulls(value: Any) -> Any:  # noqa: ANN401 - any JSON
    if not isinstance(value, dict):
        return value
    return {name: _without_nulls(inner) for name, inner in value.items() if inner is not None}


def _types(kind: Mapping[str, Any]) -> Sequence[str]:
    types = kind.get("type", ())
    return (types,) if isinstance(types, str) else types
