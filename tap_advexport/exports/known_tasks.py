"""The tasks that a run knows, by id: an API that gives one id twice would mix up two exports."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_advexport.errors import SUPPORT, RejectedError
from tap_advexport.redaction import excerpt

if TYPE_CHECKING:
    from tap_advexport.reports import Interval
    from tap_advexport.windows import DateWindow, Task


class KnownTasks:
    """Which export each task id stands for; one per run, for all reports."""

    def __init__(self) -> None:
        self._exports: dict[str, tuple[Interval, DateWindow]] = {}

    def note(self, task: Task, interval: Interval) -> None:
        """Note a task of an earlier run."""
        self._exports[task.task_id] = (interval, task.window)

    def accept(self, task: Task, interval: Interval) -> None:
        """Note a task that was just submitted.

        An API may give the same id again for the same export, whose file is then new.

        Raises:
            RejectedError: the id stands for another export. Its file would be taken for the file of
                these days, and one without rows fits any days.
        """
        export = (interval, task.window)
        known = self._exports.setdefault(task.task_id, export)
        if known != export:
            said = "it gives the task of {} {} once more".format(*known)
            what = f"submitting {interval} {task.window}: {said} (task {excerpt(task.task_id)})"
            raise RejectedError(what, refusal="the same task", said=said, advice=SUPPORT)
