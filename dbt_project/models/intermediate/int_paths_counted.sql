with paths as (
    select * from {{ ref('conversion_paths') }}
),

final as (
    select
        path,
        count(*) filter (where is_converted) as count_converted,
        count(*) filter (where not is_converted) as count_lost
    from paths
    group by path
)

select * from final
