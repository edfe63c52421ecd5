{#
    How a model grows. Where the warehouse can replace single rows it is incremental; plain Parquet on Spark cannot be
    merged into: there the model is a table, built whole.
#}
{% macro growing() %}
    {{- return("incremental" if target.type == "duckdb" else "table") -}}
{% endmacro %}

{#
    Whether a table that an older release built has all these columns. Where it has not, a growing model reads
    everything again, once.
#}
{% macro has_columns(relation, names) %}
    {%- set found = adapter.get_columns_in_relation(relation) | map(attribute="name") | list -%}
    {{- return(names | reject("in", found) | list | length == 0) -}}
{% endmacro %}

{#
    After an incremental build: takes out the rows that came without a person, which is how a model says that they are
    there no longer. A table that is built whole has none.
#}
{% macro without_the_gone(relation) %}
    {{- return("delete from " ~ relation ~ " where customer_id is null" if target.type == "duckdb" else "") -}}
{% endmacro %}
