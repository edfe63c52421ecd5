with described as (
    select * from {{ ref('int_events_described') }}
    where consent_preferences is not null or consent_management is not null
),

identified as (
    select * from {{ ref('int_events_identified') }}
    where customer_id is not null and {{ has_happened('occurred_at') }}
),

identifies as (
    select * from {{ ref('stg_events__identifies') }}
),

unsubscribed as (
    select * from {{ ref('stg_events__tracks') }}
    where event_name = 'Unsubscribed'
),

email_contacts as (
    select * from {{ ref('stg_email__contacts') }}
),

identifiers as (
    select * from {{ ref('stg_identity__identifiers') }}
),

-- The same words are said with every event: each once, as of the last time.
said as (
    select
        identified.customer_id,
        'events' as source_name,
        cast(null as string) as consent_traits,
        described.consent_preferences,
        described.consent_management,
        max(identified.occurred_at) as said_at
    from described
    inner join identified
        on described.source = identified.source and described.message_id = identified.message_id
    group by identified.customer_id, described.consent_preferences, described.consent_management
    union all
    select
        identified.customer_id,
        'identify' as source_name,
        identifies.consent_traits,
        identifies.consent_preferences,
        identifies.consent_management,
        max(identified.occurred_at) as said_at
    from identifies
    inner join identified
        on identifies.source = identified.source and identifies.message_id = identified.message_id
    where
        identifies.consent_traits is not null
        or identifies.consent_preferences is not null
        or identifies.consent_management is not null
    group by
        identified.customer_id,
        identifies.consent_traits,
        identifies.consent_preferences,
        identifies.consent_management
),

parsed as (
    {{ consent_answers('said') }}
    union all
    select
        identified.customer_id,
        'marketing' as purpose,
        'unsubscribed' as source_name,
        unsubscribed.occurred_at as said_at,
        'false' as answer
    from unsubscribed
    inner join identified
        on
            unsubscribed.source = identified.source
            and unsubscribed.message_id = identified.message_id
    union all
    select
        identifiers.customer_id,
        'marketing' as purpose,
        'email' as source_name,
        case
            when email_contacts.status = 'subscribed' then email_contacts.created_at
            else email_contacts.updated_at
        end as said_at,
        case when email_contacts.status = 'subscribed' then 'true' else 'false' end as answer
    from email_contacts
    inner join identifiers
        on email_contacts.email = identifiers.id_value and identifiers.id_type = 'email'
    where email_contacts.status in ('subscribed', 'unsubscribed')
),

final as (
    select
        customer_id,
        purpose,
        lower(answer) = 'true' as is_granted,
        said_at,
        source_name
    from parsed
    where
        lower(answer) in ('true', 'false')
        and said_at is not null
        and {{ has_happened('said_at') }}
    qualify
        row_number() over (
            partition by customer_id, purpose
            order by said_at desc, lower(answer) asc, source_name asc
        ) = 1
)

select * from final
