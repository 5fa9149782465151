{#- The source table of a report, by the report's name: `daily`, `hourly`, `monthly`. -#}
{% macro advexport_source(report) %}
    {{- return(source('advexport', 'report_' ~ report)) -}}
{% endmacro %}


{#- Targets store dates and date-times as such or as text: target-duckdb keeps dates as text. A cast
    reads both. -#}
{% macro advexport_date(column) -%}
    cast({{ column }} as date)
{%- endmacro %}

{% macro advexport_timestamp(column) -%}
    cast({{ column }} as {{ dbt.type_timestamp() }})
{%- endmacro %}


{#- The rows of a report that are true now: those of the export that its period's row names.

    Every column that the target stored is kept, in its order, but for the target's own (`_sdc_...`);
    so a deselected column, or one that a stream map added, breaks nothing. -#}
{% macro advexport_current(report) %}
{%- set rows = advexport_source(report) -%}
{%- set dates = ['report_date'] -%}
{%- set timestamps = ['time', 'exported_at'] -%}
{%- set texts = ['aff_sub_id', 'campaign', 'country', 'creative_id', 'app_id', 'name_os', 'version_os', 'lang'] -%}
{%- set columns = advexport_columns(rows) -%}

with ranked as (
    select
        {%- for column in columns %}
        {% if column in dates -%}
        {{ advexport_date('r.' ~ adapter.quote(column)) }} as {{ adapter.quote(column) }},
        {%- elif column in timestamps -%}
        {{ advexport_timestamp('r.' ~ adapter.quote(column)) }} as {{ adapter.quote(column) }},
        {%- elif column in texts -%}
        -- The tap sends no null for a text: where one is stored, the target made it of an empty text.
        coalesce(r.{{ adapter.quote(column) }}, '') as {{ adapter.quote(column) }},
        {%- else -%}
        r.{{ adapter.quote(column) }},
        {%- endif %}
        {%- endfor %}
        -- An append-only target holds a row of one export twice when a run was repeated.
        row_number() over (
            partition by {{ advexport_date('r.report_date') }}, r.export_id, r.row_key
            order by {{ advexport_timestamp('r.exported_at') }} desc
        ) as copy_rank
    from {{ rows }} as r
    inner join {{ ref('advexport_periods') }} as p
        on p.report = '{{ report }}'
        and p.period = {{ advexport_date('r.report_date') }}
        and p.export_id = r.export_id
)

select
    {%- for column in columns %}
    {{ adapter.quote(column) }}{{ ',' if not loop.last }}
    {%- endfor %}
from ranked
where copy_rank = 1
{% endmacro %}


{% macro advexport_columns(relation) %}
    {%- if not execute -%}{{ return(['report_date', 'row_key', 'export_id']) }}{%- endif -%}
    {%- set names = [] -%}
    {%- for column in adapter.get_columns_in_relation(relation) if not column.name.startswith('_sdc_') -%}
        {%- do names.append(column.name) -%}
    {%- endfor -%}
    {%- if not names -%}
        {{ exceptions.raise_compiler_error(
            relation ~ " does not exist. Is its stream loaded? If not, take its report out of the variable"
            " advexport_reports; if it lies elsewhere, set advexport_schema, advexport_database or"
            " advexport_<report>_table.") }}
    {%- endif -%}
    {{ return(names) }}
{% endmacro %}


{#- The relative difference allowed between two sums of costs: 0 where the warehouse stores exact
    numbers. A sum of floating-point numbers depends on the order of adding, so equality would fail on
    figures that are right; each of n additions errs by at most 1.1e-16 of the sum of the magnitudes,
    and 1e-9 leaves room for millions of rows while no lost row of any weight fits in. -#}
{% macro advexport_cost_tolerance(rows) %}
    {%- set wanted = var('advexport_cost_tolerance') -%}
    {%- if wanted != 'auto' -%}{{ return(wanted) }}{%- endif -%}
    {%- if execute -%}
        {%- for relation in [rows, source('advexport', 'report_periods')] -%}
            {%- for column in adapter.get_columns_in_relation(relation) if column.name == 'cost_aggr' -%}
                {%- if column.dtype | lower in ['double', 'double precision', 'float', 'float4', 'float8', 'real'] -%}
                    {{ return('1e-9') }}
                {%- endif -%}
            {%- endfor -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return('0') }}
{% endmacro %}
