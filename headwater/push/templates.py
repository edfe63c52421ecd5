"""Templates in a destination's settings: text and whole JSON structures made from an event, in Jinja2's sandbox.

Belongs here: compiling and filling. Does not belong here: which settings are templates (`destinations/http_template`).
Pure: no clock, no files, no network.
"""

from __future__ import annotations

import base64
import hashlib
import re
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from jinja2 import ChainableUndefined, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from headwater.errors import ConfigError
from headwater.event import moment
from headwater.push import mapping

_EXPRESSION = re.compile(r"\{\{((?:(?!\}\}|\{\{).)*)\}\}", re.DOTALL)
_ABSENT = object()
Filled = Callable[[Mapping[str, Any]], Any]


def encoded(value: Any) -> bytes:
    """A value as JSON; what is not there is null.

    Raises:
        ValueError: it is nothing that JSON can hold.
    """
    try:
        return msgspec.json.encode(value, enc_hook=_nothing)
    except (TypeError, RecursionError) as error:
        raise ValueError(f"not JSON: {error}") from error


def _nothing(value: Any) -> None:
    if not isinstance(value, ChainableUndefined):
        raise TypeError(f"a {type(value).__name__}")


def _json(value: Any) -> str:
    return encoded(value).decode()


def _text(value: Any) -> str:
    return "" if value is None or isinstance(value, ChainableUndefined) else str(value)


def _seconds(value: Any) -> int | None:
    found = moment(value)
    return None if found is None else mapping.seconds(found)


def _millis(value: Any) -> int | None:
    found = moment(value)
    return None if found is None else mapping.millis(found)


def _without(value: Any, *names: str) -> Any:
    return {key: item for key, item in value.items() if key not in names} if isinstance(value, Mapping) else value


def _merged(*values: Any) -> dict[str, Any]:
    """The objects as one, later ones first; what is not there is left out."""
    found: dict[str, Any] = {}
    for value in values:
        if isinstance(value, Mapping):
            found.update({k: v for k, v in value.items() if v is not None and not isinstance(v, ChainableUndefined)})
    return found


def _texts(value: Any) -> Any:
    """Every value as text: what is no text as JSON; nulls left out."""
    if not isinstance(value, Mapping):
        return {}
    return {key: item if isinstance(item, str) else _json(item) for key, item in value.items() if item is not None}


def _uuid(value: Any) -> str:
    """The UUID that a text is, else always the same one made of it."""
    try:
        return str(uuid.UUID(_text(value)))
    except ValueError:
        return str(uuid.uuid5(uuid.NAMESPACE_OID, _text(value).encode("utf-8", "replace").decode()))


def _environment() -> ImmutableSandboxedEnvironment:
    made = ImmutableSandboxedEnvironment(undefined=ChainableUndefined, autoescape=False, keep_trailing_newline=True)
    made.filters.update(
        json=_json,
        tojson=_json,
        base64=lambda value: base64.b64encode(_text(value).encode()).decode(),
        md5=lambda value: hashlib.md5(_text(value).encode(), usedforsecurity=False).hexdigest(),
        sha256=lambda value: hashlib.sha256(_text(value).encode()).hexdigest(),
        seconds=_seconds,
        millis=_millis,
        without=_without,
        merged=_merged,
        texts=_texts,
        uuid=_uuid,
    )
    return made


_ENVIRONMENT = _environment()


def text(source: str, where: str) -> Callable[[Mapping[str, Any]], str]:
    """A template of text. Filling it raises `ValueError` when an expression fails.

    Raises:
        ConfigError: it cannot be read; names `where`.
    """
    try:
        template = _ENVIRONMENT.from_string(source)
    except TemplateError as error:
        raise ConfigError(f"{where}: {error}.") from error

    def fill(values: Mapping[str, Any]) -> str:
        return str(_guarded(lambda: template.render(values), where))

    return fill


def expression(source: str, where: str) -> Filled:
    """One expression, whose value keeps its type; what is not there is None.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        compiled = _ENVIRONMENT.compile_expression(source.strip(), undefined_to_none=True)
    except TemplateError as error:
        raise ConfigError(f"{where}: {error}.") from error
    return lambda values: _guarded(lambda: compiled(**values), where)


def structure(source: Any, where: str) -> Filled:
    """JSON with templates for its texts. A text that is one `{{ expression }}` becomes the value itself (a number, an
    object, a list); a key or item for which it has none is left out.

    Raises:
        ConfigError: a template cannot be read.
    """
    filled = _structure(source, where)

    def fill(values: Mapping[str, Any]) -> Any:
        found = filled(values)
        return None if found is _ABSENT else found

    return fill


def _structure(source: Any, where: str) -> Filled:
    if isinstance(source, Mapping):
        parts = {key: _structure(value, f"{where}.{key}") for key, value in source.items()}
        return lambda values: {
            key: found for key, part in parts.items() if (found := part(values)) is not _ABSENT
        }  # fmt: skip
    if isinstance(source, list):
        items = [_structure(value, f"{where}[{index}]") for index, value in enumerate(source)]
        return lambda values: [found for item in items if (found := item(values)) is not _ABSENT]
    if isinstance(source, str) and "{" in source:
        only = _EXPRESSION.fullmatch(source.strip())
        if only:
            value_of = expression(only.group(1), where)
            return lambda values: _ABSENT if (found := value_of(values)) is None else found
        return text(source, where)
    return lambda _: source


def _guarded(fill: Callable[[], Any], where: str) -> Any:
    try:
        return fill()
    except (TemplateError, TypeError, ArithmeticError, LookupError, AttributeError, RecursionError) as error:
        raise ValueError(f"{where}: {error or type(error).__name__}") from error
