"""The event names of before the tracking plan, for tools whose reports are built on them.

«Order Completed» is order_completed there; three names were different altogether.
"""

OLD = {
    "Order Completed": "purchase",
    "Product Added": "add_to_cart",
    "Product Viewed": "view_item",
}


def transform(event):
    """Tracks by their old names."""
    if event["type"] == "track":
        name = event["event"]
        event["event"] = OLD.get(name, name.lower().replace(" ", "_"))
    return event
