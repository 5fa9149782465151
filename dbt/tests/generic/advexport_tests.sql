{#- No two rows of an account have the same values in these columns. -#}
{% test advexport_unique_together(model, columns) %}
{%- set together = advexport_by_account() ~ columns | join(', ') %}
select {{ together }}, count(*) as copies
from {{ model }}
group by {{ together }}
having count(*) > 1
{% endtest %}


{#- Between the first and the last period of each report none is missing, nor before the first from
    `advexport_start_date` on. Each row is a gap: the last period before it and the first after. The model is
    `advexport_audit`, which always has an account. -#}
{% test advexport_no_gaps(model) %}
{%- set start_date = var('advexport_start_date') -%}
with neighbours as (
    select
        account,
        report,
        period,
        lead(period) over (partition by account, report order by period) as next_period
    from {{ model }}
)

select account, report, period as last_before, next_period as first_after
from neighbours
where next_period > case
    when report = 'monthly' then cast({{ dbt.dateadd('month', 1, 'period') }} as date)
    else cast({{ dbt.dateadd('day', 1, 'period') }} as date)
end
{% if start_date %}
union all

select account, report, cast(null as date), min(period)
from {{ model }}
group by account, report
having min(period) > case
    when report = 'monthly' then cast({{ dbt.date_trunc('month', "cast('" ~ start_date ~ "' as date)") }} as date)
    else cast('{{ start_date }}' as date)
end
{% endif %}
{% endtest %}


{#- The totals of a report's model are those of `report_periods`, period by period: counts exactly,
    costs exactly where the warehouse stores exact numbers. -#}
{% test advexport_totals_equal_periods(model, report) %}
{%- set has_account = advexport_has_account(source('advexport', 'report_periods')) %}
with held as (
    select
        {{ advexport_account(advexport_source(report)) }} as account,
        report_date as period,
        count(*) as row_count,
        coalesce(sum(clicks_aggr), 0) as clicks_aggr,
        coalesce(sum(conversions_aggr), 0) as conversions_aggr,
        coalesce(sum(cost_aggr), 0) as cost_aggr,
        coalesce(sum(abs(cost_aggr)), 0) as cost_magnitude
    from {{ model }}
    group by 1, 2
),

told as (
    select * from {{ ref('advexport_periods') }} where report = '{{ report }}'
)

select
    coalesce(told.period, held.period) as period,
    told.row_count as told_row_count,
    held.row_count as held_row_count,
    told.clicks_aggr as told_clicks_aggr,
    held.clicks_aggr as held_clicks_aggr,
    told.conversions_aggr as told_conversions_aggr,
    held.conversions_aggr as held_conversions_aggr,
    told.cost_aggr as told_cost_aggr,
    held.cost_aggr as held_cost_aggr
from told
full outer join held
    on held.period = told.period {{ 'and held.account = told.account' if has_account }}
where told.period is null
    or told.row_count <> coalesce(held.row_count, 0)
    or told.clicks_aggr <> coalesce(held.clicks_aggr, 0)
    or told.conversions_aggr <> coalesce(held.conversions_aggr, 0)
    or abs(told.cost_aggr - coalesce(held.cost_aggr, 0))
        > {{ advexport_cost_tolerance(advexport_source(report)) }} * greatest(coalesce(held.cost_magnitude, 0), abs(told.cost_aggr))
{% endtest %}
