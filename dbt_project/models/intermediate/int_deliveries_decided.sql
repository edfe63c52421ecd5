with deliveries as (

    select
        destination,
        segment,
        source,
        message_id,
        status,
        reason,
        seq,
        cast(received_at as date) as received_date,
        case when type = 'track' then coalesce(event, '') else type end as event_name
    from {{ source('raw', 'deliveries') }}

),

-- a dead letter that was put through again: its last outcome is the one that counts
replayed as (

    select
        destination,
        source,
        message_id,
        max_by(status, seq) as status
    from deliveries
    where segment = ''
    group by destination, source, message_id

),

decided as (

    select
        deliveries.destination,
        deliveries.segment,
        deliveries.received_date,
        deliveries.event_name,
        case
            when deliveries.status = 'rejected' and replayed.status is not null then replayed.status
            when deliveries.status = 'filtered' then deliveries.reason
            else deliveries.status
        end as outcome,
        1 as events
    from deliveries
    left join replayed
        on
            deliveries.destination = replayed.destination
            and deliveries.source = replayed.source
            and deliveries.message_id = replayed.message_id
    where deliveries.segment != ''

),

counted as (

    select
        destination,
        segment,
        received_date,
        case when type = 'track' then event else type end as event_name,
        reason as outcome,
        events
    from {{ source('raw', 'delivery_counts') }}

),

outcomes as (

    select * from decided
    union all
    select * from counted

),

final as (

    select
        destination,
        segment,
        received_date,
        event_name,
        outcome,
        sum(events) as events
    from outcomes
    group by destination, segment, received_date, event_name, outcome

)

select
    final.destination,
    final.segment,
    final.received_date,
    final.event_name,
    final.outcome,
    final.events
from final
