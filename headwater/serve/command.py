"""`headwater serve`.

Belongs here: options. Does not belong here: any work.
"""

from __future__ import annotations

import click

from headwater.settings import load_settings


@click.command("serve")
@click.option("--home", help="State folder (default: HEADWATER_HOME, else var/).")
@click.option("--config", help="Config folder (default: HEADWATER_CONFIG, else config/).")
@click.option("--host", help="Address to listen on (default: 127.0.0.1).")
@click.option("--port", type=click.IntRange(1, 65535), help="Port to listen on (default: 8090).")
def serve(home: str | None, config: str | None, host: str | None, port: int | None) -> None:
    """Serve the profile API until it is stopped."""
    from headwater.serve.current import CurrentConfig
    from headwater.serve.server import serve_profiles

    settings = load_settings(home, config, host=host, api_port=port)
    serve_profiles(settings, CurrentConfig(settings))
