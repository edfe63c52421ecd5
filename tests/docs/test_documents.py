"""README, ARCHITECTURE and CONTRIBUTING say what is true: their commands run, what they name is there.

A kind of example or of word that is not known here fails: whoever writes it says how it is held.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
import shlex
import signal
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path

import click
import httpx
import pytest

from headwater.cli import COMMANDS, cli
from headwater.settings import CHECKOUT, Settings, load_settings
from tests.docs import documents
from tests.docs.conftest import BIN, PERSON
from tests.docs.documents import Found

VERBS = ["collect", "land", "load", "match", "model", "predict", "push", "serve"]
HOME = Settings(home=Path("/home"), config_dir=CHECKOUT / "config", lake_url="/home/lake")


def kind_of(command: str) -> str:
    """What an example is, from its words; `unknown` when nobody has said how it is held."""
    for kind, pattern in {
        "make": r"make( |$)",
        "curl": r"curl ",
        "dbt": r"cd dbt_project && \.\./\.venv/bin/dbt ",
        "module": r"\.venv/bin/python -m ",
        "headwater": r"(\.venv/bin/)?headwater ",
    }.items():
        if re.match(pattern, command):
            return kind
    return "unknown"


def examples(*kinds: str) -> list[Found]:
    return [found for found in documents.commands() if kind_of(found.text) in kinds]


@cache
def make_targets() -> dict[str, str]:
    told = subprocess.run(["make", "help"], cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout
    return dict(re.findall(r"^  make (\w+) +(.*)$", told, re.MULTILINE))


@cache
def code() -> str:
    """Everything that is written for machines: what a word in backticks may come from."""
    folders = ("headwater", "orchestration", "ml", "sandbox", "dbt_project", "config")
    endings = {".py", ".sql", ".yml", ".yaml"}
    files = (file for folder in folders for file in sorted(documents.path(folder).rglob("*")))
    return "\n".join(file.read_text(encoding="utf-8") for file in files if file.suffix in endings)


@cache
def assets() -> list[str]:
    graph = documents.path("tests", "orchestration", "graph.txt").read_text(encoding="utf-8")
    return re.findall(r"^([a-z_]+/\w+) · ", graph, re.MULTILINE)


def check_make(command: str) -> None:
    _, target, *variables = command.split()
    assert target in make_targets(), f"`make help` does not list {target}"
    options = {parameter.name for parameter in cli.get_command(None, "run").params}  # type: ignore[arg-type, union-attr]
    for variable in variables:
        name = variable.partition("=")[0]
        assert f"$({name})" in documents.text("Makefile")
        assert name.lower() in options


def check_headwater(command: str) -> None:
    """The sub-command is there, and so is each of its options."""
    _, *arguments = shlex.split(command)
    found: click.Command = cli
    while isinstance(found, click.Group) and arguments and not arguments[0].startswith("-"):
        name = arguments.pop(0)
        inner = found.get_command(click.Context(found), name)
        assert inner is not None, f"{found.name} has no command {name}"
        found = inner
    options = {option for parameter in found.get_params(click.Context(found)) for option in parameter.opts}
    assert {argument for argument in arguments if argument.startswith("-")} <= options


def check_module(command: str) -> None:
    assert importlib.util.find_spec(command.split()[2]) is not None


def test_every_example_is_of_a_kind_that_is_held() -> None:
    # what is between the fences of `yaml`, `python` and `sql` is taken up by test_tutorial.py and what it names
    assert {language for _, language, _ in documents.fences()} == {"sh", "", "yaml", "python", "sql"}
    assert [str(found) for found in examples("unknown")] == []
    assert {kind_of(found.text) for found in documents.commands()} >= {"make", "curl", "dbt"}


@pytest.mark.parametrize("example", examples("make", "headwater", "module"), ids=str)
def test_an_example_names_what_is_there(example: Found) -> None:
    checks = {"make": check_make, "headwater": check_headwater, "module": check_module}
    checks[kind_of(example.text)](example.text)


@pytest.mark.parametrize("example", examples("curl"), ids=str)
def test_a_request_of_the_documents_is_answered(example: Found, home: Settings) -> None:
    shipped = {HOME.collector_port: home.collector_port, HOME.api_port: home.api_port}
    answer = curl(example.text, shipped)
    assert answer.status_code == 200, answer.text
    if PERSON in example.text:
        assert answer.json()["customer_id"] == "c1"


def curl(command: str, ports: dict[int, int]) -> httpx.Response:
    """What curl would do, ports replaced; an option that is not known here is an error."""
    _, *arguments = shlex.split(command)
    headers, body, auth, url = {}, None, None, ""
    while arguments:
        argument = arguments.pop(0)
        if argument == "-H":
            name, _, value = arguments.pop(0).partition(": ")
            headers[name] = value
        elif argument == "-u":
            user, _, password = arguments.pop(0).partition(":")
            auth = (user, password)
        elif argument == "-d":
            body = arguments.pop(0)
            headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
        else:
            assert argument.startswith("http://127.0.0.1:"), argument
            url = argument
    for shipped, port in ports.items():
        url = url.replace(f":{shipped}/", f":{port}/")
    method = "GET" if body is None else "POST"
    with httpx.Client(trust_env=False) as client:
        return client.request(method, url, headers=headers, content=body, auth=auth)


@pytest.mark.slow
@pytest.mark.parametrize("example", examples("dbt"), ids=str)
def test_dbt_works_as_the_documents_say(example: Found, tmp_path) -> None:
    command = example.text.replace("../.venv/bin/", f"{BIN}/")
    environment = load_settings(home=tmp_path).environment()
    result = subprocess.run(
        ["bash", "-c", command], cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert (tmp_path / "warehouse.duckdb").is_file()
    published = subprocess.run([BIN / "headwater", "publish"], env=environment, capture_output=True, text=True)
    assert published.returncode == 0, published.stderr
    assert (tmp_path / "warehouse.read.duckdb").is_file()


def is_path(word: str) -> bool:
    """A file or folder of the repository; `<…>` stands for any name."""
    pattern = re.sub(r"<[^>]*>", "*", word.rstrip("/"))
    return "…" not in pattern and not pattern.startswith(".") and any(CHECKOUT.glob(pattern))


def is_end_of_path(word: str) -> bool:
    """A file of a room, called by its name or by the last of its folders too."""
    named = re.fullmatch(r"[\w/]+\.(py|sql|yml|csv)", word) is not None
    return named and any(any((CHECKOUT / room).rglob(word)) for room in ("headwater", "orchestration", "dbt_project"))


def is_table(word: str) -> bool:
    """`schema.table` of a model, whatever makes it."""
    schema, _, table = word.partition(".")
    return table.isidentifier() and any((CHECKOUT / "dbt_project" / "models" / schema).glob(f"{table}.yml"))


def is_state(word: str) -> bool:
    """A place under the home, as the settings know it; `var/<…>` is a home itself."""
    known = {value for name in dir(HOME) if str(value := getattr(HOME, name)).startswith("/home/")}
    return word.startswith("var/") and (word.startswith("var/<") or HOME.home / word[4:] in known)


def is_asset(word: str) -> bool:
    """`group/…` or `group/<pattern>`: at least one asset is called so."""
    pattern = re.sub(r"<[^>]*>", r"\\w+", word.replace("…", r"\w+"))
    return "/" in word and any(re.fullmatch(pattern, key) for key in assets())


def is_command(word: str) -> bool:
    if kind_of(word) == "make":
        check_make(word)
    elif kind_of(word) == "headwater":
        check_headwater(word)
    elif word.startswith("kill -"):
        return int(word.removeprefix("kill -")) in signal.valid_signals()
    else:
        return word in COMMANDS or (word.startswith("ls ") and is_path(word[3:]))
    return True


def is_importable(word: str) -> bool:
    """Modules, or a function of one, with or without the package's name."""
    return all(any(_resolves(name) for name in (part, f"headwater.{part}")) for part in word.strip("()").split(", "))


