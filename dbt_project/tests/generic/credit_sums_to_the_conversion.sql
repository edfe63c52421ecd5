{#- Each model shares out each conversion whole: credit 1, and its revenue to the cent. -#}
{% test credit_sums_to_the_conversion(model, conversions, models) %}

with expected as (

    select
        conversions.conversion_id,
        conversions.revenue_cents,
        models.model
    from {{ conversions }} as conversions
    cross join (
        {% for name in models %}
            select '{{ name }}' as model {{ 'union all' if not loop.last }}
        {% endfor %}
    ) as models

),

shared as (

    select
        conversion_id,
        model,
        sum(revenue_cents) as revenue_cents,
        sum(credit) as credit
    from {{ model }}
    group by conversion_id, model

)

select
    coalesce(expected.conversion_id, shared.conversion_id) as conversion_id,
    coalesce(expected.model, shared.model) as attribution_model,
    expected.revenue_cents,
    shared.revenue_cents as shared_cents,
    shared.credit
from expected
full outer join shared
    on expected.conversion_id = shared.conversion_id and expected.model = shared.model
where
    expected.revenue_cents is distinct from shared.revenue_cents
    or abs(shared.credit - 1) > 0.000001

{% endtest %}
