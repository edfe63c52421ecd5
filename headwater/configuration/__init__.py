"""What a company decides, read from `config/*.yaml` into typed objects, once per process.

Belongs here: which files there are and what one may say of another. Does not belong here: their shapes (`shapes`), how
one is read (`reading`), what a verb does with it, or anything read from the environment (`headwater.settings`).

`${NAME}` and `${NAME:-default}` in any value are replaced from the environment, so that secrets stay out of git.
"""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct, field

from headwater.configuration.dbt_vars import check_dbt_vars, check_survivorship
from headwater.configuration.identity_checks import check_identity
from headwater.configuration.identity_tables import check_identity_tables
from headwater.configuration.reading import at, read_each, read_folder, read_yaml
from headwater.configuration.shapes.destinations import Consent, Destination, Privacy, Stream
from headwater.configuration.shapes.identity import AccountSource, EdgeSource, Identity, IdType, Override
from headwater.configuration.shapes.plan import Action, Plan, PlannedEvent, Violation
from headwater.configuration.shapes.platform import AdminToken, Collector, Cookie, EventTables, Limits, Platform
from headwater.configuration.shapes.predictions import Label, Prediction
from headwater.configuration.shapes.sources import (
    ConversationSource,
    EventSource,
    KafkaSource,
    Source,
    SourceLimits,
    SourcesFile,
    WebhookSource,
)
from headwater.configuration.shapes.survivorship import TraitRule
from headwater.configuration.shapes.syncs import Sync
from headwater.configuration.shapes.tables import (
    Auth,
    ColumnRule,
    ColumnType,
    Contract,
    CsvSource,
    CsvTable,
    FilesSource,
    FileTable,
    Paging,
    PulledTable,
    RestSource,
    RestTable,
    SqlSource,
    SqlTable,
)
from headwater.configuration.shapes.transformations import Transformation
from headwater.errors import ConfigError
from headwater.settings import Settings

__all__ = [
    "AccountSource",
    "Action",
    "AdminToken",
    "Auth",
    "Collector",
    "ColumnRule",
    "ColumnType",
    "Config",
    "Consent",
    "Contract",
    "ConversationSource",
    "Cookie",
    "CsvSource",
    "CsvTable",
    "Destination",
    "EdgeSource",
    "EventSource",
    "EventTables",
    "FileTable",
    "FilesSource",
    "IdType",
    "Identity",
    "KafkaSource",
    "Label",
    "Limits",
    "Override",
    "Paging",
    "Plan",
    "PlannedEvent",
    "Platform",
    "Prediction",
    "Privacy",
    "PulledTable",
    "RestSource",
    "RestTable",
    "Source",
    "SourceLimits",
    "SourcesFile",
    "SqlSource",
    "SqlTable",
    "Stream",
    "Sync",
    "TraitRule",
    "Transformation",
    "Violation",
    "WebhookSource",
    "load_config",
    "read_folder",
    "read_yaml",
]


class Config(Struct):
    """Everything under the config folder.

    Attributes:
        unusable: destinations whose file cannot be used, each with why. They and the syncs to them are in no other
            field: one file harms nothing but itself.
    """

    platform: Platform
    sources: dict[str, Source]
    import_source: str
    identity: Identity
    syncs: dict[str, Sync] = {}
    destinations: dict[str, Destination] = {}
    predictions: dict[str, Prediction] = {}
    tracking_plan: dict[str, PlannedEvent] = {}
    plan: Plan = field(default_factory=Plan)
    transformations: dict[str, Transformation] = {}
    survivorship: dict[str, TraitRule] = {}
    unusable: dict[str, str] = {}

    def write_keys(self) -> dict[str, str]:
        """Write key → name of the source of events that it belongs to."""
        return {
            key: name
            for name, source in self.sources.items()
            if isinstance(source, EventSource | KafkaSource)
            for key in (source.write_keys if isinstance(source, EventSource) else [source.write_key])
        }


