{{ config(
    materialized=growing(), unique_key='customer_id', on_schema_change='append_new_columns',
    meta={'follows': ['int_trait_values']}
) }}

{%- set grown = grows() %}

with trait_values as (
    select * from {{ ref('int_trait_values') }}
    where {{ is_taken('customer_id', grown) }}
),

final as (
    select
        customer_id,
        trait,
        cast(belief as bigint) as belief,
        belief = 1 as is_believed,
        trait_value,
        source_name,
        source_id,
        valid_at,
        rule,
        count(*) over (partition by customer_id, trait) as count_claims,
        case
            when belief > 1 then 'another claim wins by the rule ' || rule
            when count(*) over (partition by customer_id, trait) = 1
                then 'no other source says anything else'
            when rule = 'most_trusted' then source_name || ' is trusted more than the other sources'
            when rule = 'most_recent' then source_name || ' said so last'
            when rule = 'first' then source_name || ' said so first'
            else source_name || ' says it at the greatest length'
        end as reason
    from trait_values
)

select * from final
