-- Does the warehouse hold what the API said? Compares the loaded tables themselves, not models.
{%- set periods = source('advexport', 'report_periods') %}
{% for report in var('advexport_reports') %}
{%- set rows = advexport_source(report) %}
select * from (
    {{ advexport_audit_sql(report, rows, periods, advexport_account(rows), advexport_account(periods), advexport_copies(rows), advexport_cost_tolerance(rows)) }}
) as {{ report }}_audit
{{ 'union all' if not loop.last }}
{% endfor %}
