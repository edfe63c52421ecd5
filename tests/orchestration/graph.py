"""The asset graph as text and as data: `python -m tests.orchestration.graph` writes it anew into `graph.txt`.

Belongs here: reading the code location of one config, in a process of its own, because a code location reads its
config once. Does not belong here: what must hold (`test_graph.py`).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path
from typing import Any

from headwater.settings import CHECKOUT, load_settings

TEXT = Path(__file__).with_name("graph.txt")
COMMAND = ".venv/bin/python -m tests.orchestration.graph"
# As they are read; what is unknown here comes last.
LAYERS = ("staging", "intermediate", "marts", "audiences")


def load(config: Path, home: Path) -> tuple[dict[str, Any], str]:
    """The graph of one config as data, and what loading it printed beside it (warnings, log lines)."""
    settings = load_settings(home=home, config=config)
    result = subprocess.run(
        [sys.executable, "-m", "tests.orchestration.graph", "--json"],
        cwd=CHECKOUT,
        env=settings.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        raise RuntimeError(result.stderr)
    return json.loads(result.stdout), result.stderr


def text(graph: dict[str, Any]) -> str:
    """The graph as a person reviews it."""
    lines = [f"The asset graph of config/. Written by `{COMMAND}`; a change of it is reviewed like any other."]
    for group in sorted({asset["group"] for asset in graph["assets"]}):
        members = sorted((a for a in graph["assets"] if a["group"] == group), key=_place)
        lines += ["", f"== {group} ({len(members)})"]
        for asset in members:
            about = [asset["key"], ", ".join(asset["kinds"]), ", ".join(asset["owners"])]
            about += ["not materialised here"] if asset["external"] else []
            about += [f"{asset['checks']} check{'s' if asset['checks'] > 1 else ''}"] if asset["checks"] else []
            about += ["automatic"] if asset["condition"] else []
            about += [f"fresh within {asset['fresh_minutes']:.0f} min"] if asset["fresh_minutes"] else []
            lines += [" · ".join(about), *_wrapped("from ", asset["upstream"])]
    for kind in ("jobs", "sensors", "schedules"):
        lines += ["", f"== {kind} ({len(graph[kind])})", *graph[kind]]
    return "\n".join(lines) + "\n"


def _place(asset: dict[str, Any]) -> tuple[int, str]:
    layer = asset["key"].split("/")[0]
    return (LAYERS.index(layer) if layer in LAYERS else len(LAYERS), asset["key"])


def _wrapped(word: str, names: list[str]) -> list[str]:
    return (
        textwrap.wrap(word + ", ".join(names), 116, initial_indent="    ", subsequent_indent=" " * 9) if names else []
    )


def _describe() -> dict[str, Any]:
    """This process's code location."""
    from orchestration.definitions import defs

    location = defs()
    repository = location.get_repository_def()
    nodes = repository.asset_graph
    assets = [
        {
            "key": node.key.to_user_string(),
            "group": node.group_name,
            "kinds": sorted(node.kinds),
            "owners": list(node.owners),
            "description": node.description or "",
            "external": not node.is_materializable,
            "checks": len(node.check_keys),
            "condition": node.automation_condition is not None,
            "fresh_minutes": _minutes(node.freshness_policy),
            "upstream": sorted(parent.to_user_string() for parent in node.parent_keys),
        }
        for node in (nodes.get(key) for key in nodes.get_all_asset_keys())
    ]
    jobs = sorted(job.name for job in repository.get_all_jobs() if not job.name.startswith("__"))
    return {
        "assets": assets,
        "jobs": [f"{name} · {len(repository.get_job(name).asset_layer.executable_asset_keys)} assets" for name in jobs],
        "sensors": sorted(f"{s.name} · {s.default_status.value} · {_seconds(s)}" for s in repository.sensor_defs),
        "schedules": sorted(
            f"{s.name} · {s.default_status.value} · {s.cron_schedule} · starts {s.job_name}"
            for s in repository.schedule_defs
        ),
    }


def _minutes(policy: Any) -> float | None:
    return policy.fail_window.to_timedelta().total_seconds() / 60 if policy else None


def _seconds(sensor: Any) -> str:
    jobs = [job.name for job in getattr(sensor, "jobs", [])] if sensor.has_jobs else []
    every = f"at most every {sensor.minimum_interval_seconds or 30} s"
    return f"{every} · starts {', '.join(jobs)}" if jobs else every


def _main() -> None:
    parser = argparse.ArgumentParser(description="Write graph.txt anew.")
    parser.add_argument("--json", action="store_true", help="print this process's own graph as JSON instead")
    if parser.parse_args().json:
        json.dump(_describe(), sys.stdout)
        return
    with tempfile.TemporaryDirectory() as home:
        TEXT.write_text(text(load(CHECKOUT / "config", Path(home))[0]), encoding="utf-8")


if __name__ == "__main__":
    _main()
