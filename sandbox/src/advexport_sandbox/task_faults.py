"""What can become of a task."""

from __future__ import annotations

from advexport_sandbox.effects import POLL, Fault, Outcome

TASKS = (
    Fault("task-failure", POLL, Outcome("FAILURE"), "the task ends with the state FAILURE"),
    Fault("task-revoked", POLL, Outcome("REVOKED"), "the task ends with the state REVOKED"),
    Fault(
        "unknown-state",
        POLL,
        Outcome("HIBERNATING", is_sudden=True),
        "the task has a state that nobody knows, for ever",
    ),
    Fault("stuck", POLL, Outcome("PENDING"), "the task stays PENDING for ever"),
    Fault("task-404", POLL, Outcome(None, is_sudden=True), "the task is unknown from now on"),
)
