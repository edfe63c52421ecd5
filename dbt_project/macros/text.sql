{# The text without surrounding blanks; null when nothing is left. #}
{% macro blank_to_null(column) -%}
    nullif(trim({{ column }}), '')
{%- endmacro %}

{# An e-mail address as identity resolution compares it. #}
{% macro tidy_email(column) -%}
    nullif(lower(trim({{ column }})), '')
{%- endmacro %}
