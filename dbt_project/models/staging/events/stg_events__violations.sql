{% set fields = ['type', 'property', 'message'] %}

with forwarded as (
    select
        source,
        message_id,
        type,
        event,
        received_at,
        'forwarded' as outcome,
        {{ json_records("concat('{\"found\":', violations, '}')", 'found', fields) }} as violations
    from {{ source('raw', 'events') }}
    where violations is not null
),

quarantined as (
    select
        source,
        message_id,
        type,
        event,
        received_at,
        case when replayed_at is null then 'quarantined' else 'replayed' end as outcome,
        {{ json_records("concat('{\"found\":', violations, '}')", 'found', fields) }} as violations
    from {{ source('raw', 'quarantine') }}
    where violations is not null
),

dropped as (
    select
        source,
        message_id,
        type,
        event,
        received_at,
        'dropped' as outcome,
        {{ json_records('payload', 'context.violationErrors', fields) }} as violations
    from {{ source('raw', 'dropped') }}
    where reason like 'plan: %'
),

unioned as (
    select * from forwarded
    union all
    select * from quarantined
    union all
    select * from dropped
),

items as (
    select
        source,
        message_id,
        type,
        event,
        received_at,
        outcome,
        {{ exploded('violations') }}
    from unioned
),

final as (
    select
        items.source,
        items.message_id,
        items.type,
        coalesce(items.event, '') as event_name,
        items.received_at,
        items.outcome,
        items.position + 1 as violation_no,
        items.item.type as kind,
        items.item.property as property_path,
        items.item.message
    from items
)

select * from final
