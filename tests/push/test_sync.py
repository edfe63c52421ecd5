"""A run of a sync against a tool that enforces its limits: what is sent, what counts as sent, what comes back."""

from __future__ import annotations

import datetime as dt

import duckdb
import msgspec
import pytest

from headwater.configuration import Config
from headwater.errors import ConfigError, DataError, UnavailableError
from headwater.push.sender import Sender
from headwater.push.sync import SyncReport, preview, run_sync
from headwater.settings import Settings
from tests.tool_server import Failure, ToolServer

NOON = dt.datetime(2026, 3, 1, 12)


class Run:
    """Runs the sync `crm` at a given time, without real waiting between attempts."""

    def __init__(self, con: duckdb.DuckDBPyConnection, settings: Settings, config: Config) -> None:
        self.con, self.settings, self.config = con, settings, config
        self.now = NOON
        self.slept: list[float] = []

    def __call__(self, scope: str = "changed") -> SyncReport:
        return run_sync(
            self.con,
            self.settings,
            self.config,
            "crm",
            scope=scope,  # type: ignore[arg-type]
            now=lambda: self.now,
            make_sender=lambda destination: Sender("crm", destination.rate, sleep=self.slept.append),
        )

    def table(self, sql: str) -> list[tuple]:
        return self.con.sql(sql).fetchall()


@pytest.fixture
def run(con: duckdb.DuckDBPyConnection, settings: Settings, config: Config) -> Run:
    return Run(con, settings, config)


def refuse_id(*ids: str):
    return lambda record: ("INVALID", f"{record['id']} is not welcome") if record["id"] in ids else None


def test_everything_is_sent_once_and_nothing_on_unchanged_data(run: Run, tool: ToolServer) -> None:
    first, second = run(), run()
    assert (first.selected, first.changed, first.accepted, first.requests) == (250, 250, 250, 3)
    assert (second.selected, second.changed, second.requests) == (250, 0, 0)
    assert [len(records) for _, records in tool.received] == [100, 100, 50]
    assert tool.accepted[7] == {
        "id_property": "id",
        "id": "crm_0007",
        "properties": {"first_name": "Ana 7", "likelihood_to_churn": 0.007},
    }
    assert run.table("select operation, status, attempts, count(*) from push.sync_rows group by all") == [
        ("insert", "accepted", 1, 250)
    ]


def test_only_changed_rows_are_sent_again(run: Run, con: duckdb.DuckDBPyConnection, tool: ToolServer) -> None:
    run()
    con.execute("update marts.people set likelihood_to_churn = 1 where crm_id in ('crm_0003', 'crm_0200')")
    con.execute("insert into marts.people values ('customer_x', 'crm_x', 'Xi', null)")
    report = run()
    assert (report.changed, report.accepted, report.requests) == (3, 3, 1)
    assert [record["id"] for record in tool.received[-1][1]] == ["crm_0003", "crm_0200", "crm_x"]
    assert run.table("select key, operation from push.sync_rows where operation = 'update' order by key") == [
        ("crm_0003", "update"),
        ("crm_0200", "update"),
    ]


def test_a_changed_mapping_sends_what_it_changes(run: Run, tool: ToolServer) -> None:
    run()
    sync = run.config.syncs["crm"]
    sync.mapping = {"id": "crm_id", "likelihood_to_churn": "likelihood_to_churn"}
    assert run().accepted == 250
    assert "first_name" not in tool.accepted[-1]["properties"]


def test_every_audience_goes_along_when_the_sync_takes_them_also_one_that_comes_later(
    run: Run, con: duckdb.DuckDBPyConnection, tool: ToolServer
) -> None:
    con.execute("alter table marts.people add column is_early boolean default false")
    con.execute("alter table marts.people add column is_kind boolean default true")
    con.execute("create schema audiences; create table audiences.early (customer_id varchar)")
    run()
    assert "is_early" not in tool.accepted[-1]["properties"]
    run.config.syncs["crm"].audiences = True
    assert run().accepted == 250
    assert tool.accepted[-1]["properties"].items() >= {"is_early": False, "first_name": "Ana 249"}.items()
    assert "is_kind" not in tool.accepted[-1]["properties"]
    con.execute("create table audiences.kind (customer_id varchar)")
    assert run().accepted == 250
    assert tool.accepted[-1]["properties"]["is_kind"] is True


