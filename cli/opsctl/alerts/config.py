"""The `alerts` section of the settings: where alerts come from. Secrets are named in it, never written."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from opsctl.alerts.guards.config import Bounds
from opsctl.alerts.sources.path import parse
from opsctl.clock import span
from opsctl.errors import ConfigError
from opsctl.monitor.config import secret_file

_LISTEN = re.compile(r"(?P<host>\[[0-9A-Fa-f:]+\]|[^\s:/\[\]]+):(?P<port>[0-9]{1,5})")
SMALLEST = 16
"""Characters of a secret: a shorter one could be guessed."""


def _span(value: str) -> str:
    span(value)
    return value


def _listen(value: str) -> str:
    found = _LISTEN.fullmatch(value)
    if found is None or int(found["port"]) > 65535:
        raise ValueError("must be HOST:PORT, e.g. 127.0.0.1:8470")
    return value


def _path(value: Any) -> Any:
    return Path(value).expanduser() if isinstance(value, str) else value


def _place(value: str) -> str:
    if not value.startswith("="):
        parse(value)
    return value


def _one_or_more(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


Span = Annotated[str, AfterValidator(_span)]
Place = Annotated[str, AfterValidator(_place)]
"""A path into a JSON document (`labels.host`), or `=TEXT` for always this text."""
Places = Annotated[tuple[Place, ...], BeforeValidator(_one_or_more)]


class Mapping(BaseModel):
    """Where a message of a generic webhook says what. What is unset is looked for under its own name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    items: Place | None = None
    """The list of alerts, where one message has several; paths below begin at each of them."""
    key: Places = ("key",)
    """What the sender knows the problem by; several are joined. Without a value: name and host."""
    name: Places = ("name",)
    """The first of them that has a value."""
    host: Places = ("host",)
    address: Places = ("address",)
    trigger: Places = ("trigger",)
    severity: Places = ("severity",)
    state: Places = ("state",)
    resolved_values: tuple[str, ...] = ("resolved", "ok", "closed", "recovered", "normal", "0", "false", "up")
    """Values of `state` that say: it is over. All others say: it is there."""
    started: Places = ("started",)
    ended: Places = ("resolved",)
    url: Places = ("url",)
    stack: Places = ("stack",)
    groups: Places = ("groups",)
    """A list, or a text with commas."""
    tags: Places = ("tags",)
    """An object, or a list of objects with `tag` (or `name`) and `value`."""


