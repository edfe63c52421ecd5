{#- Days on which a tool has more or fewer of an event than it was given. Left out: what a tool that
    counts repeats has more, since a request that was cut off is sent again; and two days next to
    each other that make up for one another, since tool and store may take note of one delivery on
    two sides of midnight. -#}
{% test same_count_as_the_tool(model) %}

with differing as (

    select
        destination,
        received_date,
        event_name,
        delivered_that_day,
        tool_count,
        tool_difference
    from {{ model }}
    where tool_difference != 0

),

repeating as (

    select destination
    from {{ source('raw', 'destinations') }}
    where not knows_repeats

)

select
    differing.destination,
    differing.received_date,
    differing.event_name,
    differing.delivered_that_day,
    differing.tool_count,
    differing.tool_difference
from differing
left join repeating
    on differing.destination = repeating.destination
left join differing as neighbour
    on
        differing.destination = neighbour.destination
        and differing.event_name = neighbour.event_name
        and differing.tool_difference = -neighbour.tool_difference
        and neighbour.received_date in (
            differing.received_date - interval '1 day', differing.received_date + interval '1 day'
        )
where
    neighbour.destination is null
    and (repeating.destination is null or differing.tool_difference < 0)

{% endtest %}
