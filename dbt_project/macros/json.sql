{# JSON, the one thing no two warehouses spell alike. `path` is dotted, without the leading «$.». #}

{% macro json_text(column, path) %}
    {{- return(adapter.dispatch("json_text")(column, path)) -}}
{% endmacro %}

{% macro default__json_text(column, path) %}
    {{- return("get_json_object(" ~ column ~ ", '$." ~ path ~ "')") -}}
{% endmacro %}

{% macro duckdb__json_text(column, path) %}
    {{- return("json_extract_string(" ~ column ~ ", '$." ~ path ~ "')") -}}
{% endmacro %}

{#
    A JSON array of objects as a list of records with these fields, all text, taken apart in one go; null for what is
    no array.
#}
{% macro json_records(column, path, fields) %}
    {{- return(adapter.dispatch("json_records")(column, path, fields)) -}}
{% endmacro %}

{% macro default__json_records(column, path, fields) %}
    {{- return(
        "from_json(get_json_object(" ~ column ~ ", '$." ~ path ~ "'), 'array<struct<"
        ~ fields | join(": string, ") ~ ": string>>')"
    ) -}}
{% endmacro %}

{% macro duckdb__json_records(column, path, fields) %}
    {{- return(
        "from_json(json_extract(" ~ column ~ ", '$." ~ path ~ "'), '[{\"" ~ fields | join('": "text", "')
        ~ "\": \"text\"}]')"
    ) -}}
{% endmacro %}

{# A JSON array of texts as a list of them. #}
{% macro json_texts(column) %}
    {{- return(adapter.dispatch("json_texts")(column)) -}}
{% endmacro %}

{% macro default__json_texts(column) %}
    {{- return("from_json(cast(" ~ column ~ " as string), 'array<string>')") -}}
{% endmacro %}

{% macro duckdb__json_texts(column) %}
    {{- return("from_json(" ~ column ~ ", '[\"text\"]')") -}}
{% endmacro %}

{#
    For a select list: one row per element of a list, its 0-based `position` and the `item` itself. In the select list
    and not as a lateral join: DuckDB joins a lateral back over the whole payload, which costs a hundred times as much.
#}
{% macro exploded(list) %}
    {{- return(adapter.dispatch("exploded")(list)) -}}
{% endmacro %}

{% macro default__exploded(list) %}
    {{- return("posexplode(" ~ list ~ ") as (position, item)") -}}
{% endmacro %}

{% macro duckdb__exploded(list) %}
    {{- return("generate_subscripts(" ~ list ~ ", 1) - 1 as position, unnest(" ~ list ~ ") as item") -}}
{% endmacro %}

{#
    Several places of a JSON column as a list of texts, the column taken apart once: many times cheaper than asking for
    one place after the other. `json_text_at` takes one of them out, counted from 0.
#}
{% macro json_texts_of(column, paths) %}
    {{- return(adapter.dispatch("json_texts_of")(column, paths)) -}}
{% endmacro %}

{% macro default__json_texts_of(column, paths) %}
    {{- return("array(get_json_object(" ~ column ~ ", '$."
        ~ paths | join("'), get_json_object(" ~ column ~ ", '$.") ~ "'))") -}}
{% endmacro %}

{% macro duckdb__json_texts_of(column, paths) %}
    {{- return("json_extract_string(" ~ column ~ ", ['$." ~ paths | join("', '$.") ~ "'])") -}}
{% endmacro %}

{% macro json_text_at(list, position) %}
    {{- return(adapter.dispatch("json_text_at")(list, position)) -}}
{% endmacro %}

{% macro default__json_text_at(list, position) %}
    {{- return(list ~ "[" ~ position ~ "]") -}}
{% endmacro %}

{% macro duckdb__json_text_at(list, position) %}
    {{- return(list ~ "[" ~ (position + 1) ~ "]") -}}
{% endmacro %}
