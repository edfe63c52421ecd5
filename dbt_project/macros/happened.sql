{#
    Whether something had happened by the «now» of this build. Whatever tells of a person «to date» takes only such rows
    of the facts, so that a build with an earlier `as_of` says what was so then; the facts themselves keep every row.
    What happened in the very moment counts, as the default «now» is the moment of the last receipt; what has no time
    counts too: nobody can say that it came later.
#}
{% macro has_happened(time) -%}
    coalesce({{ time }} <= (select as_of from {{ ref("int_as_of") }}), true)
{%- endmacro %}
