with events as (
    select * from {{ ref('stg_events__events') }}
),

final as (
    select
        source,
        message_id,
        type,
        user_id,
        anonymous_id,
        occurred_at,
        known_at,
        {{ json_text('payload', 'name') }} as page_name,
        coalesce(
            {{ json_text('payload', 'context.page.path') }},
            {{ json_text('payload', 'properties.path') }}
        ) as page_path,
        coalesce(
            {{ json_text('payload', 'context.page.referrer') }},
            {{ json_text('payload', 'properties.referrer') }}
        ) as referrer,
        {{ json_text('payload', 'context.campaign.source') }} as utm_source,
        {{ json_text('payload', 'context.campaign.medium') }} as utm_medium,
        {{ json_text('payload', 'context.campaign.name') }} as utm_campaign
    from events
    where type in ('page', 'screen')
)

select * from final
