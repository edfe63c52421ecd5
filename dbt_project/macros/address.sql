{# Web addresses and regular expressions, which no two warehouses spell alike. #}

{# Whether a text holds something that fits a regular expression; no expression fits everything, no text is empty. #}
{% macro fits(text, pattern) -%}
    ({{ pattern }} is null or {{ found_in("coalesce(" ~ text ~ ", '')", pattern) }})
{%- endmacro %}

{% macro found_in(text, pattern) %}
    {{- return(adapter.dispatch("found_in")(text, pattern)) -}}
{% endmacro %}

{% macro default__found_in(text, pattern) %}
    {{- return(text ~ " rlike " ~ pattern) -}}
{% endmacro %}

{% macro duckdb__found_in(text, pattern) %}
    {{- return("regexp_matches(" ~ text ~ ", " ~ pattern ~ ")") -}}
{% endmacro %}

{# The host of an address, in lower case and without «www.»; null for what is none. #}
{% macro url_host(url) -%}
    nullif(lower(regexp_extract({{ url }}, '^[A-Za-z0-9.+-]+://(?:[^/?#@]*@)?(?:www[.])?([^/:?#]+)', 1)), '')
{%- endmacro %}

{# A parameter of an address, decoded; null when it is absent or empty. `name` is an expression. #}
{% macro url_parameter(url, name) -%}
    {%- set written = "replace(regexp_extract(" ~ url ~ ", '(?i)[?&]' || " ~ name ~ " || '=([^&#]*)', 1), '+', ' ')" -%}
    nullif({{ url_decoded(written) }}, '')
{%- endmacro %}

{#
    Where a percent sign begins no code it stands for itself, and a text whose codes make no characters stays as it is:
    what visitors send must fail no build.
#}
{% macro url_decoded(text) %}
    {{- return(adapter.dispatch("url_decoded")(text)) -}}
{% endmacro %}

{% macro default__url_decoded(text) %}
    {%- set decoded = "url_decode(regexp_replace(" ~ text ~ ", '%(?![0-9A-Fa-f]{2})', '%25'))" -%}
    {{- return("case when " ~ decoded ~ " like '%\uFFFD%' then " ~ text ~ " else " ~ decoded ~ " end") -}}
{% endmacro %}

{% macro duckdb__url_decoded(text) %}
    {{- return("coalesce(try(url_decode(" ~ text ~ ")), " ~ text ~ ")") -}}
{% endmacro %}

{# The names of the parameters of an address that have a value, in lower case, as a list. #}
{% macro url_parameter_names(url) -%}
    regexp_extract_all(lower({{ url }}), '[?&]([^=&#?]+)=[^&#]', 1)
{%- endmacro %}
