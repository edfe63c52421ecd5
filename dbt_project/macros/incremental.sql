{#
    How a model grows. Where the warehouse can replace single rows it is incremental; plain Parquet on Spark cannot be
    merged into: there the model is a table, built whole.
#}
{% macro growing() %}
    {{- return("incremental" if target.type == "duckdb" else "table") -}}
{% endmacro %}
