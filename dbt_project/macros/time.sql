{# «Now» of this build as an expression, deterministic on unchanged data. Only int_as_of calls it. #}
{% macro as_of(events) %}
    {%- set given = company_var("as_of") -%}
    {%- if given -%}
        cast('{{ given }}' as timestamp)
    {%- else -%}
        coalesce(
            (
                select max(case when route = 'live' then received_at else least(occurred_at, received_at) end)
                from {{ events }}
            ),
            cast(current_timestamp as timestamp)
        )
    {%- endif -%}
{% endmacro %}

{# Whole days of 24 hours from one time to a later one. #}
{% macro days_between(earlier, later) %}
    {{- return(adapter.dispatch("days_between")(earlier, later)) -}}
{% endmacro %}

{% macro default__days_between(earlier, later) %}
    {{- return(
        "cast(floor((unix_timestamp(" ~ later ~ ") - unix_timestamp(" ~ earlier ~ ")) / 86400) as bigint)"
    ) -}}
{% endmacro %}

{% macro duckdb__days_between(earlier, later) %}
    {{- return("date_sub('day', " ~ earlier ~ ", " ~ later ~ ")") -}}
{% endmacro %}

{# Seconds from one time to a later one, whole. #}
{% macro seconds_between(earlier, later) %}
    {{- return(adapter.dispatch("seconds_between")(earlier, later)) -}}
{% endmacro %}

{% macro default__seconds_between(earlier, later) %}
    {{- return("(unix_timestamp(" ~ later ~ ") - unix_timestamp(" ~ earlier ~ "))") -}}
{% endmacro %}

{% macro duckdb__seconds_between(earlier, later) %}
    {{- return("date_sub('second', " ~ earlier ~ ", " ~ later ~ ")") -}}
{% endmacro %}

{# Birthdays had by a day: a person born on 29 February is a year older on 1 March of a common year. #}
{% macro whole_years(birth_date, at) -%}
    cast(
        extract(year from {{ at }}) - extract(year from {{ birth_date }})
        - case
            when
                extract(month from {{ at }}) * 100 + extract(day from {{ at }})
                < extract(month from {{ birth_date }}) * 100 + extract(day from {{ birth_date }})
                then 1
            else 0
        end
        as bigint
    )
{%- endmacro %}

{# A table function with one column `month_start` (DATE): each first of a month in (after, before). #}
{% macro month_starts(after, before, relation) %}
    {{- return(adapter.dispatch("month_starts")(after, before, relation)) -}}
{% endmacro %}

{% macro default__month_starts(after, before, relation) -%}
    (
        select cast(month_start as date) as month_start
        from (
            select explode(
                sequence(
                    cast(add_months(trunc({{ after }}, 'MM'), 1) as date), cast({{ before }} as date), interval 1 month
                )
            ) as month_start
            from {{ relation }}
            where add_months(trunc({{ after }}, 'MM'), 1) <= {{ before }}
        ) as months
    )
{%- endmacro %}

{% macro duckdb__month_starts(after, before, relation) -%}
    (
        select
            cast(
                unnest(
                    generate_series(
                        date_trunc('month', {{ after }}) + interval '1 month', {{ before }}, interval '1 month'
                    )
                ) as date
            ) as month_start
        from {{ relation }}
    )
{%- endmacro %}

{# A table function with one column `date_day` (DATE): each day from `first` to `last`, both columns of `relation`. #}
{% macro days_from(first, last, relation) %}
    {{- return(adapter.dispatch("days_from")(first, last, relation)) -}}
{% endmacro %}

{% macro default__days_from(first, last, relation) -%}
    (select explode(sequence({{ first }}, {{ last }}, interval 1 day)) as date_day from {{ relation }})
{%- endmacro %}

{% macro duckdb__days_from(first, last, relation) -%}
    (
        select cast(unnest(generate_series({{ first }}, {{ last }}, interval '1 day')) as date) as date_day
        from {{ relation }}
    )
{%- endmacro %}
