{# No row says the same as another of the same group: its failures count the rows beyond the first. #}
{% test no_repeats(model, columns) %}
    {{ config(fail_calc="coalesce(sum(count_repeats), 0)") }}
    select
        {{ columns | join(", ") }},
        count(*) - 1 as count_repeats
    from {{ model }}
    group by {{ columns | join(", ") }}
    having count(*) > 1
{% endtest %}
