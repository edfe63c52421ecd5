{#
    A total is the same here as where it comes from: nothing was lost or counted twice on the way. With `to_time`, its
    column with the moment, only what had happened «now» is looked at there. `beside` is a second relation with the same
    column, where the rest comes from.
#}
{% test same_sum(model, column, to, to_column, to_where="true", to_time=none, beside=none) %}
    with here as (
        select coalesce(sum({{ column }}), 0) as total from {{ model }}
    ),

    there as (
        select coalesce(sum({{ to_column }}), 0) {%- if beside %} + (
            select coalesce(sum({{ to_column }}), 0) from {{ beside }}
        ) {%- endif %} as total
        from {{ to }}
        where {{ to_where }} {% if to_time %} and {{ has_happened(to_time) }} {% endif %}
    )

    select
        here.total as total_here,
        there.total as total_there
    from here
    cross join there
    where here.total <> there.total
{% endtest %}
