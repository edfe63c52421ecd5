"""A company's own Python runs on each event, and whatever it does harms that event only."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from headwater.configuration import Transformation
from headwater.errors import ConfigError
from headwater.policy.breaker import Breaker
from headwater.policy.transform import Result, Transformer

Chain = Callable[..., Transformer]
QUICK = Transformation(timeout_seconds=2)  # also for a loaded machine: what should pass takes a thousandth of it


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[Chain]:
    """Make a chain of the given files; each is ended afterwards."""
    made: list[Transformer] = []

    def make(settings: Transformation = QUICK, **files: str) -> Transformer:
        for name, text in files.items():
            (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
        made.append(Transformer(tmp_path, list(files), dict.fromkeys(files, settings)))
        return made[-1]

    yield make
    for transformer in made:
        transformer.close()


def order(number: int = 1, **properties: Any) -> dict[str, Any]:
    return {
        "type": "track",
        "event": "Order Completed",
        "messageId": f"m{number}",
        "userId": "u1",
        "receivedAt": "2026-05-04T10:00:00.000Z",
        "properties": properties,
    }


def on(line: str) -> str:
    """A file whose `transform` does `line` (line 3) to the events that say so, and returns each."""
    return f"def transform(event):\n    if event['properties'].get('go'):\n        {line}\n    return event\n"


def alive(transformer: Transformer) -> list[psutil.Process]:
    return [p for p in psutil.Process().children() if str(transformer.folder) in " ".join(p.cmdline())]


def test_rename_mask_enrich_and_drop_come_back_as_such(chain):
    transformer = chain(
        rename="def transform(event):\n    event['event'] = event['event'].lower()\n    return event\n",
        free="def transform(event):\n    return None if not event['properties'].get('revenue') else event\n",
    )
    paid, free = transformer.run([order(1, revenue=5), order(2)])
    assert (paid.status, paid.name) == ("changed", "free")
    assert paid.payload == order(1, revenue=5) | {"event": "order completed"}
    assert (free.status, free.name, free.payload) == ("dropped", "free", None)


def test_each_step_of_a_chain_is_told_with_what_it_did(chain):
    files = {
        "rename": "def transform(event):\n    event['event'] = 'purchase'\n    return event\n",
        "nothing": "def transform(event):\n    return event\n",
        "last": "def transform(event):\n    return None if event['properties'].get('drop') else event['missing']\n",
    }
    both = chain(rename=files["rename"], nothing=files["nothing"]).run([order()])[0]
    dropped, failed = chain(**files).run([order(drop=True), order()])
    assert both.steps == (("rename", "changed"), ("nothing", "unchanged"))
    assert dropped.steps == (("rename", "changed"), ("nothing", "unchanged"), ("last", "dropped"))
    assert failed.steps[-1] == ("last", "failed")


def test_the_given_events_are_not_changed(chain):
    given = [order(1, products=[{"sku": "a"}])]
    before = copy.deepcopy(given)
    [result] = chain(cut="def transform(event):\n    del event['properties']['products'][0]\n    return event\n").run(
        given
    )
    assert result.payload == order(1, products=[])
    assert given == before


def test_a_tuple_is_a_list(chain):
    [result] = chain(pair=on("event['properties']['pair'] = (1, 'a')")).run([order(go=True)])
    assert (result.status, result.payload["properties"]["pair"]) == ("changed", [1, "a"])


def test_what_comes_back_as_it_was_counts_as_unchanged(chain):
    given = order(1, nested={"a": [1, 2.0, None, "ä\n"]})
    [result] = chain(same="def transform(event):\n    return dict(event)\n").run([given])
    assert (result.status, result.payload) == ("unchanged", given)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("raise KeyError('email')", "bad.py, line 3: KeyError: 'email'"),
        ("event['nobody']['there']", "bad.py, line 3: KeyError: 'nobody'"),
        ("return 'done'", "bad.py: returned str, not an event (dict) or None"),
        ("return [event]", "bad.py: returned list, not an event (dict) or None"),
        ("event['properties']['when'] = object()", "bad.py: TypeError: Encoding objects of type object is unsupported"),
        ("event['properties']['total'] = float('nan')", "bad.py: returned nan as properties.total, a number"),
        (
            "event['properties']['all'] = [{'n': float('-inf')}]",
            "bad.py: returned -inf as properties.all[].n",
        ),
        ("event['properties']['tags'] = {'a'}", "bad.py: returned a value of type set as properties.tags"),
        (
            "event['properties']['at'] = __import__('datetime').date(2026, 1, 1)",
            "bad.py: returned a value of type date",
        ),
        ("event['properties']['by'] = {1: 'a'}", "bad.py: returned a key of type int in properties.by"),
        ("event['properties']['self'] = event", "bad.py: RecursionError"),
        ("event['messageId'] = 'other'", "bad.py: changed messageId or receivedAt"),
        ("event.pop('receivedAt')", "bad.py: changed messageId or receivedAt"),
        ("event.pop('userId')", "bad.py: returned an event that cannot be used: no userId or anonymousId"),
        ("event['type'] = 'purchase'", "bad.py: returned an event that cannot be used: unknown type"),
        ("event['event'] = ''", "bad.py: returned an event that cannot be used: track without an event name"),
        ("import sys; sys.exit(1)", "bad.py, line 3: SystemExit: 1"),
        ("x = bytearray(3 << 30)", "bad.py, line 3: MemoryError"),
        ("import os; os._exit(3)", "bad.py: the process ended (exit code 3)"),
        ("import os; os.kill(os.getpid(), 11)", "bad.py: the process ended (SIGSEGV)"),
        pytest.param("while True: pass", "bad.py, line 3: took longer than 2 s", marks=pytest.mark.slow),
        pytest.param("import time; time.sleep(60)", "bad.py, line 3: took longer than 2 s", marks=pytest.mark.slow),
        pytest.param("import re; re.match('(a+)+$', 'a' * 50 + 'b')", "bad.py, line 3: took", marks=pytest.mark.slow),
    ],
)
def test_only_the_event_that_fails_has_failed_and_says_where(chain, line, words):
    events = [order(1), order(2), order(3, go=True), order(4), order(5, go=True), order(6)]
    results = chain(bad=on(line)).run(events)
    assert [result.status for result in results] == [
        "unchanged",
        "unchanged",
        "failed",
        "unchanged",
        "failed",
        "unchanged",
    ]
    for result in (results[2], results[4]):
        assert (result.name, result.payload) == ("bad", None)
        assert result.detail.startswith(words)


@pytest.mark.slow
def test_the_file_of_a_chain_that_hangs_is_the_one_named(chain):
    same = "def transform(event):\n    return event\n"
    name = "def transform(event):\n    event['event'] = 'Named'\n    return event\n"
    for line in ("while True: pass", "import os; os._exit(3)"):
        transformer = chain(first=same, second=name, third=on(line), fourth=same)
        before, result, after = transformer.run([order(1), order(2, go=True), order(3)])
        assert (result.status, result.name) == ("failed", "third")
        assert result.steps == (("first", "unchanged"), ("second", "changed"), ("third", "failed"))
        assert before.steps == after.steps == (*result.steps[:2], ("third", "unchanged"), ("fourth", "unchanged"))


@pytest.mark.slow
def test_the_file_of_a_chain_that_hangs_while_loading_is_the_one_named(chain, monkeypatch):
    same = "def transform(event):\n    return event\n"
    transformer = chain(first=same, second=f"import time\n{same}\ndef setup():\n    time.sleep(600)\n", third=same)
    monkeypatch.setattr("headwater.policy.transform.START_SECONDS", 10.0)
    [result] = transformer.run([order()])
    assert (result.status, result.name) == ("failed", "second")
    assert result.detail.startswith("second.py, line 6: loading and setup() took longer than")


@pytest.mark.slow
@pytest.mark.parametrize("line", ["while True: pass", "import os; os._exit(3)"], ids=["hangs", "ends"])
def test_a_chain_that_hangs_again_and_again_is_suspended_and_tried_with_one_event_after_a_while(chain, line):
    now = 0.0
    transformer = chain(first="def transform(event):\n    return event\n", bad=on(line))
    transformer.breaker = Breaker(hangs=3, clock=lambda: now, share=1.0)
    good, bad = order(), order(go=True)
    results = transformer.run([bad, good, bad, bad, bad, bad, good, *[bad] * 5_000])
    assert [result.status for result in results[:3]] == ["failed", "unchanged", "failed"]
    assert [result.is_suspended for result in results] == [False] * 5 + [True] * 5_002
    assert all((result.status, result.name, result.payload) == ("failed", "bad", None) for result in results[2:])
    assert results[-1].detail.startswith("suspended after 3 hangs in a row: bad.py")
    now = 61.0
    assert [result.is_suspended for result in transformer.run([bad] * 3)] == [False, True, True]
    assert [result.status for result in transformer.run([good])] == ["failed"]
    now = 200.0
    assert [result.status for result in transformer.run([good] * 700)] == ["unchanged"] * 700


def test_printing_and_reading_stdin_do_not_harm(chain):
    text = "import sys\nprint('loaded')\ndef transform(event):\n    print(event, flush=True)\n"
    text += "    sys.__stdout__.write('changed 0 0 {}\\n')\n"
    text += "    event['properties']['read'] = sys.stdin.read()\n    return event\n"
    results = chain(talk=text).run([order(n) for n in range(50)])
    assert [result.payload for result in results] == [order(n, read="") for n in range(50)]


def test_nothing_of_the_platform_environment_is_seen(chain, monkeypatch):
    monkeypatch.setenv("CRM_TOKEN", "secret")
    text = "import os\ndef transform(event):\n    event['properties'] = dict(os.environ)\n    return event\n"
    [result] = chain(look=text).run([order()])
    assert result.payload and set(result.payload["properties"]) <= {"PATH", "LANG", "LC_CTYPE"}


def test_setup_is_called_once_and_helpers_beside_it_can_be_imported(chain, tmp_path):
    (tmp_path / "_countries.py").write_text("NAMES = {'AT': 'Austria'}\n", encoding="utf-8")
    text = "from _countries import NAMES\nfound = []\ndef setup():\n    found.append(NAMES['AT'])\n"
    text += "def transform(event):\n    event['properties']['found'] = found\n    return event\n"
    results = chain(enrich=text).run([order(1), order(2)])
    assert [result.payload["properties"]["found"] for result in results if result.payload] == [["Austria"], ["Austria"]]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("def transform(event)\n    return event\n", "broken.py, line 1: SyntaxError"),
        ("import headwater_has_no_such_module\n", "broken.py, line 1: ModuleNotFoundError"),
        ("def transforms(event):\n    return event\n", "there is no function transform(event)"),
        (
            "\ndef setup():\n    1 / 0\ndef transform(event):\n    return event\n",
            "broken.py, line 3: ZeroDivisionError",
        ),
    ],
)
def test_a_file_that_cannot_be_loaded_fails_each_event_and_is_told_before(chain, text, words):
    transformer = chain(broken=text)
    results = transformer.run([order(1), order(2)])
    assert [result.status for result in results] == ["failed", "failed"]
    assert words in results[0].detail
    with pytest.raises(ConfigError, match=r"broken\.py cannot be used"):
        transformer.start()


@pytest.mark.slow
def test_large_batches_and_large_events_come_through_in_order(chain):
    events = [order(n, text="x" * (n % 7) * 100_000) for n in range(1_200)]
    results = chain(count="def transform(event):\n    event['n'] = event['messageId']\n    return event\n").run(events)
    assert [result.payload["n"] for result in results if result.payload] == [f"m{n}" for n in range(1_200)]


def test_a_process_that_somebody_killed_while_idle_costs_no_event(chain):
    transformer = chain(same="def transform(event):\n    return event\n")
    transformer.start()
    [process] = alive(transformer)
    process.kill()
    process.wait()
    assert [result.status for result in transformer.run([order(1), order(2)])] == ["unchanged", "unchanged"]


def test_closing_ends_the_process_also_while_it_hangs(chain):
    transformer = chain(same="def transform(event):\n    return event\n")
    transformer.run([order()])
    assert len(alive(transformer)) == 1
    transformer.close()
    assert not alive(transformer)


@pytest.mark.slow
@pytest.mark.parametrize("is_hanging", [False, True])
def test_the_process_ends_when_its_parent_was_killed(tmp_path, is_hanging):
    (tmp_path / "slow.py").write_text(on("import re; re.match('(a+)+$', 'a' * 50 + 'b')"), encoding="utf-8")
    parent = f"""
