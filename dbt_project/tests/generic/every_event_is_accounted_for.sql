{#- Rows of the reconciliation that do not balance, each with up to five messages: of lost ones
    those that have no outcome of their own in a segment of the log that does not add up (what the
    destination's settings keep away is only counted, so of these first those of a source and route
    that the destination has outcomes of), of doubled ones those that have two there. -#}
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

segments as (

    select distinct
        lake_object,
        segment
    from {{ source('raw', 'arrivals') }}
    where status = 'accepted'

),

arrived as (

    select
        segment,
        received_date,
        case when type = 'track' then event else type end as event_name,
        sum(events) as events
    from {{ source('raw', 'arrivals') }}
    group by 1, 2, 3

),

decided as (

    select
        destination,
        segment,
        received_date,
        event_name,
        sum(events) as events
    from {{ ref('int_deliveries_decided') }}
    group by 1, 2, 3, 4

),

-- the part of the log that the destination is through with
passed as (

    select
        places.destination,
        places.segment,
        places.is_whole,
        min(decided.segment) as first_segment
    from {{ source('raw', 'delivery_places') }} as places
    inner join decided
        on places.destination = decided.destination
    group by 1, 2, 3

),

faulty as (

    select
        unbalanced.destination,
        unbalanced.received_date,
        unbalanced.event_name,
        arrived.segment
    from unbalanced
    inner join arrived
        on
            unbalanced.received_date = arrived.received_date
            and unbalanced.event_name = arrived.event_name
    inner join passed
        on
            unbalanced.destination = passed.destination
            and arrived.segment >= passed.first_segment
            and (
                arrived.segment < passed.segment
                or (arrived.segment = passed.segment and passed.is_whole)
            )
    left join decided
        on
            unbalanced.destination = decided.destination
            and arrived.segment = decided.segment
            and unbalanced.received_date = decided.received_date
            and unbalanced.event_name = decided.event_name
    where arrived.events != coalesce(decided.events, 0)

),

taken as (

    select distinct
        faulty.destination,
        faulty.event_name,
        events.source,
        events.route
    from faulty
    inner join {{ source('raw', 'deliveries') }} as deliveries
        on
            faulty.destination = deliveries.destination
            and faulty.event_name
            = case
                when deliveries.type = 'track' then coalesce(deliveries.event, '')
                else deliveries.type
            end
    inner join {{ source('raw', 'events') }} as events
        on
            deliveries.source = events.source
            and deliveries.message_id = events.message_id

),

lost as (

    select
        faulty.destination,
        faulty.received_date,
        faulty.event_name,
        events.message_id,
        case when taken.destination is null then 1 else 0 end as unlikeliness
    from faulty
    inner join segments
        on faulty.segment = segments.segment
    inner join {{ source('raw', 'events') }} as events
        on
            segments.lake_object = events.lake_object
            and faulty.received_date = cast(events.received_at as date)
            and faulty.event_name
            = case when events.type = 'track' then coalesce(events.event, '') else events.type end
    left join {{ source('raw', 'deliveries') }} as deliveries
        on
            faulty.destination = deliveries.destination
            and events.source = deliveries.source
            and events.message_id = deliveries.message_id
    left join taken
        on
            faulty.destination = taken.destination
            and faulty.event_name = taken.event_name
            and events.source = taken.source
            and events.route = taken.route
    where deliveries.message_id is null

),

doubled as (

    select
        faulty.destination,
        faulty.received_date,
        faulty.event_name,
        deliveries.message_id,
        0 as unlikeliness
    from faulty
    inner join {{ source('raw', 'deliveries') }} as deliveries
        on
            faulty.destination = deliveries.destination
            and faulty.segment = deliveries.segment
            and faulty.received_date = cast(deliveries.received_at as date)
            and faulty.event_name
            = case
                when deliveries.type = 'track' then coalesce(deliveries.event, '')
                else deliveries.type
            end
    where deliveries.status != 'duplicate'
    group by 1, 2, 3, 4, deliveries.source
    having count(*) > 1

),

suspects as (

    select * from lost
    union all
    select * from doubled

),

named as (

    select
        destination,
        received_date,
        event_name,
        message_id
    from suspects
    qualify
        unlikeliness = min(unlikeliness) over (
            partition by destination, received_date, event_name
        )
        and row_number() over (
            partition by destination, received_date, event_name
            order by unlikeliness, message_id
        ) <= 5

)

select
    unbalanced.destination,
    unbalanced.received_date,
    unbalanced.event_name,
    unbalanced.difference,
    coalesce(string_agg(named.message_id, ', '), 'none has an outcome too few or too many') as message_ids
from unbalanced
left join named
    on
        unbalanced.destination = named.destination
        and unbalanced.received_date = named.received_date
        and unbalanced.event_name = named.event_name
group by 1, 2, 3, 4

{% endtest %}
