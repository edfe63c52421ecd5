{# The var `survivorship` as rows: trait, rule, source_name, and trust, 1 for the source that is trusted most. #}
{% macro survivorship_rules() %}
    {%- set rows = [] -%}
    {%- for trait, declared in company_var("survivorship").items() -%}
        {%- for source in declared.sources -%}
            {%- do rows.append(
                "select '" ~ trait ~ "' as trait, '" ~ declared.rule ~ "' as rule, '" ~ source ~ "' as source_name, "
                ~ loop.index ~ " as trust"
            ) -%}
        {%- endfor -%}
    {%- endfor -%}
    {{- rows | join(" union all ") -}}
{% endmacro %}
