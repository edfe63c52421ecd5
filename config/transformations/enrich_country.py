"""The shop's country and its sales region, from the locale that the SDK sends: context.location.

A place that the sender states stands. Machines (events without a locale) have none. Internal test traffic is dropped.
"""

REGIONS = {"US": "North America", "CA": "North America", "GB": "Europe", "DE": "Europe", "FR": "Europe"}
TEST_TRAFFIC = "headwater-test"


def transform(event):
    """Country and region beside what the SDK sends."""
    context = event.get("context") or {}
    if context.get("campaign", {}).get("source") == TEST_TRAFFIC:
        return None
    country = (context.get("locale") or "").replace("_", "-").partition("-")[2]
    location = context.get("location") or {"country": country.upper()}
    if len(location.get("country") or "") == 2:
        region = REGIONS.get(location["country"], "Rest of the world")
        event["context"] = context | {"location": {"region": region} | location}
    return event
