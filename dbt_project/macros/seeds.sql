{#
    A seed's rows as literals: dbt-spark's session binds them as text, an empty cell as «None», and loses backslashes and
    texts with an apostrophe.
#}
{% macro spark__load_csv_rows(model, agate_table) %}
    {%- set types = model["config"].get("column_types", {}) -%}
    {%- set statement -%}
        insert into {{ this.render() }} values
        {%- for row in agate_table.rows %}
            (
                {%- for name in agate_table.column_names -%}
                    cast(
                        {{- spark_literal(row[name]) }} as {{ types.get(name, adapter.convert_type(agate_table, loop.index0)) -}}
                    ){{ ", " if not loop.last }}
                {%- endfor -%}
            ){{ "," if not loop.last }}
        {%- endfor %}
    {%- endset -%}
    {%- do adapter.add_query(statement, abridge_sql_log=True) -%}
    {{- return(statement) -}}
{% endmacro %}

{% macro spark_literal(value) %}
    {%- if value is none -%}
        {{- return("null") -}}
    {%- endif -%}
    {{- return("'" ~ (value | string | replace("\\", "\\\\") | replace("'", "\\'")) ~ "'") -}}
{% endmacro %}
