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
    After an incremental build: takes out the rows that came without a person (or whatever each row has), which is how a
    model says that they are there no longer. A table that is built whole has none.
#}
{% macro without_the_gone(relation, column="customer_id") %}
    {{- return(
        "delete from " ~ relation ~ " where " ~ column ~ " is null" if target.type == "duckdb" else ""
    ) -}}
{% endmacro %}

{#
    The groups (people, say) of which `relation` has other rows now than those that `built` was made of: late rows, rows
    of another person, rows that are gone. As rows of one column, `key`. Each side is read once and only added up, which
    costs a small part of building it; `columns` are what both have, the key aside. `relation` is better no CTE that is
    read again: DuckDB would write all of it down first.
#}
{% macro changed_groups(relation, built, key, columns) %}
    {% set told %}
        {{ key }},
        count(*) as count_rows,
        sum(hash({{ columns | join(", ") }})) as digest
    {% endset %}
    select coalesce(rows_now.{{ key }}, rows_before.{{ key }}) as {{ key }}
    from (select {{ told }} from {{ relation }} group by {{ key }}) as rows_now
    full outer join (select {{ told }} from {{ built }} group by {{ key }}) as rows_before
        on rows_now.{{ key }} = rows_before.{{ key }}
    where
        rows_now.count_rows is distinct from rows_before.count_rows
        or rows_now.digest is distinct from rows_before.digest
{% endmacro %}

{#
    A model that grows by what has changed in its rows must be built whole when it has changed itself: the SQL of its
    file, or one of the company's `vars` that it reads. The post-hook `remember_how` notes both as the table's comment;
    where `is_built_alike` does not find them again, the model takes everything.
#}
{% macro remember_how(relation, vars) %}
    {{- return(
        "comment on table " ~ relation ~ " is '" ~ how_it_is_built(vars) ~ "'" if target.type == "duckdb" else ""
    ) -}}
{% endmacro %}

{% macro is_built_alike(relation, vars) %}
    {%- if not execute or model.resource_type == "unit_test" -%}
        {{- return(true) -}}
    {%- endif -%}
    {%- set noted = run_query(
        "select comment from duckdb_tables() where database_name = current_database() and schema_name = '"
        ~ relation.schema ~ "' and table_name = '" ~ relation.identifier ~ "'"
    ) -%}
    {{- return(noted.rows | length == 1 and noted.rows[0][0] == how_it_is_built(vars)) -}}
{% endmacro %}

{% macro how_it_is_built(vars) %}
    {%- set values = [] -%}
    {%- for name in vars -%}
        {%- do values.append(company_var(name)) -%}
    {%- endfor -%}
    {{- return("built as " ~ local_md5(model.raw_code ~ tojson(values))) -}}
{% endmacro %}
