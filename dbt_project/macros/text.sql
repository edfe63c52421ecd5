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

{# A whole number as somebody wrote it: 2, 2.0, 1e2; what has a fraction is rounded. Null for what is none. #}
{% macro written_number(text) -%}
    cast(round(try_cast({{ text }} as decimal(18, 4))) as bigint)
{%- endmacro %}

{# A day as somebody wrote it, year first; null for what is none, a year alone too. #}
{% macro written_date(text) -%}
    case
        when {{ found_in(text, "'^[^0-9]*[0-9]{1,4}-[0-9]{1,2}-[0-9]{1,2}'") }} then try_cast({{ text }} as date)
    end
{%- endmacro %}

{# The digits of a telephone number as somebody typed it, without the zero that is dialled at home. #}
{% macro dialled_digits(text) %}
    {{- return(adapter.dispatch("dialled_digits")("replace(" ~ text ~ ", '(0)', '')")) -}}
{% endmacro %}

{% macro default__dialled_digits(text) %}
    {{- return("regexp_replace(regexp_replace(" ~ text ~ ", '[^0-9]', ''), '^0+', '')") -}}
{% endmacro %}

{# without 'g' only the first match is replaced #}
{% macro duckdb__dialled_digits(text) %}
    {{- return("regexp_replace(regexp_replace(" ~ text ~ ", '[^0-9]', '', 'g'), '^0+', '')") -}}
{% endmacro %}
