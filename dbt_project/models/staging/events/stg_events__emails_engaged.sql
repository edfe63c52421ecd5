with tracks as (
    select * from {{ ref('stg_events__tracks') }}
),

final as (
    select
        source,
        message_id,
        user_id,
        anonymous_id,
        occurred_at,
        known_at,
        case when event_name = 'Email Opened' then 'open' else 'click' end as engagement
    from tracks
    where event_name in ('Email Opened', 'Email Link Clicked')
)

select * from final
