{{ config(
    materialized=growing(), unique_key='customer_id', meta={'follows': ['int_trait_values']}
) }}

{%- set grown = grows() %}

with trait_values as (
    select * from {{ ref('int_trait_values') }}
    where belief = 1 and {{ is_taken('customer_id', grown) }}
),

final as (
    select
        customer_id,
        {% for trait in [
            'email', 'current_email', 'full_name', 'first_name', 'last_name', 'phone', 'country',
            'account_manager', 'account_id', 'account_name', 'company_name', 'customer_type',
            'lead_status', 'address_street', 'address_city', 'address_postal_code',
        ] %}
            max(case when trait = '{{ trait }}' then trait_value end) as {{ trait }},
        {% endfor %}
        max(case when trait = 'current_email' then source_name end) as email_source,
        cast(max(case when trait = 'birth_date' then trait_value end) as date) as birth_date,
        max(case when trait = 'birth_date' then source_name end) as birth_date_source,
        max(case when trait = 'birth_date' then known_at end) as birth_date_known_at,
        cast(max(case when trait = 'last_login_at' then trait_value end) as timestamp)
            as last_login_at,
        cast(max(case when trait = 'registered_at' then trait_value end) as timestamp)
            as registered_at
    from trait_values
    group by customer_id
)

select * from final
