"""docs/reference/logs.md lists the fields that JSON logs have."""

from __future__ import annotations

import re
from datetime import date

from msgspec.structs import fields

from tap_advexport.progress.words import Progress, WindowDone
from tap_advexport.sync.totals import FailedDays, RunTotals
from tap_advexport.windows import DateWindow
from tests.support.paths import ROOT

PAGE = (ROOT / "docs/reference/logs.md").read_text("utf-8")
DAY = DateWindow(date(2024, 1, 1), date(2024, 1, 1))


def listed(field: str) -> list[str]:
    [cell] = re.findall(rf"^\| [^|]+ \| `{field}` \| (.*) \|$", PAGE, re.MULTILINE)
    return re.findall(r"`(\w+)`", cell)


def test_every_field_is_listed_and_no_other() -> None:
    # Those at the end are of the process.
    assert listed("summary") == [*RunTotals().fields(1.0), "failed", "exit_code", "ended"]
    assert listed("failed") == list(FailedDays("daily", DAY, "x").fields())
    assert listed("window") == list(WindowDone("report_daily", DAY, 1, 1, 0, 1).fields())
    assert listed("progress") == [field.name for field in fields(Progress)]
