"""The SQL of docs/how-to/true-rows.md, over what targets have loaded (scripts/test-targets)."""

from __future__ import annotations

import json
import re
from collections import Counter
from contextlib import ExitStack
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Final

import pytest

from advexport_sandbox import Interval, Sandbox, SandboxConfig
from tests.support.paths import ROOT
from tests.support.pipelines import Bare
from tests.support.places import Database, canonical, place_of
from tests.support.targets import programs_of
from tests.support.warehouses import run

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.targets
PAGE: Final = (ROOT / "docs/how-to/true-rows.md").read_text("utf-8")
FIRST, LAST = date(2024, 1, 20), date(2024, 3, 5)
# Run statements, and give what the last one answers.
RUN: Final = """
import json, sys
url, statements = json.load(sys.stdin)
if url.startswith("postgresql"):
    import psycopg
    connection = psycopg.connect(url, autocommit=True)
else:
    import duckdb
    connection = duckdb.connect(url)
for statement in statements:
    answer = connection.execute(statement)
print(json.dumps([[str(cell) for cell in row] for row in answer.fetchall()]))
"""


@pytest.mark.parametrize(
    ("target", "views"),
    [("target-postgres", "views_postgres.sql"), ("target-duckdb", "views_duckdb.sql")],
)
def test_view_gives_the_true_rows_and_the_report_their_sums(
    target: str, views: str, tmp_path: Path
) -> None:
    assert f"<!-- file: examples/sql/{views} sql -->" in PAGE
    report, days = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)
    config = SandboxConfig(
        now=datetime(2024, 3, 6, 12, tzinfo=UTC), rows_per_day=20, vanish_share=0.2, late_share=0.1
    )
    with ExitStack() as stack:
        sandbox = stack.enter_context(Sandbox(config))
        place = place_of(target, tmp_path, stack)
        assert isinstance(place, Database)
        load = Bare(target, place, tmp_path, sandbox)
        settings = {
            "api_url": sandbox.url,
            "auth_token": sandbox.token,
            "start_date": str(FIRST),
            "end_date": str(LAST),
            # No day settles, whatever the real date.
            "lookback_days": 100000,
        }
        assert load(settings) == 0
        sandbox.advance(days=10)
        assert load(settings) == 0
        truth = sandbox.truth(Interval.DAILY, FIRST, LAST)
        views_text = (ROOT / "examples/sql" / views).read_text("utf-8")
        # One sets the schema of its tables there.
        views_text = views_text.replace("tap_advexport;", f"{place.schema};")
        views_text = views_text.replace("'tap_advexport'", f"'{place.schema}'")
        python = str(programs_of(target) / "python")
        months = json.loads(
            run(
                [python, "-c", RUN], text=json.dumps([place.url, [views_text, days, report]])
            ).stdout
        )
        held = place.query(f"select * from {place.schema}.daily_rows")  # noqa: S608 - of our own page
        loaded = place.rows("report_daily")
    dated = [row | {"time": f"{row['time'].replace(' ', 'T')}:00+00:00"} for row in truth]
    assert Counter(map(canonical, held)) == Counter(map(canonical, dated))
    # Rows have vanished, or the view would have nothing to do.
    assert len(loaded) > len(held)
    clicks: Counter[str] = Counter()
    for row in truth:
        clicks[row["time"][:7]] += int(row["clicks_aggr"] or 0)
    assert {month[:7]: int(float(sum_)) for month, sum_, *_ in months} == clicks
    assert {row[-1] for row in months} == {"False"}
