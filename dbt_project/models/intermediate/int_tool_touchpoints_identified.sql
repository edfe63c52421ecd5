-- What a tool tells as an event and shows as a record too is one touchpoint: the record's, which
-- has more to say; of mailings the event's, which knows of every opening.
{{ config(materialized=growing(), unique_key='customer_id', meta={'compares': true}) }}

{%- set kept_as_records = ['support_ticket', 'support_rating', 'sales_call', 'opportunity_stage'] %}
{%- set told_as_events = touchpoint_kinds().items()
    | selectattr(1, 'in', kept_as_records) | map(attribute=0) | list %}

with identifiers as (
    select * from {{ ref('stg_identity__identifiers') }}
),

event_touchpoints as (
    select * from {{ ref('int_event_touchpoints_identified') }}
),

sessions as (
    select
        session_id,
        channel,
        utm_campaign,
        ad_id
    from {{ ref('sessions') }}
),

contacts as (
    select
        email_contacts.email_contact_id,
        min(identifiers.customer_id) as customer_id
    from {{ ref('stg_email__contacts') }} as email_contacts
    inner join identifiers
        on email_contacts.email = identifiers.id_value and identifiers.id_type = 'email'
    group by email_contacts.email_contact_id
),

crm_people as (
    select
        id_value as crm_id,
        customer_id
    from identifiers
    where id_type = 'crm_id'
),

mailings as (
    select
        sends.send_id,
        sends.email_campaign_id,
        contacts.customer_id,
        sends.sent_at,
        sends.opened_at,
        sends.clicked_at,
        coalesce(campaigns.subject, campaigns.campaign_name) as title
    from {{ ref('stg_email__sends') }} as sends
    inner join contacts
        on sends.email_contact_id = contacts.email_contact_id
    left join {{ ref('stg_email__campaigns') }} as campaigns
        on sends.email_campaign_id = campaigns.email_campaign_id
),

mailed as (
    {% for kind, at in [('sent', 'sent_at'), ('open', 'opened_at'), ('click', 'clicked_at')] %}
        select
            'email_{{ kind }}' as kind,
            send_id,
            email_campaign_id,
            customer_id,
            {{ at }} as occurred_at,
            title
        from mailings
        where {{ at }} is not null
        {{ 'union all' if not loop.last }}
    {% endfor %}
),

told as (
    select distinct
        customer_id,
        kind,
        campaign
    from event_touchpoints
    where system = 'email' and campaign is not null
),

mails as (
    select
        mailed.customer_id,
        mailed.occurred_at,
        mailed.occurred_at as known_at,
        'email' as system,
        mailed.kind,
        'email' as channel,
        mailed.email_campaign_id as campaign,
        cast(null as string) as ad_id,
        cast(null as string) as session_id,
        mailed.title,
        cast(null as bigint) as value_cents,
        'email' as source,
        mailed.send_id as source_id
    from mailed
    left join told
        on
            mailed.customer_id = told.customer_id
            and mailed.kind = told.kind
            and mailed.email_campaign_id = told.campaign
    where told.customer_id is null
),

contacts_with_support as (
    select
        contacts.customer_id,
        contacts.contacted_at as occurred_at,
        contacts.known_at,
        case when contacts.kind = 'ticket' then 'support' else 'contact_centre' end as system,
        case
            when contacts.kind = 'ticket' then 'support_ticket'
            when lower(conversations.channel) in ('call', 'phone', 'voice') then 'support_call'
            else 'support_chat'
        end as kind,
        cast(null as string) as channel,
        cast(null as string) as campaign,
        cast(null as string) as ad_id,
        cast(null as string) as session_id,
        coalesce(contacts.topic, conversations.channel) as title,
        cast(null as bigint) as value_cents,
        coalesce(conversations.source, 'support') as source,
        contacts.contact_id as source_id
    from {{ ref('int_support_contacts_identified') }} as contacts
    left join {{ ref('stg_contact_centre__conversations') }} as conversations
        on contacts.kind = 'chat' and contacts.contact_id = conversations.conversation_id
),

ratings as (
    select
        contacts.customer_id,
        ratings.rated_at as occurred_at,
        ratings.rated_at as known_at,
        'support' as system,
        'support_rating' as kind,
        cast(null as string) as channel,
        cast(null as string) as campaign,
        cast(null as string) as ad_id,
        cast(null as string) as session_id,
        cast(ratings.score as string) as title,
        cast(null as bigint) as value_cents,
        'support' as source,
        ratings.rating_id as source_id
    from {{ ref('stg_support__ratings') }} as ratings
    inner join {{ ref('int_support_contacts_identified') }} as contacts
        on ratings.ticket_id = contacts.contact_id and contacts.kind = 'ticket'
),

