"""The shop's routes: one page for every path below `/shop`, its script and style, the SDK's files.

Belongs here: HTTP and what the page is told (products, where to send). Does not belong here: what the page does with it
(`static/shop.js`), fetching the SDK (`sdk`).
"""

from __future__ import annotations

import json
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, select_autoescape
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from sandbox.company.catalogue import CATEGORIES, CURRENCY, PRODUCTS
from sandbox.errors import SandboxError
from sandbox.shop.sdk import VERSION, ensure_sdk

_STATIC = Path(__file__).parent / "static"


class Shop:
    """The shop over one folder.

    Args:
        folder: where the SDK's files are kept.
        collector: the collector's base URL, as browsers reach it.
        write_key: the web shop's.
    """

    def __init__(self, folder: Path, collector: str, write_key: str) -> None:
        self.folder, self.collector, self.write_key = folder, collector.rstrip("/"), write_key
        self._templates = Environment(loader=PackageLoader("sandbox.shop"), autoescape=select_autoescape())
        self._fetching = threading.Lock()

    def routes(self) -> list[BaseRoute]:
        """Every route of the shop."""
        return [
            Mount("/shop/static", StaticFiles(directory=_STATIC)),
            Route("/shop/sdk/{name}", self._sdk_file),
            Route("/shop", self._page),
            Route("/shop/{path:path}", self._page),
        ]

    async def _page(self, request: Request) -> Response:
        fault = await run_in_threadpool(self._sdk_fault)
        told = {
            "collector": self.collector,
            "writeKey": self.write_key,
            "currency": CURRENCY,
            "categories": CATEGORIES,
            "products": [asdict(product) for product in PRODUCTS],
        }
        page = self._templates.get_template("shop.html")
        return HTMLResponse(page.render(told=_for_script(told), fault=fault, version=VERSION, collector=self.collector))

    async def _sdk_file(self, request: Request) -> Response:
        try:
            files = await run_in_threadpool(self._ensure)
        except SandboxError as error:
            return PlainTextResponse(str(error), 503)
        wanted = {path.name: path for path in files.glob("*.js")}.get(request.path_params["name"])
        if wanted is None:
            return PlainTextResponse("The SDK has no such file.", 404)
        return FileResponse(wanted, media_type="text/javascript", headers={"Cache-Control": "max-age=3600"})

    def _ensure(self) -> Path:
        with self._fetching:
            return ensure_sdk(self.folder)

    def _sdk_fault(self) -> str:
        try:
            self._ensure()
        except SandboxError as error:
            return str(error)
        return ""


def _for_script(value: Any) -> str:
    """JSON that cannot end the script element that it stands in."""
    return json.dumps(value).replace("<", "\\u003c")
