with source as (
    select * from {{ source('raw', 'payments__subscriptions') }}
),

final as (
    select
        id as subscription_id,
        customer_id as payment_id,
        plan as plan_name,
        price_cents,
        upper(currency) as currency,
        status,
        started_at,
        cancelled_at,
        updated_at
    from source
    where not coalesce(_is_deleted, false)
)

select * from final
