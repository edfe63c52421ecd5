with deliveries as (

    select
        outcomes.destination,
        outcomes.tool_event,
        outcomes.at as delivered_at,
        cast(outcomes.at as date) as delivered_date,
        outcomes.type,
        case
            when outcomes.type = 'track' then coalesce(outcomes.event, '')
            else outcomes.type
        end as event_name
    from {{ source('raw', 'deliveries') }} as outcomes
    where outcomes.status = 'delivered'

),

reports as (

    select
        destination,
        read_at
    from {{ source('raw', 'destination_reports') }}

),

counts as (

    select
        destination,
        day,
        event as tool_event,
        sum(events) as events
    from {{ source('raw', 'destination_counts') }}
    group by destination, day, event

),

-- what the tool calls an event of ours, where it has one name for it
named as (

    select
        destination,
        event_name,
        type,
        min(tool_event) as tool_event,
        min(delivered_date) as first_date
    from deliveries
    group by destination, event_name, type
    having count(distinct tool_event) = 1 and min(tool_event) != ''

),

shared_names as (

    select
        destination,
        tool_event
    from deliveries
    group by destination, tool_event
    having count(distinct type || ' ' || event_name) > 1

),

configured as (

    select
        destination,
        counted_types
    from {{ source('raw', 'destinations') }}

),

-- what a tool counts of each it counts by name, so that a missing one is none
comparable as (

    select
        named.destination,
        named.event_name,
        named.tool_event,
        named.first_date,
        cast(reports.read_at as date) as read_date
    from named
    inner join reports
        on named.destination = reports.destination
    left join shared_names
        on
            named.destination = shared_names.destination
            and named.tool_event = shared_names.tool_event
    left join configured
        on named.destination = configured.destination
    where
        shared_names.tool_event is null
        and coalesce(configured.counted_types, ',track,') like '%,' || named.type || ',%'

),

delivered as (

    select
        deliveries.destination,
        deliveries.delivered_date,
        deliveries.event_name,
        count(*) as delivered,
        sum(
            case when deliveries.delivered_at <= reports.read_at then 1 else 0 end
        ) as delivered_before_report
    from deliveries
    left join reports
        on deliveries.destination = reports.destination
    group by deliveries.destination, deliveries.delivered_date, deliveries.event_name

),

told as (

    select
        comparable.destination,
        comparable.event_name,
        counts.day as delivered_date,
        counts.events
    from comparable
    inner join counts
        on
            comparable.destination = counts.destination
            and comparable.tool_event = counts.tool_event
    where counts.day >= comparable.first_date

),

days as (

    select
        destination,
        delivered_date,
        event_name
    from delivered
    union distinct
    select
        destination,
        delivered_date,
        event_name
    from told

),

final as (

    select
        days.destination,
        days.delivered_date,
        days.event_name,
        coalesce(delivered.delivered, 0) as delivered,
        coalesce(delivered.delivered_before_report, 0) as delivered_before_report,
        case
            when comparable.read_date >= days.delivered_date then coalesce(told.events, 0)
        end as tool_count
    from days
    left join delivered
        on
            days.destination = delivered.destination
            and days.delivered_date = delivered.delivered_date
            and days.event_name = delivered.event_name
    left join told
        on
            days.destination = told.destination
            and days.delivered_date = told.delivered_date
            and days.event_name = told.event_name
    left join comparable
        on
            days.destination = comparable.destination
            and days.event_name = comparable.event_name

)

select
    final.destination,
    final.delivered_date,
    final.event_name,
    final.delivered,
    final.delivered_before_report,
    final.tool_count,
    -- 0 between what the tool must have had when it reported and all that was delivered since
    case
        when final.tool_count < final.delivered_before_report
            then final.tool_count - final.delivered_before_report
        when final.tool_count > final.delivered then final.tool_count - final.delivered
        when final.tool_count is not null then 0
    end as tool_difference
from final
