"""What a client may submission: the body of a POST to the exports collection, checked."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import TypeVar

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_Choice = TypeVar("_Choice", bound=StrEnum)


class Interval(StrEnum):
    """The time resolutions of a report."""

    HOURLY = "hourly"
    DAILY = "daily"
    MONTHLY = "monthly"


class Sorting(StrEnum):
    """The columns a file can be sorted by; the first is the default and has no documented name."""

    CAMPAIGN_ID = "campaign_id"
    TIME = "time"
    CAMPAIGN = "campaign"
    AFF_SUB_ID = "aff_sub_id"
    CR = "cr"


_DOCUMENTED_SORTINGS = frozenset(Sorting) - {Sorting.CAMPAIGN_ID}


class BadSubmissionError(ValueError):
    """A submission that the API answers with 400; its text is the `detail` of that answer."""


@dataclass(frozen=True, slots=True)
class Submission:
    """An export that was asked for; both days are included."""

    interval: Interval
    first: date
    last: date
    sorting: Sorting = Sorting.CAMPAIGN_ID
    csv_headers: bool = True


def parse_submission(body: bytes) -> Submission:
    """Read the JSON body of a submission.

    Raises:
        BadSubmissionError: The body breaks a rule of the API.
    """
    fields = _parse_object(body)
    first, last = _parse_date(fields, "start_date"), _parse_date(fields, "stop_date")
    if first > last:
        raise BadSubmissionError("start_date: is after stop_date")
    if fields.get("format", "csv") != "csv":
        raise BadSubmissionError("format: only csv is offered")
    return Submission(
        interval=_parse_choice(fields, "interval", Interval.DAILY),
        first=first,
        last=last,
        sorting=_parse_sorting(fields),
        csv_headers=_parse_bool(fields, "csv_headers", default=True),
    )


def _parse_object(body: bytes) -> dict[str, object]:
    try:
        fields = json.loads(body)
    except ValueError as error:
        raise BadSubmissionError(f"JSON parse error: {error}") from error
    if not isinstance(fields, dict):
        raise BadSubmissionError("a JSON object is expected")
    return fields


def _parse_date(fields: dict[str, object], name: str) -> date:
    if name not in fields:
        raise BadSubmissionError(f"{name}: this field is required")
    text = fields[name]
    message = f"{name}: a date YYYY-MM-DD is expected"
    if not isinstance(text, str) or not _DATE.fullmatch(text):
        raise BadSubmissionError(message)
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise BadSubmissionError(message) from error


def _parse_sorting(fields: dict[str, object]) -> Sorting:
    sorting = _parse_choice(fields, "sorting", Sorting.CAMPAIGN_ID)
    if "sorting" in fields and sorting not in _DOCUMENTED_SORTINGS:
        raise BadSubmissionError(f"sorting: unknown value {sorting.value!r}")
    return sorting


def _parse_choice(fields: dict[str, object], name: str, default: _Choice) -> _Choice:
    value = fields.get(name, default.value)
    choices = {choice.value: choice for choice in type(default)}
    if not isinstance(value, str) or value not in choices:
        raise BadSubmissionError(f"{name}: unknown value {value!r}")
    return choices[value]


def _parse_bool(fields: dict[str, object], name: str, *, default: bool) -> bool:
    value = fields.get(name, default)
    if not isinstance(value, bool):
        raise BadSubmissionError(f"{name}: a boolean is expected")
    return value
