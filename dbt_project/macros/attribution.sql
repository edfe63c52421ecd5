{# The models that share a purchase's money out among its touches; each is a column of int_touches_weighted. #}
{% macro attribution_models() %}
    {{- return([
        "first_touch", "last_touch", "last_non_direct", "linear", "time_decay", "position_based", "markov"
    ]) -}}
{% endmacro %}
