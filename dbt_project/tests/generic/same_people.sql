{# Exactly the people of another table, nobody more and nobody less. #}
{% test same_people(model, to) %}
    select
        coalesce(here.customer_id, there.customer_id) as customer_id
    from (select distinct customer_id from {{ model }}) as here
    full outer join (select distinct customer_id from {{ to }}) as there
        on here.customer_id = there.customer_id
    where here.customer_id is null or there.customer_id is null
{% endtest %}
