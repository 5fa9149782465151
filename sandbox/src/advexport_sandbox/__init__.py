"""A stateful stand-in for an asynchronous report-export API."""

from advexport_sandbox.answers import Endpoint
from advexport_sandbox.calls import BadInjectionError, Match, Options
from advexport_sandbox.clock import Clock
from advexport_sandbox.config import SandboxConfig
from advexport_sandbox.faults import FAULTS
from advexport_sandbox.figures import COLUMNS
from advexport_sandbox.injections import Injection
from advexport_sandbox.log import LoggedRequest
from advexport_sandbox.sandbox import Sandbox
from advexport_sandbox.submissions import Interval, Sorting, Submission
from advexport_sandbox.tasks import Task

__all__ = [
    "COLUMNS",
    "FAULTS",
    "BadInjectionError",
    "Clock",
    "Endpoint",
    "Injection",
    "Interval",
    "LoggedRequest",
    "Match",
    "Options",
    "Sandbox",
    "SandboxConfig",
    "Sorting",
    "Submission",
    "Task",
]
