-- The true rows without dbt, on DuckDB: over target-duckdb, or dlt. Read these views, not the tables.
-- A target that only appends needs views_append.sql instead.
--
--     duckdb warehouse.duckdb < views_duckdb.sql
--
-- For report_hourly and report_monthly, the same with that word in the place of `daily`. target-duckdb stores dates
-- as text: the views make dates of them.

set schema = 'tap_advexport';  -- in this Meltano project: main; with dlt: the name of the dataset

-- Every row of the daily report that is true now, once. With several accounts in the tables, take the last condition in.
create or replace view daily_rows as
select r.* replace (cast(r.report_date as date) as report_date)
from report_daily r
join report_periods p
  on p.report = 'daily' and p.period = r.report_date and p.period_version = r.period_version
  -- and p.account = r.account
;

-- Every day: what the API said of it, and whether that may still change.
create or replace view daily_days as
select * replace (cast(period as date) as period)
from report_periods
where report = 'daily';
