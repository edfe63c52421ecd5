with source as (
    select * from {{ source('raw', 'crm__opportunities') }}
),

final as (
    select
        id as opportunity_id,
        account_id,
        contact_id as crm_id,
        stage,
        risk_status,
        amount_cents,
        upper(currency) as currency,
        is_open,
        created_at,
        closed_at,
        updated_at
    from source
    where not coalesce(_is_deleted, false)
)

select * from final
