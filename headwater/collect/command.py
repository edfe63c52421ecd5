"""`headwater collect`, `headwater import` and `headwater consume`.

Belongs here: options and the words on the screen. Does not belong here: any work.
"""

from __future__ import annotations

import logging
import signal
import threading
from pathlib import Path

import click

from headwater.configuration import load_config
from headwater.settings import load_settings


@click.command("collect")
@click.option("--home", help="State folder (default: HEADWATER_HOME, else var/).")
@click.option("--config", help="Config folder (default: HEADWATER_CONFIG, else config/).")
@click.option("--host", help="Address to listen on (default: 127.0.0.1).")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on (default: 8080).")
def collect(home: str | None, config: str | None, host: str | None, port: int | None) -> None:
    """Serve the event collector until it is stopped; its log is under the home."""
    from headwater.collect.server import serve

    settings = load_settings(home, config, host=host, collector_port=port)
    serve(settings, load_config(settings))


@click.command("import")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--backfill", is_flag=True, help="Say that these rows became known only now.")
@click.option("--write-key", help="Send every file with this key (default: the file name's source, else the config's).")
@click.option("--home", help="State folder (default: HEADWATER_HOME, else var/).")
@click.option("--config", help="Config folder (default: HEADWATER_CONFIG, else config/).")
@click.option("--host", help="The collector's address (default: 127.0.0.1).")
@click.option("--port", type=click.IntRange(1, 65535), help="The collector's port (default: 8080).")
def import_(
    folder: Path,
    backfill: bool,
    write_key: str | None,
    home: str | None,
    config: str | None,
    host: str | None,
    port: int | None,
) -> None:
    """Send DIR/events/*.ndjson[.gz] (or DIR/*.ndjson[.gz]) through the running collector, each line once."""
    from headwater.collect.importer import import_events

    settings = load_settings(home, config, host=host, collector_port=port)
    report = import_events(settings, load_config(settings), folder, backfill=backfill, write_key=write_key)
    click.echo(report.text())


@click.command("consume")
@click.option("--home", help="State folder (default: HEADWATER_HOME, else var/).")
@click.option("--config", help="Config folder (default: HEADWATER_CONFIG, else config/).")
@click.option("--host", help="The collector's address (default: 127.0.0.1).")
@click.option("--port", type=click.IntRange(1, 65535), help="The collector's port (default: 8080).")
def consume(home: str | None, config: str | None, host: str | None, port: int | None) -> None:
    """Read the Kafka sources of sources.yaml into the running collector until it is stopped."""
    from headwater.collect.kafka_source import consume as run

    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    settings = load_settings(home, config, host=host, collector_port=port)
    run(settings, load_config(settings), stop, click.echo)
