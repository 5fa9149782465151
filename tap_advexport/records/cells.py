"""Grammar of cells: what a cell may hold, and which value it stands for."""

from __future__ import annotations

import decimal
import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from tap_advexport.reports import Interval
from tap_advexport.windows import first_of_month

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo


# Unlimited digits; an operation whose result would not be exact raises.
EXACT: Final = decimal.Context(
    prec=decimal.MAX_PREC,
    Emax=decimal.MAX_EMAX,
    Emin=decimal.MIN_EMIN,
    traps=[decimal.Inexact, decimal.InvalidOperation],
)

# The possessive `0*+` keeps it linear: else each zero of a long cell is tried again.
_INTEGER: Final = re.compile(r"(-?)0*+([1-9][0-9]*|(?<=0))(?:\.0)?")
_INTEGER_DIGITS: Final = 4300
# JSON's grammar, with exponents up to 4,300: with larger ones, an exact total would fill memory.
_NUMBER: Final = re.compile(
    r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?"
    r"(?:[eE][+-]?0*(?:[0-9]{1,3}|[0-3][0-9]{3}|4[0-2][0-9]{2}|4300))?"
)
_TIME: Final = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2}) ([0-9]{2}):([0-9]{2})")


class InvalidCellError(Exception):
    """A cell breaks its column's grammar; the message says how, without quoting the cell."""


def integer_text(cell: str) -> str:
    """Return an integer in plain decimal (`007` is 7, `5.0` is 5), '' for an empty cell.

    Raises:
        InvalidCellError: the cell is not an integer of at most 4,300 digits.
    """
    if not cell:
        return ""
    match = _INTEGER.fullmatch(cell)
    if match is None or len(cell.removesuffix(".0").lstrip("-")) > _INTEGER_DIGITS:
        raise InvalidCellError(f"is not an integer of at most {_INTEGER_DIGITS:,} digits")
    sign, digits = match.groups()
    return sign + digits if digits else "0"


def integer_value(cell: str) -> int:
    """Return the value of an integer for totals, 0 for an empty cell.

    Raises:
        InvalidCellError: the cell is not an integer of at most 4,300 digits.
    """
    # Through Decimal: int() of a text fails on more digits than PYTHONINTMAXSTRDIGITS allows.
    return int(Decimal(integer_text(cell) or "0"))


def number_text(cell: str) -> str:
    """Return a number with the digits of its cell, '' for an empty cell.

    Raises:
        InvalidCellError: the cell is not a number in JSON's grammar.
    """
    if cell and _NUMBER.fullmatch(cell) is None:
        raise InvalidCellError("is not a number (JSON's grammar, exponent up to 4,300)")
    return cell


def number_value(cell: str) -> Decimal:
    """Return the exact value of a number for totals, 0 for an empty cell.

    Raises:
        InvalidCellError: the cell is not a number in JSON's grammar.
    """
    return Decimal(number_text(cell) or "0")


@dataclass(frozen=True, slots=True)
class TimeGrid:
    """Checks and reads the `time` cells of one export. Its window includes `first` and `last`."""

    interval: Interval
    first: date
    last: date
    zone: ZoneInfo

    def periods(self) -> tuple[date, ...]:
        """Return the first day of every period of the window, in order."""
        days = range(self.first.toordinal(), self.last.toordinal() + 1)
        return tuple(dict.fromkeys(self._period(date.fromordinal(day)) for day in days))

    def period(self, cell: str) -> date:
        """Return the first day of the period that a `time` belongs to.

        Raises:
            InvalidCellError: the cell is not a time of this window and interval.
        """
        return self._period(self._parse(cell).date())

    def zoned(self, cell: str) -> datetime:
        """Return a `time` with its UTC offset in whole minutes, the first one for a repeated hour.

        Raises:
            InvalidCellError: the cell is not a time of this window and interval.
        """
        moment = self._parse(cell)
        offset = moment.replace(tzinfo=self.zone).utcoffset() or timedelta(0)
        # Offsets in RFC 3339 have no seconds; only zones before about 1970 have them.
        minutes = timedelta(minutes=offset // timedelta(minutes=1))
        return moment.replace(tzinfo=timezone(minutes))

    @property
    def _is_monthly(self) -> bool:
        return self.interval is Interval.MONTHLY

    def _period(self, day: date) -> date:
        return first_of_month(day) if self._is_monthly else day

    def _parse(self, cell: str) -> datetime:
        moment = _moment(cell)
        day = self._period(moment.date())
        if not self._period(self.first) <= day <= self.last:
            raise InvalidCellError(f"lies outside the export's window, {self.first} to {self.last}")
        is_on_grid = {
            Interval.HOURLY: moment.minute == 0,
            Interval.DAILY: moment.hour == moment.minute == 0,
            Interval.MONTHLY: moment.day == 1 and moment.hour == moment.minute == 0,
        }
        if not is_on_grid[self.interval]:
            raise InvalidCellError(f"is not the start of a period of the {self.interval} report")
        return moment


def _moment(cell: str) -> datetime:
    match = _TIME.fullmatch(cell)
    if match is None:
        raise InvalidCellError("is not a time (expected YYYY-MM-DD HH:mm)")
    try:
        year, month, day, hour, minute = map(int, match.groups())
        return datetime(year, month, day, hour, minute)  # noqa: DTZ001 - the cell has no zone
    except ValueError:
        raise InvalidCellError("is not a time that exists") from None
