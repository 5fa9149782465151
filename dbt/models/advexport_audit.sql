-- Does the warehouse hold what the API said? Compares the tables of the target itself, not models.
{% for report in var('advexport_reports') %}
{%- set rows = advexport_source(report) %}
select * from (
    {{ advexport_audit_sql(report, rows, source('advexport', 'report_periods'), advexport_cost_tolerance(rows)) }}
) as {{ report }}_audit
{{ 'union all' if not loop.last }}
{% endfor %}
