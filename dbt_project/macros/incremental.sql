{#
    How a model grows, where the warehouse can replace single rows: by people. A growing model writes only the rows of
    those for whom something is otherwise, and tells of whom, in the same transaction; the models that follow it read
    only theirs. Nothing goes by time: a late record, a merge, a person who is gone, all are told alike, and a build that
    fell over has told nothing.

    `intermediate.people_told (model, build, customer_id)` is what was told, a null for everybody. Each growing table's
    comment notes how it was built and up to which build it has heard each model that it follows. A model that has not
    been built alike (other SQL or macros, another var that it reads) or hears of everybody takes everything, by itself.

    In a model's `meta`:
    `follows`: the models whose telling says of whom to take the rows; its SQL asks with `is_taken()`.
    `compares`: it takes everything, and only what is written and told is what differs. For what is cheap to work out.
    `gone`: a column that no row lacks; a row without it says only that those of its key are there no longer. For
    models that do neither.
    `tells_through`: for a model whose rows name nobody, one with the same key whose rows do.
    `heeds`: vars that its macros read; those that its own SQL names are found there.
#}

{# Plain Parquet on Spark cannot be merged into: there a growing model is a table, built whole. #}
{% macro growing() %}
    {{- return("incremental" if target.type == "duckdb" else "table") -}}
{% endmacro %}

{#
    Whether this build of the model takes only what is otherwise than before. Asked by the model, and by its
    materialization, between which nothing changes the answer. Unit tests say it themselves.
#}
{% macro grows() %}
    {%- if not execute or model.resource_type == "unit_test" or not is_incremental() -%}
        {{- return(false) -}}
    {%- endif -%}
    {%- set noted = run_query(
        "select noted ->> '$.built' = '" ~ how_it_is_built() ~ "' from (" ~ noted_of(this) ~ ")"
    ) -%}
    {%- if noted.rows | length == 0 or noted.rows[0][0] is not true -%}
        {{- return(false) -}}
    {%- endif -%}
    {%- set followed = model.config.meta.get("follows", []) -%}
    {%- set of_everybody = run_query(
        "select count(*) from (" ~ people_told_to(followed) ~ ") as told where told.customer_id is null"
    ) -%}
    {{- return(of_everybody.rows[0][0] == 0) -}}
{% endmacro %}

{# Whether a row of this person is one that a model that follows others has to take. #}
{% macro is_taken(customer_id, grown) %}
    {%- if grown -%}
        {{ customer_id }} in ({{ people_to_take() }})
    {%- else -%}
        true
    {%- endif -%}
{% endmacro %}

{# The people whose rows a model that follows others has to take, as a query of one column. #}
{% macro people_to_take() %}
    select distinct customer_id
    from ({{ people_told_to(model.config.meta.follows) }}) as told
{% endmacro %}

{#
    The groups (people, say) of which `relation` has other rows now than those that `built` was made of: late rows, rows
    of another person, rows that are gone. As rows of one column, `key`, null being a group as well. Each side is read
    once and only added up, which costs a small part of building it; `columns` are what both have, the key aside.
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
        on rows_now.{{ key }} is not distinct from rows_before.{{ key }}
    where
        rows_now.count_rows is distinct from rows_before.count_rows
        or rows_now.digest is distinct from rows_before.digest
{% endmacro %}

{# What a table's comment notes, as a query of one row and column: JSON, empty where there is no such note. #}
{% macro noted_of(relation) %}
    select case when starts_with(comment, '{"built') then cast(comment as json) else cast('{}' as json) end as noted
    from duckdb_tables()
    where
        database_name = current_database()
        and schema_name = '{{ relation.schema }}'
        and table_name = '{{ relation.identifier }}'
{% endmacro %}

{#
    The model's SQL, the project's macros, what the company's vars in it say, and the rows of the seeds that it reads, as
    a hash.
#}
{% macro how_it_is_built() %}
    {%- set values = [model.config.meta.get("follows", []), company_vars().get("project_macros")] -%}
    {%- set named = modules.re.findall("company_var\(['\"](\w+)", model.raw_code) -%}
    {%- for name in named + model.config.meta.get("heeds", []) -%}
        {%- do values.append(company_var(name)) -%}
    {%- endfor -%}
    {%- for node in model.depends_on.nodes if node.startswith("seed.") -%}
        {%- set seed = graph.nodes[node] -%}
        {%- do values.append(
            run_query("select cast(sum(hash(rows_of)) as varchar) from " ~ seed.relation_name ~ " as rows_of").rows[0][0]
        ) -%}
    {%- endfor -%}
    {{- return(local_md5(model.raw_code ~ tojson(values))) -}}
{% endmacro %}

{# What the followed models have told since the model being built heard them last. #}
{% macro people_told_to(followed) %}
    select told.customer_id
    from {{ people_told() }} as told
    cross join ({{ noted_of(this) }}) as noted
    where
        told.model in ({{ quoted_list(followed) }})
        and told.build > coalesce(cast(noted.noted ->> ('$.heard.' || told.model) as bigint), -1)
{% endmacro %}

{% macro people_told() %}
    {{- return(target.database ~ "." ~ generate_schema_name("intermediate") ~ ".people_told") -}}
{% endmacro %}

{# At the start of a run: the table must be there before models are built side by side. #}
{% macro create_people_told() %}
    {% if target.type == "duckdb" %}
        create schema if not exists {{ generate_schema_name("intermediate") }};
        create table if not exists {{ people_told() }} (model varchar, build bigint, customer_id varchar)
    {% endif %}
{% endmacro %}

{#
    Statements by which the model being built tells of people: `query` gives their ids, none when nobody changed.
    Builds are kept for those who have not heard them yet, the last twenty; who is further behind hears of everybody.
#}
{% macro tell(query) %}
    insert into {{ people_told() }} (model, build, customer_id)
    select
        '{{ model.name }}' as model,
        coalesce((select max(build) from {{ people_told() }} where model = '{{ model.name }}'), 0) + 1 as build,
        told.customer_id
    from ({{ query }}) as told;
    update {{ people_told() }} as told
    set customer_id = null
    from (select max(build) - 20 as build from {{ people_told() }} where model = '{{ model.name }}') as last
    where told.model = '{{ model.name }}' and told.build = last.build;
    delete from {{ people_told() }} as told
    using (select max(build) - 20 as build from {{ people_told() }} where model = '{{ model.name }}') as last
    where told.model = '{{ model.name }}' and told.build < last.build
{% endmacro %}

{% macro tell_everybody() %}
    {{ tell("select cast(null as varchar) as customer_id") }};
    delete from {{ people_told() }} as told
    using (select max(build) as build from {{ people_told() }} where model = '{{ model.name }}') as last
    where told.model = '{{ model.name }}' and told.build < last.build
{% endmacro %}

{# The statement that notes in the comment of the table just built how it was and what it has heard. #}
{% macro note_growth() %}
    {%- set heard = {} -%}
    {%- set followed = model.config.meta.get("follows", []) -%}
    {%- if followed -%}
        {%- set builds = run_query(
            "select model, max(build) from " ~ people_told() ~ " where model in (" ~ quoted_list(followed)
            ~ ") group by model"
        ) -%}
        {%- for row in builds.rows -%}
            {%- do heard.update({row[0]: row[1] | int}) -%}
        {%- endfor -%}
    {%- endif -%}
    comment on table {{ this }} is '{{ tojson({"built": how_it_is_built(), "heard": heard}) }}'
{% endmacro %}

{#
    The first steps of a model that grows by event, from `events`, a query in brackets. `fresh`: the rows that the model
    has to take, all of them unless it grows. `gone`: nothing but the keys of those that `events` has no longer, where it
    grows. Keys are held against each other first, as nothing else has to be read for that; the moment of receipt narrows
    where the rest of the new ones lies. A CTE of the events would be written down whole, being read more than once.
    `times` are columns of both that are held against each other as well, as a loading again may correct them. `built` is
    needed where the model has several rows of an event: a query of its keys and times, each once.
#}
{% macro events_taken(events, grown, times=[], built="") %}
    {% if grown %}
        keys as (
            select
                coalesce(now.source, built.source) as source,
                coalesce(now.message_id, built.message_id) as message_id,
                now.received_at,
                now.message_id is null as is_gone
            from {{ events }} as now
            full outer join {{ built or this }} as built
                on now.source = built.source and now.message_id = built.message_id
            where
                built.message_id is null
                or now.message_id is null
                {% for time in times %}
                    or now.{{ time }} is distinct from built.{{ time }}
                {% endfor %}
        ),

        fresh as (
            select events.*
            from {{ events }} as events
            inner join keys
                on
                    events.source = keys.source
                    and events.message_id = keys.message_id
                    and events.received_at = keys.received_at
            union all
            select events.*
            from {{ events }} as events
            inner join keys
                on events.source = keys.source and events.message_id = keys.message_id
            where events.received_at is null and not keys.is_gone
        ),

        gone as (
            select
                source,
                message_id
            from keys
            where is_gone
        ),
    {% else %}
        fresh as (
            select * from {{ events }} as events
        ),
    {% endif %}
{% endmacro %}

{# The last step of a model that grows by event: its rows, and the keys of those that go. #}
{% macro events_given(final, grown) %}
    select * from {{ final }}
    {% if grown %}
        union all by name
        select * from gone
    {% endif %}
{% endmacro %}
