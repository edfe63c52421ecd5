{#
    For min_by and max_by: several columns as one that sorts. With something unique at the end a tie is decided alike,
    in whatever order the rows come. Never null: a filter leaves out rows whose first column is.
#}
{% macro in_order_of(columns) %}
    {{- return(adapter.dispatch("in_order_of")(columns)) -}}
{% endmacro %}

{% macro default__in_order_of(columns) %}
    {{- return("struct(" ~ columns | join(", ") ~ ")") -}}
{% endmacro %}

{% macro duckdb__in_order_of(columns) %}
    {{- return("row(" ~ columns | join(", ") ~ ")") -}}
{% endmacro %}
