"""`/docs`: the API's description as one page that needs nothing from the network.

Belongs here: OpenAPI rendered as HTML on the server. The usual viewers load their scripts from elsewhere, which a
closed network refuses. The machine-readable form is `/openapi.json`.
"""

from __future__ import annotations

from html import escape
from typing import Any

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 56rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
h2 { font-size: 1.1rem; margin-top: 2.5rem } code, pre { background: #f3f3f3; padding: .1em .3em; border-radius: 3px }
pre { padding: .8em; overflow-x: auto } table { border-collapse: collapse; width: 100% }
td, th { text-align: left; padding: .3em .8em .3em 0; border-bottom: 1px solid #ddd; vertical-align: top }
"""


def page(openapi: dict[str, Any]) -> str:
    """The whole page."""
    title = escape(openapi["info"]["title"])
    routes = "".join(
        _route(method, path, about) for path, methods in openapi["paths"].items() for method, about in methods.items()
    )
    schemas = "".join(_schema(name, about) for name, about in openapi["components"]["schemas"].items())
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>'
        f"<h1>{title} {escape(openapi['info']['version'])}</h1>"
        '<p>Machine-readable: <a href="openapi.json">openapi.json</a>.</p>'
        f"{routes}<h2>Answers</h2>{schemas}</body></html>"
    )


def _route(method: str, path: str, about: dict[str, Any]) -> str:
    parameters = "".join(
        f"<tr><td><code>{escape(p['name'])}</code></td><td>{escape(p.get('description', ''))}</td></tr>"
        for p in about.get("parameters", [])
    )
    answers = "".join(
        f"<tr><td>{escape(status)}</td><td>{escape(answer.get('description', ''))}</td><td>{_model(answer)}</td></tr>"
        for status, answer in about["responses"].items()
        if status != "422"
    )
    token = ' -H "Authorization: Bearer $TOKEN"' if about.get("security") else ""
    return (
        f"<h2>{method.upper()} <code>{escape(path)}</code></h2><p>{escape(about.get('summary', ''))}</p>"
        f"<pre>curl{escape(token)} http://127.0.0.1:8090{escape(path)}</pre>"
        f"{f'<table>{parameters}</table>' if parameters else ''}<table>{answers}</table>"
    )


def _model(answer: dict[str, Any]) -> str:
    content = answer.get("content", {}).get("application/json", {}).get("schema", {})
    name = content.get("$ref", "").rpartition("/")[2]
    return f'<a href="#{escape(name)}">{escape(name)}</a>' if name else ""


def _schema(name: str, about: dict[str, Any]) -> str:
    if name in ("HTTPValidationError", "ValidationError"):
        return ""
    rows = "".join(
        f"<tr><td><code>{escape(field)}</code></td><td>{escape(_type(shape))}</td></tr>"
        for field, shape in about.get("properties", {}).items()
    )
    return (
        f'<h2 id="{escape(name)}">{escape(name)}</h2><p>{escape(about.get("description", ""))}</p><table>{rows}</table>'
    )


def _type(shape: dict[str, Any]) -> str:
    if "anyOf" in shape:
        return " or ".join(_type(option) for option in shape["anyOf"])
    return " ".join(filter(None, (shape.get("type", ""), shape.get("format", ""))))
