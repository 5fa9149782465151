-- One row for each look at a period that the table of the target still holds: all of them over an
-- append-only target, the latest over one that upserts.

with ranked as (
    select
        report,
        {{ advexport_date('period') }} as period,
        export_id,
        {{ advexport_timestamp('exported_at') }} as exported_at,
        {{ advexport_timestamp('confirmed_at') }} as confirmed_at,
        row_count,
        clicks_aggr,
        conversions_aggr,
        cost_aggr,
        is_settled,
        -- A run that was repeated appends the row once more. Should two exports ever have been
        -- demanded at the same moment, the one with the newer rows stands for it.
        row_number() over (
            partition by report, {{ advexport_date('period') }}, {{ advexport_timestamp('confirmed_at') }}
            order by {{ advexport_timestamp('exported_at') }} desc, export_id desc, is_settled desc
        ) as copy_rank
    from {{ source('advexport', 'report_periods') }}
)

select
    report,
    period,
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
