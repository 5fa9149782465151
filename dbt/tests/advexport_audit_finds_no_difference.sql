-- Each row is a period whose rows in the warehouse are not what the API said.
select *
from {{ ref('advexport_audit') }}
where differs is not null
