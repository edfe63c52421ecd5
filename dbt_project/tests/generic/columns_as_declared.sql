{#
    What a contract holds, for a model that dbt allows none: every column is declared with its type and is so, and no
    other is there. With `audiences`, a flag for each audience is there too, declared or not. A model with a contract is
    refused before it is built; this is told after.
#}
{% test columns_as_declared(model, audiences=false) %}
    {%- set faults = [] -%}
    {%- if execute -%}
        {%- set declared = {} -%}
        {%- for node in graph.nodes.values() if node.resource_type == "model" and node.alias == model.identifier -%}
            {%- do declared.update(node.columns) -%}
        {%- endfor -%}
        {%- if audiences -%}
            {%- for name in audience_names() -%}
                {%- do declared.update({"is_" ~ name: {"name": "is_" ~ name, "data_type": "boolean"}}) -%}
            {%- endfor -%}
        {%- endif -%}
        {%- set meant, there = {}, {} -%}
        {%- for column in get_column_schema_from_query(get_empty_schema_sql(declared)) -%}
            {%- do meant.update({column.name: column.data_type}) -%}
        {%- endfor -%}
        {%- for column in get_column_schema_from_query("select * from " ~ model) -%}
            {%- do there.update({column.name: column.data_type}) -%}
        {%- endfor -%}
        {%- for name in (meant.keys() | list + there.keys() | list) | unique if meant.get(name) != there.get(name) -%}
            {%- do faults.append((name, meant.get(name, "nothing"), there.get(name, "nothing"))) -%}
        {%- endfor -%}
    {%- endif -%}
    {%- for name, type_meant, type_there in faults %}
        select
            '{{ name }}' as column_name,
            '{{ type_meant }}' as type_declared,
            '{{ type_there }}' as type_there
        {{ "union all" if not loop.last }}
    {%- else %}
        select 'none' as column_name
        where 1 = 0
    {%- endfor %}
{% endtest %}
