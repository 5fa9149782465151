-- One row for each look at a period that the loaded table still holds: all of them over an append-only
-- target, the latest over one that upserts and with dlt.
{%- set periods = source('advexport', 'report_periods') %}

with ranked as (
    select
        {{ advexport_account(periods) }} as account,
        report,
        {{ advexport_date('period') }} as period,
        period_version,
        export_id,
        {{ advexport_timestamp(periods, 'exported_at') }} as exported_at,
        {{ advexport_timestamp(periods, 'confirmed_at') }} as confirmed_at,
        row_count,
        clicks_aggr,
        conversions_aggr,
        cost_aggr,
        is_settled,
        -- A run that was repeated appends the row once more. Should two exports ever have been
        -- submitted at the same moment, the one with the newer rows stands for it.
        row_number() over (
            partition by {{ advexport_account(periods) }}, report, {{ advexport_date('period') }}, confirmed_at
            order by exported_at desc, export_id desc, is_settled desc
        ) as copy_rank
    from {{ periods }}
)

select
    {{ advexport_by_account() }}
    report,
    period,
    period_version,
    export_id,
    exported_at,
    confirmed_at,
    row_count,
    clicks_aggr,
    conversions_aggr,
    cost_aggr,
    is_settled
from ranked
where copy_rank = 1
