"""The table of faults: what each is called, where it strikes and what it does."""

from __future__ import annotations

from advexport_sandbox.file_faults import FILES
from advexport_sandbox.limits import LIMITS
from advexport_sandbox.refusals import REFUSALS
from advexport_sandbox.task_faults import TASKS
from advexport_sandbox.text_faults import TEXTS
from advexport_sandbox.wire_faults import WIRES

FAULTS = {fault.name: fault for fault in (*REFUSALS, *LIMITS, *TASKS, *FILES, *TEXTS, *WIRES)}
