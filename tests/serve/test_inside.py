"""The routes for the platform's inside: who may, and that they tell and do what they say."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner

from headwater.cli import cli
from headwater.configuration import load_config
from headwater.push.checking import faults, words
from headwater.settings import Settings
from headwater.storage.deliveries.progress import save_unusable
from headwater.storage.deliveries.switch import is_enabled
from headwater.storage.log import Envelope, LogWriter, encode_envelope, frame
from tests.serve.conftest import Api, free_port

CONFIG = {
    "platform.yaml": """
company: Test
currency: USD
stacks: [starter]
api_tokens: [api_secret]
admin_tokens:
  - {token: all_secret, scopes: [plan, receipts, live, destinations, replay]}
  - {token: plan_secret, scopes: [plan]}
""",
    "sources.yaml": "import_source: web\nsources:\n  web: {kind: events, write_keys: [wk]}\n",
    "identity.yaml": "id_types:\n  user_id: {priority: 1}\nedges: []\n",
    "destinations/hook.yaml": "type: webhook\nbase_url: http://127.0.0.1:9\nstream: {events: [Order Completed]}\n",
    "tracking_plan/order.yaml": "event: Order Completed\nowner: a@example.com\ndescription: An order.\n",
}


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("inside")
    for name, text in CONFIG.items():
        path = folder / "config" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Settings(
        home=folder / "home",
        config_dir=folder / "config",
        lake_url=str(folder / "home" / "lake"),
        api_port=free_port(),
        collector_port=free_port(),
    )


@pytest.fixture(scope="module")
def api(settings: Settings) -> Iterator[Api]:
    running = Api(settings)
    try:
        running.wait()
        running.client.headers["Authorization"] = "Bearer all_secret"
        yield running
    finally:
        running.stop()


def write(settings: Settings, *message_ids: str) -> None:
    async def run() -> None:
        log = LogWriter(settings.log_dir)
        log.open()
        now = datetime.now(UTC).replace(tzinfo=None)
        envelope = encode_envelope(Envelope("web", "live", now))
        event = {"type": "track", "event": "Product Viewed", "userId": "u1"}
        await log.append([frame(envelope, key, json.dumps(event).encode()) for key in message_ids])
        await log.close()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/receipts/m1"),
        ("GET", "/v1/live"),
        ("GET", "/v1/destinations"),
        ("PUT", "/v1/destinations/hook"),
        ("POST", "/v1/replay"),
    ],
)
def test_each_route_asks_for_a_token_and_its_scope(api: Api, method: str, path: str) -> None:
    body = {"content": b'{"is_enabled": true}', "headers": {"Content-Type": "application/json"}}
    for header, status, code in (
        ("", 401, "unauthorized"),
        ("Bearer nobody", 401, "unauthorized"),
        ("Bearer api_secret", 401, "unauthorized"),
        ("Bearer plan_secret", 403, "missing_scope"),
    ):
        headers = {**body["headers"], "Authorization": header}
        answer = api.client.request(method, path, content=body["content"], headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_receipt_tells_where_a_message_is_and_404_says_that_nobody_knows_it(api: Api, settings: Settings) -> None:
    assert api.get("/v1/receipts/nobody").status_code == 404
    write(settings, "a/b c")
    told = api.get("/v1/receipts/a%2Fb%20c").json()
    assert told["messageId"] == "a/b c"
    assert [(one["event"], one["verdict"]) for one in told["arrivals"]] == [("Product Viewed", "accepted")]


def test_the_plan_is_told(api: Api) -> None:
    assert api.get("/v1/plan").json()["events"]["order"]["event"] == "Order Completed"


def test_a_destination_is_switched_off_and_on(api: Api, settings: Settings) -> None:
    assert api.get("/v1/destinations").json()[0]["is_enabled"] is True
    for wanted in (False, True):
        answer = api.client.put("/v1/destinations/hook", json={"is_enabled": wanted})
        assert answer.json()["is_enabled"] is wanted
        assert is_enabled(settings, "hook", not wanted) is wanted
    assert api.client.put("/v1/destinations/nothing", json={"is_enabled": True}).status_code == 404


def test_destinations_that_cannot_be_used_are_told_with_the_words_of_the_command(api: Api, settings: Settings) -> None:
    folder = settings.config_dir / "destinations"
    (folder / "wrong.yaml").write_text("type: webhook\nstrem: {}\n")
    (folder / "typo.yaml").write_text("type: webhok\nstream: {}\n")
    try:
        eventually(lambda: {"typo", "wrong"} <= {one["name"] for one in api.get("/v1/destinations").json()})
        # what a class says of its settings is known to the worker
        save_unusable(settings, {"typo": words(faults(load_config(settings))["typo"], "typo")})
        told = {one["name"]: one["last_error"] for one in api.get("/v1/destinations").json()}
        where = ["--home", str(settings.home), "--config", str(settings.config_dir)]
        listed = CliRunner().invoke(cli, ["destination", "list", *where]).output
    finally:
        (folder / "wrong.yaml").unlink()
        (folder / "typo.yaml").unlink()
        save_unusable(settings, {})
    assert told["hook"] == ""
    assert "wrong.yaml, line 2: Object contains unknown field `strem`" in told["wrong"]
    assert "type «webhok» is unknown" in told["typo"]
    for name in ("wrong", "typo"):
        assert told[name].startswith("cannot be used as configured: ")
        assert told[name] in listed


def test_a_switch_is_json_whatever_content_type_it_came_with(api: Api, settings: Settings) -> None:
    for kind in ("application/x-www-form-urlencoded", "text/plain", "application/json", ""):
        for wanted in (b"false", b"true"):
            headers = {"Content-Type": kind} if kind else {}
            body = b'{"is_enabled": ' + wanted + b"}"
            answer = api.client.put("/v1/destinations/hook", content=body, headers=headers)
            assert (answer.status_code, answer.json()["is_enabled"]) == (200, wanted == b"true")
    for body, says in (
        (b"is_enabled=true", "not JSON"),
        (b"{}", "is_enabled"),
        (b'{"is_enabled": "maybe"}', "is_enabled"),
    ):
        answer = api.client.put("/v1/destinations/hook", content=body)
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
        assert says in answer.json()["message"]


def test_live_events_are_streamed_as_they_come(api: Api, settings: Settings) -> None:
    with api.client.stream("GET", "/v1/live", params={"event": "Product Viewed"}, timeout=30) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        write(settings, "live-1")
        line = next(line for line in answer.iter_lines() if line.startswith("data: "))
    assert json.loads(line.removeprefix("data: "))["message_id"] == "live-1"


def test_a_replay_while_the_collector_is_away_is_told(api: Api) -> None:
    answer = api.client.post("/v1/replay", content=b"{}", headers={"Content-Type": "application/x-ndjson"})
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")


def eventually(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.1)


@pytest.mark.slow
def test_an_edit_of_the_config_is_followed_while_the_service_runs(api: Api, settings: Settings) -> None:
    def status(method: str, path: str, token: str, **more) -> int:
        return api.client.request(method, path, headers={"Authorization": f"Bearer {token}"}, **more).status_code

    platform, added = settings.config_dir / "platform.yaml", settings.config_dir / "destinations" / "added.yaml"
    planned = settings.config_dir / "tracking_plan" / "added.yaml"
    wanted = {"json": {"is_enabled": False}}
    assert status("PUT", "/v1/destinations/added", "all_secret", **wanted) == 404
    assert status("GET", "/v1/plan", "new_secret") == 401
    assert status("GET", "/v1/profiles/user_id/nobody", "new_api_secret") == 401
    try:
        added.write_text(CONFIG["destinations/hook.yaml"])
        planned.write_text("event: Added\nowner: a@example.com\ndescription: One more.\n")
        platform.write_text(
            CONFIG["platform.yaml"].replace("[api_secret]", "[new_api_secret]").replace("plan_secret", "new_secret")
        )
        eventually(lambda: status("GET", "/v1/plan", "new_secret") == 200)
        eventually(lambda: status("PUT", "/v1/destinations/added", "all_secret", **wanted) == 200)
        eventually(lambda: "added" in api.get("/v1/plan").json()["events"])
        told = {one["name"]: one["is_enabled"] for one in api.get("/v1/destinations").json()}
        assert told == {"added": False, "hook": True}
        assert status("GET", "/v1/profiles/user_id/nobody", "new_api_secret") == 404
        assert status("GET", "/v1/profiles/user_id/nobody", "api_secret") == 401, "a token that was taken away"
        assert status("GET", "/v1/plan", "plan_secret") == 401, "a token that was taken away"
    finally:
        added.unlink()
        planned.unlink()
        platform.write_text(CONFIG["platform.yaml"])
    eventually(lambda: status("PUT", "/v1/destinations/added", "all_secret", **wanted) == 404)
    eventually(lambda: status("GET", "/v1/plan", "plan_secret") == 200)
