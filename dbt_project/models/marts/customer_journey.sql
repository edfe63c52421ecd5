-- Grows by person: of those who have other touchpoints than before all are taken anew, whatever the
-- reason: a late record, a merge or split of people, a visit with another channel. Who has none any
-- longer comes as a row without a touchpoint, which takes the old ones out and is then deleted.
{{ config(
    materialized=growing(), unique_key='customer_id', incremental_strategy='delete+insert',
    on_schema_change='sync_all_columns', post_hook=[
        "{{ without_the_gone(this, 'touchpoint_id') }}",
        "{{ remember_how(this, []) }}",
    ]
) }}

{%- set told = [
    'touchpoint_id', 'occurred_at', 'known_at', 'system', 'kind', 'channel', 'campaign', 'ad_id',
    'session_id', 'title', 'value_cents', 'source', 'source_id',
] %}

with touchpoints as (
    select
        customer_id,
        {{ told | join(', ') }}
    from {{ ref('int_touchpoints_unioned') }}
),

{% if is_incremental() %}
    changed as (
        {% if is_built_alike(this, []) %}
            {{ changed_groups(ref('int_touchpoints_unioned'), this, 'customer_id', told) }}
        {% else %}
            select customer_id from touchpoints
            union
            select customer_id from {{ this }}
        {% endif %}
    ),

    -- who is gone has no touchpoint on the right
    fresh as (
        select
            {% for column in told %}
                touchpoints.{{ column }},
            {% endfor %}
            changed.customer_id
        from changed
        left join touchpoints
            on changed.customer_id = touchpoints.customer_id
    ),
{% else %}
    fresh as (
        select * from touchpoints
    ),
{% endif %}

final as (
    select
        touchpoint_id,
        customer_id,
        occurred_at,
        known_at,
        system,
        kind,
        channel,
        campaign,
        ad_id,
        session_id,
        title,
        value_cents,
        source,
        source_id
    from fresh
)

select * from final
