with source as (
    select * from {{ source('raw', 'payments__customers') }}
),

final as (
    select
        id as payment_id,
        {{ blank_to_null('user_id') }} as user_id,
        {{ tidy_email('email') }} as email,
        created_at,
        updated_at
    from source
    where not coalesce(_is_deleted, false)
)

select * from final
