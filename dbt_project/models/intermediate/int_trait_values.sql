-- The one place where sources are held against each other: by the rule of each trait, declared in
-- the var `survivorship` (a company's own in config/survivorship.yaml).
{{ config(
    materialized=growing(), unique_key='customer_id',
    meta={'follows': ['int_trait_claims'], 'heeds': ['survivorship']}
) }}

{%- set grown = grows() %}

with claims as (
    select * from {{ ref('int_trait_claims') }}
    where {{ is_taken('customer_id', grown) }}
),

rules as (
    {{ survivorship_rules() }}
),

-- A source that is not in a trait's list is not asked.
ruled as (
    select
        claims.customer_id,
        claims.trait,
        claims.trait_value,
        claims.source_name,
        claims.source_id,
        claims.known_at,
        rules.rule,
        rules.trust,
        case when rules.rule = 'first' then claims.first_valid_at else claims.valid_at end
            as valid_at
    from claims
    inner join rules
        on claims.trait = rules.trait and claims.source_name = rules.source_name
),

ordered as (
    select
        *,
        {{ seconds_between("cast('1970-01-01' as timestamp)", 'valid_at') }} as valid_seconds
    from ruled
),

final as (
    select
        customer_id,
        trait,
        trait_value,
        source_name,
        source_id,
        valid_at,
        known_at,
        rule,
        row_number() over (
            partition by customer_id, trait
            order by
                case
                    when rule = 'most_trusted' then trust
                    when rule = 'most_recent' then -valid_seconds
                    when rule = 'first' then valid_seconds
                    when rule = 'longest' then -length(trait_value)
                end asc nulls last,
                trust asc,
                valid_at desc nulls last,
                source_id asc nulls last,
                trait_value asc
        ) as belief
    from ordered
)

select * from final