import sys
from pathlib import Path
from headwater.configuration import Transformation
from headwater.policy.breaker import Breaker
from headwater.policy.transform import Transformer
t = Transformer(Path({str(tmp_path)!r}), ["slow"], {{"slow": Transformation(timeout_seconds=2)}})
t.start()
print(t._worker._process.pid, flush=True)
t.run([{order(go=is_hanging)!r}]) if {is_hanging} else sys.stdin.read()
"""
    with subprocess.Popen([sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        child = psutil.Process(int(process.stdout.readline()))
        time.sleep(0.3)
        process.kill()
    child.wait(timeout=120)


def test_results_can_be_written_as_json(chain):
    [result] = chain(drop="def transform(event):\n    return None\n").run([order()])
    assert isinstance(result, Result)
    assert json.loads(json.dumps([result.status, result.name, result.detail, result.seconds]))[:2] == [
        "dropped",
        "drop",
    ]


@pytest.mark.slow
def test_no_file_descriptor_stays_open_after_many_hangs(chain):
    transformer = chain(Transformation(timeout_seconds=0.05), bad=on("while True: pass"))
    transformer.run([order(go=True)])
    before = len(list(Path("/proc/self/fd").iterdir()))
    transformer.run([order(n, go=True) for n in range(5)])
    assert len(list(Path("/proc/self/fd").iterdir())) <= before
