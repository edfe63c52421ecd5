-- What tools tell as events and keep as records too (tickets, ratings, calls, deals) is not here,
-- but with the records; mailings are: an event knows of every opening.
{{ config(
    materialized=growing(), unique_key='customer_id',
    meta={'follows': [
        'int_events_identified', 'int_events_described', 'int_events_sessioned', 'sessions'
    ]}
) }}

{%- set grown = grows() %}

with described as (
    select * from {{ ref('int_events_described') }}
    where
        kind not in (
            'order', 'subscription',
            'support_ticket', 'support_rating', 'sales_call', 'opportunity_stage'
        )
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
    where {{ is_taken('customer_id', grown) }}
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
    where
        platform is null
        and customer_id is not null
        and occurred_at is not null
        and {{ is_taken('customer_id', grown) }}
),

sessions as (
    select * from {{ ref('sessions') }}
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
            when described.kind like 'invoice_%' or described.kind like 'subscription_%'
                then 'payments'
            else 'other'
        end as system,
        described.kind,
        case when described.kind like 'email_%' then 'email' else sessions.channel end
            as channel,
        case
            when described.kind like 'email_%'
                then coalesce(described.object_id, described.utm_campaign)
            else sessions.utm_campaign
        end as campaign,
        sessions.ad_id,
        identified.session_id,
        described.title,
        described.source,
        described.message_id as source_id
    from described
    inner join identified
        on described.source = identified.source and described.message_id = identified.message_id
    left join sessions
        on identified.session_id = sessions.session_id
)

select * from final
