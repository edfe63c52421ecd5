{#- Rows of the reconciliation that do not balance, each with up to five messages that have no outcome there. -#}
{% test every_event_is_accounted_for(model) %}

with unbalanced as (

    select
        destination,
        received_date,
        event_name,
        difference
    from {{ model }}
    where difference != 0

),

suspects as (

    select
        unbalanced.destination,
        unbalanced.received_date,
        unbalanced.event_name,
        events.message_id
    from unbalanced
    inner join {{ source('raw', 'events') }} as events
        on
            unbalanced.received_date = cast(events.received_at as date)
            and unbalanced.event_name = case when events.type = 'track' then events.event else events.type end
    left join {{ source('raw', 'deliveries') }} as deliveries
        on
            unbalanced.destination = deliveries.destination
            and events.source = deliveries.source
            and events.message_id = deliveries.message_id
    where deliveries.message_id is null
    qualify row_number() over (
        partition by unbalanced.destination, unbalanced.received_date, unbalanced.event_name
        order by events.message_id
    ) <= 5

)

select
    unbalanced.destination,
    unbalanced.received_date,
    unbalanced.event_name,
    unbalanced.difference,
    string_agg(suspects.message_id, ', ') as message_ids
from unbalanced
left join suspects
    on
        unbalanced.destination = suspects.destination
        and unbalanced.received_date = suspects.received_date
        and unbalanced.event_name = suspects.event_name
group by 1, 2, 3, 4

{% endtest %}
