"""The settings of a sandbox."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from advexport_sandbox.figures import FiguresConfig

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from advexport_sandbox.submissions import Submission


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxConfig(FiguresConfig):
    """All that can be chosen; the settings of the figures are among it.

    Args:
        port: 0 takes a free one.
        files_host: Host name in download URLs, to have another origin; None is the API's own.
        now: Where the API's clock stands still until it is moved; None is the real clock.
        latency: Seconds that a task runs, or a function that tells them.
        tail_share: Share of the tasks that run `tail_factor` times as long.
        max_running: How many tasks run at once; None is no limit.
        url_lifetime: Seconds for which a download URL holds.
        cache_bytes: How much of rendered files is kept.
    """

    host: str = "127.0.0.1"
    port: int = 0
    files_host: str | None = None
    token: str = field(default="sandbox-token", repr=False)
    now: datetime | None = None
    latency: float | Callable[[Submission], float] = 0.0
    tail_share: float = 0.0
    tail_factor: float = 10.0
    max_running: int | None = None
    url_lifetime: float = 300.0
    cache_bytes: int = 512 * 1024 * 1024
