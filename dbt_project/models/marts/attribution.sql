-- Doubles that are summed are rounded, for their order is any: the same data gives the same rows.
-- To the cent: each touch gets the whole cents of its share, and the cents that are left go to the
-- touches whose share was cut most.
with conversions as (
    select * from {{ ref('int_conversions') }}
),

weighted as (
    select * from {{ ref('int_touches_weighted') }}
),

models as (
    {% for model in attribution_models() %}
        select
            conversion_id,
            '{{ model }}' as model,
            touchpoint_id,
            channel,
            campaign,
            ad_id,
            position,
            {{ model }} as weight
        from weighted
        where {{ model }} > 0
        {{ 'union all' if not loop.last }}
    {% endfor %}
),

scaled as (
    select
        *,
        round(weight / sum(weight) over (partition by conversion_id, model), 12) as credit
    from models
),

model_names as (
    {% for model in attribution_models() %}
        select '{{ model }}' as model {{ 'union all' if not loop.last }}
    {% endfor %}
),

seen as (
    select distinct conversion_id
    from weighted
),

-- Nobody knows what led to a purchase without a touch within the look-back.
unseen as (
    select
        conversions.conversion_id,
        model_names.model,
        cast(null as string) as touchpoint_id,
        'unknown' as channel,
        cast(null as string) as campaign,
        cast(null as string) as ad_id,
        1 as position,
        cast(1 as double) as credit
    from conversions
    cross join model_names
    left join seen
        on conversions.conversion_id = seen.conversion_id
    where seen.conversion_id is null
),

credited as (
    select
        conversion_id,
        model,
        touchpoint_id,
        channel,
        campaign,
        ad_id,
        position,
        credit
    from scaled
    union all
    select * from unseen
),

-- Rounded before it is cut: 0.1 + 0.2 must not cost a cent.
shared as (
    select
        credited.*,
        conversions.customer_id,
        conversions.converted_at,
        conversions.is_first,
        conversions.customer_type,
        conversions.currency,
        conversions.revenue_cents as conversion_cents,
        round(credited.credit * conversions.revenue_cents, 6) as exact_cents
    from credited
    inner join conversions
        on credited.conversion_id = conversions.conversion_id
),

cut as (
    select
        *,
        cast(floor(exact_cents) as bigint) as whole_cents
    from shared
),

ranked as (
    select
        *,
        row_number() over (
            partition by conversion_id, model
            order by exact_cents - whole_cents desc, position asc, touchpoint_id asc
        ) as cut_rank,
        conversion_cents - sum(whole_cents) over (partition by conversion_id, model) as left_cents
    from cut
),

final as (
    select
        conversion_id,
        customer_id,
        converted_at,
        model,
        touchpoint_id,
        channel,
        campaign,
        ad_id,
        cast(position as bigint) as position,
        credit,
        whole_cents + case when cut_rank <= left_cents then 1 else 0 end as revenue_cents,
        currency,
        customer_type,
        is_first as is_new_customer,
        case when is_first then credit else cast(0 as double) end as new_customers
    from ranked
)

select * from final
