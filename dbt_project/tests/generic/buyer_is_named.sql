{# A sale's buyer is known by more than a device: by a user id, an address or a number of a tool. #}
{% test buyer_is_named(model, identifiers) %}
    select
        sales.order_id,
        sales.customer_id
    from {{ model }} as sales
    left join (
        select distinct customer_id
        from {{ identifiers }}
        where id_type not in ('anonymous_id', 'device_id', 'customer_id')
    ) as named
        on sales.customer_id = named.customer_id
    where sales.kind = 'sale' and named.customer_id is null
{% endtest %}
