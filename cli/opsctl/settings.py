"""Settings: flags > OPSCTL_* > config.toml > defaults, in one frozen model."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from opsctl.alerts.config import Alerts, Mapping, Source
from opsctl.alerts.guards.config import Bounds, Incident, Storm
from opsctl.approvals.config import Approvals
from opsctl.errors import ConfigError, UsageError, suggest
from opsctl.events.retention import Retention
from opsctl.events.ship.options import Elasticsearch
from opsctl.monitor.config import Monitor, Zabbix
from opsctl.notify.config import Channel, Notify
from opsctl.pace.settings import Pacing

LOCAL = "local"
"""The name of the built-in cloud on this machine."""


class Cloud(BaseModel):
    """A named profile. Credentials are never in it: the environment or the official CLI's profile file has them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["alicloud", "hosts"] = "alicloud"
    region: str | None = None
    endpoint: str | None = None
    """One URL for every product; unset = each product's public endpoint."""
    profile: str | None = None
    """A profile of the official CLI's configuration file."""
    inventory: Path | None = None
    """Kind `hosts`: the Ansible inventory that lists the machines."""


def _paths(value: Any) -> Any:
    if isinstance(value, str):
        return [Path(part).expanduser() for part in value.split(":") if part]
    return value


class Settings(BaseSettings):
    """Everything that can be set."""

    model_config = SettingsConfigDict(env_prefix="OPSCTL_", frozen=True, extra="forbid", env_ignore_empty=True)

    cloud: str = LOCAL
    """The profile commands use when none is named."""
    clouds: dict[str, Cloud] = Field(default_factory=dict)
    output: Literal["table", "json", "yaml"] = "table"
    scenario_path: Annotated[list[Path], NoDecode, BeforeValidator(_paths)] = Field(default_factory=list)
    """Directories of scenarios, looked at before the collection's own; colon-separated in the environment."""
    timeout: Annotated[int, Field(ge=1, le=7 * 86400)] = 4 * 3600
    """Seconds a run may take."""
    forks: Annotated[int, Field(ge=1, le=1000)] = 20
    """Hosts worked on at the same time."""
    rate: Pacing = Field(default_factory=Pacing)
    """In which batches, and what makes a run stop; JSON in the environment."""
    grace: Annotated[int, Field(ge=1, le=600)] = 10
    """Seconds between asking Ansible to stop and ending it by force."""
    agent: Literal["auto", "off"] = "auto"
    """Whether commands and scripts use the connections that `opsctl agent` keeps, when it runs."""
    mark_hosts: bool = True
    """Tell hosts which run touches them: in a command's environment, in their syslog, in sudo's log."""
    audit_anchors: list[str] = Field(default_factory=list)
    """Where copies of the ledger's checkpoints are: `file:PATH`, `git:REPOSITORY` or `elasticsearch:INDEX`; a JSON
    list in the environment."""
    audit_anchor_every: Annotated[str, Field(pattern=r"^(never|run|[1-9][0-9]{0,5}[smhd])$")] = "never"
    """When they are written without being asked for: after each `run`, or so long after the last time, e.g. `12h`."""
    elasticsearch: Elasticsearch = Elasticsearch()
    """Where journals and ledger are copied to; JSON in the environment. Its secrets are never in it."""
    retention: Retention = Retention()
    """How long `opsctl logs prune` keeps journals: `days`, `size`; JSON in the environment."""
    monitor: Monitor = Monitor()
    """Which Zabbix watches the hosts; JSON in the environment."""

    notify: Notify = Field(default_factory=Notify)
    """Where notices go; JSON in the environment."""
    approvals: Approvals = Field(default_factory=Approvals)
    alerts: Alerts = Alerts()
    """Where alerts come from; JSON in the environment."""

    def chosen(self, name: str | None = None) -> tuple[str, Cloud]:
        """The profile of that name, or the default one.

        Raises:
            UsageError: there is no such profile.
        """
        name = name or self.cloud
        known = {LOCAL: Cloud(region="cn-hangzhou"), **self.clouds}
        if name not in known:
            raise UsageError(f"Unknown cloud {name}{suggest(name, known)}; known: {', '.join(sorted(known))}")
        return name, known[name]


def load(home: Path, **flags: Any) -> Settings:
    """The settings of this home; flags that are None are not set.

    Raises:
        ConfigError: a key is unknown or its value cannot be used; the message names both.
    """
    path = home / "config.toml"
    file = _read(path)

    class Here(Settings):
        """The settings with this home's file as their last source."""

        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return init_settings, env_settings, InitSettingsSource(settings_cls, file)

    try:
        settings = Here(**{key: value for key, value in flags.items() if value is not None})
    except ValidationError as error:
        raise ConfigError(_line(error, path)) from None
    except SettingsError as error:
        raise ConfigError(f"OPSCTL_*: {error}") from None
    if LOCAL in settings.clouds:
        raise ConfigError(f"{path}: clouds.{LOCAL}: the name belongs to the built-in local cloud; choose another")
    return settings


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ConfigError(f"Cannot read {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error


def _line(error: ValidationError, path: Path) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    location = [str(part) for part in first["loc"]]
    key = ".".join(location)
    if first["type"] == "extra_forbidden":
        parts: dict[str, tuple[type[BaseModel], ...]] = {
            "clouds": (Cloud,),
            "notify": (Notify, Channel),
            "approvals": (Approvals,),
            "rate": (Pacing,),
            "retention": (Retention,),
            "elasticsearch": (Elasticsearch,),
            "monitor": (Monitor, Zabbix),
            "alerts": (Alerts, Source, Mapping, Bounds, Storm, Incident),
        }
        known = {name for part in parts.get(location[0], (Settings,)) for name in part.model_fields}
        return f"{path}: {key}: unknown key{suggest(location[-1], known)}"
    message = first["msg"].removeprefix("Value error, ")
    return f"{path} or OPSCTL_{location[0].upper()}: {key}: {message[0].lower()}{message[1:]}"


_URL_SECRET = re.compile(r"(?<=://)[^/@\s]+(?=@)")


def described(settings: Settings) -> dict[str, Any]:
    """The settings as JSON, built-in cloud included; credentials in an URL are masked."""
    known = {LOCAL: settings.chosen(LOCAL)[1], **settings.clouds}
    plain = settings.model_dump(mode="json") | {
        "clouds": {name: cloud.model_dump(mode="json", exclude_none=True) for name, cloud in known.items()}
    }
    for cloud in plain["clouds"].values():
        if "endpoint" in cloud:
            cloud["endpoint"] = _URL_SECRET.sub("******", cloud["endpoint"])
    return plain
