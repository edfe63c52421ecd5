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
    A lateral join that gives each element of a JSON array as `<alias>.item` with its 1-based `<alias>.position`.
    What is no array gives no row.
#}
{% macro json_items(column, path, alias) %}
    {{- return(adapter.dispatch("json_items")(column, path, alias)) -}}
{% endmacro %}

{% macro default__json_items(column, path, alias) %}
    {{- return(
        "cross join lateral (select item, position + 1 as position from posexplode(from_json(get_json_object("
        ~ column ~ ", '$." ~ path ~ "'), 'array<string>')) as exploded(position, item)) as " ~ alias
    ) -}}
{% endmacro %}

{% macro duckdb__json_items(column, path, alias) %}
    {{- return(
        "cross join unnest(try_cast(json_extract(" ~ column ~ ", '$." ~ path ~ "') as json[])) with ordinality as "
        ~ alias ~ "(item, position)"
    ) -}}
{% endmacro %}
