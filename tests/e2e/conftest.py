"""The example company, collected once and run once for all files of this folder, in whichever worker they are.

Belongs here: making it. Does not belong here: that it is made once (`tests.once`), what is expected of it.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from headwater.settings import CHECKOUT
from tests.e2e.product import OF_ATTEMPT, Content, Product
from tests.once import once, shared_folder

CONFIG = CHECKOUT / "config"
# so few people hardly ever cancel; enough of them pause buying
CHURN = (
    "label: {kind: inactivity, horizon_days: 45}\ndescription: Likelihood that a customer buys nothing in 45 days.\n"
)


@dataclass(frozen=True)
class Ran:
    """A home after its first run from end to end, what that said, and what it left: all, and all that does not differ
    from one attempt to the next."""

    product: Product
    text: str
    content: Content
    undisturbed: Content


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shared_folder(tmp_path_factory, "example_company")


@pytest.fixture(scope="session")
def collected(shared: Path) -> Path:
    """A home whose events are all collected and which nothing has been made of. Only to be copied: `copied`."""
    return Path(once(shared, "collected", _collect))


@pytest.fixture(scope="session")
def ran(shared: Path, collected: Path) -> Ran:
    """A copy of `collected` after one run that nobody disturbed. Its home is for one file to go on with."""
    told = once(shared, "ran", lambda folder: _run(copied(collected, folder / "home")))
    contents = ({table: (rows, digest) for table, (rows, digest) in told[name].items()} for name in ("all", "kept"))
    return Ran(Product(Path(told["home"]), ports=told["ports"]), told["text"], *contents)


@pytest.fixture
def undisturbed(request: pytest.FixtureRequest) -> Callable[[], Content]:
    """Gives what `ran` left, but for what differs from one attempt to the next. Asked at a test's end, nobody waits."""
    return lambda: request.getfixturevalue("ran").undisturbed


def copied(home: Path, to: Path) -> Product:
    """The home as an installation of its own, with ports of its own."""
    shutil.copytree(home, to, ignore=shutil.ignore_patterns("*.sock", "processes.json"))
    product = Product(to)
    # the sandbox knows by the collector's address what that one has taken; this one has the same log
    receipt = to / "sandbox" / "company" / "live.sent.json"
    (taken,) = json.loads(receipt.read_text()).values()
    receipt.write_text(json.dumps({product.url("COLLECTOR"): taken}))
    return product


def _collect(folder: Path) -> str:
    config = folder / "config"
    shutil.copytree(CONFIG, config, ignore=shutil.ignore_patterns("examples"))
    (config / "predictions" / "churn.yaml").write_text(CHURN)
    # on a slow machine any transformation may take its second, and one warehouse would have an event less
    files = (config / "transformations").glob("[!_]*.py")
    patience = "".join(f"{file.stem}: {{timeout_seconds: 120}}\n" for file in files)
    (config / "transformations" / "_settings.yaml").write_text(patience)
    product = Product(folder / "home")
    collecting = product.start("run", "--people", "300", "--config", str(config))
    collecting.wait_until(lambda: "the whole graph" in collecting.text(), "the graph")
    collecting.kill()
    product.await_rest()
    return str(product.home)


def _run(product: Product) -> dict[str, Any]:
    ended = product.run("run")
    assert ended.code == 0, ended.text
    kept = product.content(leave_out=OF_ATTEMPT)
    told = {"home": str(product.home), "ports": list(product.ports), "text": ended.text}
    return told | {"all": product.content(), "kept": kept}
