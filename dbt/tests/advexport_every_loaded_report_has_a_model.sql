-- A report that is loaded but not listed in `advexport_reports` has no model and no audit.
{{ config(severity='warn') }}

select distinct report
from {{ ref('advexport_periods') }}
where report not in ({% for report in var('advexport_reports') %}'{{ report }}'{{ ', ' if not loop.last }}{% endfor %})
