"""Reading one YAML file into a typed object, with errors that name file, line and the valid keys.

Belongs here: parsing, `${NAME}` and `${NAME:-default}`, the words of an error. Does not belong here: what any file
holds (`headwater.configuration.shapes`), which files there are (`headwater.configuration`).
"""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import yaml

from headwater.errors import ConfigError
from headwater.settings import interpolate

T = TypeVar("T")


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


def read_folder(folder: Path, cls: type[T]) -> dict[str, T]:
    """Each `*.yaml` of a folder by its name without the ending; files that begin with `_` are not of that kind.

    Raises:
        ConfigError: as `read_yaml`.
    """
    paths = sorted(folder.glob("*.yaml")) if folder.is_dir() else []
    return {path.stem: read_yaml(path, cls) for path in paths if not path.name.startswith("_")}


def read_each(folder: Path, cls: type[T]) -> tuple[dict[str, T], dict[str, str]]:
    """As `read_folder`, file by file: what can be read, and why which others cannot."""
    found: dict[str, T] = {}
    unusable: dict[str, str] = {}
    for path in sorted(folder.glob("*.yaml")) if folder.is_dir() else []:
        if not path.name.startswith("_"):
            try:
                found[path.stem] = read_yaml(path, cls)
            except (ConfigError, UnicodeDecodeError) as error:
                why = str(error) if isinstance(error, ConfigError) else f"{path}: {type(error).__name__}: {error}"
                unusable[path.stem] = why
    return found, unusable


def at(path: Path, *steps: str | int) -> str:
    """The file and the line of what the steps lead to, for the sentence of an error that is found once it was read.

    Args:
        steps: keys and numbers of items; where the file says less, the line of what it says.
    """
    try:
        node: Any = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except (OSError, yaml.YAMLError):
        return str(path)
    line = None
    for step in steps:
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        items = [(item, item) for item in node.value] if isinstance(node, yaml.SequenceNode) else []
        found = items[int(step) : int(step) + 1] if items else [pair for pair in pairs if pair[0].value == str(step)]
        if not found:
            break
        line, node = found[0][0].start_mark.line + 1, found[0][1]
    return f"{path}, line {line}" if line else str(path)


def _interpolate(data: Any, where: str) -> Any:
    if isinstance(data, str):
        return interpolate(data, where)
    if isinstance(data, list):
        return [_interpolate(item, where) for item in data]
    if isinstance(data, dict):
        return {key: _interpolate(value, where) for key, value in data.items()}
    return data


def _explain(path: Path, node: yaml.Node | None, cls: type, message: str) -> str:
    """msgspec's message with the line it is about and what is valid there."""
    what, _, where = message.partition(" - at `")
    steps = re.findall(r"\[(\d+|\.\.\.)\]|\.([^.\[\]`]+)", where)
    wrong = re.search(r"unknown field `([^`]+)`", what)
    found, shape = _descend(node, msgspec.inspect.type_info(cls), [number or name for number, name in steps], what)
    line_node = _key_node(found, wrong.group(1)) if wrong else found
    line = line_node.start_mark.line + 1 if line_node is not None else 1
    key = steps[-1][1] if steps and not wrong and "missing required" not in what else ""
    return f"{path}, line {line}: {f'{key}: ' if key else ''}{what.rstrip('.')}.{_valid(shape, what)}"


def _valid(shape: Any, what: str) -> str:
    if what.startswith("Expected `object"):
        shape = _inner(shape, None)
    if isinstance(shape, msgspec.inspect.StructType):
        tag = [shape.tag_field] if shape.tag_field else []
        return f" Valid keys here: {', '.join([*tag, *(f.encode_name for f in shape.fields)])}."
    if isinstance(shape, msgspec.inspect.LiteralType):
        return f" Valid values: {', '.join(map(str, shape.values))}."
    tags = [t.tag for t in getattr(shape, "types", ()) if getattr(t, "tag", None) is not None]
    if tags:
        return f" Valid values: {', '.join(map(str, tags))}."
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
    if node is None:
        return False
    expected = re.fullmatch(r"Expected `[^`]+`, got `([^`]+)`", what)
    if expected:
        return expected.group(1) == _kind(node) and _kind(node) not in _kinds(shape)
    if not isinstance(node, yaml.ScalarNode):
        return True
    value = yaml.safe_load(node.value)
    if isinstance(shape, msgspec.inspect.LiteralType):
        return value not in shape.values
    if isinstance(shape, msgspec.inspect.UnionType):
        return value not in {getattr(t, "tag", None) for t in shape.types}
    if isinstance(shape, msgspec.inspect.DateType):
        return not isinstance(value, date)
    return _kind(node) not in _kinds(shape)


def _kind(node: yaml.Node) -> str:
    """What a node is, in msgspec's words."""
    if isinstance(node, yaml.MappingNode):
        return "object"
    if isinstance(node, yaml.SequenceNode):
        return "array"
    return {int: "int", float: "float", bool: "bool", type(None): "null"}.get(type(_value(node)), "str")


def _value(node: Any) -> Any:
    """A scalar as YAML reads it: what is quoted is text."""
    return node.value if node.style in ("'", '"') else yaml.safe_load(node.value)


def _kinds(shape: Any) -> set[str]:
    """What a node may be for this type, in msgspec's words; everything where the type says nothing of it."""
    if isinstance(shape, msgspec.inspect.UnionType):
        return set().union(*(_kinds(member) for member in shape.types))
    return {
        "StructType": {"object"},
        "DictType": {"object"},
        "ListType": {"array"},
        "IntType": {"int"},
        "FloatType": {"int", "float"},
        "BoolType": {"bool"},
        "NoneType": {"null"},
        "StrType": {"str"},
        "DateType": {"str"},
        "LiteralType": {"str" if isinstance(value, str) else "int" for value in getattr(shape, "values", ())},
    }.get(type(shape).__name__, {"object", "array", "int", "float", "bool", "null", "str"})
