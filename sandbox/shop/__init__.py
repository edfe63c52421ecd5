"""The example company's shop: one page with Segment's browser SDK on it, whose clicks are real events.

Belongs here: the page, its products, the SDK's files. Does not belong here: the simulated shoppers (`sandbox.company`),
the tools (`sandbox.tools`).
"""

from __future__ import annotations

from sandbox.shop.page import Shop

__all__ = ["Shop"]
