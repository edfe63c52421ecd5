-- What a tool tells as an event and shows as a record too is one touchpoint: the record's, which
-- has more to say; of mailings the event's, which knows of every opening.
with described as (
    select * from {{ ref('int_events_described') }}
),

-- Events of visits are all in their own table, with what is known of them: the two are not joined.
identified as (
    select
        source,
        message_id,
        customer_id,
        occurred_at,
        known_at,
        platform,
        session_id
    from {{ ref('int_events_sessioned') }}
    union all
    select
        source,
        message_id,
        customer_id,
        occurred_at,
        known_at,
        platform,
        cast(null as string) as session_id
    from {{ ref('int_events_identified') }}
    where platform is null and customer_id is not null and occurred_at is not null
),

channelled as (
    select * from {{ ref('int_sessions_channelled') }}
),

recorded as (
    select
        'support_ticket' as kind,
        ticket_id as object_id
    from {{ ref('stg_support__tickets') }}
    union
    select
        'support_rating' as kind,
        ticket_id as object_id
    from {{ ref('stg_support__ratings') }}
    union
    select
        'sales_call' as kind,
        activity_id as object_id
    from {{ ref('stg_crm__activities') }}
    union
    select
        'opportunity_stage' as kind,
        opportunity_id as object_id
    from {{ ref('stg_crm__opportunity_stages') }}
),

final as (
    select
        identified.customer_id,
        identified.occurred_at,
        identified.known_at,
        case
            when identified.platform is not null then identified.platform
            when described.kind like 'email_%' then 'email'
            when described.kind like 'support_%' then 'support'
            when described.kind in ('sales_call', 'opportunity_stage') then 'crm'
            when described.kind like 'invoice_%' or described.kind like 'subscription_%'
                then 'payments'
            else 'other'
        end as system,
        described.kind,
        case when described.kind like 'email_%' then 'email' else channelled.channel end as channel,
        case
            when described.kind like 'email_%'
                then coalesce(described.object_id, described.utm_campaign)
            else channelled.utm_campaign
        end as campaign,
        channelled.ad_id,
        identified.session_id,
        described.title,
        described.source,
        described.message_id as source_id
    from described
    inner join identified
        on described.source = identified.source and described.message_id = identified.message_id
    left join channelled
        on identified.session_id = channelled.session_id
    left join recorded
        on described.kind = recorded.kind and described.object_id = recorded.object_id
    where
        described.kind not in ('order', 'subscription')
        and recorded.object_id is null
)

select * from final
