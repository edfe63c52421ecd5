-- Few origins, many visits: the rules are asked once for each origin.
with sessions as (
    select * from {{ ref('int_sessions_landed') }}
),

campaigns as (
    select * from {{ ref('stg_ads__campaigns') }}
),

rules as (
    select * from {{ ref('channel_rules') }}
),

click_ids as (
    select * from {{ ref('click_ids') }}
),

seen as (
    select
        lower(utm_source) as utm_source,
        lower(utm_medium) as utm_medium,
        click_id_name,
        referrer_host
    from sessions
    union
    select
        lower(utm_source) as utm_source,
        lower(utm_medium) as utm_medium,
        cast(null as string) as click_id_name,
        cast(null as string) as referrer_host
    from campaigns
),

keyed as (
    select
        md5(
            coalesce(utm_source, '') || '|' || coalesce(utm_medium, '') || '|'
            || coalesce(click_id_name, '') || '|' || coalesce(referrer_host, '')
        ) as origin_id,
        *
    from seen
),

final as (
    select
        keyed.origin_id,
        keyed.utm_source,
        keyed.utm_medium,
        keyed.click_id_name,
        keyed.referrer_host,
        case
            when rules.channel = 'by_click_id' then coalesce(click_ids.channel, 'other')
            else rules.channel
        end as channel,
        rules.priority as channel_rule
    from keyed
    inner join rules
        on
            {{ fits('keyed.utm_source', 'rules.utm_source') }}
            and {{ fits('keyed.utm_medium', 'rules.utm_medium') }}
            and {{ fits('keyed.click_id_name', 'rules.click_id') }}
            and {{ fits('keyed.referrer_host', 'rules.referrer_host') }}
    left join click_ids
        on keyed.click_id_name = click_ids.parameter
    qualify row_number() over (partition by keyed.origin_id order by rules.priority) = 1
)

select * from final
