"""`headwater receipt` and `headwater live`: what became of one message, and what comes in right now.

Belongs here: options and the words on the screen. Does not belong here: finding (`headwater.storage.receipts`) or
following (`headwater.storage.live`).
"""

from __future__ import annotations

import json
import time
from typing import Any

import click
import msgspec

from headwater.configuration import load_config
from headwater.errors import DataError
from headwater.policy.selection import is_streaming, kept_away
from headwater.settings import load_settings
from headwater.storage.live import Follower, Seen, Wanted
from headwater.storage.receipts import Arrival, as_json, find_receipt

POLL_SECONDS = 0.2
COLOURS = {"ok": "green", "violates": "yellow", "dropped": "red", "quarantined": "red"}


@click.command("receipt")
@click.argument("message_id")
@click.option("--json", "is_json", is_flag=True, help="As the API tells it (GET /v1/receipts/MESSAGE_ID).")
@click.option("--payload", is_flag=True, help="Show also what was sent; it may hold personal data.")
@click.option("--home", help="State folder (default: HEADWATER_HOME, else var/).")
@click.option("--config", help="Config folder (default: HEADWATER_CONFIG, else config/).")
def receipt(message_id: str, is_json: bool, payload: bool, home: str | None, config: str | None) -> None:
    """Tell what became of the message with this messageId: received, checked, delivered, landed, loaded."""
    settings = load_settings(home, config)
    decided = load_config(settings)

    def why_not(name: str, arrival: Arrival) -> str:
        return kept_away(decided, name, arrival.source, arrival.route, arrival.type, arrival.event)

    found = find_receipt(settings, message_id)
    if not found.is_known:
        raise DataError(f"No message «{message_id}» is known here.", hint="Is it the messageId as the SDK sent it?")
    told = as_json(found, why_not, payload=payload, is_configured=lambda name: is_streaming(decided, name))
    if is_json:
        click.echo(json.dumps(told, indent=2))
        return
    for line in _lines(told):
        click.echo(line)


def _lines(told: dict[str, Any]) -> list[str]:
    lines = [f"message {told['messageId']}"]
    for arrival in told["arrivals"]:
        name = arrival["event"] or arrival["type"] or "unreadable"
        lines.append(f"  received   {arrival['receivedAt']}  {name} from {arrival['source']}, {_route(arrival)}")
        reason = f": {arrival['reason']}" if arrival["reason"] else ""
        lines.append(f"  verdict    {arrival['verdict']}{reason}")
        lines += [f"             {arrival['detail']}"] if arrival["detail"] and not arrival["violations"] else []
        lines += [f"             {v['type']} {v['property']}: {v['message']}" for v in arrival["violations"]]
        if arrival["replays"]:
            lines.append(f"             replays the quarantined row {arrival['replays']}")
        landed = arrival["landed"] or f"not yet; in log segment {arrival['logSegment']}"
        lines.append(f"  landed     {landed}")
        if arrival.get("payload"):
            lines.append(f"  sent       {json.dumps(arrival['payload'])}")
    for table in told["loaded"]:
        lines.append(f"  loaded     {table['table']} (read copy of {table['readCopyAsOf']})")
    if not told["loaded"]:
        lines.append("  loaded     not in the read copy")
    for name, outcomes in told["destinations"].items():
        for outcome in outcomes:
            lines.append(f"  {name:<20} {_outcome(outcome)}")
            for step in outcome.get("transformations") or []:
                detail = f": {step['detail']}" if step["detail"] else ""
                lines.append(f"  {'':<20}   transformation {step['name']}: {step['status']}{detail}")
    return lines


def _route(arrival: dict[str, Any]) -> str:
    return "imported" if arrival["route"] == "import" else arrival["route"] or "kept aside"


def _outcome(outcome: dict[str, Any]) -> str:
    parts = [outcome["status"]]
    if outcome.get("at"):
        parts.append(f"at {outcome['at']}")
    if outcome.get("toolEvent"):
        parts.append(f"as «{outcome['toolEvent']}»")
    if outcome.get("attempts", 0) > 1:
        parts.append(f"after {outcome['attempts']} attempts")
    answer = " ".join(part for part in (outcome.get("code"), outcome.get("answer")) if part)
    why = outcome.get("reason")
    return " ".join(parts) + (f" ({why})" if why else "") + (f"; the tool said: {answer}" if answer else "")


@click.command("live")
@click.option("--source", default="", help="Only events of this source.")
@click.option("--event", default="", help="Only this event, or type (identify, page, …).")
@click.option("--user", default="", help="Only this userId or anonymousId.")
@click.option("--verdict", type=click.Choice([*COLOURS]), help="Only events with this verdict.")
@click.option("--json", "is_json", is_flag=True, help="One JSON object a line, the payload with it.")
@click.option("--limit", type=click.IntRange(1), help="End after so many events.")
@click.option("--home", help="State folder (default: HEADWATER_HOME, else var/).")
@click.option("--config", help="Config folder (default: HEADWATER_CONFIG, else config/).")
def live(
    source: str,
    event: str,
    user: str,
    verdict: str | None,
    is_json: bool,
    limit: int | None,
    home: str | None,
    config: str | None,
) -> None:
    """Follow events as they come in, until Ctrl-C."""
    follower = Follower(load_settings(home, config), Wanted(source, event, user, verdict or ""))
    shown = 0
    click.echo("Following the log; Ctrl-C ends it.", err=True)
    try:
        while limit is None or shown < limit:
            for seen in follower.new():
                click.echo(msgspec.json.encode(seen).decode() if is_json else _line(seen))
                shown += 1
                if shown == limit:
                    return
            time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        return


def _line(seen: Seen) -> str:
    verdict = click.style(f"{seen.verdict:<11}", COLOURS[seen.verdict])
    who = seen.user_id or seen.anonymous_id
    name = f"{seen.type} {seen.event}".strip() or "unreadable"
    reason = f"  ({seen.reason})" if seen.reason else ""
    return (
        f"{seen.received_at:%H:%M:%S.%f}"[:-3]
        + f"  {verdict} {seen.source:<12} {name:<32} {who:<24} {seen.message_id}{reason}"
    )
