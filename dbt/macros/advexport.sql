{#- The source table of a report, by the report's name: `daily`, `hourly`, `monthly`. -#}
{% macro advexport_source(report) %}
    {{- return(source('advexport', 'report_' ~ report)) -}}
{% endmacro %}


{#- Targets store dates as such or as text: target-duckdb keeps them as text. A cast reads both. -#}
{% macro advexport_date(column) -%}
    cast({{ column }} as date)
{%- endmacro %}


{#- A moment as a timestamp in UTC. Singer targets store it so; dlt stores it with its offset, and a plain
    cast would shift it to the zone of the session. -#}
{% macro advexport_timestamp(relation, column, alias=none) -%}
    {%- set name = (alias ~ '.' if alias else '') ~ adapter.quote(column) -%}
    {%- set has_offset = [] -%}
    {%- for each in advexport_described(relation) if each.name == column and 'with time zone' in each.dtype | lower -%}
        {%- do has_offset.append(true) -%}
    {%- endfor -%}
    {%- if has_offset -%}
        {{ name }} at time zone 'UTC'
    {%- else -%}
        cast({{ name }} as {{ dbt.type_timestamp() }})
    {%- endif -%}
{%- endmacro %}


{#- Several accounts in the same tables are told apart by the column `account`, which is there when the tap's
    setting of that name is. Rows from before it was set have none. -#}
{% macro advexport_has_account(relation) %}
    {%- for column in advexport_described(relation) if column.name == 'account' -%}
        {{- return(true) -}}
    {%- endfor -%}
    {{- return(false) -}}
{% endmacro %}

{% macro advexport_account(relation, alias=none) -%}
    {%- if advexport_has_account(relation) -%}
        coalesce({{ alias ~ '.' if alias else '' }}account, '')
    {%- else -%}
        ''
    {%- endif -%}
{%- endmacro %}

{#- How many copies of a row the audit counts. Tables of dlt, which alone have the column `is_deleted`, hold
    each row once; an append-only target may hold it more often, and readers take one. -#}
{% macro advexport_copies(relation) %}
    {%- for column in advexport_described(relation) if column.name == 'is_deleted' -%}
        {{- return('1000000000') -}}
    {%- endfor -%}
    {{- return('1') -}}
{% endmacro %}

{#- `account, `, as the head of a list of columns, where models have the column. -#}
{% macro advexport_by_account(alias=none) -%}
    {%- if advexport_has_account(source('advexport', 'report_periods')) -%}
        {{ alias ~ '.' if alias else '' }}account,
    {%- endif -%}
{%- endmacro %}


{#- The rows of a report that are true now: those of the version that its period's row names.

    Every column that was loaded is kept, in its order, but for those of the target (`_sdc_...`) and of dlt
    (`_dlt_...`); so a deselected column, or one that a stream map added, breaks nothing. -#}
{% macro advexport_current(report) %}
{%- set rows = advexport_source(report) -%}
{%- set dates = ['report_date'] -%}
{%- set timestamps = ['time', 'exported_at'] -%}
{%- set texts = ['account', 'aff_sub_id', 'campaign', 'country', 'creative_id', 'app_id', 'name_os', 'version_os', 'lang'] -%}
{%- set columns = advexport_columns(rows) -%}

with ranked as (
    select
        {%- for column in columns %}
        {% if column in dates -%}
        {{ advexport_date('r.' ~ adapter.quote(column)) }} as {{ adapter.quote(column) }},
        {%- elif column in timestamps -%}
        {{ advexport_timestamp(rows, column, 'r') }} as {{ adapter.quote(column) }},
        {%- elif column in texts -%}
        -- The tap sends no null for a text: where one is stored, the target made it of an empty text.
        coalesce(r.{{ adapter.quote(column) }}, '') as {{ adapter.quote(column) }},
        {%- else -%}
        r.{{ adapter.quote(column) }},
        {%- endif %}
        {%- endfor %}
        -- An append-only target holds a row of one version twice when its figures were sent again.
        row_number() over (
            partition by {{ advexport_account(rows, 'r') }}, {{ advexport_date('r.report_date') }}, r.period_version, r.row_key
            order by r.exported_at desc
        ) as copy_rank
    from {{ rows }} as r
    inner join {{ ref('advexport_periods') }} as p
        on p.report = '{{ report }}'
        and p.period = {{ advexport_date('r.report_date') }}
        and p.period_version = r.period_version
        {%- if advexport_has_account(source('advexport', 'report_periods')) %}
        and p.account = {{ advexport_account(rows, 'r') }}
        {%- endif %}
)

select
    {%- for column in columns %}
    {{ adapter.quote(column) }}{{ ',' if not loop.last }}
    {%- endfor %}
from ranked
where copy_rank = 1
{% endmacro %}


{% macro advexport_columns(relation) %}
    {%- if not execute -%}{{ return(['report_date', 'row_key', 'period_version']) }}{%- endif -%}
    {%- set names = [] -%}
    {%- for column in advexport_described(relation) if not column.name.startswith(('_sdc_', '_dlt_')) -%}
        {%- do names.append(column.name) -%}
    {%- endfor -%}
    {{ return(names) }}
{% endmacro %}


{#- The columns of a table of the tap, or an error that says what to set. -#}
{% macro advexport_described(relation) %}
    {%- if not execute -%}{{ return([]) }}{%- endif -%}
    {%- set columns = adapter.get_columns_in_relation(relation) -%}
    {%- if not columns -%}
        {{ exceptions.raise_compiler_error(
            relation ~ " does not exist. Is its stream loaded? If not, take its report out of the variable"
            " advexport_reports; if it lies elsewhere, set advexport_schema (with dlt: the name of the dataset),"
            " advexport_database or advexport_<report>_table.") }}
    {%- endif -%}
    {%- if 'period_version' not in columns | map(attribute='name') | list -%}
        {{ exceptions.raise_compiler_error(
            relation ~ " has no column period_version: select it in the catalog, or, if an older version of the tap"
            " loaded the table, load its days once more with refresh_start_date and refresh_end_date.") }}
    {%- endif -%}
    {{ return(columns) }}
{% endmacro %}


{#- The relative difference allowed between two sums of costs: 0 where the warehouse stores exact
    numbers. A sum of floating-point numbers depends on the order of adding, so equality would fail on
    figures that are right; each of n additions errs by at most 1.1e-16 of the sum of the magnitudes,
    and 1e-9 leaves room for millions of rows while no lost row of any weight fits in. -#}
{% macro advexport_cost_tolerance(rows) %}
    {%- set wanted = var('advexport_cost_tolerance') -%}
    {%- if wanted != 'auto' -%}{{ return(wanted) }}{%- endif -%}
    {%- for relation in [rows, source('advexport', 'report_periods')] -%}
        {%- for column in advexport_described(relation) if column.name == 'cost_aggr' -%}
            {%- if column.dtype | lower in ['double', 'double precision', 'float', 'float4', 'float8', 'real'] -%}
                {{ return('1e-9') }}
            {%- endif -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ return('0') }}
{% endmacro %}
