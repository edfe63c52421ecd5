{# The members of an `in (…)`; of an empty list none matches. #}
{% macro quoted_list(names) -%}
    {%- if names -%}
        {%- for name in names -%}
            '{{ name | replace("'", "''") }}'{{ ", " if not loop.last }}
        {%- endfor -%}
    {%- else -%}
        cast(null as string)
    {%- endif -%}
{%- endmacro %}
