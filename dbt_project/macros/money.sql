{# A JSON amount such as 19.99 as whole minor units; null when there is none or it is no number. #}
{% macro to_cents(amount) -%}
    cast(round(try_cast({{ amount }} as decimal(18, 4)) * 100) as bigint)
{%- endmacro %}
