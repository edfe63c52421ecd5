"""What a company decides, read from `config/*.yaml` into typed objects, once per process.

Belongs here: the shape of every config file and the reading of it, with errors that name file, line and the valid
keys. Does not belong here: what a verb does with it, or anything read from the environment (`headwater.settings`).

`${NAME}` and `${NAME:-default}` in any value are replaced from the environment, so that secrets stay out of git.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec
import yaml
from msgspec import Struct, field

from headwater.errors import ConfigError
from headwater.settings import Settings, interpolate

T = TypeVar("T")
ColumnType = Literal["text", "integer", "decimal", "double", "boolean", "date", "timestamp", "json"]


class Platform(Struct, forbid_unknown_fields=True):
    """`platform.yaml`: the company as a whole."""

    company: str
    currency: str
    stacks: list[Literal["starter", "growth", "ml", "realtime"]]
    api_tokens: list[str] = []
    session_gap_minutes: int = 30
    dbt_vars: dict[str, Any] = {}


class EventSource(Struct, tag_field="kind", tag="events", forbid_unknown_fields=True):
    """An SDK or server that sends events to the collector, known by its write keys."""

    write_keys: list[str]
    description: str = ""


class RestTable(Struct, forbid_unknown_fields=True):
    """One collection of a REST source. `cursor` is the field by which it is pulled incrementally."""

    path: str
    columns: dict[str, ColumnType]
    primary_key: str = "id"
    cursor: str = "updated_at"
    description: str = ""


class RestSource(Struct, tag_field="kind", tag="rest", forbid_unknown_fields=True):
    """A SaaS tool that is pulled over HTTP; pages are followed by `next_page_token`."""

    base_url: str
    token: str
    tables: dict[str, RestTable]
    page_size: int = 500
    owner: str = ""
    description: str = ""


class ConversationSource(Struct, tag_field="kind", tag="conversations", forbid_unknown_fields=True):
    """Chat transcripts that arrive as JSONL files in `inbox/<source>/` or in the data folder's `transcripts/`."""

    files: str = "*.jsonl*"
    description: str = ""


class ColumnRule(Struct, forbid_unknown_fields=True):
    """How one canonical column is filled: `from` a column (perhaps `times` a whole number) or a constant `value`."""

    from_: str | None = field(default=None, name="from")
    value: str | int | None = None
    times: int | None = None


class CsvTable(Struct, forbid_unknown_fields=True):
    """One CSV file of the data folder. `feeds` names the canonical table that its rows also fill, by `mapping`."""

    file: str
    primary_key: list[str]
    columns: dict[str, ColumnType]
    feeds: Literal["orders", "order_lines", "products", "customers"] | None = None
    mapping: dict[str, str | ColumnRule] = {}
    description: str = ""


class CsvSource(Struct, tag_field="kind", tag="csv", forbid_unknown_fields=True):
    """Tables that come as files, relative to the data folder of `make run DATA=DIR`."""

    tables: dict[str, CsvTable]
    description: str = ""


Source = EventSource | RestSource | ConversationSource | CsvSource


class SourcesFile(Struct, forbid_unknown_fields=True):
    """`sources.yaml`."""

    sources: dict[str, Source]
    import_source: str = "server"


class IdType(Struct, forbid_unknown_fields=True):
    """One kind of identifier. `limits` says how many values of another type one value of this type may be tied to."""

    priority: int
    normalise: Literal["none", "email"] = "none"
    junk: list[str] = []
    limits: dict[str, int] = {}


class EdgeSource(Struct, forbid_unknown_fields=True):
    """A table whose rows tie identifiers together; `ids` maps id type to a column or SQL expression over its rows."""

    table: str
    ids: dict[str, str]
    where: str = ""


class Identity(Struct, forbid_unknown_fields=True):
    """`identity.yaml`."""

    id_types: dict[str, IdType]
    edges: list[EdgeSource]


class Sync(Struct, forbid_unknown_fields=True):
    """`syncs/<name>.yaml`: a model, a mapping, a destination."""

    model: str
    key: str
    destination: str
    object: str
    mapping: dict[str, str]
    where: str = ""
    owner: str = ""
    description: str = ""


class Stream(Struct, forbid_unknown_fields=True):
    """Which events a streaming destination receives. Empty lists mean «all»."""

    types: list[str] = []
    events: list[str] = []
    routes: list[Literal["live", "import"]] = field(default_factory=lambda: ["live"])
    batch_size: int | None = None


