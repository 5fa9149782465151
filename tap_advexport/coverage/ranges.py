"""Operations on sorted, disjoint ranges of days that do not go through the single days."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from tap_advexport.windows import DAY, DateWindow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

Range = TypeVar("Range", bound=DateWindow)


def touching(ranges: Sequence[Range], span: DateWindow) -> Sequence[Range]:
    """Return those of `ranges` that share a day with `span`."""
    low, high = _bounds(ranges, span)
    return ranges[low:high]


def within(ranges: Sequence[Range], span: DateWindow) -> tuple[Range, ...]:
    """Return `ranges`, cut to the days of `span`."""
    return tuple(
        replace(each, first=max(each.first, span.first), last=min(each.last, span.last))
        for each in touching(ranges, span)
    )


def without(ranges: Sequence[Range], holes: Sequence[DateWindow]) -> tuple[Range, ...]:
    """Return `ranges` without the days of `holes`."""
    return tuple(piece for each in ranges for piece in _outside(each, touching(holes, each)))


def union(windows: Iterable[DateWindow]) -> tuple[DateWindow, ...]:
    """Return the fewest windows that hold all days of `windows`, overlapping and in any order."""
    plain = (DateWindow(each.first, each.last) for each in windows)
    return compact(sorted(plain), join_adjacent)


def compact(
    ranges: Iterable[Range], join: Callable[[Range, Range], Range | None]
) -> tuple[Range, ...]:
    """Join neighbours in `ranges` wherever `join` does not return None."""
    done: list[Range] = []
    for each in ranges:
        joined = join(done[-1], each) if done else None
        if joined is None:
            done.append(each)
        else:
            done[-1] = joined
    return tuple(done)


def splice(
    ranges: tuple[Range, ...],
    span: DateWindow,
    new: Iterable[Range],
    join: Callable[[Range, Range], Range | None],
) -> tuple[Range, ...]:
    """Replace the days of `span` in `ranges` with `new`, and join neighbours there only."""
    low, high = _bounds(ranges, span)
    begin, end = max(low - 1, 0), high + 1
    around = without(ranges[begin:end], (span,))
    middle = sorted((*around, *new), key=lambda each: each.first)
    return (*ranges[:begin], *compact(middle, join), *ranges[end:])


def is_adjacent(one: DateWindow, other: DateWindow) -> bool:
    """Return whether no day lies between `one` and the later `other`."""
    return other.first.toordinal() - one.last.toordinal() <= 1


def join_adjacent(one: DateWindow, other: DateWindow) -> DateWindow | None:
    """Return both as one window, or None if a day lies between them."""
    if not is_adjacent(one, other):
        return None
    return DateWindow(one.first, max(one.last, other.last))


def _bounds(ranges: Sequence[Range], span: DateWindow) -> tuple[int, int]:
    low = bisect_left(ranges, span.first, key=lambda each: each.last)
    return low, bisect_right(ranges, span.last, lo=low, key=lambda each: each.first)


def _outside(each: Range, holes: Iterable[DateWindow]) -> Iterator[Range]:
    first = each.first
    for hole in holes:
        if first < hole.first:
            yield replace(each, first=first, last=hole.first - DAY)
        if each.last <= hole.last:
            return
        first = hole.last + DAY
    yield replace(each, first=first)
