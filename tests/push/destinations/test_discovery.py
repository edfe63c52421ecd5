"""Classes are found by their files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from headwater.configuration import Config, Destination, Stream
from headwater.errors import ConfigError
from headwater.push import destinations
from headwater.push.checking import check, faults
from headwater.push.destinations import CLASSES
from headwater.settings import CHECKOUT

CLASS = '''
from headwater.push.destinations.base import BatchDestination, Streaming
from headwater.push.destinations.webhook import Webhook


class Anything(BatchDestination):
    """A tool."""

    type = "TYPE"
    streaming = Streaming(batch_size=1)

    def stream_request(self, events):
        return self._post("/", events)
'''


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose files count as lying beside the shipped classes."""
    monkeypatch.setattr(destinations, "__path__", [*destinations.__path__, str(tmp_path)])
    return tmp_path


def test_a_file_more_is_a_type_more(folder: Path, config: Config) -> None:
    assert "discovered_tool" not in CLASSES
    (folder / "discovered_tool.py").write_text(CLASS.replace("TYPE", "discovered_tool"))
    assert "discovered_tool" in list(CLASSES)
    config.destinations["new"] = Destination(type="discovered_tool", base_url="http://127.0.0.1:9", stream=Stream())
    assert type(check(config, "new")).__name__ == "Anything"


def test_a_file_without_its_class_says_so(folder: Path, config: Config) -> None:
    (folder / "misnamed_tool.py").write_text(CLASS.replace("TYPE", "another_name"))
    config.destinations["new"] = Destination(type="misnamed_tool", stream=Stream())
    with pytest.raises(ConfigError, match=r'misnamed_tool\.py has 0 classes .* `type = "misnamed_tool"`'):
        check(config, "new")


def test_a_file_that_cannot_be_loaded_harms_its_own_destinations_only(folder: Path, config: Config) -> None:
    (folder / "broken_tool.py").write_text("import no_such_library\n")
    (folder / "raising_tool.py").write_text(CLASS.replace("TYPE", "raising_tool") + "\n    def __init__(self, _):\n"
                                            "        raise RuntimeError('not today')\n")  # fmt: skip
    for type_ in ("broken_tool", "raising_tool"):
        config.destinations[type_] = Destination(type=type_, stream=Stream())
    assert {name: str(fault) for name, fault in faults(config).items()} == {
        "broken_tool": "headwater/push/destinations/broken_tool.py cannot be loaded: "
        "ModuleNotFoundError: No module named 'no_such_library'.",
        "raising_tool": "destinations/raising_tool.yaml: RuntimeError: not today.",
    }


@pytest.mark.parametrize("type_", ["base", "packing", "", "no_such", "webhook.x", "__init__", 3])
def test_what_is_no_tool_is_no_type(type_: str) -> None:
    assert type_ not in CLASSES
    with pytest.raises(KeyError):
        CLASSES[type_]


def test_a_class_is_read_when_it_is_asked_for() -> None:
    said = subprocess.run(
        [sys.executable, "-c", "import sys; from headwater.push.destinations import CLASSES; CLASSES['webhook']; "
         "print([name for name in sys.modules if name.startswith('headwater.push.destinations.')])"],
        capture_output=True, text=True, check=True, cwd=CHECKOUT,
    ).stdout  # fmt: skip
    assert "destinations.webhook'" in said
    assert "destinations.braze'" not in said
