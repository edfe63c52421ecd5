{{ config(
    materialized=growing(), unique_key=['source', 'message_id'], meta={'gone': 'known_at'}
) }}

{%- set grown = grows() -%}

{%- set events -%}
    (select * from {{ ref('stg_events__events') }} where type = 'identify')
{%- endset %}

with {{ events_taken(events, grown, ['occurred_at', 'known_at']) }}

final as (
    select
        source,
        message_id,
        user_id,
        anonymous_id,
        occurred_at,
        known_at,
        {{ tidy_email(json_text('payload', 'traits.email')) }} as email,
        {{ blank_to_null(json_text('payload', 'traits.name')) }} as full_name,
        coalesce(
            {{ json_text('payload', 'traits.firstName') }},
            {{ json_text('payload', 'traits.first_name') }}
        ) as first_name,
        coalesce(
            {{ json_text('payload', 'traits.lastName') }},
            {{ json_text('payload', 'traits.last_name') }}
        ) as last_name,
        {{ blank_to_null(json_text('payload', 'traits.phone')) }} as phone,
        {{ written_date(json_text('payload', 'traits.birthday')) }} as birth_date,
        {{ blank_to_null(json_text('payload', 'traits.address.country')) }} as country,
        {{ blank_to_null(json_text('payload', 'traits.address.street')) }} as address_street,
        {{ blank_to_null(json_text('payload', 'traits.address.city')) }} as address_city,
        coalesce(
            {{ blank_to_null(json_text('payload', 'traits.address.postal_code')) }},
            {{ blank_to_null(json_text('payload', 'traits.address.postalCode')) }}
        ) as address_postal_code,
        {{ json_text('payload', 'traits.consent') }} as consent_traits,
        {{ json_text('payload', 'context.consent.categoryPreferences') }} as consent_preferences,
        {{ json_text('payload', 'context.consentManagement') }} as consent_management
    from fresh
)

{{ events_given('final', grown) }}
