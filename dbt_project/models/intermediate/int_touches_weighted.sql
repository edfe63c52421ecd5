-- Weights need not sum to 1 here: they are scaled when the money is shared out.
with touches as (
    select * from {{ ref('int_touches_sequenced') }}
    where conversion_id is not null
),

conversions as (
    select * from {{ ref('int_conversions') }}
),

effects as (
    select * from {{ ref('channel_effects') }}
),

aged as (
    select
        touches.*,
        conversions.converted_at,
        coalesce(effects.removal_effect, 0) as removal_effect,
        cast({{ seconds_between('touches.occurred_at', 'conversions.converted_at') }} as double)
        / 86400 as age_days,
        max(case when touches.channel <> 'direct' then touches.position end) over (
            partition by touches.path_id
        ) as last_non_direct_position,
        sum(coalesce(effects.removal_effect, 0)) over (partition by touches.path_id) as path_effect
    from touches
    inner join conversions
        on touches.conversion_id = conversions.conversion_id
    left join effects
        on touches.channel = effects.channel
),

final as (
    select
        path_id,
        touchpoint_id,
        customer_id,
        conversion_id,
        channel,
        campaign,
        ad_id,
        position,
        cast(case when position = 1 then 1 else 0 end as double) as first_touch,
        cast(case when position = count_touches then 1 else 0 end as double) as last_touch,
        cast(
            case when position = coalesce(last_non_direct_position, count_touches) then 1 else 0 end
            as double
        ) as last_non_direct,
        cast(1 as double) as linear,
        power(
            cast(2 as double),
            -age_days / {{ company_var('attribution_half_life_days') }}
        ) as time_decay,
        cast(
            case
                when count_touches <= 2 then 1
                when position in (1, count_touches) then 0.4
                else cast(0.2 as double) / (count_touches - 2)
            end as double
        ) as position_based,
        case when path_effect > 0 then removal_effect else cast(1 as double) end as markov
    from aged
)

select * from final
