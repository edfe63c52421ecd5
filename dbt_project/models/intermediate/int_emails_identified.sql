with emails as (
    select * from {{ ref('stg_events__emails_engaged') }}
),

identified as (
    select * from {{ ref('int_events_identified') }}
),

final as (
    select
        emails.source,
        emails.message_id,
        identified.customer_id,
        emails.engagement,
        emails.occurred_at,
        emails.known_at
    from emails
    inner join identified
        on emails.source = identified.source and emails.message_id = identified.message_id
)

select * from final
