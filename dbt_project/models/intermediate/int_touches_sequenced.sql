-- A person's touches and purchases in order: the touches after one purchase belong to the next one,
-- if it comes within the look-back; else to a path that led nowhere. Touches are visits, and what
-- the sales team wrote down of its calls, meetings and mails.
{{ config(
    materialized=growing(), unique_key='customer_id',
    meta={'follows': ['customer_journey', 'int_conversions']}
) }}

{%- set grown = grows() %}

with conversions as (
    select * from {{ ref('int_conversions') }}
    where {{ is_taken('customer_id', grown) }}
),

touches as (
    select
        touchpoint_id,
        customer_id,
        occurred_at,
        case when kind = 'visit' then channel else 'sales' end as channel,
        campaign,
        ad_id,
        session_id
    from {{ ref('customer_journey') }}
    where
        kind in ('visit', 'sales_call', 'sales_meeting', 'sales_mail', 'sales_contact')
        and {{ is_taken('customer_id', grown) }}
),

happenings as (
    select
        customer_id,
        occurred_at as happened_at,
        0 as is_conversion,
        touchpoint_id,
        cast(null as string) as conversion_id
    from touches
    union all
    select
        customer_id,
        converted_at as happened_at,
        1 as is_conversion,
        cast(null as string) as touchpoint_id,
        conversion_id
    from conversions
),

-- The number of purchases before each.
numbered as (
    select
        *,
        cast(
            coalesce(
                sum(is_conversion) over (
                    partition by customer_id
                    order by happened_at, is_conversion, touchpoint_id nulls last, conversion_id
                    rows between unbounded preceding and 1 preceding
                ),
                0
            ) as bigint
        ) as stretch
    from happenings
),

aims as (
    select
        conversions.*,
        numbered.stretch
    from conversions
    inner join numbered
        on conversions.conversion_id = numbered.conversion_id and numbered.is_conversion = 1
),

led as (
    select
        touches.touchpoint_id,
        touches.customer_id,
        touches.occurred_at,
        touches.channel,
        touches.campaign,
        touches.ad_id,
        touches.session_id,
        numbered.stretch,
        case
            when
                touches.occurred_at >= aims.converted_at
                - interval '{{ company_var("attribution_lookback_days") }} days'
                then aims.conversion_id
        end as conversion_id
    from touches
    inner join numbered
        on touches.touchpoint_id = numbered.touchpoint_id
    left join aims
        on numbered.customer_id = aims.customer_id and numbered.stretch = aims.stretch
),

served as (
    select distinct conversion_id
    from led
    where conversion_id is not null
),

-- The second purchase of one visit has no visit of its own: the visit serves it too.
again as (
    select
        led.touchpoint_id,
        led.customer_id,
        led.occurred_at,
        led.channel,
        led.campaign,
        led.ad_id,
        led.session_id,
        aims.stretch,
        aims.conversion_id
    from aims
    inner join led
        on aims.session_id = led.session_id and aims.customer_id = led.customer_id
    left join served
        on aims.conversion_id = served.conversion_id
    where served.conversion_id is null and led.occurred_at <= aims.converted_at
),

unioned as (
    select
        *,
        false as is_shared
    from led
    union all
    select
        *,
        true as is_shared
    from again
),

pathed as (
    select
        md5(
            customer_id || ':' || cast(stretch as string) || ':' || coalesce(conversion_id, 'none')
        ) as path_id,
        *
    from unioned
),

final as (
    select
        path_id,
        touchpoint_id,
        customer_id,
        conversion_id,
        occurred_at,
        channel,
        campaign,
        ad_id,
        session_id,
        is_shared,
        row_number() over (partition by path_id order by occurred_at, touchpoint_id) as position,
        count(*) over (partition by path_id) as count_touches,
        lag(channel) over (partition by path_id order by occurred_at, touchpoint_id)
            as channel_before
    from pathed
)

select * from final
