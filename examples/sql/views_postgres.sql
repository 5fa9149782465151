-- The true rows without dbt, on PostgreSQL: over target-postgres, or dlt. Read these views, not the tables.
-- A target that only appends needs views_append.sql instead.
--
--     psql -v ON_ERROR_STOP=1 -f views_postgres.sql
--
-- For report_hourly and report_monthly, the same with that word in the place of `daily`. A view has the columns
-- that the table had when it was made: make it again after a stream map has added one.

set search_path to tap_advexport;  -- with dlt, the name of the dataset

drop view if exists daily_rows, daily_days;

-- Every row of the daily report that is true now, once. With several accounts in the tables, take the last condition in.
create view daily_rows as
select r.*
from report_daily r
join report_periods p
  on p.report = 'daily' and p.period = r.report_date and p.period_version = r.period_version
  -- and p.account = r.account
;

-- Every day: what the API said of it, and whether that may still change.
create view daily_days as
select *
from report_periods
where report = 'daily';
