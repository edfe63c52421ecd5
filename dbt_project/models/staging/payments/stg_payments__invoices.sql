with source as (
    select * from {{ source('raw', 'payments__invoices') }}
),

final as (
    select
        id as invoice_id,
        subscription_id,
        customer_id as payment_id,
        amount_cents,
        upper(currency) as currency,
        status,
        issued_at,
        paid_at,
        updated_at
    from source
    where not coalesce(_is_deleted, false)
)

select * from final
