{# The text without surrounding blanks; null when nothing is left. #}
{% macro blank_to_null(column) -%}
    nullif(trim({{ column }}), '')
{%- endmacro %}

{# An e-mail address as identity resolution compares it. #}
{% macro tidy_email(column) -%}
    nullif(lower(trim({{ column }})), '')
{%- endmacro %}

{# For a grouped select: the texts of a group in one, in the order of another column. #}
{% macro joined_in_order(text, separator, position) %}
    {{- return(adapter.dispatch("joined_in_order")(text, separator, position)) -}}
{% endmacro %}

{% macro default__joined_in_order(text, separator, position) %}
    {{- return(
        "array_join(transform(array_sort(collect_list(struct(" ~ position ~ " as position, " ~ text
        ~ " as item))), one -> one.item), '" ~ separator ~ "')"
    ) -}}
{% endmacro %}

{% macro duckdb__joined_in_order(text, separator, position) %}
    {{- return("string_agg(" ~ text ~ ", '" ~ separator ~ "' order by " ~ position ~ ")") -}}
{% endmacro %}
