{{ config(enabled='hourly' in var('advexport_reports')) }}

{{ advexport_current('hourly') }}
