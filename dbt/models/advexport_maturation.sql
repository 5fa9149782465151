-- How the figures of a period matured: each look beside the look before it and the latest.

with looks as (
    select
        *,
        case
            when report = 'monthly' then {{ dbt.last_day('period', 'month') }}
            else period
        end as last_day,
        row_number() over (partition by {{ advexport_by_account() }} report, period order by confirmed_at) as look,
        lag(period_version) over (partition by {{ advexport_by_account() }} report, period order by confirmed_at) as previous_period_version,
        lag(row_count) over (partition by {{ advexport_by_account() }} report, period order by confirmed_at) as previous_row_count,
        lag(clicks_aggr) over (partition by {{ advexport_by_account() }} report, period order by confirmed_at) as previous_clicks_aggr,
        lag(conversions_aggr) over (partition by {{ advexport_by_account() }} report, period order by confirmed_at) as previous_conversions_aggr,
        lag(cost_aggr) over (partition by {{ advexport_by_account() }} report, period order by confirmed_at) as previous_cost_aggr,
        first_value(conversions_aggr) over (partition by {{ advexport_by_account() }} report, period order by confirmed_at desc) as latest_conversions_aggr,
        first_value(cost_aggr) over (partition by {{ advexport_by_account() }} report, period order by confirmed_at desc) as latest_cost_aggr
    from {{ ref('advexport_period_history') }}
)

select
    {{ advexport_by_account() }}
    report,
    period,
    look,
    confirmed_at,
    exported_at,
    period_version,
    export_id,
    is_settled,
    {{ dbt.datediff('last_day', 'cast(confirmed_at as date)', 'day') }} as age_days,
    row_count,
    clicks_aggr,
    conversions_aggr,
    cost_aggr,
    -- The same figures have the same version, whether their rows were sent again or not.
    coalesce(period_version <> previous_period_version, true) as has_new_rows,
    row_count - previous_row_count as row_count_change,
    clicks_aggr - previous_clicks_aggr as clicks_change,
    conversions_aggr - previous_conversions_aggr as conversions_change,
    cost_aggr - previous_cost_aggr as cost_change,
    cast(conversions_aggr as {{ dbt.type_float() }}) / nullif(latest_conversions_aggr, 0) as conversions_share,
    cast(cost_aggr as {{ dbt.type_float() }}) / nullif(cast(latest_cost_aggr as {{ dbt.type_float() }}), 0) as cost_share
from looks
