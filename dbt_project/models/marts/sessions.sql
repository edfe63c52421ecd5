with events as (
    select * from {{ ref('int_events_identified') }}
),

pages as (
    select * from {{ ref('stg_events__pages') }}
),

visits as (
    select
        source,
        message_id,
        type,
        event_name,
        customer_id,
        platform,
        occurred_at,
        known_at,
        lag(occurred_at) over (
            partition by customer_id, platform
            order by occurred_at nulls last, source, message_id
        ) as previous_at
    from events
    where platform is not null and customer_id is not null and occurred_at is not null
),

numbered as (
    select
        *,
        sum(
            case
                when
                    previous_at is null
                    or occurred_at
                    > previous_at + interval '{{ company_var("session_gap_minutes") }} minutes'
                    then 1
                else 0
            end
        ) over (
            partition by customer_id, platform
            order by occurred_at nulls last, source, message_id
            rows between unbounded preceding and current row
        ) as session_number,
        case when type in ('page', 'screen') then 1 else 0 end as is_page
    from visits
),

landings as (
    select
        numbered.customer_id,
        numbered.platform,
        numbered.session_number,
        coalesce(pages.page_path, pages.page_name) as landing_page,
        pages.referrer,
        pages.utm_source,
        pages.utm_medium,
        pages.utm_campaign
    from numbered
    inner join pages
        on numbered.source = pages.source and numbered.message_id = pages.message_id
    qualify
        row_number() over (
            partition by numbered.customer_id, numbered.platform, numbered.session_number
            order by numbered.occurred_at nulls last, numbered.source, numbered.message_id
        ) = 1
),

grouped as (
    select
        customer_id,
        platform,
        session_number,
        min(source || ':' || message_id) filter (
            where previous_at is null
            or occurred_at
            > previous_at + interval '{{ company_var("session_gap_minutes") }} minutes'
        ) as first_message,
        min(occurred_at) as started_at,
        max(occurred_at) as ended_at,
        min_by(known_at, occurred_at) as known_at,
        count(*) as count_events,
        sum(is_page) as count_pages,
        count(*) filter (where event_name = 'Order Completed') as count_orders
    from numbered
    group by customer_id, platform, session_number
),

final as (
    select
        md5(grouped.first_message) as session_id,
        grouped.customer_id,
        grouped.platform,
        grouped.started_at,
        grouped.ended_at,
        grouped.known_at,
        {{ seconds_between('grouped.started_at', 'grouped.ended_at') }} as duration_seconds,
        grouped.count_events,
        cast(grouped.count_pages as bigint) as count_pages,
        grouped.count_orders,
        landings.landing_page,
        landings.referrer,
        landings.utm_source,
        landings.utm_medium,
        landings.utm_campaign,
        case
            when
                lower(landings.utm_medium) in ('cpc', 'ppc', 'paid', 'paid_social', 'display')
                then 'paid'
            when lower(landings.utm_medium) = 'email' then 'email'
            when
                lower(landings.utm_medium) in ('social', 'affiliate', 'referral')
                then lower(landings.utm_medium)
            when landings.utm_source is not null then 'campaign'
            when
                lower(landings.referrer) like '%google.%'
                or lower(landings.referrer) like '%bing.%'
                or lower(landings.referrer) like '%duckduckgo.%'
                then 'organic search'
            when coalesce(landings.referrer, '') <> '' then 'referral'
            else 'direct'
        end as channel
    from grouped
    left join landings
        on
            grouped.customer_id = landings.customer_id
            and grouped.platform = landings.platform
            and grouped.session_number = landings.session_number
)

select * from final