def test_a_refused_row_is_kept_with_its_reason_and_not_sent_again_at_once(run: Run, tool: ToolServer) -> None:
    tool.refuse = refuse_id("crm_0042")
    first, second = run(), run()
    assert (first.accepted, first.rejected, second.requests) == (249, 1, 0)
    assert run.table("select sync, key, code, reason, attempts, next_attempt_at from push.rejected_rows") == [
        ("crm", "crm_0042", "INVALID", "crm_0042 is not welcome", 1, NOON + dt.timedelta(days=1))
    ]
    assert run.table("select status, hash from push.sync_rows where key = 'crm_0042'") == [("rejected", None)]


def test_a_refused_row_is_tried_again_after_a_day_then_two(run: Run, tool: ToolServer) -> None:
    tool.refuse = refuse_id("crm_0042")
    run()
    run.now = NOON + dt.timedelta(days=1)
    assert run().rejected == 1
    run.now = NOON + dt.timedelta(days=2, hours=23)
    assert run().requests == 0
    run.now = NOON + dt.timedelta(days=3)
    assert run().requests == 1
    assert run.table("select attempts, first_at, last_at from push.rejected_rows") == [(3, NOON, run.now)]
    assert run.table("select attempts from push.sync_rows where key = 'crm_0042'") == [(3,)]


def test_a_refused_row_goes_out_at_once_when_its_values_change_or_somebody_asks(run: Run, tool: ToolServer) -> None:
    tool.refuse = refuse_id("crm_0042", "crm_0043")
    run()
    run.con.execute("update marts.people set first_name = 'Ben' where crm_id = 'crm_0042'")
    assert (run().rejected, len(tool.received[-1][1])) == (1, 1)
    tool.refuse = lambda record: None
    run.con.execute("update marts.people set first_name = 'Cleo' where crm_id = 'crm_0001'")
    report = run("rejected")
    assert (report.accepted, [record["id"] for record in tool.received[-1][1]]) == (2, ["crm_0042", "crm_0043"])
    assert run.table("select * from push.rejected_rows") == []
    assert run().accepted == 1


def test_a_transient_refusal_of_one_row_is_due_at_the_next_run(run: Run, tool: ToolServer) -> None:
    tool.refuse = lambda record: ("503", "shard is moving") if record["id"] == "crm_0042" else None
    run()
    tool.refuse = lambda record: None
    assert run().accepted == 1


def test_a_rejection_is_forgotten_when_its_row_goes_or_gets_its_accepted_values_back(
    run: Run, tool: ToolServer
) -> None:
    run()
    tool.refuse = refuse_id("crm_0001", "crm_0002")
    run.con.execute("update marts.people set first_name = 'Bad' where crm_id in ('crm_0001', 'crm_0002')")
    assert run().rejected == 2
    run.con.execute("delete from marts.people where crm_id = 'crm_0001'")
    run.con.execute("update marts.people set first_name = 'Ana 2' where crm_id = 'crm_0002'")
    assert run().requests == 0
    assert run.table("select * from push.rejected_rows") == []


def test_a_batch_refused_as_a_whole_is_halved_until_the_bad_row_is_alone(run: Run, tool: ToolServer) -> None:
    answer = tool.answer

    def strict(path: str, token: str | None, body: bytes) -> tuple[int, dict[str, str], bytes]:
        return (400, {}, b"row is broken") if b"crm_0130" in body else answer(path, token, body)

    tool.answer = strict  # type: ignore[method-assign]
    report = run()
    assert (report.accepted, report.rejected) == (249, 1)
    assert run.table("select key, code, reason from push.rejected_rows") == [("crm_0130", "400", "row is broken")]


def test_a_busy_tool_is_waited_for_as_long_as_it_says(run: Run, tool: ToolServer) -> None:
    tool.failures.extend([Failure(429, {"Retry-After": "7"}), Failure(503), Failure(500)])
    assert run().accepted == 250
    assert run.slept[0] == 7.0
    assert tool.statuses == [429, 503, 500, 200, 200, 200]


def test_a_tool_that_is_down_ends_the_run_with_what_it_accepted_before(run: Run, tool: ToolServer) -> None:
    tool.failures.extend([Failure(200, keeps_records=True, body=b"{}")] + [Failure(502)] * 20)
    tool.failures[0].body = b'{"results": [' + b",".join([b"1"] * 100) + b"]}"
    with pytest.raises(UnavailableError, match="crm did not take the request after 5 attempts: 502"):
        run()
    assert run.table("select status, sent, accepted from push.sync_runs") == [("failed", 100, 100)]
    assert run.table("select count(*) from push.sync_rows") == [(100,)]
    tool.failures.clear()
    assert run().accepted == 150


