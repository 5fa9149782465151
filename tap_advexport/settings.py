"""The tap's settings: their table, its JSON schema, and the parser into a frozen value."""

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
from tap_advexport.redaction import Redactor
from tap_advexport.windows import last_day_to_have, local_date

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

API_URL: Final = "https://dashboard.instal.com/advertiser/api/v1/reports/exports/"
SORTINGS: Final = ("time", "campaign", "aff_sub_id", "cr")
TRUE_TEXTS: Final = frozenset({"true", "1", "yes", "on"})
FALSE_TEXTS: Final = frozenset({"false", "0", "no", "off"})
# Every warehouse can hold this many characters in a key column.
MAX_LABEL_LENGTH: Final = 255

_MIN_DATE = date(1900, 1, 1)
_MAX_DATE = date(9998, 12, 31)
_DATE = re.compile(r"(\d{4}-\d{2}-\d{2})(?:[T ]\S.*)?", re.ASCII)
_INTEGER = re.compile(r"[+-]?\d{1,18}(?:\.0*)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class SettingType:
    """A type of setting: how its values are parsed, and what the JSON schema says about them."""

    json_type: str
    read: Callable[[object], Any]
    json_extras: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the table of settings."""

    name: str
    type: SettingType
    description: str
    default: Any = None
    is_required: bool = False
    is_secret: bool = False


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of a run, checked. Dates are days in `timezone`; both ends are included."""

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
    account: str | None

    def in_a_hurry(self) -> Settings:
        """Return settings with fewer and shorter attempts, for interactive use."""
        return replace(
            self,
            request_attempts=min(self.request_attempts, 2),
            request_timeout_seconds=min(self.request_timeout_seconds, 10),
            export_attempts=1,
        )


class _Invalid(Exception):  # noqa: N818 - never leaves this module
    """One value is wrong; the text does not name the setting."""


def parse_settings(config: Mapping[str, object], *, now: datetime) -> Settings:
    """Check a Singer config and return it as a frozen value.

    Args:
        config: names to values, from JSON, or as text from the environment; null means unset.
        now: the current time, with a time zone; decides which days are over.

    Raises:
        ConfigError: one line that names every wrong setting and never shows the token.
    """
    values = _parsed(config, SETTINGS)
    if problems := list(_contradictions(values, now)):
        raise ConfigError("; ".join(problems))
    return Settings(**values)


def parse_some(config: Mapping[str, object], names: Collection[str]) -> dict[str, Any]:
    """Check only the named settings, for the other commands; none of them is required.

    Raises:
        ConfigError: one line that names every wrong setting.
    """
    return _parsed(
        config, [replace(each, is_required=False) for each in SETTINGS if each.name in names]
    )


def settings_schema() -> dict[str, Any]:
    """Return the settings as a JSON schema, for `--about` and the SDK."""
    properties = {setting.name: _property(setting) for setting in SETTINGS}
    required = [setting.name for setting in SETTINGS if setting.is_required]
    return {"type": "object", "properties": properties, "required": required}


def unknown_names(
    names: Collection[str], known: Collection[str], *, similarity: float = 0.6
) -> list[tuple[str, str | None]]:
    """Pair every unknown name with the most similar known one, or None if none is similar."""
    by_letters = {name.lower(): name for name in known}
    return [
        (name, next(map(by_letters.get, similar), None))
        for name in sorted(set(names) - set(known))
        for similar in [difflib.get_close_matches(name.lower(), by_letters, 1, similarity)]
    ]


def _parsed(config: Mapping[str, object], settings: Sequence[Setting]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    problems: list[str] = []
    for setting in settings:
        try:
            values[setting.name] = _read(setting, config.get(setting.name))
        except _Invalid as invalid:
            problems.append(f"{setting.name}: {invalid}")
    token = config.get("auth_token")
    secret = token.strip() if isinstance(token, str) else ""
    if secret and secret in (values.get("account") or ""):
        problems.append("account: must not hold the token")
    if problems:
        # The token may have been put into another setting, whose error would show it.
        raise ConfigError(Redactor(secret).without_secrets("; ".join(problems)))
    return values


def _read(setting: Setting, value: object) -> Any:  # noqa: ANN401 - a value of any setting
    if value is None or (isinstance(value, str) and not value.strip()):
        if setting.is_required:
            raise _Invalid("is required")
        return setting.type.read(setting.default) if setting.default is not None else None
    return setting.type.read(value)


def _property(setting: Setting) -> dict[str, Any]:
    kind = setting.type.json_type
    described: dict[str, Any] = {
        "type": [kind] if setting.is_required else [kind, "null"],
        "description": setting.description,
    }
    if setting.default is not None:
        described["default"] = setting.default
    if setting.is_secret:
        described |= {"secret": True, "writeOnly": True}
    return described | dict(setting.type.json_extras)


def _contradictions(values: Mapping[str, Any], now: datetime) -> list[str]:
    start, end = values["start_date"], values["end_date"]
    first, last = values["refresh_start_date"], values["refresh_end_date"]
    if end and start > end:
        return [f"start_date: {start} is after end_date {end}"]
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
        problems.append(f"refresh_start_date: {first} is after refresh_end_date {last}")
    if first < values["start_date"]:
        problems.append(f"refresh_start_date: {first} is before start_date {values['start_date']}")
    if last > limit:
        problems.append(f"refresh_end_date: {last} is after the last day of the range, {limit}")
    return problems


def _read_token(value: object) -> str:
    # A token that was read from a file ends with a newline.
    token = value.strip() if isinstance(value, str) else None
    if token is None:
        raise _Invalid("must be a text")
    if not all("!" <= character <= "~" for character in token):
        raise _Invalid(
            "has a blank, a control character or a character outside ASCII: give the token alone"
        )
    return token


def _read_header_text(value: object) -> str:
    if not isinstance(value, str) or not all(" " <= character <= "~" for character in value):
        raise _Invalid("must be a text of printable ASCII characters")
    return value.strip()


def _read_label(value: object) -> str:
    text = value.strip() if isinstance(value, str) else ""
    if not text or not text.isprintable():
        raise _Invalid("must be a text of printable characters")
    if len(text) > MAX_LABEL_LENGTH:
        raise _Invalid(f"must have at most {MAX_LABEL_LENGTH} characters (got {len(text)})")
    return text


def _read_date(value: object) -> date:
    if isinstance(value, datetime):
        day = value.date()
    elif isinstance(value, date):
        day = value
    else:
        day = _date_of_text(value)
    if not _MIN_DATE <= day <= _MAX_DATE:
        raise _Invalid(f"must be between {_MIN_DATE} and {_MAX_DATE} (got {day})")
    return day


def _date_of_text(value: object) -> date:
    match = _DATE.fullmatch(value.strip()) if isinstance(value, str) else None
    try:
        if match:
            return datetime.fromisoformat(match[0]).date()
    except ValueError:
        pass
    raise _Invalid(f"{_shown(value)} is not a date (expected YYYY-MM-DD)")


def _read_bool(value: object) -> bool:
    if isinstance(value, bool):
        return value
    text = value.strip().lower() if isinstance(value, str) else None
    if text in TRUE_TEXTS:
        return True
    if text in FALSE_TEXTS:
        return False
    raise _Invalid(f"must be true or false (got {_shown(value)})")


def _read_zone(value: object) -> ZoneInfo:
    try:
        if isinstance(value, str):
            return ZoneInfo(value.strip())
    except (LookupError, ValueError, OSError):
        pass
    raise _Invalid(f"{_shown(value)} is not a time zone (expected an IANA name: Europe/Rome)")


def _integer(minimum: int, maximum: int | None = None) -> SettingType:
    bounds = {"minimum": minimum} | ({} if maximum is None else {"maximum": maximum})

    def read(value: object) -> int:
        number = _integer_of(value)
        if number is None:
            raise _Invalid(f"must be a whole number (got {_shown(value)})")
        if maximum is None and number < minimum:
            raise _Invalid(f"must be at least {minimum} (got {number})")
        if maximum is not None and not minimum <= number <= maximum:
            raise _Invalid(f"must be between {minimum} and {maximum} (got {number})")
        return number

    return SettingType("integer", read, bounds)


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
        raise _Invalid(f"must be a number (got {_shown(value)})")
    if number <= 0:
        raise _Invalid(f"must be greater than 0 (got {_shown(value)})")
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
    raise _Invalid(f"must be one of {', '.join(SORTINGS)} (got {_shown(value)})")


def _read_url(value: object) -> str:
    text = value.strip() if isinstance(value, str) else ""
    if problem := _url_problem(text):
        raise _Invalid(f"{problem}; the documented one is {API_URL}")
    return API_URL if text == API_URL.rstrip("/") else text


def _url_problem(text: str) -> str | None:
    try:
        parts = urlsplit(text)
        is_complete = parts.scheme in {"http", "https"} and bool(parts.hostname)
        is_complete = is_complete and parts.port != 0
    except ValueError:
        return "is not a valid URL"
    if not is_complete or not all("!" <= character <= "~" for character in text):
        return "must be a complete URL that begins with https://"
    if parts.username is not None or parts.password is not None:
        return "must not hold a user name or password: the token is a setting of its own"
    if parts.query or parts.fragment or "?" in text or "#" in text:
        return "must not hold a query or a fragment"
    return None


def _shown(value: object) -> str:
    """Return a wrong value for a message, cut to a readable length."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."  # noqa: PLR2004 - a line of text


_TOKEN: Final = SettingType("string", _read_token)
_DAY: Final = SettingType("string", _read_date, {"format": "date"})
_BOOL: Final = SettingType("boolean", _read_bool)
_ZONE: Final = SettingType("string", _read_zone)
_POSITIVE: Final = SettingType("number", _read_positive, {"exclusiveMinimum": 0})
_SORTING: Final = SettingType("string", _read_sorting, {"enum": [*SORTINGS, None]})
_URL: Final = SettingType("string", _read_url, {"format": "uri"})
_HEADER_TEXT: Final = SettingType("string", _read_header_text)
_LABEL: Final = SettingType("string", _read_label, {"maxLength": MAX_LABEL_LENGTH})

SETTINGS: Final = (
    Setting(
        "auth_token",
        _TOKEN,
        "API token, from the advertiser's user profile.",
        is_required=True,
        is_secret=True,
    ),
    Setting(
        "start_date",
        _DAY,
        "First day to have, YYYY-MM-DD. A date-time is accepted and its date used.",
        is_required=True,
    ),
    Setting(
        "end_date",
        _DAY,
        "Last day to have, YYYY-MM-DD. Never later than the last day that is over in `timezone`.",
    ),
    Setting(
        "include_today",
        _BOOL,
        "Export today too, whose rows are provisional.",
        default=False,
    ),
    Setting(
        "timezone",
        _ZONE,
        "IANA name of the account's time zone: decides which day is today, and the offset of "
        "`time`.",
        default="UTC",
    ),
    Setting(
        "lookback_days",
        _integer(0),
        "How many days figures still move after a day is over. 0: only until the day is over.",
        default=30,
    ),
    Setting("window_days", _integer(1, 366), "Days in one export.", default=7),
    Setting("max_concurrent_exports", _integer(1, 32), "Exports in flight at once.", default=4),
    Setting(
        "poll_interval_seconds",
        _POSITIVE,
        "Longest pause between two polls of a task, in seconds. A young task is polled sooner: "
        "after a fifth of its age, at least 0.25 s; and about when earlier tasks were finished.",
        default=60,
    ),
    Setting(
        "export_timeout_seconds",
        _POSITIVE,
        "How long one task may stay unfinished, in seconds.",
        default=10800,
    ),
    Setting(
        "export_attempts",
        _integer(1),
        "How often a window's export is submitted before the window is split or fails.",
        default=3,
    ),
    Setting(
        "request_timeout_seconds",
        _POSITIVE,
        "Connect and read time-out of one HTTP request, in seconds.",
        default=60,
    ),
    Setting(
        "request_attempts",
        _integer(1),
        "Attempts of one HTTP request after network faults, 429 and 5xx.",
        default=8,
    ),
    Setting(
        "sorting",
        _SORTING,
        "Order of the rows that the API is asked for: time, campaign, aff_sub_id or cr. `time` "
        "lets the tap work period by period; anything else costs memory, not correctness.",
        default="time",
    ),
    Setting(
        "refresh_start_date",
        _DAY,
        "First of the days to export again at the start of this run, settled or not.",
    ),
    Setting(
        "refresh_end_date",
        _DAY,
        "Last of the days to export again at the start of this run, settled or not.",
    ),
    Setting(
        "skip_unchanged",
        _BOOL,
        "Do not send the rows of a re-exported period again when they are the same as those last "
        "sent.",
        default=True,
    ),
    Setting("api_url", _URL, "URL of the API's collection of exports.", default=API_URL),
    Setting(
        "user_agent",
        _HEADER_TEXT,
        "User-Agent header of every request; `tap-advexport/<version>` unless set.",
    ),
    Setting(
        "account",
        _LABEL,
        "A label for the account, where several load into the same tables: it becomes a column "
        "that leads the keys.",
    ),
)
