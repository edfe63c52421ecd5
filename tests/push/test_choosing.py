"""What one destination is told of each record, and what is kept of those that it is not told of."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter

import pytest
from msgspec import structs

from headwater.configuration import (
    Config,
    Consent,
    Destination,
    EventSource,
    Privacy,
    Stream,
    Transformation,
)
from headwater.land.events import land_events
from headwater.push.stream import Delivery, drain
from headwater.settings import Settings
from headwater.storage.deliveries import Delivered, Deliveries, delivery_path
from headwater.storage.deliveries.progress import standing
from headwater.storage.deliveries.switch import set_enabled
from headwater.storage.log import Envelope, LogReader
from tests.push.log_events import track, write_events, write_record
from tests.tool_server import TOKEN, Failure, ToolServer


def rows(settings: Settings, name: str = "hook") -> list[Delivered]:
    store = Deliveries(delivery_path(settings, name), read_only=True)
    try:
        return store.since(0, 10_000)
    finally:
        store.close()


def counted(settings: Settings, name: str = "hook") -> dict[tuple[str, str], int]:
    store = Deliveries(delivery_path(settings, name), read_only=True)
    try:
        found: Counter[tuple[str, str]] = Counter()
        for row in store.filtered():
            found[row.reason, row.event or row.type] += row.events
        return dict(found)
    finally:
        store.close()


def told(settings: Settings, name: str = "hook") -> list[tuple[str, str, str]]:
    return [(row.message_id, row.status, row.reason) for row in rows(settings, name)]


@pytest.fixture
def hook(config: Config, tool: ToolServer) -> Destination:
    config.sources = {"web": EventSource(write_keys=["k"]), "shop": EventSource(write_keys=["s"])}
    found = Destination(
        type="webhook", base_url=f"{tool.url}/webhook", token=TOKEN, stream=Stream(), rate_per_second=9999
    )
    config.destinations = {"hook": found}
    return found


def transformation(settings: Settings, config: Config, name: str, body: str) -> None:
    folder = settings.config_dir / "transformations"
    folder.mkdir(parents=True, exist_ok=True)
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    (folder / f"{name}.py").write_text(f"def transform(event):\n{lines}\n")
    config.transformations[name] = Transformation(timeout_seconds=2.0)


def test_what_settings_keep_away_is_counted_by_reason_and_leaves_no_row(
    settings: Settings, config: Config, hook: Destination, tool: ToolServer
) -> None:
    hook.stream = Stream(types=["track", "page"], events=["Order Completed"], sources=["web"])
    page = {"messageId": "p", "type": "page", "userId": "u"}
    write_events(settings.log_dir, track(1), track(2, "Product Viewed"), page, {**page, "type": "identify"})
    write_events(settings.log_dir, track(3), route="import")
    write_events(settings.log_dir, track(4), source="shop")
    now = dt.datetime.now(dt.UTC).replace(tzinfo=None)
    dropped = Envelope("web", "live", now, verdict="drop", violations=[("unplanned_event", "event", "no")])
    write_record(settings.log_dir, dropped, track(5))
    write_record(settings.log_dir, Envelope("web", "quarantine", now, reason="plan: rule"), track(6))
    assert drain(settings, config, "hook").delivered == 2
    assert told(settings) == [("m1", "delivered", ""), ("p", "delivered", "")]
    assert counted(settings) == {
        ("events", "Product Viewed"): 1, ("types", "identify"): 1, ("routes", "Order Completed"): 1,
        ("sources", "Order Completed"): 1, ("plan", "Order Completed"): 1, ("quarantined", "Order Completed"): 1,
    }  # fmt: skip


def test_an_imported_event_is_counted_on_the_day_that_its_first_collector_received_it(
    settings: Settings, config: Config, hook: Destination, tool: ToolServer
) -> None:
    write_events(settings.log_dir, track(1, receivedAt="2020-02-03T04:05:06Z"), route="import")
    drain(settings, config, "hook")
    store = Deliveries(delivery_path(settings, "hook"), read_only=True)
    assert [row.received_date for row in store.filtered()] == [dt.date(2020, 2, 3)]


def test_a_row_tells_the_tools_answer_attempts_and_steps(
    settings: Settings, config: Config, hook: Destination, tool: ToolServer
) -> None:
    transformation(settings, config, "rename", "event['event'] = 'order_done'\nreturn event")
    hook.transformations = ["rename"]
    tool.failures.append(Failure(503))
    write_events(settings.log_dir, track(1))
    drain(settings, config, "hook")
    [row] = rows(settings)
    assert (row.source, row.type, row.event, row.tool_event) == ("web", "track", "Order Completed", "order_done")
    assert (row.status, row.code, row.attempts) == ("delivered", "201", 2)
    [step] = json.loads(row.steps)
    assert (step["name"], step["status"]) == ("rename", "changed")


def test_consent_and_the_messages_integrations_are_respected(
    settings: Settings, config: Config, hook: Destination, tool: ToolServer
) -> None:
    hook.consent = Consent(["marketing"], when_absent="withhold")
    yes = {"consent": {"categoryPreferences": {"marketing": True}}}
    no = {"consent": {"categoryPreferences": {"marketing": False}}}
    write_events(
        settings.log_dir,
        track(1, context=yes),
        track(2, context=no),
        track(3),
        track(4, context=yes, integrations={"All": False}),
        track(5, context=yes, integrations={"All": False, "hook": True}),
    )
    drain(settings, config, "hook")
    assert told(settings) == [
        ("m1", "delivered", ""), ("m2", "filtered", "consent"), ("m3", "filtered", "consent"),
        ("m4", "filtered", "integrations"), ("m5", "delivered", ""),
    ]  # fmt: skip


def test_an_event_that_comes_again_is_a_duplicate_until_the_days_are_over(
    settings: Settings, config: Config, hook: Destination, tool: ToolServer
) -> None:
    write_events(settings.log_dir, track(1), track(1))
    write_events(settings.log_dir, track(1), source="shop")
    drain(settings, config, "hook")
    write_events(settings.log_dir, track(1))
    drain(settings, config, "hook")
    assert [(row.source, row.status) for row in rows(settings)] == [
        ("web", "delivered"), ("web", "duplicate"), ("shop", "delivered"), ("web", "duplicate"),
    ]  # fmt: skip
    later = dt.datetime.now(dt.UTC).replace(tzinfo=None) + dt.timedelta(days=8)
    write_events(settings.log_dir, track(1))
    delivery = Delivery(settings, config, "hook", now=lambda: later)
    delivery.step()
    delivery.close()
    assert rows(settings)[-1].status == "delivered"


def test_a_transformation_changes_only_what_its_own_destination_sees(
    settings: Settings, config: Config, hook: Destination, tool: ToolServer
) -> None:
    transformation(settings, config, "old_names", "event['event'] = 'purchase'\nreturn event")
    with ToolServer() as old:
        config.destinations["old"] = Destination(
            type="webhook", base_url=f"{old.url}/webhook", token=TOKEN, stream=Stream(), transformations=["old_names"]
        )
        write_events(settings.log_dir, track(1))
        drain(settings, config, "hook")
        drain(settings, config, "old")
        assert [event["event"] for event in tool.accepted] == ["Order Completed"]
        assert [event["event"] for event in old.accepted] == ["purchase"]


@pytest.mark.slow
def test_a_transformation_that_drops_fails_or_hangs_harms_only_its_event_here(
    settings: Settings, config: Config, hook: Destination, tool: ToolServer
) -> None:
    transformation(
        settings, config, "picky",
        "if event['userId'] == 'u1': return None\n"
        "if event['userId'] == 'u2': raise RuntimeError('no')\n"
        "if event['userId'] == 'u3': return 17\n"
        "if event['userId'] == 'u4':\n    while True: pass\nreturn event",
    )  # fmt: skip
    hook.transformations = ["picky"]
    write_events(settings.log_dir, *[track(number) for number in range(6)])
    drain(settings, config, "hook")
    assert [event["messageId"] for event in tool.accepted] == ["m0", "m5"]
    found = {row.message_id: row for row in rows(settings)}
    assert (found["m1"].status, found["m1"].reason) == ("filtered", "transformation")
    for key in ("m2", "m3", "m4"):
        assert (found[key].status, found[key].reason) == ("rejected", "transformation picky")
    assert "picky.py" in found["m2"].answer
    hook.on_transformation_error = "skip"
    write_events(settings.log_dir, track(2, userId="u2") | {"messageId": "again"})
    drain(settings, config, "hook")
    assert told(settings)[-1] == ("again", "filtered", "transformation")


@pytest.mark.slow
def test_a_transformation_that_hangs_at_every_event_is_suspended_and_the_others_go_on(
    settings: Settings, config: Config, hook: Destination, tool: ToolServer
) -> None:
    transformation(settings, config, "stuck", "while True: pass")
    config.transformations["stuck"] = Transformation(timeout_seconds=0.1)
    config.sources["web"].transformations = ["stuck"]  # type: ignore[union-attr]
    write_events(settings.log_dir, *[track(number) for number in range(3_000)])
    write_events(settings.log_dir, *[track(number) for number in range(3_000, 3_010)], source="shop")
    drain(settings, config, "hook")
    assert [event["messageId"] for event in tool.accepted] == [f"m{number}" for number in range(3_000, 3_010)]
    assert counted(settings)["quarantined", "Order Completed"] == 3_000
    config.sources["web"].transformations = []  # type: ignore[union-attr]
    hook.transformations = ["stuck"]
    write_events(settings.log_dir, *[track(number) for number in range(4_000, 4_005)])
    drain(settings, config, "hook")
    answers = [row.answer for row in rows(settings) if row.status == "rejected"]
    assert [answer.startswith("suspended after 3 hangs") for answer in answers] == [False] * 3 + [True] * 2
    told = standing(settings, config, "hook")
    assert told.suspended.startswith("transformation stuck is suspended after 3 hangs in a row: stuck.py, line 2")


@pytest.mark.slow
def test_what_was_not_asked_about_is_the_same_for_every_reader_also_for_one_that_restarts(
    settings: Settings, config: Config, hook: Destination, tool: ToolServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.destinations["other"] = structs.replace(hook)
    transformation(settings, config, "picky", "while event['userId'] == 'u1': pass\nreturn event")
    config.transformations["picky"] = Transformation(timeout_seconds=0.5)
    config.sources["web"].transformations = ["picky"]  # type: ignore[union-attr]
    write_events(settings.log_dir, *[track(number, userId="u1") for number in range(3)], track(3), track(4), track(5))
    fourth = LogReader(settings.log_dir, "somebody").read()[3]
    with monkeypatch.context() as patched:
        patched.setattr("headwater.push.stream._READ_BYTES", fourth.end + 1)
        delivery = Delivery(settings, config, "hook")
        assert delivery.step() == 4
        delivery.close()
    assert "of source web is suspended after 3 hangs" in standing(settings, config, "hook").suspended
    drain(settings, config, "hook")  # it begins again, and knows of no hang
    assert standing(settings, config, "hook").suspended == ""
    drain(settings, config, "other")
    assert [event["messageId"] for event in tool.accepted] == ["m4", "m5"] * 2
    assert counted(settings, "other") == counted(settings) == {("quarantined", "Order Completed"): 4}
    landed = land_events(settings, config)
    assert landed.reasons == {"transformation: picky": 3, "transformation: picky suspended": 1}
    assert landed.events == 2


def test_a_sources_transformations_come_before_the_filters(
    settings: Settings, config: Config, hook: Destination, tool: ToolServer
) -> None:
    transformation(
        settings, config, "legacy",
        "if event['event'] == 'Noise': return None\n"
        "event['event'] = {'order': 'Order Completed'}.get(event['event'], event['event'])\nreturn event",
    )  # fmt: skip
    config.sources["web"].transformations = ["legacy"]  # type: ignore[union-attr]
    hook.stream = Stream(events=["Order Completed"])
    write_events(settings.log_dir, track(1, "order"), track(2, "Noise"), track(3, "Product Viewed"))
    write_events(settings.log_dir, track(4, "order"), source="shop")
    drain(settings, config, "hook")
    assert told(settings) == [("m1", "delivered", ""), ("m2", "filtered", "transformation")]
    assert counted(settings) == {("events", "Product Viewed"): 1, ("events", "order"): 1}


def test_privacy_rules_hold_for_the_tool_and_not_for_the_dead_letter(
    settings: Settings, config: Config, hook: Destination, tool: ToolServer
) -> None:
    hook.privacy = Privacy(drop=["context.traits.email"], mask=["properties.name"])
    tool.refuse = lambda event: ("NO", "no") if event["messageId"] == "m2" else None
    person = {"properties": {"name": "Ana"}, "context": {"traits": {"email": "a@x.y"}}}
    write_events(settings.log_dir, track(1, **person), track(2, **person))
    drain(settings, config, "hook")
    assert [(event["properties"], event["context"]["traits"]) for event in tool.received[0][1]] == [
        ({"name": "A**"}, {}), ({"name": "A**"}, {}),
    ]  # fmt: skip
    [letter] = Deliveries(delivery_path(settings, "hook"), read_only=True).dead_letters()
    assert json.loads(letter.body)["properties"] == {"name": "Ana"}


def test_what_the_tool_cannot_take_is_filtered_and_what_is_too_large_refused(
    settings: Settings, config: Config, hook: Destination, tool: ToolServer
) -> None:
    hook.type, hook.base_url = "http_template", tool.url
    hook.settings = {"path": "/webhook", "body": {"events": ["{{ event }}"]}, "when": "event.type == 'track'",
                     "batch_bytes": 5000}  # fmt: skip
    page = {"messageId": "p", "type": "page", "userId": "u"}
    write_events(settings.log_dir, page, track(1), track(2, properties={"x": "y" * 6000}))
    drain(settings, config, "hook")
    assert told(settings) == [
        ("p", "filtered", "unsupported"), ("m1", "delivered", ""), ("m2", "rejected", "not deliverable"),
    ]  # fmt: skip
    assert len(tool.accepted) == 1


def test_off_lets_events_pass_by_at_once_even_those_that_wait_for_a_tool_that_is_down(
    settings: Settings, config: Config, hook: Destination, tool: ToolServer
) -> None:
    write_events(settings.log_dir, *[track(number) for number in range(150)])
    tool.failures.extend([Failure(503)] * 1000)
    clock = iter(range(1000))
    delivery = Delivery(settings, config, "hook", sleep=lambda _: None, clock=lambda: float(next(clock)))
    with pytest.raises(Exception, match="did not take"):
        delivery.step()
    set_enabled(settings, "hook", False)
    assert delivery.step() == 150
    write_events(settings.log_dir, track(200))
    delivery.step()
    set_enabled(settings, "hook", True)
    tool.failures.clear()
    write_events(settings.log_dir, track(201))
    while delivery.step():
        pass
    delivery.close()
    assert told(settings) == [("m201", "delivered", "")]
    assert counted(settings) == {("off", "Order Completed"): 151}


def test_a_destination_that_is_not_enabled_in_its_config_waits_for_the_switch(
    settings: Settings, config: Config, hook: Destination, tool: ToolServer
) -> None:
    hook.is_enabled = False
    write_events(settings.log_dir, track(1))
    assert drain(settings, config, "hook").delivered == 0
    set_enabled(settings, "hook", True)
    write_events(settings.log_dir, track(2))
    assert drain(settings, config, "hook").delivered == 1


def test_an_old_home_goes_on_where_its_readers_file_says(
    settings: Settings, config: Config, hook: Destination, tool: ToolServer
) -> None:
    write_events(settings.log_dir, track(1), track(2))
    drain(settings, config, "hook")
    for path in (settings.home / "push").glob("hook.sqlite*"):
        path.unlink()
    write_events(settings.log_dir, track(3))
    drain(settings, config, "hook")
    assert [event["messageId"] for event in tool.accepted] == ["m1", "m2", "m3"]