class Destination(Struct, forbid_unknown_fields=True):
    """`destinations/<name>.yaml`: a tool and how to reach it; `type` names a class of `push/destinations/`."""

    type: str
    base_url: str
    token: str = ""
    stream: Stream | None = None
    rate_per_second: float | None = None
    owner: str = ""
    description: str = ""


class Label(Struct, forbid_unknown_fields=True):
    """The churn rule: churned = cancelled (or no sale) in [T + gap, T + gap + horizon), whole UTC days."""

    kind: Literal["cancellation", "inactivity"]
    horizon_days: int
    gap_days: int = 0


class Prediction(Struct, forbid_unknown_fields=True):
    """`predictions/<name>.yaml`: who is predicted, what, how far ahead, and who becomes the audience."""

    label: Label
    population_has: list[str] = []
    first_observation: str | None = None
    last_observation: str | None = None
    audience_share: float = 0.2
    owner: str = ""
    description: str = ""


class PlannedEvent(Struct, forbid_unknown_fields=True):
    """`tracking_plan/<event>.yaml`: an event that the company agreed on."""

    event: str
    owner: str
    description: str
    type: Literal["track"] = "track"


class Config(Struct):
    """Everything under the config folder."""

    platform: Platform
    sources: dict[str, Source]
    import_source: str
    identity: Identity
    syncs: dict[str, Sync] = {}
    destinations: dict[str, Destination] = {}
    predictions: dict[str, Prediction] = {}
    tracking_plan: dict[str, PlannedEvent] = {}

    def write_keys(self) -> dict[str, str]:
        """Write key → name of the event source that it belongs to."""
        return {
            key: name
            for name, source in self.sources.items()
            if isinstance(source, EventSource)
            for key in source.write_keys
        }


def load_config(settings: Settings) -> Config:
    """Read the whole config folder.

    Raises:
        ConfigError: a file is missing or wrong, or one names what another does not define.
    """
    folder = settings.config_dir
    if not folder.is_dir():
        raise ConfigError(f"The config folder {folder} does not exist.", hint="Name one with --config or CONFIG=.")
    sources = read_yaml(folder / "sources.yaml", SourcesFile)
    config = Config(
        platform=read_yaml(folder / "platform.yaml", Platform),
        sources=sources.sources,
        import_source=sources.import_source,
        identity=read_yaml(folder / "identity.yaml", Identity),
        syncs=_read_folder(folder / "syncs", Sync),
        destinations=_read_folder(folder / "destinations", Destination),
        predictions=_read_folder(folder / "predictions", Prediction),
        tracking_plan=_read_folder(folder / "tracking_plan", PlannedEvent),
    )
    _check_references(config, folder)
    return config


def read_yaml(path: Path, cls: type[T]) -> T:
    """Read one YAML file into `cls`.

    Raises:
        ConfigError: the file is missing, is not YAML, or does not fit; names file, line and the valid keys.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from error
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise ConfigError(f"{path}{line}: not YAML: {getattr(error, 'problem', error)}.") from error
    data = _interpolate(data, str(path))
    try:
        return msgspec.convert(data if data is not None else {}, cls)
    except msgspec.ValidationError as error:
        raise ConfigError(_explain(path, node, cls, str(error))) from error


def _read_folder(folder: Path, cls: type[T]) -> dict[str, T]:
    return {path.stem: read_yaml(path, cls) for path in sorted(folder.glob("*.yaml"))} if folder.is_dir() else {}


def _interpolate(data: Any, where: str) -> Any:
    if isinstance(data, str):
        return interpolate(data, where)
    if isinstance(data, list):
        return [_interpolate(item, where) for item in data]
    if isinstance(data, dict):
        return {key: _interpolate(value, where) for key, value in data.items()}
    return data


def _check_references(config: Config, folder: Path) -> None:
    for name, sync in config.syncs.items():
        if sync.destination not in config.destinations:
            known = ", ".join(sorted(config.destinations)) or "none"
            path = folder / "syncs" / f"{name}.yaml"
            raise ConfigError(f"{path}: destination «{sync.destination}» is not defined; defined are: {known}.")
    events = [name for name, source in config.sources.items() if isinstance(source, EventSource)]
    if config.import_source not in events:
        raise ConfigError(
            f"{folder / 'sources.yaml'}: import_source «{config.import_source}» is not a source of kind events; "
            f"those are: {', '.join(events) or 'none'}."
        )
    for edge in config.identity.edges:
        for id_type in edge.ids:
            if id_type not in config.identity.id_types:
                raise ConfigError(
                    f"{folder / 'identity.yaml'}: the edge over {edge.table} names id type «{id_type}»; "
                    f"defined are: {', '.join(config.identity.id_types)}."
                )


def _explain(path: Path, node: yaml.Node | None, cls: type, message: str) -> str:
    """msgspec's message with the line it is about and what is valid there."""
    what, _, where = message.partition(" - at `")
    steps = re.findall(r"\[(\d+|\.\.\.)\]|\.([^.\[\]`]+)", where)
    wrong = re.search(r"unknown field `([^`]+)`", what)
    found, shape = _descend(node, msgspec.inspect.type_info(cls), [number or name for number, name in steps], what)
    line_node = _key_node(found, wrong.group(1)) if wrong else found
    line = line_node.start_mark.line + 1 if line_node is not None else 1
    return f"{path}, line {line}: {what.rstrip('.')}.{_valid(shape, what)}"


