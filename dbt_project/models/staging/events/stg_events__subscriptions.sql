with tracks as (
    select * from {{ ref('stg_events__tracks') }}
),

final as (
    select
        source,
        message_id,
        user_id,
        anonymous_id,
        occurred_at,
        known_at,
        case when event_name = 'Subscription Started' then 'started' else 'cancelled' end
            as change_kind,
        {{ blank_to_null(json_text('payload', 'properties.subscription_id')) }} as subscription_id,
        {{ json_text('payload', 'properties.plan') }} as plan_name,
        {{ to_cents(json_text('payload', 'properties.price')) }} as price_cents,
        upper({{ json_text('payload', 'properties.currency') }}) as currency,
        {{ json_text('payload', 'properties.reason') }} as reason
    from tracks
    where event_name in ('Subscription Started', 'Subscription Cancelled')
)

select * from final
