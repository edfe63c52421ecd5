with source as (
    select * from {{ source('ml', 'churn_scores') }}
),

final as (
    select
        customer_id,
        probability,
        percentile,
        {{ json_texts('reasons') }} as reasons,
        model_version,
        held_out,
        scored_at
    from source
    qualify
        row_number() over (
            partition by customer_id
            order by scored_at desc nulls last, model_version desc nulls last
        ) = 1
)

select * from final
