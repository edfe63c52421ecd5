"""`headwater transform test | record`: transformations tried on recorded events.

Belongs here: options and the words on the screen. Does not belong here: running and comparing
(`headwater.policy.transform_cases`).
"""

from __future__ import annotations

import json
from typing import Any

import click

from headwater.configuration import load_config
from headwater.errors import DataError, UsageError
from headwater.policy.transform import Transformer
from headwater.policy.transform_cases import case_files, recorded, run_cases, to_yaml
from headwater.settings import Settings, load_settings
from headwater.storage.lake import open_lake

CONFIG = click.option("--config", help="Config folder (default: HEADWATER_CONFIG, else config/).")


@click.group("transform")
def transform() -> None:
    """Transformations (config/transformations/): try them on recorded events."""


@transform.command("test")
@click.argument("names", nargs=-1)
@CONFIG
@click.pass_context
def test(context: click.Context, names: tuple[str, ...], config: str | None) -> None:
    """Run the cases of transformations/tests/<NAME>.yaml (all without NAMES). Ends with 1 when one differs.

    What a transformation prints is shown.
    """
    settings = load_settings(None, config)
    folder, wanted = settings.config_dir / "transformations", load_config(settings).transformations
    files = case_files(folder, list(names))
    if not files:
        of = f" (there are: {', '.join(sorted(wanted))})" if wanted else ""
        click.echo(f"{folder / 'tests'} holds no cases yet{of}; `headwater transform record NAME` drafts some.")
    failed = total = 0
    for path in files:
        for case in run_cases(folder, path, wanted, is_loud=True):
            total += 1
            label = f"{case.name} {case.number}" + (f": {case.description}" if case.description else "")
            click.echo(f"{'differs' if case.difference else 'ok     '}  {label}  ({case.seconds * 1000:.2f} ms)")
            if case.difference:
                failed += 1
                click.echo("\n".join(f"    {line}" for line in case.difference.splitlines()))
    if files:
        click.echo(f"{total} cases, {failed} differ" if failed else f"{total} cases, all as expected")
    tried = {name for path in files for name in path.stem.split("+")}
    left = sorted(set(wanted) - tried) if not names else []
    if left and files:
        click.echo(f"without cases: {', '.join(left)}; `headwater transform record NAME` drafts some.")
    context.exit(1 if failed else 0)


@transform.command("record")
@click.argument("name")
@click.option("--event", help="Only events of this name (or type: identify, page, …).")
@click.option("--source", help="Only events of this source.")
@click.option("--count", default=3, show_default=True, help="How many.")
@click.option("--home", help="State folder (default: HEADWATER_HOME, else var/).")
@CONFIG
def record(name: str, event: str | None, source: str | None, count: int, home: str | None, config: str | None) -> None:
    """Print cases of what NAME (or a chain a+b) makes of the latest events of the lake now, to be looked over and
    kept as transformations/tests/<NAME>.yaml. Recorded events hold people's data: mask it before it goes into git."""
    settings = load_settings(home, config)
    wanted = load_config(settings).transformations
    chain = name.split("+")
    for missing in [one for one in chain if one not in wanted]:
        raise UsageError(f"There is no transformation «{missing}»; there are: {', '.join(wanted) or 'none'}.")
    events = _latest(settings, event, source, count)
    transformer = Transformer(settings.config_dir / "transformations", chain, wanted)
    try:
        cases = [recorded(one, result) for one, result in zip(events, transformer.run(events), strict=True)]
    finally:
        transformer.close()
    click.echo(to_yaml(cases), nl=False)


def _latest(settings: Settings, event: str | None, source: str | None, count: int) -> list[dict[str, Any]]:
    """The latest events of the lake, as they were before transformations of their source."""
    import duckdb

    lake = open_lake(settings)
    files = [lake.uri(found.key) for found in lake.list("events/") if found.key.endswith(".parquet")]
    if not files:
        raise UsageError("The lake holds no events yet.")
    con = duckdb.connect()
    lake.configure(con)
    try:
        names = con.execute("describe from read_parquet($files, union_by_name = true)", {"files": files}).fetchall()
        payload = "coalesce(original, payload)" if "original" in {row[0] for row in names} else "payload"
        rows = con.execute(
            f"""
            select {payload} from read_parquet($files, union_by_name = true)
            where ($event is null or event = $event or type = $event) and ($source is null or source = $source)
            order by received_at desc, row_number desc limit $count
            """,
            {"files": files, "event": event, "source": source, "count": count},
        ).fetchall()
    except duckdb.Error as error:
        raise DataError(f"The lake's events cannot be read: {str(error).splitlines()[0]}") from error
    finally:
        con.close()
    return [json.loads(text) for (text,) in rows]
