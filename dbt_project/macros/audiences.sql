{#
    An audience is any model of schema `audiences` with a column `customer_id`. Nothing else has to name it: the hook of
    the folder records who came in and who left, and `customer_activation` gives each one a column `is_<audience>`.
#}

{# The audiences of the project by name; none while dbt parses, when the graph is not there yet. #}
{% macro audience_names() %}
    {%- set names = [] -%}
    {%- if execute -%}
        {%- for node in graph.nodes.values() if node.resource_type == "model" and is_audience(node) -%}
            {%- do names.append(node.name) -%}
        {%- endfor -%}
    {%- endif -%}
    {{- return(names | sort) -}}
{% endmacro %}

{# Models of the folder that are about audiences and none themselves say `is_audience: false` in their `meta`. #}
{% macro is_audience(node) %}
    {%- set meta = node.config.get("meta", {}) -%}
    {{- return(
        node.config.get("schema") == "audiences"
        and "customer_id" in node.columns
        and meta.get("is_audience", true)
    ) -}}
{% endmacro %}

{#
    After an audience is built, in the same transaction: one row for each person who is in it now and was not, and one
    for each who was and is not. Built again on the same people it adds nothing. A time before the last one recorded
    counts as that one: the record only goes forward. It is kept under the ids that people had then: who was in it under
    an id that leads to another person now is that person, so a merge makes nobody come or leave.
#}
{% macro record_audience() %}
    {% set changes = source("audiences", "membership_changes") %}
    {% set as_of = ref("int_as_of") %}
    {% set successors = ref("stg_identity__successors") %}
    {% if execute and is_audience(model) %}
        insert into {{ changes }} (audience, customer_id, change, changed_at, change_number)
        with recorded as (
            select
                changes.customer_id,
                coalesce(successors.customer_id, changes.customer_id) as person_id,
                changes.change,
                changes.changed_at,
                changes.change_number
            from {{ changes }} as changes
            left join {{ successors }} as successors on changes.customer_id = successors.former_id
            where changes.audience = '{{ model.name }}'
        ),

        latest as (
            select
                customer_id,
                person_id,
                change
            from recorded
            qualify row_number() over (partition by customer_id order by change_number desc nulls last) = 1
        ),

        before as (
            select
                customer_id,
                person_id
            from latest
            where change = 'entered'
        ),

        members as (
            select distinct customer_id
            from {{ this }}
            where customer_id is not null
        ),

        moved as (
            select
                before.customer_id,
                'left' as change
            from before
            left join members on before.person_id = members.customer_id
            where members.customer_id is null
            union all
            select
                members.customer_id,
                'entered' as change
            from members
            left join before on members.customer_id = before.person_id
            where before.person_id is null
        ),

        moment as (
            select
                greatest(now.as_of, coalesce(last.changed_at, now.as_of)) as changed_at,
                coalesce(last.change_number, 0) + 1 as change_number
            from {{ as_of }} as now
            cross join (
                select
                    max(changed_at) as changed_at,
                    max(change_number) as change_number
                from recorded
            ) as last
        )

        select
            '{{ model.name }}' as audience,
            moved.customer_id,
            moved.change,
            moment.changed_at,
            moment.change_number
        from moved
        cross join moment
    {% else %}
        select 1
    {% endif %}
{% endmacro %}

{#
    After `customer_activation` is built: what each `is_<audience>` means that its YAML does not say, as the comment of
    the column in the warehouse, from where dbt's catalogue and BI tools read it.
#}
{% macro describe_audiences() %}
    {{- return(adapter.dispatch("describe_audiences")()) -}}
{% endmacro %}

{# A view's columns have no comments of their own there. #}
{% macro default__describe_audiences() %}
    select 1
{% endmacro %}

{% macro duckdb__describe_audiences() %}
    {%- if execute -%}
        {%- for node in graph.nodes.values() if node.resource_type == "model" and is_audience(node) -%}
            {%- set column = "is_" ~ node.name -%}
            {%- if not model.columns.get(column, {}).get("description") -%}
                {%- set words = "Whether the person is in `" ~ node.name ~ "`. " ~ node.description -%}
    comment on column {{ this }}.{{ column }} is '{{ words | trim | replace("'", "''") }}';
            {%- endif -%}
        {%- endfor -%}
    {%- endif %}
    select 1
{% endmacro %}
