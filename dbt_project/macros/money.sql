{# A JSON amount such as 19.99 as whole minor units; null when there is none or it is no number. #}
{% macro to_cents(amount) -%}
    cast(round(try_cast({{ amount }} as decimal(18, 4)) * 100) as bigint)
{%- endmacro %}

{# Whether money is in the company's currency; all is where the company has named none. What has no currency is. #}
{% macro in_company_currency(currency) -%}
    {%- set ours = company_var("currency") -%}
    {%- if ours -%} coalesce({{ currency }}, '{{ ours }}') = '{{ ours }}' {%- else -%} true {%- endif -%}
{%- endmacro %}
