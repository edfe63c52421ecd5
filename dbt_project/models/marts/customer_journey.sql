-- Grows by what is new or otherwise than before: a late record, a merge or split of people that
-- gives touchpoints another person, a visit with another channel. What is gone is taken out: it
-- comes as a row without a person, which replaces the old one and is then deleted.
{{ config(
    materialized=growing(), unique_key='touchpoint_id', incremental_strategy='delete+insert',
    on_schema_change='sync_all_columns', post_hook="{{ without_the_gone(this) }}"
) }}

{%- set told = [
    'customer_id', 'occurred_at', 'known_at', 'system', 'kind', 'channel', 'campaign', 'ad_id',
    'session_id', 'title', 'value_cents', 'source', 'source_id',
] %}

with touchpoints as (
    select * from {{ ref('int_touchpoints_unioned') }}
),

{% if is_incremental() %}
    before as (
        select * from {{ this }}
    ),

    changed as (
        select
            coalesce(touchpoints.touchpoint_id, before.touchpoint_id) as changed_id,
            touchpoints.*
        from touchpoints
        full outer join before
            on touchpoints.touchpoint_id = before.touchpoint_id
        {% if has_columns(this, told) %}
            where
                touchpoints.touchpoint_id is null
                or before.touchpoint_id is null
                {% for column in told %}
                    or touchpoints.{{ column }} is distinct from before.{{ column }}
                {% endfor %}
        {% endif %}
    ),
{% else %}
    changed as (
        select
            touchpoint_id as changed_id,
            *
        from touchpoints
    ),
{% endif %}

final as (
    select
        changed_id as touchpoint_id,
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
    from changed
)

select * from final
