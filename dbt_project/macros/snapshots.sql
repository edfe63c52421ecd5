{#
    A snapshot to read from, or nothing with the same columns where there is none yet: `dbt run` builds no snapshots,
    and plain Parquet on Spark can hold none. `columns` are those that are read, with their types.
#}
{% macro versions_seen(snapshot, columns) %}
    {%- if not execute or model.resource_type == "unit_test" or load_relation(snapshot) is not none -%}
        {{- return(snapshot) -}}
    {%- endif -%}
    {%- set nothing = [] -%}
    {%- for name, type in columns.items() -%}
        {%- do nothing.append("cast(null as " ~ type ~ ") as " ~ name) -%}
    {%- endfor -%}
    {{- return("(select " ~ nothing | join(", ") ~ " where 1 = 0)") -}}
{% endmacro %}