@pytest.mark.parametrize("body", [b"<html>all fine</html>", b'{"results": [1, 2]}', b'{"errors": [{"code": "X"}]}'])
def test_nothing_counts_as_sent_when_the_answer_cannot_be_read(run: Run, tool: ToolServer, body: bytes) -> None:
    tool.failures.append(Failure(200, body=body, keeps_records=True))
    with pytest.raises(UnavailableError):
        run()
    assert run.table("select count(*) from push.sync_rows") == [(0,)]


def test_a_refused_token_is_one_sentence_and_nothing_counts_as_sent(run: Run) -> None:
    run.config.destinations["crm"].token = "wrong"
    with pytest.raises(ConfigError, match="crm does not accept our token"):
        run()
    assert run.table("select status, sent from push.sync_runs") == [("failed", 0)]


def test_a_key_that_is_not_unique_or_is_missing_stops_the_run_and_is_shown(run: Run, tool: ToolServer) -> None:
    run.con.execute("insert into marts.people values ('a', 'crm_0001', 'Twin', 0), ('b', 'crm_0009', 'Twin', 0)")
    with pytest.raises(DataError, match=r"crm_id is not unique .* crm_0001 \(2 rows\), crm_0009 \(2 rows\)"):
        run()
    run.con.execute("delete from marts.people where first_name = 'Twin'")
    run.con.execute("update marts.people set crm_id = null where crm_id = 'crm_0003'")
    run.config.syncs["crm"].where = ""
    with pytest.raises(DataError, match=r"1 rows of marts.people have no crm_id"):
        run()
    assert tool.received == []


def test_a_wrong_sync_says_what_there_is(run: Run) -> None:
    sync = run.config.syncs["crm"]
    sync.mapping = {"id": "crm_id", "x": "no_such_column"}
    with pytest.raises(ConfigError, match=r"marts.people has no column «no_such_column»; it has: customer_id"):
        run()
    sync.mapping = {"first_name": "first_name"}
    with pytest.raises(ConfigError, match="must be mapped to a field by which crm finds contacts: id, email"):
        run()
    sync.object = "deals"
    with pytest.raises(ConfigError, match="crm has no object «deals»"):
        run()
    sync.object, sync.mapping, sync.where = "contacts", {"id": "crm_id"}, "nonsense ("
    with pytest.raises(ConfigError, match="condition «nonsense"):
        run()
    sync.model = "marts.nobody"
    with pytest.raises(DataError, match=r"marts.nobody is not in the warehouse"):
        run()


def test_a_preview_shows_the_requests_of_the_next_run_and_sends_none(run: Run, tool: ToolServer) -> None:
    _, requests, rows = preview(run.con, run.config, "crm")
    assert tool.received == []
    run()
    assert [msgspec.json.decode(request.body)["inputs"] for request in requests] == [r for _, r in tool.received]
    assert len(rows) == 250
    assert preview(run.con, run.config, "crm")[1] == []


def test_values_arrive_as_they_are(run: Run, tool: ToolServer) -> None:
    run.con.execute("delete from marts.people where crm_id <> 'crm_0001'")
    name = 'Ünï "quoted" \\ 🦆\nline ' + "x" * 1_000_000
    run.con.execute("update marts.people set first_name = ?", [name])
    run.con.execute("alter table marts.people add column seen_at timestamp default '2026-01-02 03:04:05.678'")
    run.con.execute("alter table marts.people add column ratio double default 'nan'::double")
    run.config.syncs["crm"].mapping |= {"at": "seen_at", "ratio": "ratio"}
    run()
    properties = tool.accepted[0]["properties"]
    assert (properties["first_name"], properties["at"], properties["ratio"]) == (
        name,
        "2026-01-02T03:04:05.678Z",
        None,
    )


def test_a_disk_that_cannot_take_the_record_ends_the_run_in_one_sentence(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise duckdb.IOException("IO Error: No space left on device")

    with monkeypatch.context() as patch, pytest.raises(UnavailableError, match=r"Sync crm could not be recorded: .*No"):
        patch.setattr("headwater.push.ledger.record_batch", full)
        run()
    assert run.table("select status, accepted from push.sync_runs") == [("failed", 0)]
    assert run().accepted == 250
