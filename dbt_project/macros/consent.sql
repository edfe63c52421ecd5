{#
    What each row of `relation` answers to each purpose of the var `consent_purposes`, as rows: of the categories that
    stand for a purpose the first that is named at all. The columns are JSON: traits and Segment's preferences say true
    or false a category, RudderStack's consentManagement lists the ids that are allowed and denied.
#}
{% macro consent_answers(relation) %}
    {%- for purpose, categories in company_var("consent_purposes").items() %}
        select
            customer_id,
            '{{ purpose }}' as purpose,
            source_name,
            said_at,
            coalesce(
                {% for category in categories %}
                    {{ json_text("consent_traits", category) }},
                    {{ json_text("consent_preferences", category) }},
                    case
                        when {{ json_text("consent_management", "deniedConsentIds") }} like '%"{{ category }}"%'
                            then 'false'
                        when {{ json_text("consent_management", "allowedConsentIds") }} like '%"{{ category }}"%'
                            then 'true'
                    end{{ "," if not loop.last }}
                {% endfor %}
            ) as answer
        from {{ relation }}
        {{ "union all" if not loop.last }}
    {%- endfor %}
{% endmacro %}