def _resolves(name: str) -> bool:
    if not re.fullmatch(r"\w+(\.\w+)*", name):
        return False
    module, _, attribute = name.rpartition(".")
    try:
        if importlib.util.find_spec(name) is not None:
            return True
    except ModuleNotFoundError:
        pass
    try:
        return bool(module) and hasattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError:
        return False


def is_model_name(word: str) -> bool:
    pattern = re.sub(r"<[^>]*>", "*", word)
    return "<" in word and any(documents.path("dbt_project", "models").rglob(f"{pattern}.sql"))


def is_data_file(word: str) -> bool:
    """`folder/*.ending[.gz]`: a folder that commands or configs read by that name."""
    folder, slash, pattern = word.partition("/")
    return bool(slash) and pattern.startswith("*.") and f"{folder}/" in code() and pattern.split("[")[0][1:] in code()


def is_in_code(word: str) -> bool:
    """A name or ending that the code itself uses, as a whole word."""
    return re.search(rf"(?<![\w-]){re.escape(word)}(?!\w)|\w{re.escape(word)}\b", code()) is not None


KINDS: tuple[Callable[[str], bool], ...] = (
    is_command,
    is_path,
    is_end_of_path,
    is_table,
    is_state,
    is_asset,
    is_importable,
    is_model_name,
    is_data_file,
    is_in_code,
)


