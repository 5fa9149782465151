-- What each export said of each period, kept. Over a target that upserts, the next export replaces a
-- period's row, so each dbt run adds the looks that it finds new, and none is ever rebuilt: a full
-- refresh would lose what the source no longer has.

{{ config(materialized='incremental', incremental_strategy='append', on_schema_change='append_new_columns', full_refresh=false) }}

select
    v.report,
    v.period,
    v.export_id,
    v.exported_at,
    v.confirmed_at,
    v.row_count,
    v.clicks_aggr,
    v.conversions_aggr,
    v.cost_aggr,
    v.is_settled
from {{ ref('advexport_period_versions') }} as v
{% if is_incremental() %}
where not exists (
    select 1
    from {{ this }} as h
    where h.report = v.report and h.period = v.period and h.confirmed_at = v.confirmed_at
)
{% endif %}
