"""The options that `run` and `up` share, and the settings that follow from them.

Belongs here: DATA, CONFIG, LAKE, the home that goes with them. Does not belong here: ports (environment) or anything
a single command takes.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from headwater.errors import UsageError
from headwater.settings import CHECKOUT, Settings, load_settings, parse_as_of

MINIMAL_CONFIG = CHECKOUT / "config" / "examples" / "minimal"


def entrance_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """--home, --config, --data, --lake, --as-of, --people."""
    for option in (
        click.option("--people", type=int, help="Size of the example company when it is first written (5000)."),
        click.option("--as-of", help="«now» for everything that depends on it (ISO 8601, UTC)."),
        click.option("--lake", help="Where the lake is: a folder or s3://bucket/prefix."),
        click.option("--data", type=click.Path(path_type=Path), help="Your own data folder instead of the example."),
        click.option("--config", help="Config folder (default: config/, with --data: config/examples/minimal)."),
        click.option("--home", help="State folder (default: HEADWATER_HOME, else var/, with --data: var/<its name>)."),
    ):
        function = option(function)
    return function


def entrance_settings(
    home: str | None, config: str | None, data: Path | None, lake: str | None, as_of: str | None
) -> Settings:
    """Settings of one entrance.

    Raises:
        UsageError: the data folder does not exist or has no `events/`.
    """
    default_home = default_config = None
    if data is not None:
        if not data.is_dir():
            raise UsageError(f"The data folder {data} does not exist.")
        if not (data / "events").is_dir():
            raise UsageError(f"{data} has no folder events/ with *.ndjson or *.ndjson.gz files.")
        default_home = CHECKOUT / "var" / data.resolve().name
        default_config = MINIMAL_CONFIG
    return load_settings(
        home,
        config,
        default_home=default_home,
        default_config=default_config,
        lake_url=lake,
        as_of=parse_as_of(as_of) if as_of else None,
    )


def lake_words(settings: Settings) -> str:
    """Where the lake is, for the first line of an entrance, when it is not in the home."""
    return "" if settings.lake_url == settings.own_lake else f", the lake at {settings.lake_url}"
