{# Every declared source table that does not exist yet, empty and typed: an absent tool never fails a build. #}
{% macro create_missing_sources() %}
    {% if execute and flags.WHICH in ("build", "run", "test", "snapshot") %}
        {% set statements = [] %}
        {% set schemas = graph.sources.values() | map(attribute="schema") | unique | list %}
        {% for schema in schemas %}
            {% do statements.append("create schema if not exists " ~ schema) %}
        {% endfor %}
        {% for source in graph.sources.values() %}
            {% set columns = [] %}
            {% for column in source.columns.values() %}
                {% do columns.append(adapter.quote(column.name) ~ " " ~ column_type(column.data_type)) %}
            {% endfor %}
            {% do statements.append(
                "create table if not exists " ~ source.schema ~ "." ~ source.identifier
                ~ " (" ~ columns | join(", ") ~ ")"
            ) %}
        {% endfor %}
        {% do create_in_one_go(statements) %}
    {% endif %}
{% endmacro %}

{% macro column_type(data_type) %}
    {{- return(adapter.dispatch("column_type")(data_type)) -}}
{% endmacro %}

{% macro default__column_type(data_type) %}
    {{- return(data_type) -}}
{% endmacro %}

{% macro spark__column_type(data_type) %}
    {{- return("string" if data_type in ("text", "json") else data_type) -}}
{% endmacro %}

{% macro create_in_one_go(statements) %}
    {{- return(adapter.dispatch("create_in_one_go")(statements)) -}}
{% endmacro %}

{# One statement per call: not every engine takes several. #}
{% macro default__create_in_one_go(statements) %}
    {% for statement in statements %}
        {% do run_query(statement) %}
    {% endfor %}
{% endmacro %}

{% macro duckdb__create_in_one_go(statements) %}
    {% do run_query(statements | join(";\n")) %}
{% endmacro %}
