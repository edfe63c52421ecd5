with source as (
    select * from {{ source('raw', 'payments__refunds') }}
),

final as (
    select
        id as refund_id,
        order_id,
        amount_cents,
        upper(currency) as currency,
        refunded_at,
        updated_at
    from source
    where not coalesce(_is_deleted, false)
)

select * from final
