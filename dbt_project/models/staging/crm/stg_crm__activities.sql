with source as (
    select * from {{ source('raw', 'crm__activities') }}
),

final as (
    select
        id as activity_id,
        contact_id as crm_id,
        kind,
        note,
        occurred_at,
        updated_at
    from source
)

select * from final
