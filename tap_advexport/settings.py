"""The tap's settings: one table of them, its JSON schema, and the parsing into a frozen value."""

from __future__ import annotations

import difflib
import math
import re
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from tap_advexport.errors import ConfigError
from tap_advexport.windows import last_day_to_have, local_date

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

API_URL: Final = "https://dashboard.instal.com/advertiser/api/v1/reports/exports/"
SORTINGS: Final = ("time", "campaign", "aff_sub_id", "cr")
TRUE_TEXTS: Final = frozenset({"true", "1", "yes", "on"})
FALSE_TEXTS: Final = frozenset({"false", "0", "no", "off"})

_EARLIEST = date(1900, 1, 1)
_LATEST = date(9998, 12, 31)
_DATE = re.compile(r"(\d{4}-\d{2}-\d{2})(?:[T ]\S.*)?", re.ASCII)
_INTEGER = re.compile(r"[+-]?\d{1,18}(?:\.0*)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the table: how a setting is described, checked and read."""

    name: str
    type: str
    description: str
    read: Callable[[object], Any]
    default: Any = None
    is_required: bool = False
    is_secret: bool = False
    json_extras: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of a run, checked. Dates are days in `timezone`, ends included."""

    auth_token: str = field(repr=False)
    start_date: date
    end_date: date | None
    include_today: bool
    timezone: ZoneInfo
    lookback_days: int
    window_days: int
    max_concurrent_exports: int
    poll_interval_seconds: float
    export_timeout_seconds: float
    export_attempts: int
    request_timeout_seconds: float
    request_attempts: int
    sorting: str
    refresh_start_date: date | None
    refresh_end_date: date | None
    skip_unchanged: bool
    api_url: str
    user_agent: str | None

    def in_a_hurry(self) -> Settings:
        """For a person who waits for a yes or no: fewer tries, and shorter ones."""
        return replace(
            self,
            request_attempts=min(self.request_attempts, 2),
            request_timeout_seconds=min(self.request_timeout_seconds, 10),
            export_attempts=1,
        )


class _Invalid(Exception):  # noqa: N818 - never leaves this module
    """What is wrong with one value, without the setting's name."""


def parse_settings(config: Mapping[str, object], *, now: datetime) -> Settings:
    """Check a Singer config and freeze it.

    Args:
        config: names to values, from JSON or from the environment (texts); null counts as unset.
        now: the current moment, with a time zone; decides which days are over.

    Raises:
        ConfigError: one line that names every wrong setting, and never the token.
    """
    values: dict[str, Any] = {}
    problems: list[str] = []
    for setting in SETTINGS:
        try:
            values[setting.name] = _read(setting, config.get(setting.name))
        except _Invalid as invalid:
            problems.append(f"{setting.name}: {invalid}")
    if not problems:
        problems = list(_contradictions(values, now))
    if problems:
        raise ConfigError("; ".join(problems))
    return Settings(**values)


def parse_some(config: Mapping[str, object], names: Collection[str]) -> dict[str, Any]:
    """Check the named settings alone, none of which is required: what other commands share.

    Raises:
        ConfigError: one line that names every wrong setting.
    """
    values: dict[str, Any] = {}
    problems: list[str] = []
    for setting in SETTINGS:
        if setting.name in names:
            try:
                values[setting.name] = _read(
                    replace(setting, is_required=False), config.get(setting.name)
                )
            except _Invalid as invalid:
                problems.append(f"{setting.name}: {invalid}")
    if problems:
        raise ConfigError("; ".join(problems))
    return values


def settings_schema() -> dict[str, Any]:
    """The settings as a JSON schema, for `--about` and the SDK."""
    properties = {setting.name: _property(setting) for setting in SETTINGS}
    required = [setting.name for setting in SETTINGS if setting.is_required]
    return {"type": "object", "properties": properties, "required": required}


def unknown_names(names: Collection[str], known: Collection[str]) -> list[tuple[str, str | None]]:
    """Pair every name that is not known with the nearest one that is, if any is near."""
    unknown = sorted(set(names) - set(known))
    return [(name, next(iter(difflib.get_close_matches(name, known, 1)), None)) for name in unknown]


def _read(setting: Setting, value: object) -> Any:  # noqa: ANN401 - a value of any setting
    if value is None or (isinstance(value, str) and not value.strip()):
        if setting.is_required:
            msg = "is required"
            raise _Invalid(msg)
        return setting.read(setting.default) if setting.default is not None else None
    return setting.read(value)


def _property(setting: Setting) -> dict[str, Any]:
    types = [setting.type] if setting.is_required else [setting.type, "null"]
    described: dict[str, Any] = {"type": types, "description": setting.description}
    if setting.default is not None:
        described["default"] = setting.default
    if setting.is_secret:
        described |= {"secret": True, "writeOnly": True}
    return described | dict(setting.json_extras)


def _contradictions(values: Mapping[str, Any], now: datetime) -> list[str]:
    start, end = values["start_date"], values["end_date"]
    first, last = values["refresh_start_date"], values["refresh_end_date"]
    if end and start > end:
        return [f"start_date: {start} lies after end_date {end}"]
    if first is None and last is None:
        return []
    if last is None:
        return ["refresh_end_date: is required when refresh_start_date is given"]
    if first is None:
        return ["refresh_start_date: is required when refresh_end_date is given"]
    return _refresh_contradictions(values, now)


def _refresh_contradictions(values: Mapping[str, Any], now: datetime) -> list[str]:
    first, last = values["refresh_start_date"], values["refresh_end_date"]
    limit = last_day_to_have(
        local_date(now, values["timezone"]),
        values["end_date"],
        include_today=values["include_today"],
    )
    problems = []
    if first > last:
        problems.append(f"refresh_start_date: {first} lies after refresh_end_date {last}")
    if first < values["start_date"]:
        problems.append(
            f"refresh_start_date: {first} lies before start_date {values['start_date']}"
        )
    if last > limit:
        problems.append(f"refresh_end_date: {last} lies after the last day of the range, {limit}")
    return problems


def _read_token(value: object) -> str:
    if not isinstance(value, str):
        msg = "must be a text"
        raise _Invalid(msg)
    if not all("!" <= character <= "~" for character in value):
        msg = "has a blank, a control character or a character outside ASCII in it"
        raise _Invalid(msg)
    return value


def _read_header_text(value: object) -> str:
    if not isinstance(value, str) or not all(" " <= character <= "~" for character in value):
        msg = "must be a text of printable ASCII characters"
        raise _Invalid(msg)
    return value.strip()


def _read_date(value: object) -> date:
    if isinstance(value, datetime):
        day = value.date()
    elif isinstance(value, date):
        day = value
    else:
        day = _date_of_text(value)
    if not _EARLIEST <= day <= _LATEST:
        msg = f"{day} lies outside {_EARLIEST} to {_LATEST}"
        raise _Invalid(msg)
    return day


def _date_of_text(value: object) -> date:
    match = _DATE.fullmatch(value.strip()) if isinstance(value, str) else None
    try:
        if match:
            return datetime.fromisoformat(match[0]).date()
    except ValueError:
        pass
    msg = f"{_shown(value)} is no date of the form YYYY-MM-DD"
    raise _Invalid(msg)


def _read_bool(value: object) -> bool:
    if isinstance(value, bool):
        return value
    text = value.strip().lower() if isinstance(value, str) else None
    if text in TRUE_TEXTS:
        return True
    if text in FALSE_TEXTS:
        return False
    msg = f"{_shown(value)} is neither true nor false"
    raise _Invalid(msg)


def _read_zone(value: object) -> ZoneInfo:
    try:
        if isinstance(value, str):
            return ZoneInfo(value.strip())
    except (LookupError, ValueError, OSError):
        pass
    msg = f"{_shown(value)} is no IANA time zone such as Europe/Rome"
    raise _Invalid(msg)


def _integer(minimum: int, maximum: int | None = None) -> Callable[[object], int]:
    def read(value: object) -> int:
        number = _integer_of(value)
        if number is None:
            msg = f"{_shown(value)} is no whole number"
            raise _Invalid(msg)
        if number < minimum or (maximum is not None and number > maximum):
            bounds = f"at least {minimum}" if maximum is None else f"{minimum} to {maximum}"
            msg = f"must be {bounds}, and is {number}"
            raise _Invalid(msg)
        return number

    return read


def _integer_of(value: object) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, str) and _INTEGER.fullmatch(value.strip()):
        return int(value.strip().split(".")[0])
    number = _number_of(value) if not isinstance(value, str) else None
    return int(number) if number is not None and number.is_integer() else None