-- An activity is written down once and not changed: its row's time is when it could be known.
sales_contacts as (
    select
        crm_people.customer_id,
        activities.occurred_at,
        greatest(activities.occurred_at, coalesce(activities.updated_at, activities.occurred_at))
            as known_at,
        'crm' as system,
        case
            when lower(activities.kind) in ('call', 'meeting', 'mail')
                then 'sales_' || lower(activities.kind)
            else 'sales_contact'
        end as kind,
        cast(null as string) as channel,
        cast(null as string) as campaign,
        cast(null as string) as ad_id,
        cast(null as string) as session_id,
        activities.note as title,
        cast(null as bigint) as value_cents,
        'crm' as source,
        activities.activity_id as source_id
    from {{ ref('stg_crm__activities') }} as activities
    inner join crm_people
        on activities.crm_id = crm_people.crm_id
),

deals as (
    select
        crm_people.customer_id,
        changes.changed_at as occurred_at,
        changes.changed_at as known_at,
        'crm' as system,
        'opportunity_stage' as kind,
        cast(null as string) as channel,
        cast(null as string) as campaign,
        cast(null as string) as ad_id,
        cast(null as string) as session_id,
        changes.stage as title,
        opportunities.amount_cents as value_cents,
        'crm' as source,
        changes.stage_change_id as source_id
    from {{ ref('stg_crm__opportunity_stages') }} as changes
    inner join {{ ref('stg_crm__opportunities') }} as opportunities
        on changes.opportunity_id = opportunities.opportunity_id
    inner join crm_people
        on opportunities.crm_id = crm_people.crm_id
),

-- The price of that time, not today's.
prices as (
    select
        subscription_id,
        min_by(price_cents, started_at) as price_started,
        max_by(price_cents, started_at) as price_cancelled
    from {{ ref('int_subscription_prices') }}
    group by subscription_id
),

subscriptions as (
    {% for kind, at, known in [
        ('started', 'started_at', 'periods.known_at'),
        ('cancelled', 'cancelled_at', 'coalesce(periods.cancellation_known_at, periods.cancelled_at)'),
    ] %}
        select
            periods.customer_id,
            periods.{{ at }} as occurred_at,
            {{ known }} as known_at,
            'payments' as system,
            'subscription_{{ kind }}' as kind,
            cast(null as string) as channel,
            cast(null as string) as campaign,
            cast(null as string) as ad_id,
            cast(null as string) as session_id,
            periods.plan_name as title,
            prices.price_{{ kind }} as value_cents,
            'subscriptions' as source,
            periods.subscription_id as source_id
        from {{ ref('int_subscription_periods') }} as periods
        left join prices
            on periods.subscription_id = prices.subscription_id
        where periods.{{ at }} is not null
        {{ 'union all' if not loop.last }}
    {% endfor %}
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

-- Told by an event, of a record that is not there.
only_told as (
    select
        theirs.customer_id,
        theirs.occurred_at,
        theirs.known_at,
        case
            when theirs.platform is not null then theirs.platform
            when described.kind like 'support_%' then 'support'
            else 'crm'
        end as system,
        described.kind,
        sessions.channel,
        sessions.utm_campaign as campaign,
        sessions.ad_id,
        sessions.session_id,
        described.title,
        cast(null as bigint) as value_cents,
        described.source,
        described.message_id as source_id
    from {{ ref('int_events_described') }} as described
    inner join {{ ref('int_events_identified') }} as theirs
        on described.source = theirs.source and described.message_id = theirs.message_id
    left join {{ ref('int_events_sessioned') }} as sessioned
        on described.source = sessioned.source and described.message_id = sessioned.message_id
    left join sessions
        on sessioned.session_id = sessions.session_id
    left join recorded
        on described.kind = recorded.kind and described.object_id = recorded.object_id
    where
        described.kind in ({{ quoted_list(kept_as_records) }})
        and recorded.object_id is null
        -- says the same of the other side, which has as many rows
        and theirs.event_name in ({{ quoted_list(told_as_events) }})
),

-- The visit in which an order was placed.
order_visits as (
    select
        told.order_id,
        'sale' as kind,
        sessioned.session_id
    from {{ ref('stg_events__orders_completed') }} as told
    inner join {{ ref('int_events_sessioned') }} as sessioned
        on told.source = sessioned.source and told.message_id = sessioned.message_id
),

orders as (
    select
        orders.customer_id,
        orders.ordered_at as occurred_at,
        orders.known_at,
        'orders' as system,
        case orders.kind when 'sale' then 'purchase' else orders.kind end as kind,
        sessions.channel,
        sessions.utm_campaign as campaign,
        sessions.ad_id,
        sessions.session_id,
        orders.order_id as title,
        orders.total_cents as value_cents,
        'orders' as source,
        orders.order_id as source_id
    from {{ ref('orders') }} as orders
    left join order_visits
        on orders.order_id = order_visits.order_id and orders.kind = order_visits.kind
    left join sessions
        on order_visits.session_id = sessions.session_id
),

unioned as (
    select * from mails
    union all
    select * from contacts_with_support
    union all
    select * from ratings
    union all
    select * from sales_contacts
    union all
    select * from deals
    union all
    select * from subscriptions
    union all
    select * from only_told
    union all
    select * from orders
),

final as (
    select *
    from unioned
    where customer_id is not null and occurred_at is not null
)

select * from final