@pytest.mark.parametrize("word", documents.words(), ids=str)
def test_what_stands_in_backticks_is_there(word: Found) -> None:
    assert any(is_kind(word.text) for is_kind in KINDS)


@pytest.mark.parametrize("link", documents.links(), ids=str)
def test_a_link_leads_somewhere(link: Found) -> None:
    assert documents.path(link.text).is_file()


def test_a_word_that_is_nowhere_would_be_noticed() -> None:
    for word in ("headwater/nothing.py", "nothing_of_the_kind", "var/nothing", "nosuch/…", "nosuch.module"):
        assert not any(is_kind(word) for is_kind in KINDS), word
    assert kind_of("wget http://127.0.0.1:8080/") == "unknown"


def test_the_addresses_to_look_at_are_those_of_the_settings() -> None:
    told = {int(port) for row in documents.rows("README.md") for port in re.findall(r"127\.0\.0\.1:(\d+)", row[1])}
    assert told == {HOME.collector_port, HOME.api_port, HOME.sandbox_port, HOME.dagster_port, HOME.sandbox_db_port}


def test_the_readme_lists_every_command() -> None:
    listed = documents.text("README.md").partition("## The command")[2].partition("##")[0]
    assert set(re.findall(r"`(\w+)`", listed)) == set(COMMANDS)


def test_the_verbs_stand_in_their_alphabetical_order_and_each_has_its_folder_and_assets() -> None:
    rows = [row for row in documents.rows("ARCHITECTURE.md") if row[0] in VERBS]
    assert [row[0] for row in rows] == VERBS == sorted(VERBS)
    for _, _, where, keys in rows:
        assert is_path(where.strip("`")), where
        for key in re.findall(r"`([^`]+)`", keys):
            assert is_asset(key), key


PATH = re.compile(
    r"`?\b((?:headwater|config|orchestration|dbt_project|sandbox|ml|tests|benchmarks|docker)/[\w/.-]*\w)`?"
)


@pytest.mark.parametrize(
    "path", sorted(CHECKOUT.glob("config/**/*.yaml")), ids=lambda path: str(path.relative_to(CHECKOUT))
)
def test_a_path_that_a_comment_of_the_config_names_is_there(path: Path) -> None:
    comments = [line.partition("#")[2] for line in path.read_text(encoding="utf-8").splitlines() if "#" in line]
    named = [found for comment in comments for found in PATH.findall(comment)]
    assert [one for one in named if not (CHECKOUT / one).exists()] == []
