-- What an event says of itself, taken out of its JSON once: an event never changes, so only those
-- that are not here yet are read, whenever they come in.
-- depends_on: {{ ref('int_events_identified') }}
{{ config(
    materialized=growing(), unique_key=['source', 'message_id'],
    meta={'gone': 'kind', 'tells_through': 'int_events_identified'}
) }}

{%- set places = [
    'name', 'context.page.path', 'context.page.title', 'context.page.url', 'context.page.referrer',
    'properties.path', 'properties.title', 'properties.url', 'properties.referrer',
    'context.campaign.source', 'context.campaign.medium', 'context.campaign.name',
    'context.campaign.content',
    'properties.name', 'properties.query', 'properties.subject', 'properties.email_subject',
    'properties.note', 'properties.stage', 'properties.campaign_id', 'properties.order_id',
    'properties.ticket_id', 'properties.activity_id', 'properties.opportunity_id',
    'context.consent.categoryPreferences', 'context.consentManagement',
] %}

{%- set events -%}
    (select * from {{ ref('stg_events__events') }} where type in ('page', 'screen', 'track'))
{%- endset %}

{%- set grown = grows() %}

with {{ events_taken(events, grown) }}

texts as (
    select
        source,
        message_id,
        type,
        event_name,
        {{ json_texts_of('payload', places) }} as texts
    from fresh
),

named as (
    select
        {% for place in places %}
            {{ json_text_at('texts', loop.index0) }} as {{ place | replace('.', '_') | lower }},
        {% endfor %}
        source,
        message_id,
        type,
        event_name
    from texts
),

final as (
    select
        source,
        message_id,
        case
            when type = 'page' then 'page_view'
            when type = 'screen' then 'screen_view'
            {% for event, kind in touchpoint_kinds().items() %}
                when event_name = '{{ event }}' then '{{ kind }}'
            {% endfor %}
            else 'event'
        end as kind,
        case
            when type in ('page', 'screen')
                then coalesce(name, properties_title, context_page_title)
            else coalesce(
                properties_name, properties_query, properties_subject, properties_email_subject,
                properties_note, properties_stage, event_name
            )
        end as title,
        coalesce(context_page_path, properties_path) as page_path,
        coalesce(context_page_url, properties_url) as page_url,
        {{ blank_to_null('coalesce(context_page_referrer, properties_referrer)') }} as referrer,
        {{ blank_to_null('context_campaign_source') }} as utm_source,
        {{ blank_to_null('context_campaign_medium') }} as utm_medium,
        {{ blank_to_null('context_campaign_name') }} as utm_campaign,
        {{ blank_to_null('context_campaign_content') }} as utm_content,
        case
            when event_name like 'Email %' or event_name = 'Unsubscribed'
                then properties_campaign_id
            when event_name like 'Ticket %' then properties_ticket_id
            when event_name = 'Sales Call Logged' then properties_activity_id
            when event_name like 'Order %' then properties_order_id
            when event_name like 'Opportunity %' then properties_opportunity_id
        end as object_id,
        context_consent_categorypreferences as consent_preferences,
        context_consentmanagement as consent_management
    from named
)

{{ events_given('final', grown) }}
