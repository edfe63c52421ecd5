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
