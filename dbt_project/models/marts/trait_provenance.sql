{{ config(
    materialized=growing(), unique_key='customer_id', on_schema_change='append_new_columns',
    meta={'follows': ['int_trait_values']}
) }}

{%- set grown = grows() %}

with trait_values as (
    select * from {{ ref('int_trait_values') }}
    where {{ is_taken('customer_id', grown) }}
),

-- What the rule compares, as a number of which the smaller wins.
weighed as (
    select
        *,
        case rule
            when 'most_recent'
                then -{{ seconds_between("cast('1970-01-01' as timestamp)", 'valid_at') }}
            when 'first' then {{ seconds_between("cast('1970-01-01' as timestamp)", 'valid_at') }}
            when 'longest' then -length(trait_value)
        end as weight,
        max(case when belief = 1 then trait_value end) over (
            partition by customer_id, trait
        ) as believed_value
    from trait_values
),

-- The believed value is held against the best other value: the same said by others decides nothing.
opposed as (
    select
        *,
        min(case when trait_value <> believed_value then belief end) over (
            partition by customer_id, trait
        ) as rival_belief,
        min(case when trait_value = believed_value and belief > 1 then source_name end) over (
            partition by customer_id, trait
        ) as agreeing_source,
        count(case when trait_value = believed_value and belief > 1 then 1 end) over (
            partition by customer_id, trait
        ) as count_agreeing
    from weighed
),

compared as (
    select
        *,
        {% for column in ['source_name', 'weight', 'valid_at'] %}
            max(case when belief = 1 then {{ column }} end) over (
                partition by customer_id, trait
            ) as winner_{{ column }},
            max(case when belief = rival_belief then {{ column }} end) over (
                partition by customer_id, trait
            ) as rival_{{ column }},
        {% endfor %}
        count(*) over (partition by customer_id, trait) as count_claims
    from opposed
),

decided as (
    select
        *,
        case
            when rival_belief is null
                then
                    'all sources agree: ' || winner_source_name
                    || case
                        when count_agreeing = 1 then ' and ' || agreeing_source
                        else
                            ', ' || agreeing_source || ' and '
                            || cast(count_agreeing - 1 as string) || ' more'
                    end
            when rule = 'most_trusted' and winner_source_name <> rival_source_name
                then winner_source_name || ' is trusted more than ' || rival_source_name
            when
                winner_weight <> rival_weight
                or (winner_weight is not null and rival_weight is null)
                then
                    case rule
                        when 'most_recent' then winner_source_name || ' said so last'
                        when 'first' then winner_source_name || ' said so first'
                        else winner_source_name || ' says it at the greatest length'
                    end
            when winner_source_name <> rival_source_name
                then
                    case rule
                        when 'longest' then 'another value is as long, and '
                        else 'another value was said at the same time, and '
                    end
                    || winner_source_name || ' is trusted more than ' || rival_source_name
            when
                winner_valid_at > rival_valid_at
                or (winner_valid_at is not null and rival_valid_at is null)
                then winner_source_name || ' said this later than its other value'
            else winner_source_name || ' says both alike: the first in order is taken'
        end as decision
    from compared
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
        count_claims,
        case
            when belief > 1 and trait_value = believed_value
                then 'the same as ' || winner_source_name || ' says, whose word it is taken from'
            when belief > 1 then 'not believed: ' || decision
            when count_claims = 1 then 'only ' || source_name || ' says anything'
            else
                decision
                || case
                    when count_agreeing = 0 or rival_belief is null then ''
                    when count_agreeing = 1 then '; also said by ' || agreeing_source
                    else
                        '; also said by ' || agreeing_source || ' and '
                        || cast(count_agreeing - 1 as string) || ' more'
                end
        end as reason
    from decided
)

select * from final
