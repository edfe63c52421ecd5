"""`headwater publish`."""

from __future__ import annotations

from pathlib import Path

import click

from headwater.settings import load_settings


@click.command()
@click.option("--home", type=click.Path(path_type=Path), help="State folder; default HEADWATER_HOME or var/.")
@click.option("--config", type=click.Path(path_type=Path), help="Config folder; default HEADWATER_CONFIG or config/.")
def publish(home: Path | None, config: Path | None) -> None:
    """Renew the read copy of the warehouse, if anything was written since."""
    from headwater.storage.warehouse.publication import publish as renew

    report = renew(load_settings(home, config))
    done = "renewed" if report.copied else "is up to date"
    click.echo(f"{report.path} {done} ({report.size / 1e6:,.1f} MB, {report.seconds:.1f} s)")
