"""The tasks that a run knows, by id: an API that gives one id twice would mix up two exports."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tap_advexport.reports import Interval
    from tap_advexport.windows import DateWindow, Task


class KnownTasks:
    """Which export each task id stands for; one per run, for all reports."""

    def __init__(self) -> None:
        self._exports: dict[str, tuple[Interval, DateWindow]] = {}

    def note(self, task: Task, interval: Interval) -> None:
        """Note a task that was submitted, in this run or in an earlier one."""
        self._exports[task.task_id] = (interval, task.window)

    def other_export(self, task_id: str, interval: Interval, window: DateWindow) -> str:
        """Name the export that the id stands for, if it is not this one; otherwise return "".

        An API may give the same id again for the same export, whose file is then new.
        """
        known = self._exports.get(task_id)
        if known is None or known == (interval, window):
            return ""
        return "{} {}".format(*known)
