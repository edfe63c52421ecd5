-- Where a visit came from: the first of its pages, screens and its very first event that says so,
-- else its first page. A page that links to another of the same site is no origin.
{{ config(
    materialized=growing(), unique_key='customer_id',
    meta={'follows': ['int_events_sessioned', 'int_events_described']}
) }}

{%- set grown = grows() %}

with events as (
    select sessioned.*
    from {{ ref('int_events_sessioned') }} as sessioned
    where
        {{ is_taken('sessioned.customer_id', grown) }}
        and (sessioned.type in ('page', 'screen') or sessioned.is_first)
),

described as (
    select * from {{ ref('int_events_described') }}
),

click_ids as (
    select * from {{ ref('click_ids') }}
),

arrivals as (
    select
        events.customer_id,
        events.session_id,
        events.source,
        events.message_id,
        events.occurred_at,
        events.type,
        coalesce(described.page_path, case when events.type <> 'track' then described.title end)
            as landing_page,
        described.page_url,
        described.referrer,
        described.utm_source,
        described.utm_medium,
        described.utm_campaign,
        described.utm_content,
        {{ url_host('described.referrer') }} as referrer_host,
        {{ url_host('described.page_url') }} as page_host
    from events
    inner join described
        on events.source = described.source and events.message_id = described.message_id
),

-- An address is taken apart once: a search for each of the ids in each address would cost minutes.
parameters as (
    select
        source,
        message_id,
        page_url,
        {{ exploded(url_parameter_names('page_url')) }}
    from arrivals
    where page_url like '%?%'
),

clicks as (
    select
        parameters.source,
        parameters.message_id,
        click_ids.parameter as click_id_name,
        {{ url_parameter('parameters.page_url', 'click_ids.parameter') }} as click_id
    from parameters
    inner join click_ids
        on parameters.item = click_ids.parameter
    qualify
        row_number() over (
            partition by parameters.source, parameters.message_id order by click_ids.parameter
        ) = 1
),

tagged as (
    select
        arrivals.customer_id,
        arrivals.session_id,
        arrivals.source,
        arrivals.message_id,
        arrivals.occurred_at,
        arrivals.type,
        arrivals.landing_page,
        arrivals.referrer,
        case
            when arrivals.referrer_host <> coalesce(arrivals.page_host, '')
                then arrivals.referrer_host
        end as referrer_host,
        {% for tag in ['source', 'medium', 'campaign', 'content'] %}
            coalesce(
                arrivals.utm_{{ tag }},
                {{ url_parameter('arrivals.page_url', "'utm_" ~ tag ~ "'") }}
            ) as utm_{{ tag }},
        {% endfor %}
        clicks.click_id_name,
        clicks.click_id
    from arrivals
    left join clicks
        on arrivals.source = clicks.source and arrivals.message_id = clicks.message_id
),

told as (
    select
        *,
        case
            when coalesce(utm_source, utm_medium, click_id_name, referrer_host) is null then 1
            else 0
        end as is_silent
    from tagged
),

origins as (
    select *
    from told
    qualify
        row_number() over (
            partition by session_id order by is_silent, occurred_at nulls last, source, message_id
        ) = 1
),

landings as (
    select
        session_id,
        landing_page
    from told
    where type in ('page', 'screen')
    qualify
        row_number() over (
            partition by session_id order by occurred_at nulls last, source, message_id
        ) = 1
),

final as (
    select
        origins.session_id,
        origins.customer_id,
        landings.landing_page,
        origins.referrer,
        origins.referrer_host,
        origins.utm_source,
        origins.utm_medium,
        origins.utm_campaign,
        origins.utm_content,
        origins.click_id_name,
        origins.click_id
    from origins
    left join landings
        on origins.session_id = landings.session_id
)

select * from final
