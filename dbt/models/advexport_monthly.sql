{{ config(enabled='monthly' in var('advexport_reports')) }}

{{ advexport_current('monthly') }}
