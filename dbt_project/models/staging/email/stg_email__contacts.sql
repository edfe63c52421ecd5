with source as (
    select * from {{ source('raw', 'email__contacts') }}
),

final as (
    select
        id as email_contact_id,
        {{ tidy_email('email') }} as email,
        status,
        created_at,
        updated_at
    from source
    where not coalesce(_is_deleted, false)
)

select * from final
