with source as (
    select * from {{ source('raw', 'support__tickets') }}
),

final as (
    select
        id as ticket_id,
        {{ blank_to_null('user_id') }} as user_id,
        {{ tidy_email('requester_email') }} as email,
        subject,
        topic,
        status,
        satisfaction,
        created_at,
        updated_at
    from source
)

select * from final
