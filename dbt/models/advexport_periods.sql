-- One row for each period of each report, as it is now.

with ranked as (
    select
        *,
        row_number() over (partition by {{ advexport_by_account() }} report, period order by confirmed_at desc) as version_rank
    from {{ ref('advexport_period_versions') }}
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
where version_rank = 1
