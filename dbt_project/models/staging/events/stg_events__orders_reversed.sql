with told as (
    select * from {{ ref('stg_events__orders_told') }}
),

reversals as (
    select
        source,
        message_id,
        user_id,
        anonymous_id,
        occurred_at,
        known_at,
        case when event_name = 'Order Cancelled' then 'cancellation' else 'refund' end as kind,
        order_id,
        refund_id,
        total_cents,
        currency
    from told
    where event_name in ('Order Cancelled', 'Order Refunded')
),

-- An order is cancelled once; a refund is known by its number, or else by its moment.
final as (
    select *
    from reversals
    where order_id is not null
    qualify
        row_number() over (
            partition by
                order_id,
                kind,
                case when kind = 'refund' then coalesce(refund_id, cast(occurred_at as string)) end
            order by known_at nulls last, source, message_id
        ) = 1
)

select * from final
