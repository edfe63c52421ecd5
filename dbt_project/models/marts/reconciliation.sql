{%- set own_columns = [
    'quarantined', 'plan', 'consent', 'integrations', 'transformation', 'unsupported', 'off',
    'duplicate', 'delivered', 'rejected'
] -%}

with arrivals as (

    select
        segment,
        received_date,
        status,
        events,
        case when type = 'track' then event else type end as event_name
    from {{ source('raw', 'arrivals') }}

),

outcomes as (

    select
        destination,
        segment,
        received_date,
        event_name,
        outcome,
        events
    from {{ ref('int_deliveries_decided') }}

),

first_segments as (

    select
        destination,
        min(segment) as first_segment
    from outcomes
    group by destination

),

places as (

    select
        places.destination,
        places.segment,
        places.is_whole,
        first_segments.first_segment
    from {{ source('raw', 'delivery_places') }} as places
    inner join first_segments
        on places.destination = first_segments.destination

),

landed_segments as (

    select distinct segment from arrivals

),

received as (

    select
        places.destination,
        arrivals.received_date,
        arrivals.event_name,
        sum(arrivals.events) as received,
        sum(case when arrivals.segment > places.segment then arrivals.events else 0 end) as ahead,
        sum(
            case
                when arrivals.segment = places.segment and not places.is_whole
                    then arrivals.events
                else 0
            end
        ) as underway
    from arrivals
    inner join places
        on arrivals.segment >= places.first_segment
    group by places.destination, arrivals.received_date, arrivals.event_name

),

summed as (

    select
        outcomes.destination,
        outcomes.received_date,
        outcomes.event_name,
        {% for outcome in own_columns -%}
            sum(case when outcomes.outcome = '{{ outcome }}' then outcomes.events else 0 end)
                as {{ outcome }}_events,
        {% endfor -%}
        sum(
            case
                when outcomes.outcome in ('routes', 'sources', 'types', 'events')
                    then outcomes.events
                else 0
            end
        ) as settings_events,
        sum(
            case
                when outcomes.segment = places.segment and not places.is_whole
                    then outcomes.events
                else 0
            end
        ) as decided_underway
    from outcomes
    inner join landed_segments
        on outcomes.segment = landed_segments.segment
    inner join places
        on outcomes.destination = places.destination
    group by outcomes.destination, outcomes.received_date, outcomes.event_name

),

loaded as (

    select
        cast(received_at as date) as received_date,
        case when type = 'track' then coalesce(event, '') else type end as event_name,
        count(*) as loaded
    from {{ source('raw', 'events') }}
    group by
        cast(received_at as date),
        case when type = 'track' then coalesce(event, '') else type end

),

tool_events as (

    select
        destination,
        case when type = 'track' then coalesce(event, '') else type end as event_name,
        min(tool_event) as tool_event
    from {{ source('raw', 'deliveries') }}
    where status = 'delivered' and tool_event != ''
    group by destination, case when type = 'track' then coalesce(event, '') else type end
    having count(distinct tool_event) = 1

),

shared_names as (

    select
        destination,
        tool_event
    from tool_events
    group by destination, tool_event
    having count(*) > 1

),

told as (

    select
        tool_events.destination,
        tool_events.event_name,
        counts.day as told_date,
        sum(counts.events) as tool_count
    from tool_events
    inner join {{ source('raw', 'destination_counts') }} as counts
        on
            tool_events.destination = counts.destination
            and tool_events.tool_event = counts.event
    left join shared_names
        on
            tool_events.destination = shared_names.destination
            and tool_events.tool_event = shared_names.tool_event
    where shared_names.tool_event is null
    group by tool_events.destination, tool_events.event_name, counts.day

),

final as (

    select
        coalesce(received.destination, summed.destination) as destination,
        coalesce(received.received_date, summed.received_date) as received_date,
        coalesce(received.event_name, summed.event_name) as event_name,
        coalesce(received.received, 0) as received,
        coalesce(summed.quarantined_events, 0) as quarantined,
        coalesce(summed.plan_events, 0) as filtered_plan,
        coalesce(summed.consent_events, 0) as filtered_consent,
        coalesce(summed.integrations_events, 0) as filtered_integrations,
        coalesce(summed.transformation_events, 0) as filtered_transformation,
        coalesce(summed.settings_events, 0) as filtered_settings,
        coalesce(summed.unsupported_events, 0) as filtered_unsupported,
        coalesce(summed.off_events, 0) as filtered_off,
        coalesce(summed.duplicate_events, 0) as duplicates,
        coalesce(summed.delivered_events, 0) as delivered,
        coalesce(summed.rejected_events, 0) as rejected,
        coalesce(received.ahead, 0)
        + coalesce(received.underway, 0)
        - coalesce(summed.decided_underway, 0) as pending
    from received
    full outer join summed
        on
            received.destination = summed.destination
            and received.received_date = summed.received_date
            and received.event_name = summed.event_name

)

select
    final.destination,
    final.received_date,
    final.event_name,
    final.received,
    final.quarantined,
    final.filtered_plan,
    final.filtered_consent,
    final.filtered_integrations,
    final.filtered_transformation,
    final.filtered_settings,
    final.filtered_unsupported,
    final.filtered_off,
    final.duplicates,
    final.delivered,
    final.rejected,
    final.pending,
    coalesce(loaded.loaded, 0) as loaded,
    told.tool_count,
    final.received - (
        final.quarantined + final.filtered_plan + final.filtered_consent
        + final.filtered_integrations + final.filtered_transformation + final.filtered_settings
        + final.filtered_unsupported + final.filtered_off + final.duplicates + final.delivered
        + final.rejected + final.pending
    ) as difference
from final
left join loaded
    on
        final.received_date = loaded.received_date
        and final.event_name = loaded.event_name
left join told
    on
        final.destination = told.destination
        and final.event_name = told.event_name
        and final.received_date = told.told_date