class Source(BaseModel):
    """One origin of alerts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")]
    kind: Literal["zabbix", "alertmanager", "webhook", "search"]
    secret_env: str = ""
    """The environment variable with the secret that messages are proved with."""
    secret_file: Annotated[Path | None, BeforeValidator(_path)] = None
    """The file with it. Zabbix: unset = the one `opsctl monitor setup` writes."""
    proof: Literal["hmac", "bearer"] | None = None
    """How: signed with it, or with it in the Authorization header. Unset = `bearer` for Alertmanager, else `hmac`."""
    poll: bool = True
    """Zabbix: ask it for problems, too, so that nothing is lost when a webhook is."""
    interval: Annotated[float, Field(ge=0.2, le=3600)] | None = None
    """Seconds between two questions; unset = 0.5 for Zabbix (less while something happens), 30 for a search."""
    min_severity: Literal["not_classified", "information", "warning", "average", "high", "disaster"] = "not_classified"
    """Zabbix, when it is asked: problems of this severity or worse."""
    tags: dict[str, str] = Field(default_factory=dict)
    """Zabbix, when it is asked: only problems that have all of these."""
    forget_after: Span | None = None
    """Alertmanager, webhook: an alert that is not told again for so long counts as over. Unset = it stays."""
    mapping: Mapping = Mapping()
    query: str = ""
    """Search: as for `opsctl logs search`."""
    more_than: Annotated[int, Field(ge=0, le=1000)] = 0
    """Search: so many events are normal."""
    within: Span = "5m"
    """Search: counted over this time."""
    by: Literal["all", "host"] = "all"
    """Search: one alert for all, or one for each host."""
    where: Literal["here", "elasticsearch"] = "here"
    severity: Literal["not_classified", "information", "warning", "average", "high", "disaster"] = "average"
    """Search: of its alerts."""

    @model_validator(mode="after")
    def _whole(self) -> Source:
        if self.secret_env and self.secret_file:
            raise ValueError(f"source {self.name}: give secret_env or secret_file, not both")
        named = bool(self.secret_env or self.secret_file)
        if self.kind == "search":
            if not self.query.strip():
                raise ValueError(f"source {self.name}: a search needs a query")
            if named or self.proof:
                raise ValueError(f"source {self.name}: a search has no secret")
        elif self.kind != "zabbix" and not named:
            raise ValueError(f"source {self.name}: {self.kind} needs secret_env or secret_file: anybody could send")
        if self.kind == "zabbix" and self.proof == "bearer":
            raise ValueError(f"source {self.name}: Zabbix signs what it sends; leave proof out")
        if misplaced := sorted(self.model_fields_set & _OF_OTHERS[self.kind]):
            raise ValueError(f"source {self.name}: {misplaced[0]} is not for kind {self.kind}")
        return self

    @property
    def proved(self) -> Literal["hmac", "bearer"]:
        """How its messages are proved."""
        return self.proof or ("bearer" if self.kind == "alertmanager" else "hmac")

    @property
    def every(self) -> float:
        """Seconds between two questions."""
        return self.interval or (30.0 if self.kind == "search" else 0.5)

    def secret(self, home: Path) -> str:
        """What its messages are proved with.

        Raises:
            ConfigError: it is not where the settings say, or too short.
        """
        if self.secret_env:
            where, value = f"environment variable {self.secret_env}", os.environ.get(self.secret_env, "").strip()
        else:
            path = self.secret_file or secret_file(home)
            where = str(path)
            try:
                value = path.read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                why = getattr(error, "strerror", None) or "not UTF-8 text"
                hint = "; run `opsctl monitor setup`" if self.kind == "zabbix" and self.secret_file is None else ""
                raise ConfigError(f"Source {self.name}: cannot read its secret from {where}: {why}{hint}") from None
        if not value:
            raise ConfigError(f"Source {self.name}: its secret is not in {where}")
        if len(value) < SMALLEST:
            raise ConfigError(f"Source {self.name}: its secret in {where} has fewer than {SMALLEST} characters")
        return value


_SEARCH = {"query", "more_than", "within", "by", "where", "severity"}
_ZABBIX = {"poll", "min_severity", "tags"}
_OF_OTHERS: dict[str, set[str]] = {
    "zabbix": {"mapping", "forget_after"} | _SEARCH,
    "alertmanager": {"mapping", "interval"} | _SEARCH | _ZABBIX,
    "webhook": {"interval"} | _SEARCH | _ZABBIX,
    "search": {"mapping", "forget_after"} | _ZABBIX,
}
"""Keys that mean nothing to a kind."""


class Alerts(BaseModel):
    """All of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    listen: Annotated[str, AfterValidator(_listen)] = "127.0.0.1:8470"
    """Where `opsctl alert serve` takes webhooks: HOST:PORT. Port 0 = any that is free."""
    sources: tuple[Source, ...] = ()
    keep: Span = "90d"
    """How long alerts that are over are kept."""
    guards: Bounds = Bounds()
    """What holds for all rules together."""

    @model_validator(mode="after")
    def _names(self) -> Alerts:
        names = [source.name for source in self.sources]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"two sources have the name {twice}")
        if sum(source.kind == "zabbix" for source in self.sources) > 1:
            raise ValueError("there can be one source of kind zabbix: the one that [monitor.zabbix] names")
        return self

    @property
    def address(self) -> tuple[str, int]:
        """Host and port to listen at."""
        found = _LISTEN.fullmatch(self.listen)
        assert found is not None  # noqa: S101 - the validator saw to it
        return found["host"].strip("[]"), int(found["port"])

    def all(self, *, zabbix: bool) -> tuple[Source, ...]:
        """The sources. `zabbix`: one is configured; it then is a source called `zabbix`, where none is named here."""
        if zabbix and not any(source.kind == "zabbix" for source in self.sources):
            return (Source(name="zabbix", kind="zabbix"), *self.sources)
        return self.sources
