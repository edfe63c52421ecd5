{{ config(
    materialized=growing(), unique_key='customer_id', on_schema_change='append_new_columns',
    meta={'follows': ['int_touches_sequenced', 'int_conversions']}
) }}

{%- set grown = grows() %}

with touches as (
    select * from {{ ref('int_touches_sequenced') }}
    where {{ is_taken('customer_id', grown) }}
),

conversions as (
    select * from {{ ref('int_conversions') }}
),

grouped as (
    select
        path_id,
        customer_id,
        conversion_id,
        min(occurred_at) as started_at,
        max(occurred_at) as last_touch_at,
        count(*) as count_touches,
        min_by(channel, position) as first_channel,
        max_by(channel, position) as last_channel
    from touches
    group by path_id, customer_id, conversion_id
),

-- A channel that follows on itself is one step.
paths as (
    select
        path_id,
        {{ joined_in_order('channel', ' > ', 'position') }} as path
    from touches
    where channel_before is null or channel <> channel_before
    group by path_id
),

final as (
    select
        grouped.path_id,
        grouped.customer_id,
        grouped.conversion_id,
        grouped.conversion_id is not null as is_converted,
        paths.path,
        grouped.count_touches,
        grouped.first_channel,
        grouped.last_channel,
        grouped.started_at,
        grouped.last_touch_at,
        conversions.converted_at,
        {{ days_between('grouped.started_at', 'conversions.converted_at') }} as days_to_conversion,
        coalesce(conversions.is_first, false) as is_new_customer,
        conversions.revenue_cents,
        conversions.currency
    from grouped
    inner join paths
        on grouped.path_id = paths.path_id
    left join conversions
        on grouped.conversion_id = conversions.conversion_id
)

select * from final
