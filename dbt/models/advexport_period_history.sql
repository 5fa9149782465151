-- What each export said of each period, kept. Where the next export replaces a period's row, each dbt
-- run adds the looks that it finds new, and none is ever rebuilt: a full refresh would lose what the
-- source no longer has.

{{ config(materialized='incremental', incremental_strategy='append', on_schema_change='append_new_columns', full_refresh=false) }}
{%- if execute and config.get('materialized') != 'incremental' %}
{{ exceptions.raise_compiler_error(
    "it must stay incremental, since it keeps looks that the target's table no longer has: add"
    " `advexport_period_history: {+materialized: incremental}` under `models: advexport:`"
) }}
{%- endif %}
{%- set has_account = advexport_has_account(source('advexport', 'report_periods')) %}

select
    {{ advexport_by_account('v') }}
    v.report,
    v.period,
    v.period_version,
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
{%- set kept = adapter.get_columns_in_relation(this) | map(attribute='name') | list %}
where not exists (
    select 1
    from {{ this }} as h
    where h.report = v.report and h.period = v.period and h.confirmed_at = v.confirmed_at
        {%- if has_account %}
        and {{ "coalesce(h.account, '')" if 'account' in kept else "''" }} = v.account
        {%- endif %}
)
{% endif %}
