"""Where this installation lives and listens: the only module that reads the environment.

Belongs here: paths under the home, ports, URLs, the as-of time, secrets by name. Does not belong here: what a company
decides and reviews (sources, destinations, rules): that is `config/`, read by `headwater.configuration`.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from headwater.errors import ConfigError, UsageError

CHECKOUT = Path(__file__).resolve().parent.parent
_VARIABLE = re.compile(r"\$\{([A-Z][A-Z0-9_]*)(?::-([^}]*))?\}")


@dataclass(frozen=True)
class Settings:
    """Paths, ports and URLs of one installation. Make one with `load_settings`; everything else is derived."""

    home: Path
    config_dir: Path
    lake_url: str
    redis_url: str | None = None
    host: str = "127.0.0.1"
    collector_port: int = 8080
    api_port: int = 8090
    sandbox_port: int = 8070
    sandbox_db_port: int = 8071
    dagster_port: int = 3000
    as_of: datetime | None = None

    @property
    def own_lake(self) -> str:
        """Where the lake is when nothing else is said."""
        return str(self.home / "lake")

    @property
    def log_dir(self) -> Path:
        return self.home / "log"

    @property
    def warehouse(self) -> Path:
        return self.home / "warehouse.duckdb"

    @property
    def warehouse_read(self) -> Path:
        return self.home / "warehouse.read.duckdb"

    @property
    def redis_dir(self) -> Path:
        return self.home / "redis"

    @property
    def dagster_home(self) -> Path:
        return self.home / "dagster"

    @property
    def dlt_dir(self) -> Path:
        return self.home / "dlt"

    @property
    def inbox(self) -> Path:
        """Drop folder: `inbox/<source>/<file>` is landed into the lake as it came."""
        return self.home / "inbox"

    @property
    def imports_dir(self) -> Path:
        return self.home / "imports"

    @property
    def sandbox_dir(self) -> Path:
        return self.home / "sandbox"

    @property
    def logs_dir(self) -> Path:
        return self.home / "logs"

    @property
    def dbt_dir(self) -> Path:
        """dbt's target and log folders, so that two homes never share them."""
        return self.home / "dbt"

    @property
    def report_dir(self) -> Path:
        """The page for the people who lead the company."""
        return self.home / "report"

    @property
    def collector_url(self) -> str:
        return f"http://{self.host}:{self.collector_port}"

    @property
    def api_url(self) -> str:
        return f"http://{self.host}:{self.api_port}"

    @property
    def sandbox_url(self) -> str:
        return f"http://{self.host}:{self.sandbox_port}"

    @property
    def payments_database_url(self) -> str:
        """The database of the example company's payment tool: where it says that it is (it takes another port when its
        own is taken), else where it would be."""
        with suppress(OSError):
            return (self.sandbox_dir / "payments.url").read_text(encoding="utf-8").strip()
        return f"postgresql://payments:sandbox_demo@{self.host}:{self.sandbox_db_port}/payments"

    def environment(self) -> dict[str, str]:
        """The variables that make a child process see the same installation."""
        values = {
            "HEADWATER_HOME": str(self.home),
            "HEADWATER_CONFIG": str(self.config_dir),
            "HEADWATER_LAKE": self.lake_url,
            "HEADWATER_COLLECTOR_PORT": str(self.collector_port),
            "HEADWATER_API_PORT": str(self.api_port),
            "HEADWATER_SANDBOX_PORT": str(self.sandbox_port),
            "HEADWATER_DAGSTER_PORT": str(self.dagster_port),
            "HEADWATER_SANDBOX_DB_PORT": str(self.sandbox_db_port),
            "PAYMENTS_DATABASE_URL": os.environ.get("PAYMENTS_DATABASE_URL", self.payments_database_url),
            "SANDBOX_URL": os.environ.get("SANDBOX_URL", self.sandbox_url),
            "DAGSTER_HOME": str(self.dagster_home),
        }
        if self.redis_url:
            values["REDIS_URL"] = self.redis_url
        if self.as_of:
            values["HEADWATER_AS_OF"] = self.as_of.isoformat(sep=" ")
        return {**os.environ, **values}


