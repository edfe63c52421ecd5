{#
    Every declared source table that does not exist yet, empty and typed, and every declared column that a table loaded
    by an older release lacks: an absent tool never fails a build.
#}
{% macro create_missing_sources() %}
    {% if execute and flags.WHICH in ("build", "run", "test", "snapshot") %}
        {% set statements = [] %}
        {% set schemas = graph.sources.values() | map(attribute="schema") | unique | list %}
        {% for schema in schemas %}
            {% do statements.append("create schema if not exists " ~ schema) %}
        {% endfor %}
        {% set there = columns_that_exist(schemas) %}
        {% for source in graph.sources.values() %}
            {% set table = source.schema ~ "." ~ source.identifier %}
            {% set columns = [] %}
            {% for column in source.columns.values() %}
                {% set declared = adapter.quote(column.name) ~ " " ~ column_type(column.data_type) %}
                {% do columns.append(declared) %}
                {% if table in there and column.name | lower not in there[table] %}
                    {% do statements.append("alter table " ~ table ~ " add column " ~ declared) %}
                {% endif %}
            {% endfor %}
            {% if table not in there %}
                {% do statements.append("create table if not exists " ~ table ~ " (" ~ columns | join(", ") ~ ")") %}
            {% endif %}
        {% endfor %}
        {% do create_in_one_go(statements) %}
    {% endif %}
{% endmacro %}

{# «schema.table» → its columns, in lower case, as the warehouse has them now. #}
{% macro columns_that_exist(schemas) %}
    {{- return(adapter.dispatch("columns_that_exist")(schemas)) -}}
{% endmacro %}

{# Not every engine has an information schema: `create table if not exists` is then all there is. #}
{% macro default__columns_that_exist(schemas) %}
    {{- return({}) -}}
{% endmacro %}

{% macro duckdb__columns_that_exist(schemas) %}
    {% set found = {} %}
    {% set query %}
        select table_schema || '.' || table_name as name, lower(column_name) as column_name
        from information_schema.columns
        where table_catalog = current_database() and table_schema in ({{ quoted_list(schemas) }})
    {% endset %}
    {% for row in run_query(query).rows %}
        {% do found.setdefault(row[0], []).append(row[1]) %}
    {% endfor %}
    {{- return(found) -}}
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
