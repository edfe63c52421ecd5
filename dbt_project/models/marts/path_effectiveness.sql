with paths as (
    select * from {{ ref('conversion_paths') }}
),

grouped as (
    select
        path,
        count(*) as count_paths,
        count(*) filter (where is_converted) as count_conversions,
        count(*) filter (where is_new_customer) as count_new_customers,
        cast(coalesce(sum(revenue_cents), 0) as bigint) as revenue_cents,
        avg(count_touches) as average_touches,
        avg(days_to_conversion) as average_days_to_conversion
    from paths
    group by path
),

final as (
    select
        path,
        count_paths,
        count_conversions,
        cast(count_conversions as double) / count_paths as conversion_rate,
        count_new_customers,
        revenue_cents,
        cast(revenue_cents as double) / count_paths as revenue_per_path_cents,
        average_touches,
        average_days_to_conversion,
        cast(
            row_number() over (order by count_conversions desc, revenue_cents desc, path asc)
            as bigint
        ) as path_rank
    from grouped
)

select * from final
