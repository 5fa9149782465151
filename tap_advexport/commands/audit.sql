-- One row for each period of a report: what the API said of it (report_periods) beside what the
-- warehouse holds of the same export. `differs` is null where both agree.
--
-- Runs on DuckDB and PostgreSQL. The four names in double braces are filled in by
-- `tap-advexport-audit` or by dbt.

with versions as (
    -- An append-only target keeps every version of a period; the one confirmed last holds.
    select
        cast(period as date) as period,
        export_id,
        row_count,
        clicks_aggr,
        conversions_aggr,
        cost_aggr,
        row_number() over (
            partition by cast(period as date)
            order by cast(confirmed_at as timestamp) desc, cast(exported_at as timestamp) desc, export_id desc
        ) as version_rank
    from {{ periods }}
    where report = '{{ report }}'
),

api as (
    select * from versions where version_rank = 1
),

copies as (
    -- It may also hold a row of one export twice, when a run was repeated.
    select
        cast(report_date as date) as period,
        export_id,
        clicks_aggr,
        conversions_aggr,
        cost_aggr,
        row_number() over (
            partition by cast(report_date as date), export_id, row_key
            order by cast(exported_at as timestamp) desc
        ) as copy_rank
    from {{ rows }}
),

warehouse as (
    select
        copies.period,
        count(case when copies.export_id = api.export_id then 1 end) as row_count,
        count(case when copies.export_id = api.export_id then null else 1 end) as other_row_count,
        coalesce(sum(case when copies.export_id = api.export_id then copies.clicks_aggr end), 0) as clicks_aggr,
        coalesce(sum(case when copies.export_id = api.export_id then copies.conversions_aggr end), 0) as conversions_aggr,
        coalesce(sum(case when copies.export_id = api.export_id then copies.cost_aggr end), 0) as cost_aggr,
        coalesce(sum(case when copies.export_id = api.export_id then abs(copies.cost_aggr) end), 0) as cost_magnitude
    from copies
    left join api on api.period = copies.period
    where copies.copy_rank = 1
    group by copies.period
),

compared as (
    select
        coalesce(api.period, warehouse.period) as period,
        api.period is not null as has_period_row,
        api.export_id,
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
    full outer join warehouse on warehouse.period = api.period
)

select
    '{{ report }}' as report,
    period,
    export_id,
    case
        when not has_period_row then 'no period row'
        when warehouse_row_count <> api_row_count then 'rows'
        when warehouse_clicks_aggr <> api_clicks_aggr then 'clicks'
        when warehouse_conversions_aggr <> api_conversions_aggr then 'conversions'
        -- Adding n floating-point numbers in another order may move the sum by n * 1.1e-16 of the
        -- sum of their magnitudes: 1e-9 leaves room for millions of rows. Exact numbers get 0.
        when abs(warehouse_cost_aggr - api_cost_aggr)
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
