-- The true rows without dbt, over a target that only appends: on PostgreSQL and on DuckDB. Several versions of a day lie
-- side by side there, in both tables. The one confirmed last holds, and a row that was sent twice counts once.
--
-- Set the schema first (PostgreSQL: set search_path to tap_advexport, DuckDB: set schema = 'tap_advexport'). For
-- report_hourly and report_monthly, the same with that word in the place of `daily`.

-- Every day: what the API said of it, and whether that may still change. With several accounts in the tables put
-- `account, ` before each `period`.
create view daily_days as
select distinct on (period) *
from report_periods
where report = 'daily'
order by period, confirmed_at desc, exported_at desc;

-- Every row of the daily report that is true now, once. With several accounts put `r.account, ` before each
-- `r.report_date, `, and take the last condition in.
create view daily_rows as
select distinct on (r.report_date, r.row_key) r.*
from report_daily r
join daily_days p
  on p.period = r.report_date and p.period_version = r.period_version
  -- and p.account = r.account
order by r.report_date, r.row_key, r.exported_at desc;
