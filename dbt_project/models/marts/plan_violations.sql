with violations as (
    select
        *,
        cast(received_at as date) as received_date
    from {{ ref('stg_events__violations') }}
),

final as (
    select
        received_date,
        source,
        type,
        event_name,
        kind,
        property_path,
        outcome,
        count(distinct message_id) as events,
        min(message) as message,
        min(message_id) as example_message_id
    from violations
    group by received_date, source, type, event_name, kind, property_path, outcome
)

select * from final
