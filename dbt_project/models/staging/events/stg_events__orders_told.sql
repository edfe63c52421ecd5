-- What the events of an order say, taken out of their JSON once.
{{ config(
    materialized=growing(), unique_key=['source', 'message_id'], meta={'gone': 'event_name'}
) }}

{%- set grown = grows() -%}

{%- set events -%}
    (
        select * from {{ ref('stg_events__tracks') }}
        where event_name in ('Order Completed', 'Order Cancelled', 'Order Refunded')
    )
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
        {{ blank_to_null(json_text('payload', 'properties.order_id')) }} as order_id,
        {{ blank_to_null(json_text('payload', 'properties.refund_id')) }} as refund_id,
        {{ to_cents(json_text('payload', 'properties.total')) }} as total_cents,
        upper({{ json_text('payload', 'properties.currency') }}) as currency,
        {{ blank_to_null(json_text('payload', 'properties.coupon')) }} as coupon_code,
        {{ to_cents(json_text('payload', 'properties.discount')) }} as discount_cents
    from fresh
)

{{ events_given('final', grown) }}
