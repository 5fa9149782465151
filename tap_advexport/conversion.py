"""Turns a downloaded file into a spool of record lines."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, BinaryIO

from tap_advexport.records import Conversion, Converted, convert
from tap_advexport.spool import open_spool

if TYPE_CHECKING:
    from collections.abc import Callable
    from zoneinfo import ZoneInfo

    from tap_advexport.client import Downloaded
    from tap_advexport.exports import Task
    from tap_advexport.reports import Interval
    from tap_advexport.windows import DateWindow


def converter(
    *, interval: Interval, zone: ZoneInfo, columns: tuple[str, ...]
) -> Callable[[BinaryIO, DateWindow, Task, Downloaded], tuple[BinaryIO, Converted]]:
    """The conversion of one report's files; `columns` are those that are emitted."""

    def convert_file(
        source: BinaryIO, window: DateWindow, task: Task, downloaded: Downloaded
    ) -> tuple[BinaryIO, Converted]:
        conversion = Conversion(
            interval=interval,
            first=window.first,
            last=window.last,
            timezone=zone.key,
            export_id=task.task_id,
            exported_at=rfc3339(task.submitted_at),
            columns=columns,
            is_end_proven=downloaded.is_end_proven,
        )
        source.seek(0)
        lines = open_spool()
        try:
            return lines, convert(source, lines, conversion)
        except BaseException:
            lines.close()
            raise

    return convert_file


def rfc3339(moment: datetime) -> str:
    """A moment in UTC, to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
