with scores as (
    select * from {{ ref('stg_ml__churn_scores') }}
),

ranked as (
    select
        *,
        cast(
            row_number() over (order by probability desc nulls last, customer_id asc) as bigint
        ) as churn_rank,
        count(*) over () as count_scored
    from scores
    where probability is not null
),

final as (
    select
        customer_id,
        probability,
        percentile,
        reasons,
        model_version,
        scored_at,
        churn_rank
    from ranked
    where churn_rank <= ceil(count_scored * {{ company_var('churn_audience_share') }})
)

select * from final
