{#- The text of `tap_advexport/commands/audit.sql`; a test of the repository keeps the two the same. -#}
{% macro advexport_audit_sql(report, rows, periods, rows_account, periods_account, copies, cost_tolerance) %}
-- One row for each period of a report: what the API said of it (report_periods) beside what the
-- warehouse holds of the same version. `differs` is null where both agree.
--
-- Runs on DuckDB and PostgreSQL, over the tables of Singer targets and of dlt. The names in double
-- braces are filled in by `tap-advexport-audit` or by dbt.

with versions as (
    -- An append-only target keeps every version of a period; the one confirmed last holds.
    select
        {{ periods_account }} as account,
        cast(period as date) as period,
        period_version,
        row_count,
        clicks_aggr,
        conversions_aggr,
        cost_aggr,
        row_number() over (
            partition by {{ periods_account }}, cast(period as date)
            order by confirmed_at desc, exported_at desc, export_id desc
        ) as version_rank
    from {{ periods }}
    where report = '{{ report }}'
),

api as (
    select * from versions where version_rank = 1
),

copies as (
    -- It may also hold a row of one version twice, when its figures were sent again. dlt replaces
    -- whole days, and its readers join nothing: there each copy counts.
    select
        {{ rows_account }} as account,
        cast(report_date as date) as period,
        period_version,
        clicks_aggr,
        conversions_aggr,
        cost_aggr,
        row_number() over (
            partition by {{ rows_account }}, cast(report_date as date), period_version, row_key
            order by exported_at desc
        ) as copy_rank
    from {{ rows }}
),

warehouse as (
    select
        copies.account,
        copies.period,
        count(case when copies.period_version = api.period_version then 1 end) as row_count,
        count(case when copies.period_version = api.period_version then null else 1 end) as other_row_count,
        coalesce(sum(case when copies.period_version = api.period_version then copies.clicks_aggr end), 0) as clicks_aggr,
        coalesce(sum(case when copies.period_version = api.period_version then copies.conversions_aggr end), 0) as conversions_aggr,
        coalesce(sum(case when copies.period_version = api.period_version then copies.cost_aggr end), 0) as cost_aggr,
        coalesce(sum(case when copies.period_version = api.period_version then abs(copies.cost_aggr) end), 0) as cost_magnitude
    from copies
    left join api on api.account = copies.account and api.period = copies.period
    where copies.copy_rank <= {{ copies }}
    group by copies.account, copies.period
),

compared as (
    select
        coalesce(api.account, warehouse.account) as account,
        coalesce(api.period, warehouse.period) as period,
        api.period is not null as has_period_row,
        api.period_version,
        api.row_count as api_row_count,
        coalesce(warehouse.row_count, 0) as warehouse_row_count,
        coalesce(warehouse.other_row_count, 0) as other_row_count,
        api.clicks_aggr as api_clicks_aggr,
        coalesce(warehouse.clicks_aggr, 0) as warehouse_clicks_aggr,
        api.conversions_aggr as api_conversions_aggr,
        coalesce(warehouse.conversions_aggr, 0) as warehouse_conversions_aggr,
        api.cost_aggr as api_cost_aggr,
        coalesce(warehouse.cost_aggr, 0) as warehouse_cost_aggr,
        coalesce(warehouse.cost_magnitude, 0) as cost_magnitude
    from api
    full outer join warehouse on warehouse.account = api.account and warehouse.period = api.period
)

select
    '{{ report }}' as report,
    account,
    period,
    period_version,
    case
        when not has_period_row then 'no period row'
        -- Loaded by a version of the tap that had no such column.
        when period_version is null then 'no period_version'
        -- A total that is null, as its column was not selected, is no total that agrees.
        when warehouse_row_count is distinct from api_row_count then 'rows'
        -- Where each copy counts, so do rows of another version.
        when {{ copies }} > 1 and other_row_count > 0 then 'rows'
        when warehouse_clicks_aggr is distinct from api_clicks_aggr then 'clicks'
        when warehouse_conversions_aggr is distinct from api_conversions_aggr then 'conversions'
        -- Adding n floating-point numbers in another order may move the sum by n * 1.1e-16 of the
        -- sum of their magnitudes: 1e-9 leaves room for millions of rows. Exact numbers get 0.
        when api_cost_aggr is null or abs(warehouse_cost_aggr - api_cost_aggr)
            > {{ cost_tolerance }} * greatest(cost_magnitude, abs(api_cost_aggr)) then 'cost'
    end as differs,
    api_row_count,
    warehouse_row_count,
    other_row_count,
    api_clicks_aggr,
    warehouse_clicks_aggr,
    api_conversions_aggr,
    warehouse_conversions_aggr,
    api_cost_aggr,
    warehouse_cost_aggr
from compared
{% endmacro %}
