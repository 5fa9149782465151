"""Shows what the demo brought into DuckDB, and checks it; exits with 1 if anything differs.

Runs in the environment of target-duckdb, with the version of DuckDB that wrote the database.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urljoin
from urllib.request import ProxyHandler, build_opener

import duckdb

# The query of the README: rows that have vanished from the API stay in any warehouse, but their
# version is no longer that of their day.
TRUE_ROWS = """
    create view true_rows as
    select r.*
    from report_daily r
    join report_periods p
      on p.report = 'daily' and p.period = r.report_date and p.period_version = r.period_version
"""

BY_MONTH = """
    select substr(period, 1, 7) as month, count(*) as days,
           count(*) filter (is_settled) as settled, sum(row_count) as row_count,
           sum(clicks_aggr) as clicks, sum(conversions_aggr) as conversions,
           sum(cast(cost_aggr as decimal(38, 6))) as cost
    from report_periods where report = 'daily' group by month order by month
"""

# What became of the rows of the days that both runs exported. The target keeps doubles, and the
# API's amounts have fewer digits than a double.
RESTATED = """
    with
    now as (select * from true_rows),
    earlier as (select * from before.report_daily),
    again as (
        select p.period, p.period_version <> b.period_version as is_restated
        from report_periods p join before.report_periods b using (report, period)
        where p.report = 'daily' and p.confirmed_at <> b.confirmed_at
    ),
    pairs as (
        select earlier.row_key as old_key, now.row_key as new_key,
               (earlier.clicks_aggr, earlier.conversions_aggr, earlier.cost_aggr, earlier.cr)
               is distinct from
               (now.clicks_aggr, now.conversions_aggr, now.cost_aggr, now.cr) as differs
        from (select * from earlier semi join again on period = report_date) earlier
        full join (select * from now semi join again on period = report_date) now using (row_key)
    )
    select (select count(*) from again), (select count(*) from again where is_restated),
           count(*) filter (old_key is not null and new_key is not null and differs),
           count(*) filter (old_key is null),
           count(*) filter (new_key is null)
    from pairs
"""

# The row whose conversions rose most, as it was and as it is.
MOST_RESTATED = """
    select b.report_date, b.campaign, b.country, b.name_os,
           b.conversions_aggr, n.conversions_aggr, b.cost_aggr, n.cost_aggr
    from before.report_daily b join true_rows n using (row_key)
    order by n.conversions_aggr - b.conversions_aggr desc, row_key limit 1
"""

# A row that the API no longer has: the table still holds it, the true rows do not.
VANISHED = """
    select r.report_date, r.campaign, r.country, r.name_os, r.clicks_aggr, r.conversions_aggr
    from report_daily r anti join true_rows t using (row_key)
    order by r.conversions_aggr desc, row_key limit 1
"""

DIFFERENT_PERIODS = """
    with held as (
        select p.period, p.row_count, p.clicks_aggr, p.conversions_aggr,
               cast(p.cost_aggr as decimal(38, 6)) as cost,
               count(r.row_key) as held_rows,
               coalesce(sum(r.clicks_aggr), 0) as held_clicks,
               coalesce(sum(r.conversions_aggr), 0) as held_conversions,
               coalesce(sum(cast(r.cost_aggr as decimal(18, 6))), 0) as held_cost
        from report_periods p
        left join true_rows r on r.report_date = p.period
        where p.report = 'daily'
        group by all
    )
    select * from held
    where (row_count, clicks_aggr, conversions_aggr, cost)
          is distinct from (held_rows, held_clicks, held_conversions, held_cost)
    order by period
