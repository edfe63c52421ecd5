with source as (
    select * from {{ source('raw', 'crm__leads') }}
),

final as (
    select
        id as lead_id,
        {{ tidy_email('email') }} as email,
        {{ blank_to_null('company') }} as company_name,
        status,
        is_qualified,
        owner as lead_owner,
        created_at,
        updated_at
    from source
    where not coalesce(_is_deleted, false)
)

select * from final
