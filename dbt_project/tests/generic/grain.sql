{# One row per what the columns name: each of them is there, and no two rows share them all. #}
{% test grain(model, columns) %}
    select
        {{ columns | join(", ") }},
        count(*) as count_rows
    from {{ model }}
    group by {{ columns | join(", ") }}
    having count(*) > 1 or {{ columns | join(" is null or ") }} is null
{% endtest %}