"""

TEXTS = (
    "aff_sub_id",
    "campaign",
    "country",
    "creative_id",
    "app_id",
    "name_os",
    "version_os",
    "lang",
)
NUMBERS = (
    "clicks_aggr",
    "conversions_aggr",
    "cost_aggr",
    "cr",
    "campaign_id",
    "publisher_id",
)


@dataclass(frozen=True, slots=True)
class Check:
    """One claim about the warehouse, and what speaks against it."""

    claim: str
    contradictions: list[str]


def main(arguments: list[str]) -> int:
    """Print the report; return the exit code."""
    warehouse, before, api_url, first, last = arguments
    connection = duckdb.connect(warehouse)
    connection.execute(f"attach '{before}' as before (read_only)")
    connection.execute("drop view if exists true_rows")
    connection.execute(TRUE_ROWS)
    _print_months(connection)
    _print_restated(connection)
    days = _days(date.fromisoformat(first), date.fromisoformat(last))
    checks = [
        _every_day_has_a_period(connection, days),
        _periods_agree(connection),
        _rows_agree(connection, truth_of(api_url, first, last)),
    ]
    print()
    for check in checks:
        print("  ok    " if not check.contradictions else "  WRONG ", check.claim)
        for line in check.contradictions[:10]:
            print("         ", line)
    return 1 if any(check.contradictions for check in checks) else 0


def _print_months(connection: duckdb.DuckDBPyConnection) -> None:
    head = f"{'month':9}{'days':>5}{'final':>7}{'rows':>9}{'clicks':>12}{'conversions':>13}"
    print(f"  {head}{'cost':>14}")
    for month, days, settled, rows, clicks, conversions, cost in _all(connection, BY_MONTH):
        counts = f"{month:9}{days:5}{settled:7}{rows:9,}{clicks:12,}{conversions:13,}"
        print(f"  {counts}{cost:14,.2f}")


def _print_restated(connection: duckdb.DuckDBPyConnection) -> None:
    [(days, restated, changed, appeared, vanished)] = _all(connection, RESTATED)
    print(f"\n  The second run exported {days} days again; the figures of {restated} had moved:")
    print(f"  {changed:,} rows were restated, {appeared:,} are new, {vanished:,} have vanished.")
    for day, campaign, country, system, then, now, cost_then, cost_now in _all(
        connection, MOST_RESTATED
    ):
        print(f"  A restated row   {day}  {campaign}, {country}, {system}")
        print(f"                   before  {then:4} conversions  cost {cost_then:9.2f}")
        print(f"                   now     {now:4} conversions  cost {cost_now:9.2f}")
    for day, campaign, country, system, clicks, conversions in _all(connection, VANISHED):
        print(f"  A vanished row   {day}  {campaign}, {country}, {system}")
        print(
            f"                   {clicks} clicks, {conversions} conversions; still in report_daily,"
        )
        print("                   and left out by the join with report_periods")


def _every_day_has_a_period(connection: duckdb.DuckDBPyConnection, days: list[str]) -> Check:
    held = [row[0] for row in _all(connection, "select period from report_periods order by period")]
    contradictions = [f"{day} is missing" for day in sorted(set(days) - set(held))]
    contradictions += [f"{day} is too many" for day in sorted(set(held) - set(days))]
    return Check(f"report_periods has each of the {len(days)} days", contradictions)


def _periods_agree(connection: duckdb.DuckDBPyConnection) -> Check:
    different = [
        f"{period}: rows, clicks, conversions, cost are {held}, and report_periods says {said}"
        for period, *figures in _all(connection, DIFFERENT_PERIODS)
        for said, held in [([str(f) for f in figures[:4]], [str(f) for f in figures[4:]])]
    ]
    claim = "each day has the rows, clicks, conversions and cost of its period"
    return Check(claim, different)


def _rows_agree(connection: duckdb.DuckDBPyConnection, truth: list[dict[str, str]]) -> Check:
    cursor = connection.execute("select * from true_rows")
    names = [column[0] for column in cursor.description]
    rows = cursor.fetchall()
    held = Counter(canonical(dict(zip(names, row, strict=True))) for row in rows)
    wanted = Counter(map(canonical, truth))
    contradictions = [f"missing: {row}" for row in sorted(wanted - held)]
    contradictions += [f"too many: {row}" for row in sorted(held - wanted)]
    return Check(f"the {len(rows):,} rows are the API's, cell by cell", contradictions)


def canonical(row: dict[str, Any]) -> tuple[str, ...]:
    """Make cells comparable: a target may keep an empty text as null, and numbers as numbers."""
    day = str(row.get("report_date") or row["time"][:10])
    texts = (day, *(row[name] or "" for name in TEXTS))
    return *texts, *(_number(row[name]) for name in NUMBERS)


def _number(value: object) -> str:
    return "" if value in {None, ""} else f"{Decimal(str(value)).normalize():f}"


def truth_of(api_url: str, first: str, last: str) -> list[dict[str, str]]:
    """Return what the stand-in says outside of the API that the tap uses."""
    url = urljoin(api_url, f"/sandbox/truth?interval=daily&first={first}&last={last}")
    with build_opener(ProxyHandler({})).open(url) as answer:
        rows: list[dict[str, str]] = json.load(answer)
    return rows


def _days(first: date, last: date) -> list[str]:
    return [str(first + timedelta(number)) for number in range((last - first).days + 1)]


def _all(connection: duckdb.DuckDBPyConnection, query: str) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = connection.execute(query).fetchall()
    return rows


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