def _read_positive(value: object) -> float:
    number = _number_of(value)
    if number is None:
        msg = f"{_shown(value)} is no number"
        raise _Invalid(msg)
    if number <= 0:
        msg = f"must be greater than 0, and is {_shown(value)}"
        raise _Invalid(msg)
    return number


def _number_of(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _read_sorting(value: object) -> str:
    if value in SORTINGS:
        return str(value)
    msg = f"{_shown(value)} is none of {', '.join(SORTINGS)}"
    raise _Invalid(msg)


def _read_url(value: object) -> str:
    text = value.strip() if isinstance(value, str) else ""
    problem = _url_problem(text)
    if problem:
        msg = f"{problem}; the documented one is {API_URL}"
        raise _Invalid(msg)
    return text


def _url_problem(text: str) -> str | None:
    try:
        parts = urlsplit(text)
        is_complete = parts.scheme in {"http", "https"} and bool(parts.hostname)
        is_complete = is_complete and parts.port != 0
    except ValueError:
        return "is no valid URL"
    if not is_complete or not all("!" <= character <= "~" for character in text):
        return "must be a complete URL that begins with https://"
    if parts.username is not None or parts.password is not None:
        return "must not hold a user name or password: the token is a setting of its own"
    if parts.query or parts.fragment or "?" in text or "#" in text:
        return "must not hold a query or a fragment"
    return None


def _shown(value: object) -> str:
    """A wrong value for a message, cut to a readable length."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."  # noqa: PLR2004 - a line of text


SETTINGS: Final = (
    Setting(
        "auth_token",
        "string",
        "API token, from the advertiser's user profile.",
        _read_token,
        is_required=True,
        is_secret=True,
    ),
    Setting(
        "start_date",
        "string",
        "First day to have, YYYY-MM-DD. A date-time is accepted and its date used.",
        _read_date,
        is_required=True,
        json_extras={"format": "date"},
    ),
    Setting(
        "end_date",
        "string",
        "Last day to have, YYYY-MM-DD. Never later than the last day that is over in `timezone`.",
        _read_date,
        json_extras={"format": "date"},
    ),
    Setting(
        "include_today",
        "boolean",
        "Export today too, whose rows are provisional.",
        _read_bool,
        default=False,
    ),
    Setting(
        "timezone",
        "string",
        "IANA name of the account's time zone: decides which day is today, and the offset of "
        "`time`.",
        _read_zone,
        default="UTC",
    ),
    Setting(
        "lookback_days",
        "integer",
        "How many days figures still move after a day is over. 0: only until the day is over.",
        _integer(0),
        default=30,
        json_extras={"minimum": 0},
    ),
    Setting(
        "window_days",
        "integer",
        "Days in one export.",
        _integer(1, 366),
        default=7,
        json_extras={"minimum": 1, "maximum": 366},
    ),
    Setting(
        "max_concurrent_exports",
        "integer",
        "Exports in flight at once.",
        _integer(1, 32),
        default=4,
        json_extras={"minimum": 1, "maximum": 32},
    ),
    Setting(
        "poll_interval_seconds",
        "number",
        "Longest pause between two looks at a task, in seconds. A young task is looked at sooner: "
        "after a fifth of its age, at least 0.25 s.",
        _read_positive,
        default=60,
        json_extras={"exclusiveMinimum": 0},
    ),
    Setting(
        "export_timeout_seconds",
        "number",
        "How long one task may stay unfinished, in seconds.",
        _read_positive,
        default=10800,
        json_extras={"exclusiveMinimum": 0},
    ),
    Setting(
        "export_attempts",
        "integer",
        "How often a window's export is demanded before the window is split or fails.",
        _integer(1),
        default=3,
        json_extras={"minimum": 1},
    ),
    Setting(
        "request_timeout_seconds",
        "number",
        "Connect and read time-out of one HTTP request, in seconds.",
        _read_positive,
        default=60,
        json_extras={"exclusiveMinimum": 0},
    ),
    Setting(
        "request_attempts",
        "integer",
        "Tries of one HTTP request after network faults, 429 and 5xx.",
        _integer(1),
        default=8,
        json_extras={"minimum": 1},
    ),
    Setting(
        "sorting",
        "string",
        "Order of the rows that the API is asked for: time, campaign, aff_sub_id or cr. `time` "
        "lets the tap work period by period; anything else costs memory, not correctness.",
        _read_sorting,
        default="time",
        json_extras={"enum": [*SORTINGS, None]},
    ),
    Setting(
        "refresh_start_date",
        "string",
        "First of the days to export again at the start of this run, settled or not.",
        _read_date,
        json_extras={"format": "date"},
    ),
    Setting(
        "refresh_end_date",
        "string",
        "Last of the days to export again at the start of this run, settled or not.",
        _read_date,
        json_extras={"format": "date"},
    ),
    Setting(
        "skip_unchanged",
        "boolean",
        "Do not send the rows of a period again that was exported again and has the same rows as "
        "those last sent.",
        _read_bool,
        default=True,
    ),
    Setting(
        "api_url",
        "string",
        "URL of the API's collection of exports.",
        _read_url,
        default=API_URL,
        json_extras={"format": "uri"},
    ),
    Setting(
        "user_agent",
        "string",
        "User-Agent header of every request; `tap-advexport/<version>` unless set.",
        _read_header_text,
    ),
)

SETTING_NAMES: Final = tuple(setting.name for setting in SETTINGS)
