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

configured as (

    select destination from {{ source('raw', 'destinations') }}

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
        first_segments.first_segment,
        configured.destination is not null as is_configured
    from {{ source('raw', 'delivery_places') }} as places
    inner join first_segments
        on places.destination = first_segments.destination
    left join configured
        on places.destination = configured.destination

),

landed_segments as (

    select distinct segment from arrivals

),

-- a destination that was taken out of the config: nothing behind its place was ever for it
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
        on
            arrivals.segment >= places.first_segment
            and (places.is_configured or arrivals.segment < places.segment)
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
                when outcomes.outcome in ('routes', 'sources', 'types', 'events', 'start')
                    then outcomes.events
                else 0
            end
        ) as settings_events,
        sum(
            case
                when
                    outcomes.segment = places.segment
                    and places.is_configured
                    and not places.is_whole
                    then outcomes.events
                else 0
            end
        ) as decided_underway,
        sum(
            case
                when outcomes.segment = places.segment and not places.is_configured
                    then outcomes.events
                else 0
            end
        ) as decided_last
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

reported as (

    select
        destination,
        delivered_date,
        event_name,
        delivered,
        tool_count,
        tool_difference
    from {{ ref('int_deliveries_reported') }}

),

days as (

    select
        destination,
        received_date,
        event_name
    from received
    union distinct
    select
        destination,
        received_date,
        event_name
    from summed
    union distinct
    select
        destination,
        delivered_date as received_date,
        event_name
    from reported

),

final as (

    select
        days.destination,
        days.received_date,
        days.event_name,
        coalesce(received.received, 0) + coalesce(summed.decided_last, 0) as received,
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
    from days
    left join received
        on
            days.destination = received.destination
            and days.received_date = received.received_date
            and days.event_name = received.event_name
    left join summed
        on
            days.destination = summed.destination
            and days.received_date = summed.received_date
            and days.event_name = summed.event_name

)

select
    final.destination,
    final.received_date,
    final.event_name,
    configured.destination is not null as is_configured,
    cast(final.received as bigint) as received,
    cast(final.quarantined as bigint) as quarantined,
    cast(final.filtered_plan as bigint) as filtered_plan,
    cast(final.filtered_consent as bigint) as filtered_consent,
    cast(final.filtered_integrations as bigint) as filtered_integrations,
    cast(final.filtered_transformation as bigint) as filtered_transformation,
    cast(final.filtered_settings as bigint) as filtered_settings,
    cast(final.filtered_unsupported as bigint) as filtered_unsupported,
    cast(final.filtered_off as bigint) as filtered_off,
    cast(final.duplicates as bigint) as duplicates,
    cast(final.delivered as bigint) as delivered,
    cast(final.rejected as bigint) as rejected,
    cast(final.pending as bigint) as pending,
    coalesce(loaded.loaded, 0) as loaded,
    coalesce(reported.delivered, 0) as delivered_that_day,
    cast(reported.tool_count as bigint) as tool_count,
    cast(reported.tool_difference as bigint) as tool_difference,
    cast(final.received - (
        final.quarantined + final.filtered_plan + final.filtered_consent
        + final.filtered_integrations + final.filtered_transformation + final.filtered_settings
        + final.filtered_unsupported + final.filtered_off + final.duplicates + final.delivered
        + final.rejected + final.pending
    ) as bigint) as difference
from final
left join configured
    on final.destination = configured.destination
left join loaded
    on
        final.received_date = loaded.received_date
        and final.event_name = loaded.event_name
left join reported
    on
        final.destination = reported.destination
        and final.event_name = reported.event_name
        and final.received_date = reported.delivered_date
