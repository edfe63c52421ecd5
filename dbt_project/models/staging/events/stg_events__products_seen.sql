{{ config(
    materialized=growing(), unique_key=['source', 'message_id'], meta={'gone': 'event_name'}
) }}

{%- set grown = grows() -%}

{%- set events -%}
    (select * from {{ ref('stg_events__tracks') }} where event_name in ('Product Viewed', 'Product Added'))
{%- endset %}

with {{ events_taken(events, grown, ['occurred_at', 'known_at']) }}

final as (
    select
        source,
        message_id,
        event_name,
        user_id,
        anonymous_id,
        occurred_at,
        known_at,
        {{ json_text('payload', 'properties.product_id') }} as product_id,
        {{ json_text('payload', 'properties.name') }} as product_name,
        {{ json_text('payload', 'properties.category') }} as category
    from fresh
)

{{ events_given('final', grown) }}
