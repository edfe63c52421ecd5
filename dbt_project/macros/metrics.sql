{#
    The metrics layer: what `models/metrics/*.yml` says (dbt's semantic models and metrics, which MetricFlow reads too)
    as SQL. Metrics of type simple, cumulative (without a window), ratio and derived; filters by dimensions of the
    measure's own semantic model. Anything else is refused by name rather than computed wrongly.
#}

{#
    One row per metric and period: metric, period_id, value (double; null when there is nothing to tell).
    `periods` names a relation or CTE with period_id, starts_at and ends_at (exclusive).
    The calling model names what the semantic models are made of with `-- depends_on:`.
#}
{% macro metric_values(names, periods) %}
    {%- if not execute -%}
        select
            cast(null as string) as metric,
            period_id,
            cast(null as double) as value
        from {{ periods }}
    {%- else -%}
        {%- set leaves = [] -%}
        {%- for name in names -%}
            {%- do collect_leaves(name, leaves) -%}
        {%- endfor -%}
        with leaves as (
            {%- for name in leaves %}
            {{ leaf_metric(name, periods) }}
            {%- if not loop.last %}
            union all
            {%- endif %}
            {%- endfor %}
        ),

        side_by_side as (
            select
                period_id
                {%- for name in leaves %},
                max(case when metric = '{{ name }}' then value end) as {{ name }}
                {%- endfor %}
            from leaves
            group by period_id
        ),

        names as (
            {%- for name in names %}
            select '{{ name }}' as metric
            {%- if not loop.last %}
            union all
            {%- endif %}
            {%- endfor %}
        )

        -- Side by side but once: an engine that puts a CTE in each place where it is named would
        -- compute every leaf for every metric.
        select
            names.metric,
            side_by_side.period_id,
            case names.metric
                {%- for name in names %}
                when '{{ name }}' then cast({{ metric_expression(name) }} as double)
                {%- endfor %}
            end as value
        from side_by_side
        cross join names
    {%- endif -%}
{% endmacro %}

{# The metrics with a place in the scorecard, in its order. #}
{% macro scorecard_metrics() %}
    {%- set found = [] -%}
    {%- if execute -%}
        {%- for metric in graph.metrics.values() if metric.config.meta.get("scorecard") -%}
            {%- do found.append(metric) -%}
        {%- endfor -%}
    {%- endif -%}
    {{- return(found | sort(attribute="config.meta.scorecard")) -}}
{% endmacro %}

{% macro find_metric(name) %}
    {%- set found = graph.metrics.values() | selectattr("name", "equalto", name) | list -%}
    {%- if not found -%}
        {%- do exceptions.raise_compiler_error("There is no metric «" ~ name ~ "» in models/metrics.") -%}
    {%- endif -%}
    {{- return(found[0]) -}}
{% endmacro %}

{# Adds to the list the simple and cumulative metrics of which a metric is made. #}
{% macro collect_leaves(name, leaves) %}
    {%- set metric = find_metric(name) -%}
    {%- if metric.type in ("simple", "cumulative") -%}
        {%- if name not in leaves -%}
            {%- do leaves.append(name) -%}
        {%- endif -%}
    {%- elif metric.type in ("ratio", "derived") and not metric.filter -%}
        {%- for input in metric_inputs(metric) -%}
            {%- if input.filter or input.offset_window or input.offset_to_grain -%}
                {%- do exceptions.raise_compiler_error(
                    "Metric «" ~ name ~ "»: a filter or an offset of an input is not known here; name a metric for it."
                ) -%}
            {%- endif -%}
            {%- do collect_leaves(input.name, leaves) -%}
        {%- endfor -%}
    {%- else -%}
        {%- do exceptions.raise_compiler_error(
            "Metric «" ~ name ~ "» is of type " ~ metric.type ~ (" with a filter" if metric.filter else "")
            ~ ": macros/metrics.sql knows simple, cumulative, ratio and derived, filters on simple and cumulative ones."
        ) -%}
    {%- endif -%}
{% endmacro %}

{% macro metric_inputs(metric) %}
    {%- set params = metric.type_params -%}
    {{- return([params.numerator, params.denominator] if metric.type == "ratio" else params.metrics) -}}
{% endmacro %}

{# A metric in terms of the leaves, each of which is a column. #}
{% macro metric_expression(name) %}
    {%- set metric = find_metric(name) -%}
    {%- if metric.type in ("simple", "cumulative") -%}
        {{- return(name) -}}
    {%- elif metric.type == "ratio" -%}
        {{- return(
            "(" ~ metric_expression(metric.type_params.numerator.name) ~ ") / nullif("
            ~ metric_expression(metric.type_params.denominator.name) ~ ", 0)"
        ) -}}
    {%- endif -%}
    {%- set written = namespace(expression=metric.type_params.expr) -%}
    {%- for input in metric.type_params.metrics -%}
        {%- set written.expression = modules.re.sub(
            "\\b" ~ (input.alias or input.name) ~ "\\b", "(" ~ metric_expression(input.name) ~ ")", written.expression
        ) -%}
    {%- endfor -%}
    {{- return(written.expression) -}}
{% endmacro %}

{# One simple or cumulative metric over the periods. #}
{% macro leaf_metric(name, periods) %}
    {%- set metric = find_metric(name) -%}
    {%- set input = metric.type_params.measure -%}
    {%- set cumulative = metric.type_params.cumulative_type_params or {} -%}
    {%- if input is none or input.filter or cumulative.window or cumulative.grain_to_date -%}
        {%- do exceptions.raise_compiler_error(
            "Metric «" ~ name ~ "»: a window, a grain to date or a filter of the measure is not known here."
        ) -%}
    {%- endif -%}
    {%- set found = namespace(model=none, measure=none) -%}
    {%- for candidate in graph.semantic_models.values() -%}
        {%- for measure in candidate.measures if measure.name == input.name -%}
            {%- set found.model, found.measure = candidate, measure -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- do require_dependency(name, found.model) -%}
    {%- set time = found.measure.agg_time_dimension or found.model.defaults.agg_time_dimension -%}
    {%- set dimensions = {} -%}
    {%- for dimension in found.model.dimensions -%}
        {%- do dimensions.update({dimension.name: dimension.expr or dimension.name}) -%}
    {%- endfor -%}
    {%- set value = measure_value(found.measure) -%}
            select
                '{{ name }}' as metric,
                periods.period_id,
                cast(
                    {%- if input.fill_nulls_with is not none %} coalesce({{ value }}, {{ input.fill_nulls_with }})
                    {%- else %} {{ value }}
                    {%- endif %} as double) as value
            from {{ periods }} as periods
            left join (
                select
                    {{ dimensions[time] }} as metric_time,
                    {{ found.measure.expr or found.measure.name }} as measure
                from {{ found.model.node_relation.relation_name }}
                where {{ metric_filter(metric, found.model, dimensions) }}
            ) as facts
                on
                    facts.metric_time < periods.ends_at
                    {%- if metric.type == "simple" %}
                    and facts.metric_time >= periods.starts_at
                    {%- endif %}
            group by periods.period_id
{%- endmacro %}

{% macro measure_value(measure) %}
    {%- set functions = {
        "sum": "sum(facts.measure)",
        "count": "count(facts.measure)",
        "count_distinct": "count(distinct facts.measure)",
        "average": "avg(facts.measure)",
        "min": "min(facts.measure)",
        "max": "max(facts.measure)",
        "sum_boolean": "sum(case when facts.measure then 1 else 0 end)",
    } -%}
    {%- if measure.agg not in functions -%}
        {%- do exceptions.raise_compiler_error(
            "Measure «" ~ measure.name ~ "»: " ~ measure.agg ~ " is not known here, only " ~ functions | join(", ") ~ "."
        ) -%}
    {%- endif -%}
    {{- return(functions[measure.agg]) -}}
{% endmacro %}

{# A metric's filters with each dimension's expression in its place. #}
{% macro metric_filter(metric, semantic_model, dimensions) %}
    {%- set conditions = [] -%}
    {%- set entities = semantic_model.entities | selectattr("type", "in", ["primary", "unique"]) | list -%}
    {%- for filter in (metric.filter.where_filters if metric.filter else []) -%}
        {%- set written = namespace(condition=filter.where_sql_template) -%}
        {%- for dimension, expression in dimensions.items() -%}
            {%- for entity in entities -%}
                {%- set written.condition = modules.re.sub(
                    "\\{\\{\\s*Dimension\\(\\s*['\"]" ~ entity.name ~ "__" ~ dimension ~ "['\"]\\s*\\)\\s*\\}\\}",
                    "(" ~ expression ~ ")",
                    written.condition,
                ) -%}
            {%- endfor -%}
        {%- endfor -%}
        {%- if "{{" in written.condition -%}
            {%- do exceptions.raise_compiler_error(
                "Metric «" ~ metric.name ~ "» filters by more than the dimensions of its own semantic model «"
                ~ semantic_model.name ~ "»: " ~ written.condition
            ) -%}
        {%- endif -%}
        {%- do conditions.append("(" ~ written.condition ~ ")") -%}
    {%- endfor -%}
    {{- return(conditions | join(" and ") if conditions else "true") -}}
{% endmacro %}

{# A model that asks for a metric must be built after what it is made of. #}
{% macro require_dependency(name, semantic_model) %}
    {%- for node in semantic_model.depends_on.nodes if model.resource_type == "model" -%}
        {%- if node not in model.depends_on.nodes -%}
            {%- set said = "-- depends_on: {{ ref('" ~ node.split(".")[-1] ~ "') }}" -%}
            {%- do exceptions.raise_compiler_error(
                model.name ~ " asks for metric «" ~ name ~ "», which is made of another model. Add: " ~ said
            ) -%}
        {%- endif -%}
    {%- endfor -%}
{% endmacro %}
