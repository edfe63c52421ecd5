"""The `headwater` command: a table of sub-commands, each imported only when it is called.

Belongs here: the table and the one place where errors become sentences. Does not belong here: what a command does;
that is in the `command.py` of its room.
"""

from __future__ import annotations

import importlib
import sys

import click

from headwater import __version__
from headwater.errors import HeadwaterError

COMMANDS = {
    "run": ("headwater.entrance.run:run", "Bring everything in, build the whole graph, push, and show what happened."),
    "up": ("headwater.entrance.up:up", "Start every service and keep it running until Ctrl-C."),
    "collect": ("headwater.collect.command:collect", "Serve the event collector."),
    "import": ("headwater.collect.command:import_", "Send a folder of NDJSON events through the collector."),
    "consume": ("headwater.collect.command:consume", "Read Kafka topics into the collector."),
    "stream": ("headwater.push.command:stream", "Deliver events to the streaming destinations as they arrive."),
    "destination": (
        "headwater.push.destination_command:destination",
        "Show streaming destinations, and switch them on and off.",
    ),
    "transform": ("headwater.entrance.transform:transform", "Try transformations on recorded events."),
    "replay": ("headwater.entrance.replay:replay", "Put events through again that did not get through."),
    "serve": ("headwater.serve.command:serve", "Serve the profile API."),
    "sync": ("headwater.push.command:sync", "Run one reverse-ETL sync."),
    "plan": ("headwater.entrance.plan:plan", "Check the tracking plan, hold it against what arrived, draft it."),
    "publish": ("headwater.storage.warehouse.command:publish", "Renew the read copy of the warehouse."),
    "explain": ("headwater.match.command:explain", "Show what makes an identifier belong to its person."),
    "receipt": ("headwater.entrance.receipt:receipt", "Tell what became of one message."),
    "live": ("headwater.entrance.receipt:live", "Follow events as they come in."),
    "status": ("headwater.entrance.status:status", "Show what is in this home and how old it is."),
}


class LazyGroup(click.Group):
    """Lists every command, imports the one that is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def cli() -> None:
    """Headwater, an open customer data platform."""


def main() -> None:
    """Entry point of the `headwater` script: any `HeadwaterError` is one sentence and its own exit code."""
    try:
        cli(standalone_mode=True)
    except HeadwaterError as error:
        click.echo(f"headwater: {error}", err=True)
        sys.exit(error.exit_code)
