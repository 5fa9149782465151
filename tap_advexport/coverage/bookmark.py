"""One report's bookmark as JSON: strict parsing and compact rendering."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from tap_advexport.coverage.ranges import union, without
from tap_advexport.coverage.settling import AS_WRITTEN, Rules, counting, settle
from tap_advexport.coverage.state import Coverage, Exported, Sent
from tap_advexport.coverage.transitions import claimed, forgotten, reopened
from tap_advexport.errors import StateError
from tap_advexport.windows import DAY, DateWindow, Task, period_of, rfc3339, whole_second

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tap_advexport.reports import Interval

REPLICATION_KEY: Final = "time"
_OURS: Final = (
    "replication_key",
    "replication_key_value",
    "settled",
    "unsettled",
    "sent",
    "shape",
    "pending",
)
# The Singer SDK adds these keys to a bookmark during a run. They say nothing about days.
_OF_THE_SDK: Final = ("starting_replication_value", "replication_key_signpost", "progress_markers")
_TASK: Final = ("task_id", "first", "last", "submitted_at")

_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_LONGEST_ECHO: Final = 60
# How long ago a run whose clock was ahead may have been.
DOUBTFUL_DAYS: Final = 31


def parse_bookmark(
    value: object, *, start_date: date, rules: Rules, path: str = "state: bookmark"
) -> Coverage:
    """Parse a report's bookmark, and apply manual edits and the settling rules to it.

    Args:
        value: the bookmark stored under the stream's name; None and `{}` mean a first run.
        start_date: where coverage begins if the bookmark has no ranges.
        path: the location of `value`, for error messages.

    Raises:
        StateError: `value` is not a valid bookmark.
    """
    if value is None:
        return Coverage()
    bookmark = _mapping(value, path)
    _check_keys(bookmark, (*_OURS, *_OF_THE_SDK), path)
    coverage = counting(_coverage(bookmark, rules.interval, path), rules)
    last = _replication_key_value(bookmark, path)
    doubtful = _doubtful(coverage, rules)
    coverage = _reconciled(coverage, last, start_date, rules)
    return settle(reopened(coverage, (doubtful,), rules) if doubtful else coverage, rules)


def remarks_on(bookmark: Mapping[str, object], rules: Rules) -> Iterator[str]:
    """Yield what a person should know about a bookmark.

    Args:
        bookmark: one that `parse_bookmark` accepts.
    """
    coverage = counting(_coverage(bookmark, rules.interval, ""), rules)
    if doubtful := _doubtful(coverage, rules):
        yield (
            "the state covers days that lie ahead, so the clock of the run that wrote it was "
            f"wrong, or this one's is: days from {doubtful.first} on are exported again"
        )
    last = _replication_key_value(bookmark, "")
    if last and last > rules.today + DAY and not doubtful:
        yield (
            f"replication_key_value {last} lies ahead: days up to today count as loaded, and those "
            "that have not settled are exported again"
        )
    counted = _reconciled(coverage, last, date.max, rules).covered()
    if coverage.covered() and (gaps := without(counted, coverage.covered())):
        days = ", ".join(str(DateWindow(gap.first, gap.last)) for gap in union(gaps))
        yield (
            f"replication_key_value {last} counts {days} as loaded, which no range has: to have "
            "them exported, set it to null"
        )


def render_bookmark(coverage: Coverage, rules: Rules) -> dict[str, object]:
    """Render `coverage` as a bookmark with every key, as a state store may merge by key."""
    last = coverage.last_gap_free()
    return {
        "replication_key": REPLICATION_KEY,
        "replication_key_value": last and last.isoformat(),
        "settled": [[each.first.isoformat(), each.last.isoformat()] for each in coverage.settled],
        "unsettled": [
            [each.first.isoformat(), each.last.isoformat(), rfc3339(each.exported_at)]
            for each in coverage.unsettled
        ],
        "sent": [
            [day.isoformat(), entry.export_id, entry.version, rfc3339(entry.exported_at)]
            for day, entry in sorted(counting(coverage, rules).sent.items())
        ],
        "shape": coverage.shape,
        "pending": [
            {
                "task_id": each.task_id,
                "first": each.window.first.isoformat(),
                "last": each.window.last.isoformat(),
                "submitted_at": rfc3339(each.submitted_at),
            }
            for each in coverage.pending
        ],
    }


def _doubtful(coverage: Coverage, rules: Rules) -> DateWindow | None:
    # After a change of time zone, the day after today may be covered.
    if all(each.last <= rules.today + DAY for each in coverage.covered()):
        return None
    # When that run was is unknown; it is taken to be at most `DOUBTFUL_DAYS` ago.
    # The wrong clock settled days by a lookback that who only looks at the state does not know.
    is_known = rules.lookback_days != AS_WRITTEN
    lookback_days = rules.lookback_days if is_known else DOUBTFUL_DAYS
    first = rules.today.toordinal() - lookback_days - DOUBTFUL_DAYS
    return DateWindow(date.fromordinal(max(first, 1)), rules.today - DAY)


def _reconciled(coverage: Coverage, last: date | None, start_date: date, rules: Rules) -> Coverage:
    """Adjust `coverage` to `replication_key_value`, which is easier to edit than ranges."""
    derived = coverage.last_gap_free()
    if last is None or last == derived:
        return coverage
    if derived and last < derived:
        return forgotten(coverage, DateWindow(last + DAY, date.max), rules)
    start = derived + DAY if derived else period_of(start_date, interval=rules.interval).first
    end = min(last, rules.today)
    return claimed(coverage, DateWindow(start, end), rules) if start <= end else coverage


def _coverage(bookmark: Mapping[str, object], interval: Interval, path: str) -> Coverage:
    settled = list(_settled(bookmark.get("settled", []), f"{path}.settled"))
    unsettled = list(_unsettled(bookmark.get("unsettled", []), f"{path}.unsettled"))
    _check_disjoint([*settled, *unsettled], path)
    return Coverage(
        settled=tuple(sorted(settled)),
        unsettled=tuple(sorted(unsettled)),
        sent=dict(_sent(bookmark.get("sent", []), interval, f"{path}.sent")),
        pending=tuple(_pending(bookmark.get("pending", []), f"{path}.pending")),
        shape=_shape(bookmark.get("shape"), f"{path}.shape"),
    )


def _settled(value: object, path: str) -> Iterator[DateWindow]:
    for at, item in _items(value, path):
        first, last = _fields(item, 2, '["<first day>", "<last day>"]', at)
        yield _window(first, last, at)


def _unsettled(value: object, path: str) -> Iterator[Exported]:
    for at, item in _items(value, path):
        first, last, moment = _fields(item, 3, '["<first day>", "<last day>", "<exported at>"]', at)
        window = _window(first, last, at)
        yield Exported(window.first, window.last, _moment(moment, f"{at}[2]"))


def _sent(value: object, interval: Interval, path: str) -> Iterator[tuple[date, Sent]]:
    if isinstance(value, Mapping):
        # Written by versions before 1.0, which told exports apart but not figures. Ignore it.
        return
    seen: set[date] = set()
    for at, item in _items(value, path):
        first, export_id, version, moment = _fields(
            item, 4, '["<period>", "<export id>", "<period version>", "<exported at>"]', at
        )
        day = _day(first, f"{at}[0]")
        if period_of(day, interval=interval).first != day:
            raise _error(f"{at}[0]", first, "the first day of a month")
        if day in seen:
            raise _error(f"{at}[0]", first, "a period of its own")
        seen.add(day)
        texts = _text(export_id, f"{at}[1]"), _text(version, f"{at}[2]")
        yield day, Sent(*texts, _moment(moment, f"{at}[3]"))


def _shape(value: object, path: str) -> str:
    return "" if value is None or value == "" else _text(value, path)


def _pending(value: object, path: str) -> Iterator[Task]:
    seen: set[str] = set()
    for at, item in _items(value, path):
        task = _mapping(item, at)
        _check_keys(task, _TASK, at)
        task_id = _text(task.get("task_id"), f"{at}.task_id")
        if task_id in seen:
            raise _error(f"{at}.task_id", task_id, "an id of its own")
        seen.add(task_id)
        window = _window(task.get("first"), task.get("last"), at)
        moment = _moment(task.get("submitted_at"), f"{at}.submitted_at")
        yield Task(task_id, window, moment)


def _replication_key_value(bookmark: Mapping[str, object], path: str) -> date | None:
    """Parse `replication_key_value`: a date, or a date and time as other taps write it.

    The date of a date and time is taken as written, without time zone conversion.
    """
    key = bookmark.get("replication_key")
    if key is not None:
        _text(key, f"{path}.replication_key")
    value = bookmark.get("replication_key_value")
    if value is None:
        return None
    at = f"{path}.replication_key_value"
    text = _text(value, at)
    try:
        datetime.fromisoformat(text)
    except ValueError:
        raise _error(at, value, "a date") from None
    return _day(text[:10], at)


def _check_keys(value: Mapping[str, object], known: Sequence[str], path: str) -> None:
    for key in value:
        if key not in known:
            raise _error(f"{path}: a key", key, f"one of {', '.join(known)}")


def _check_disjoint(ranges: list[DateWindow], path: str) -> None:
    for one, other in pairwise(sorted(DateWindow(each.first, each.last) for each in ranges)):
        if one.overlaps(other):
            raise _error(path, f"{one}, {other}", "free of days that stand in two ranges")


def _window(first: object, last: object, path: str) -> DateWindow:
    begin, end = _day(first, f"{path}, first day"), _day(last, f"{path}, last day")
    if begin > end:
        raise _error(path, f"{begin}..{end}", "a range that begins on or before its last day")
    return DateWindow(begin, end)


def _day(value: object, path: str) -> date:
    text = _text(value, path)
    try:
        if _DAY.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise _error(path, value, "a date YYYY-MM-DD")


def _moment(value: object, path: str) -> datetime:
    text = _text(value, path)
    try:
        moment = datetime.fromisoformat(text)
        if _DAY.match(text) and moment.tzinfo:
            return whole_second(moment)
    except (ValueError, OverflowError):
        pass
    raise _error(path, value, "a time YYYY-MM-DDTHH:MM:SSZ")


def _text(value: object, path: str) -> str:
    if not isinstance(value, str) or not value:
        raise _error(path, value, "a text")
    return value


def _mapping(value: object, path: str) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise _error(path, value, "an object")
    return value


def _items(value: object, path: str) -> Iterator[tuple[str, object]]:
    if not isinstance(value, list):
        raise _error(path, value, "a list")
    return ((f"{path}[{n}]", item) for n, item in enumerate(value))


def _fields(value: object, count: int, shape: str, path: str) -> list[object]:
    if not isinstance(value, list) or len(value) != count:
        raise _error(path, value, shape)
    return value


def _error(path: str, value: object, expected: str) -> StateError:
    shown = repr(value)
    if len(shown) > _LONGEST_ECHO:
        shown = f"{shown[:_LONGEST_ECHO]}..."
    return StateError(
        f"{path} is {shown}, not {expected}; correct it, or remove the stream's bookmark "
        "to export everything again"
    )
