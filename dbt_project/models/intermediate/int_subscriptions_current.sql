with subscriptions as (
    select * from {{ ref('subscriptions') }}
),

final as (
    select
        customer_id,
        subscription_id,
        plan_name,
        price_cents,
        currency,
        started_at,
        cancelled_at,
        cancellation_reason,
        state
    from subscriptions
    qualify
        row_number() over (
            partition by customer_id
            order by
                case when state = 'active' then 0 else 1 end asc,
                started_at desc,
                subscription_id asc
        ) = 1
)

select * from final
