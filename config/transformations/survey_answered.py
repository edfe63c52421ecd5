"""A form tool's call (`Webhook Received`, its body as properties) becomes `Survey Answered` of the person who answered.

What such a transformation may set: event, userId or anonymousId, properties, context, timestamp. The messageId stays.
"""


def transform(event):
    """Event, person, properties."""
    if event.get("event") != "Webhook Received":
        return event
    body = event["properties"]
    if not body.get("answers"):
        return None
    rated = next((answer["value"] for answer in body["answers"] if isinstance(answer.get("value"), int)), None)
    event["event"] = "Survey Answered"
    event["properties"] = {
        "response_id": body["response_id"],
        "rating": rated,
        "answers": [{"question": answer["question"], "answer": str(answer["value"])} for answer in body["answers"]],
    }
    if body.get("customer"):
        event["userId"] = body["customer"]
        event.pop("anonymousId", None)
    if body.get("respondent"):
        event["context"] = event.get("context", {}) | {"traits": {"email": body["respondent"]}}
    if body.get("submitted"):
        event["timestamp"] = body["submitted"]
    return event
