{{ config(enabled='daily' in var('advexport_reports')) }}

{{ advexport_current('daily') }}
