with source as (
    select * from {{ source('raw', 'conversations') }}
),

final as (
    select
        source,
        conversation_id,
        channel,
        {{ blank_to_null('user_id') }} as user_id,
        {{ tidy_email('email') }} as email,
        agent_id,
        started_at,
        ended_at,
        count_turns,
        count_customer_turns,
        customer_text,
        language,
        coalesce(known_at, ended_at, started_at) as known_at
    from source
)

select * from final
