{#
    How tables and views come to be in DuckDB, whose DDL is part of a transaction: the old one goes and the new one comes
    in one, so that nobody sees neither and a build that fails leaves what was. dbt-duckdb builds beside, renames twice
    and drops, looking for indexes and foreign keys on the way, of which this project has none: with a hundred models
    that was more work than most of their SQL. Other adapters have their own.
#}

{% materialization table, adapter="duckdb", supported_languages=["sql", "python"] %}
    {%- set existing_relation = load_cached_relation(this) -%}
    {%- set target_relation = this.incorporate(type="table") -%}
    {%- set language = model["language"] -%}

    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {% if language == "python" %}
        {# it writes by itself, outside of any transaction: beside, and then takes the place #}
        {%- set written_relation = make_intermediate_relation(target_relation) -%}
        {% do drop_relation_if_exists(load_cached_relation(written_relation)) %}
        {% call statement("main", language=language) -%}
            {{- create_table_as(False, written_relation, compiled_code, language) -}}
        {%- endcall %}
    {% endif %}
    {% do adapter.ensure_transaction() %}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}

    {% if existing_relation is not none %}
        {% do adapter.drop_relation(existing_relation) %}
    {% endif %}
    {% if language == "python" %}
        {% do adapter.rename_relation(written_relation, target_relation) %}
    {% else %}
        {% call statement("main") -%}
            {{- create_table_as(False, target_relation, compiled_code, language) -}}
        {%- endcall %}
    {% endif %}

    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {% do persist_docs(target_relation, model) %}
    {% do adapter.commit() %}
    {{ run_hooks(post_hooks, inside_transaction=False) }}

    {{ return({"relations": [target_relation]}) }}
{% endmaterialization %}

{% materialization view, adapter="duckdb" %}
    {%- set existing_relation = load_cached_relation(this) -%}
    {%- set target_relation = this.incorporate(type="view") -%}

    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {% do adapter.ensure_transaction() %}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}

    {% if existing_relation is not none and not existing_relation.is_view %}
        {% do adapter.drop_relation(existing_relation) %}
    {% endif %}
    {% call statement("main") -%}
        {%- if config.get("contract").enforced -%} {{ get_assert_columns_equivalent(sql) }} {%- endif %}
        create or replace view {{ target_relation }} as (
            {{ sql }}
        )
    {%- endcall %}

    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {% do persist_docs(target_relation, model) %}
    {% do adapter.commit() %}
    {{ run_hooks(post_hooks, inside_transaction=False) }}

    {{ return({"relations": [target_relation]}) }}
{% endmaterialization %}

{#
    A growing model (`macros/incremental.sql`): the rows that it takes take the place of those of the same key, and the
    people of both are told, all in one transaction with the note of what it has heard.
#}
{% materialization incremental, adapter="duckdb", supported_languages=["sql"] %}
    {%- set existing_relation = load_cached_relation(this) -%}
    {%- set target_relation = this.incorporate(type="table") -%}
    {%- set meta = model.config.meta -%}
    {%- set keys = [config.get("unique_key")] if config.get("unique_key") is string else config.get("unique_key") -%}
    {%- set is_grown = grows() -%}

    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {% do adapter.ensure_transaction() %}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}

    {% if is_grown %}
        {%- set taken = "taken__" ~ this.identifier -%}
        {% call statement("main") -%}
            {%- if config.get("contract").enforced -%} {{ get_assert_columns_equivalent(sql) }} {%- endif %}
            create or replace temp table {{ taken }} as ({{ sql }})
        {%- endcall %}
        {% set columns = columns_brought_alike(taken, this) %}
        {% do run_query(rows_replaced(this, taken, keys, columns, meta)) %}
    {% else %}
        {% if existing_relation is not none %}
            {% do adapter.drop_relation(existing_relation) %}
        {% endif %}
        {% call statement("main") -%}
            {{- create_table_as(False, target_relation, sql, "sql") -}}
        {%- endcall %}
        {% do run_query(tell_everybody()) %}
    {% endif %}
    {% do run_query(note_growth()) %}

    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {% do persist_docs(target_relation, model) %}
    {% do adapter.commit() %}
    {{ run_hooks(post_hooks, inside_transaction=False) }}

    {{ return({"relations": [target_relation]}) }}
{% endmaterialization %}

{# The table gets the columns that the taken rows have, and loses those that they have no longer; their names. #}
{% macro columns_brought_alike(taken, relation) %}
    {%- set found = {} -%}
    {%- for name in [taken, relation] -%}
        {%- for row in run_query("describe " ~ name).rows -%}
            {%- do found.setdefault(name | string, {}).update({row[0]: row[1]}) -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- set now, before = found[taken], found[relation | string] -%}
    {%- for name, type in now.items() if before.get(name) != type -%}
        {%- do run_query(
            "alter table " ~ relation ~ (" alter " if name in before else " add column ") ~ adapter.quote(name)
            ~ (" type " if name in before else " ") ~ type
        ) -%}
    {%- endfor -%}
    {%- for name in before if name not in now -%}
        {%- do run_query("alter table " ~ relation ~ " drop column " ~ adapter.quote(name)) -%}
    {%- endfor -%}
    {{- return(now | list) -}}
{% endmacro %}

{#
    The statements by which the taken rows take the place of those that are otherwise: of the people that the model
    follows others for, of the groups that differ, or of the same key; and the people of both are told.
#}
{% macro rows_replaced(relation, taken, keys, columns, meta) %}
    {%- set whose = taken -%}
    {%- if meta.get("follows") or meta.get("compares") -%}
        {%- set whose = "whose__" ~ relation.identifier %}
        create or replace temp table {{ whose }} as (
            {%- if meta.get("follows") -%}
                {{ people_to_take() }}
            {%- else -%}
                {{ changed_groups(taken, relation, keys[0], columns | reject("equalto", keys[0]) | list) }}
            {%- endif -%}
        );
    {%- endif -%}
    {%- set pairs = [] -%}
    {%- for key in keys -%}
        {%- do pairs.append("built." ~ key ~ " is not distinct from whose." ~ key) -%}
    {%- endfor -%}
    {%- set alike = pairs | join(" and ") -%}
    {%- if "customer_id" in columns %}
        {{ tell(
            "select customer_id from (select customer_id from " ~ whose ~ (
                "" if keys == ["customer_id"]
                else " union all select built.customer_id from " ~ relation ~ " as built semi join " ~ whose
                ~ " as whose on " ~ alike
            ) ~ ") where customer_id is not null group by customer_id"
        ) }};
    {%- elif meta.get("tells_through") %}
        {{ tell(
            "select built.customer_id from " ~ ref(meta.tells_through) ~ " as built semi join " ~ whose
            ~ " as whose on " ~ alike ~ " where built.customer_id is not null group by built.customer_id"
        ) }};
    {%- endif %}
    delete from {{ relation }} as built using {{ whose }} as whose where {{ alike }};
    insert into {{ relation }} by name
    select built.* from {{ taken }} as built
    {%- if meta.get("compares") %} semi join {{ whose }} as whose on {{ alike }} {%- endif %}
    {%- if meta.get("gone") %} where built.{{ meta.gone }} is not null {%- endif %};
    drop table {{ taken }}
    {%- if whose != taken %}; drop table {{ whose }} {%- endif %}
{% endmacro %}
