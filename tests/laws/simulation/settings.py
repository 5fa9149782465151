"""The settings of one run, as whoever runs the tap would set them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.laws.simulation.api import BASE_URL
from tests.laws.simulation.network import TOKEN

if TYPE_CHECKING:
    from datetime import date


@dataclass(frozen=True, slots=True)
class RunSettings:
    """What differs from run to run."""

    start_date: date
    timezone: str
    reports: frozenset[str] = frozenset({"daily"})
    end_date: date | None = None
    include_today: bool = False
    lookback_days: int = 3
    window_days: int = 7
    max_concurrent_exports: int = 3
    export_attempts: int = 2
    request_attempts: int = 3
    export_timeout_seconds: float = 100
    poll_interval_seconds: float = 20
    request_timeout_seconds: float = 30
    skip_unchanged: bool = True
    sorting: str = "time"
    refresh: tuple[date, date] | None = None

    def config(self) -> dict[str, Any]:
        """The config of the tap."""
        config: dict[str, Any] = {
            "auth_token": TOKEN,
            "api_url": BASE_URL,
            "start_date": self.start_date.isoformat(),
            "timezone": self.timezone,
            "include_today": self.include_today,
            "lookback_days": self.lookback_days,
            "window_days": self.window_days,
            "max_concurrent_exports": self.max_concurrent_exports,
            "export_attempts": self.export_attempts,
            "request_attempts": self.request_attempts,
            "export_timeout_seconds": self.export_timeout_seconds,
            "poll_interval_seconds": self.poll_interval_seconds,
            "request_timeout_seconds": self.request_timeout_seconds,
            "skip_unchanged": self.skip_unchanged,
            "sorting": self.sorting,
        }
        if self.end_date:
            config["end_date"] = self.end_date.isoformat()
        if self.refresh:
            first, last = self.refresh
            config |= {
                "refresh_start_date": first.isoformat(),
                "refresh_end_date": last.isoformat(),
            }
        return config
