{#
    How a model grows. Where the warehouse can replace single rows it is incremental; plain Parquet on Spark cannot be
    merged into: there the model is a table, built whole.
#}
{% macro growing() %}
    {{- return("incremental" if target.type == "duckdb" else "table") -}}
{% endmacro %}

{#
    After an incremental build: takes out the rows that came without a person, which is how a model says that they are
    there no longer. A table that is built whole has none.
#}
{% macro without_the_gone(relation) %}
    {{- return("delete from " ~ relation ~ " where customer_id is null" if target.type == "duckdb" else "") -}}
{% endmacro %}