def load_settings(
    home: str | Path | None = None,
    config: str | Path | None = None,
    *,
    default_home: str | Path | None = None,
    default_config: str | Path | None = None,
    **overrides: object,
) -> Settings:
    """Settings from arguments first, then the environment, then the defaults.

    Args:
        home: state folder; default `HEADWATER_HOME`, else `default_home`, else `var/` of the checkout.
        config: config folder; default `HEADWATER_CONFIG`, else `default_config`, else the one that this home was last
            run with, else `config/` of the checkout.
        default_home: see `home`.
        default_config: see `config`.
        overrides: any other field of `Settings`; `None` means «not given». The lake is where this home had it last,
            if not told; a relative folder is one of the working directory.

    Raises:
        UsageError: a port or the as-of time cannot be read.
    """
    env = os.environ
    home_path = Path(home or env.get("HEADWATER_HOME") or default_home or CHECKOUT / "var").expanduser().absolute()
    config_path = Path(
        config or env.get("HEADWATER_CONFIG") or default_config or _last(home_path, "config") or CHECKOUT / "config"
    )
    settings = Settings(
        home=home_path,
        config_dir=config_path.expanduser().absolute(),
        lake_url=env.get("HEADWATER_LAKE") or _last(home_path, "lake") or str(home_path / "lake"),
        redis_url=env.get("REDIS_URL") or None,
        collector_port=_port("HEADWATER_COLLECTOR_PORT", Settings.collector_port),
        api_port=_port("HEADWATER_API_PORT", Settings.api_port),
        sandbox_port=_port("HEADWATER_SANDBOX_PORT", Settings.sandbox_port),
        sandbox_db_port=_port("HEADWATER_SANDBOX_DB_PORT", _last_db_port(home_path) or Settings.sandbox_db_port),
        dagster_port=_port("HEADWATER_DAGSTER_PORT", Settings.dagster_port),
        as_of=parse_as_of(env["HEADWATER_AS_OF"]) if env.get("HEADWATER_AS_OF") else None,
    )
    given = {key: value for key, value in overrides.items() if value is not None}
    settings = replace(settings, **given)  # type: ignore[arg-type]
    if "://" not in settings.lake_url:
        return replace(settings, lake_url=str(Path(settings.lake_url).expanduser().absolute()))
    return replace(settings, lake_url=settings.lake_url.rstrip("/"))


@contextmanager
def exported(**values: str) -> Iterator[None]:
    """Set variables for the children started meanwhile, where a library starts them and takes no environment."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def caller() -> str | None:
    """Who started this process, in words for whoever waits for it, where its own command does not say."""
    return os.environ.get("HEADWATER_CALLER") or None


def warehouse_wait() -> float | None:
    """How many seconds to wait for the warehouse, where somebody says so: a run, for the dbt that it starts.

    Raises:
        UsageError: it is no number.
    """
    text = os.environ.get("HEADWATER_WAIT_SECONDS") or None
    try:
        return float(text) if text else None
    except ValueError as error:
        raise UsageError(f"HEADWATER_WAIT_SECONDS={text} is not a number of seconds.") from error


def s3_environment() -> tuple[tuple[str, str], ...]:
    """What the environment says about S3 (boto3 reads it by itself): as long as it says the same, a client holds."""
    return tuple(sorted((name, value) for name, value in os.environ.items() if name.startswith("AWS_")))


def parse_as_of(text: str) -> datetime:
    """An ISO 8601 date or time as UTC without an offset.

    Raises:
        UsageError: it is neither.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"The as-of time «{text}» is not an ISO 8601 date or time.") from error
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


def interpolate(text: str, where: str = "config") -> str:
    """Replace `${NAME}` and `${NAME:-default}` by the environment's values.

    Raises:
        ConfigError: a variable without default is not set; the message names it and `where`.
    """

    def value(match: re.Match[str]) -> str:
        name, default = match.group(1), match.group(2)
        found = os.environ.get(name) or default
        if found is None:
            raise ConfigError(f"{where} needs the environment variable {name}, which is not set.")
        return found

    return _VARIABLE.sub(value, text)


def _last(home: Path, what: str) -> str | None:
    """The `config` folder or the `lake` that `headwater run` or `up` used last in this home; None is the usual one."""
    try:
        return str(json.loads((home / "home.json").read_text(encoding="utf-8")).get(what) or "") or None
    except (OSError, ValueError):
        return None


def _last_db_port(home: Path) -> int | None:
    """Where this home's payments database was last: it may have had to take another port than the usual one."""
    try:
        return int((home / "sandbox" / "payments.url").read_text(encoding="utf-8").rsplit(":", 1)[1].split("/")[0])
    except (OSError, ValueError, IndexError):
        return None


def _port(name: str, default: int) -> int:
    text = os.environ.get(name)
    if not text:
        return default
    if not text.isdigit() or not 0 <= int(text) <= 65535:
        raise UsageError(f"{name}={text} is not a port number (0 to 65535).")
    return int(text)