def _valid(shape: Any, what: str) -> str:
    if isinstance(shape, msgspec.inspect.StructType) and ("unknown field" in what or "missing required" in what):
        tag = [shape.tag_field] if shape.tag_field else []
        return f" Valid keys here: {', '.join([*tag, *(f.encode_name for f in shape.fields)])}."
    if isinstance(shape, msgspec.inspect.LiteralType):
        return f" Valid values: {', '.join(map(str, shape.values))}."
    if isinstance(shape, msgspec.inspect.UnionType):
        return f" Valid values: {', '.join(str(t.tag) for t in shape.types if hasattr(t, 'tag'))}."
    return ""


def _descend(node: yaml.Node | None, shape: Any, steps: list[str], what: str) -> tuple[yaml.Node | None, Any]:
    """Follow msgspec's path through the YAML node and the type at once. `[...]` stands for any key or item, so each
    candidate is tried and the one that shows the fault is taken."""
    for index, step in enumerate(steps):
        union, shape = shape, _inner(shape, node)
        if step == "..." and isinstance(node, yaml.CollectionNode):
            inner = getattr(shape, "value_type", None) or getattr(shape, "item_type", None)
            values = [item[1] if isinstance(item, tuple) else item for item in node.value]
            results = [_descend(value, inner, steps[index + 1 :], what) for value in values]
            return next((r for r in results if _shows(r, what)), results[0] if results else (node, inner))
        if isinstance(node, yaml.MappingNode):
            match = next((v for k, v in node.value if k.value == step), None)
            if match is None:
                return None, None
            if isinstance(shape, msgspec.inspect.StructType):
                found = next((f.type for f in shape.fields if f.encode_name == step), None)
                shape = union if step == shape.tag_field else found
            else:
                shape = getattr(shape, "value_type", None)
            node = match
        elif isinstance(node, yaml.SequenceNode):
            node = node.value[int(step)] if step.isdigit() else node
            shape = getattr(shape, "item_type", None)
    return node, shape if isinstance(node, yaml.ScalarNode) else _inner(shape, node)


def _inner(shape: Any, node: yaml.Node | None) -> Any:
    """Choose the member of a union by the node's `kind`, or the first that is a struct."""
    if not isinstance(shape, msgspec.inspect.UnionType):
        return shape
    kind = _key_node(node, "kind", value=True)
    structs = [t for t in shape.types if isinstance(t, msgspec.inspect.StructType)]
    return next((s for s in structs if kind is not None and s.tag == kind.value), structs[0] if structs else shape)


def _key_node(node: yaml.Node | None, key: str, *, value: bool = False) -> Any:
    if isinstance(node, yaml.MappingNode):
        for key_node, value_node in node.value:
            if key_node.value == key:
                return value_node if value else key_node
    return None if value else node


def _shows(result: tuple[yaml.Node | None, Any], what: str) -> bool:
    """Whether this node is the one that msgspec's message is about."""
    node, shape = result
    names = re.findall(r"`([^`]+)`", what)
    if "unknown field" in what:
        return isinstance(node, yaml.MappingNode) and any(k.value == names[0] for k, _ in node.value)
    if "missing required" in what:
        return isinstance(node, yaml.MappingNode) and all(k.value != names[0] for k, _ in node.value)
    if not isinstance(node, yaml.ScalarNode):
        return node is not None
    value = yaml.safe_load(node.value)
    if isinstance(shape, msgspec.inspect.LiteralType):
        return value not in shape.values
    if isinstance(shape, msgspec.inspect.UnionType):
        return value not in {getattr(t, "tag", None) for t in shape.types}
    kinds = {"IntType": int, "FloatType": float, "StrType": str, "BoolType": bool}
    return not isinstance(value, kinds.get(type(shape).__name__, object))
