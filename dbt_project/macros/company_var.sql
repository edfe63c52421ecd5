{#
    What differs between companies: the --vars of the command line, else `currency`, `session_gap_minutes` and `dbt_vars`
    of the company's platform.yaml, and HEADWATER_AS_OF as «as_of»; else the default of dbt_project.yml. Unit tests have
    their own and the defaults: they hold whatever the company says. Parsing asks no warehouse, so that one parsed
    project is every company's.
#}
{% macro company_var(name) %}
    {%- if not execute or name in (invocation_args_dict.vars or {}) or model.resource_type == "unit_test" -%}
        {{- return(var(name)) -}}
    {%- endif -%}
    {%- set company = company_vars() -%}
    {{- return(company[name] if name in company else var(name)) -}}
{% endmacro %}

{% macro company_vars() %}
    {{- return(adapter.dispatch("company_vars")()) -}}
{% endmacro %}

{# Another engine's way in is still to be had: until then `--vars`. #}
{% macro default__company_vars() %}
    {{- return({}) -}}
{% endmacro %}

{# The dbt plugin sets the variable on each connection (headwater/storage/warehouse/dbt_plugin.py). #}
{% macro duckdb__company_vars() %}
    {{- return(fromjson(run_query("select getvariable('headwater_vars')").columns[0][0] or "{}")) -}}
{% endmacro %}