def load_config(settings: Settings) -> Config:
    """Read the whole config folder.

    Raises:
        ConfigError: a file is missing or wrong, or one names what another does not define; but for a destination's,
            which are `unusable` then.
    """
    folder = settings.config_dir
    if not folder.is_dir():
        raise ConfigError(f"The config folder {folder} does not exist.", hint="Name one with --config or CONFIG=.")
    sources = read_yaml(folder / "sources.yaml", SourcesFile)
    plan = folder / "tracking_plan" / "_plan.yaml"
    survivorship = folder / "survivorship.yaml"
    destinations, unusable = read_each(folder / "destinations", Destination)
    config = Config(
        platform=read_yaml(folder / "platform.yaml", Platform),
        sources=sources.sources,
        import_source=sources.import_source,
        identity=read_yaml(folder / "identity.yaml", Identity),
        syncs=read_folder(folder / "syncs", Sync),
        destinations=destinations,
        predictions=read_folder(folder / "predictions", Prediction),
        tracking_plan=read_folder(folder / "tracking_plan", PlannedEvent),
        plan=read_yaml(plan, Plan) if plan.is_file() else Plan(),
        transformations=_transformations(folder / "transformations"),
        survivorship=read_yaml(survivorship, dict[str, TraitRule]) if survivorship.is_file() else {},
        unusable=unusable,
    )
    _set_aside(config, folder)
    _check_references(config, folder)
    return config


def _transformations(folder: Path) -> dict[str, Transformation]:
    """Every file of the folder; those that `_settings.yaml` does not name have the default settings."""
    path = folder / "_settings.yaml"
    settings = read_yaml(path, dict[str, Transformation]) if path.is_file() else {}
    found = {file.stem for file in folder.glob("*.py") if not file.name.startswith("_")}
    for name in settings.keys() - found:
        raise ConfigError(f"{path}: there is no {name}.py beside it.", hint=f"Found: {', '.join(sorted(found))}.")
    return {name: settings.get(name, Transformation()) for name in sorted(found)}


def _set_aside(config: Config, folder: Path) -> None:
    """Destinations that name a transformation which is not there, and the syncs to those that cannot be used."""
    for name, destination in list(config.destinations.items()):
        for missing in [one for one in destination.transformations if one not in config.transformations]:
            where = at(folder / "destinations" / f"{name}.yaml", "transformations")
            config.unusable[name] = _no_transformation(config, where, missing)
            config.destinations.pop(name, None)
    config.syncs = {name: sync for name, sync in config.syncs.items() if sync.destination not in config.unusable}


def _no_transformation(config: Config, where: str, missing: str) -> str:
    known = ", ".join(config.transformations) or "none"
    return f"{where}: there is no transformations/{missing}.py; there are: {known}."


def _check_references(config: Config, folder: Path) -> None:
    check_dbt_vars(config.platform, folder / "platform.yaml")
    check_survivorship(config.survivorship, folder / "survivorship.yaml")
    for name, sync in config.syncs.items():
        if sync.destination not in config.destinations:
            known = ", ".join(sorted(config.destinations)) or "none"
            where = at(folder / "syncs" / f"{name}.yaml", "destination")
            raise ConfigError(f"{where}: destination «{sync.destination}» is not defined; defined are: {known}.")
    path = folder / "sources.yaml"
    users: list[tuple[str, tuple[str, ...], list[str]]] = [
        (f"source {name}", (name, "transformations"), getattr(source, "transformations", []))
        for name, source in config.sources.items()
    ]
    users += [
        (f"table {name}.{table}", (name, "tables", table, "transform"), [spec.transform])
        for name, source in config.sources.items()
        if isinstance(source, RestSource | SqlSource | FilesSource)
        for table, spec in source.tables.items()
        if spec.transform
    ]
    for whose, steps, names in users:
        for missing in [name for name in names if name not in config.transformations]:
            raise ConfigError(_no_transformation(config, f"{at(path, 'sources', *steps)}, {whose}", missing))
    events = [name for name, source in config.sources.items() if isinstance(source, EventSource)]
    if config.import_source not in events:
        raise ConfigError(
            f"{at(path, 'import_source')}: import_source «{config.import_source}» is not a source of kind events; "
            f"those are: {', '.join(events) or 'none'}."
        )
    check_identity(config.identity, folder / "identity.yaml")
    check_identity_tables(config.identity, config.sources, folder / "identity.yaml")
