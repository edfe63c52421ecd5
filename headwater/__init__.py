"""Headwater, an open customer data platform: collect, land, load, match, model, predict, push, serve."""

from __future__ import annotations

__version__ = "0.1.0"
