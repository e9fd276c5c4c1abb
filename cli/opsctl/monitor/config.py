"""What can be set about monitoring: the section `monitor` of config.toml. Secrets are never in it."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from opsctl.errors import ConfigError

_SERVER = re.compile(r"(?P<host>\[[0-9A-Fa-f:]+\]|[^\s:/\[\]]+)(?::(?P<port>[0-9]{1,5}))?")
_VARIABLE = r"^[A-Za-z_][A-Za-z0-9_]*$"
TRAPPER = 10051
"""The port Zabbix servers take values on."""


def _url(value: str) -> str:
    parts = urlsplit(value)
    if parts.username or parts.password:
        raise ValueError("must hold no user or password; set token_file, or user and password_file")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be like https://HOST/zabbix")
    return value.rstrip("/")


def _server(value: str) -> str:
    found = _SERVER.fullmatch(value)
    if found is None or not 0 < int(found["port"] or TRAPPER) < 65536:
        raise ValueError("must be HOST or HOST:PORT")
    return value


def _path(value: Any) -> Any:
    return Path(value).expanduser() if isinstance(value, str) else value


File = Annotated[Path, BeforeValidator(_path)]
Variable = Annotated[str, Field(pattern=_VARIABLE)]


class Zabbix(BaseModel):
    """The way to a Zabbix. Unset, the variables ZABBIX_URL and ZABBIX_TOKEN count, as they do for the modules."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: Annotated[str, AfterValidator(_url)] | None = None
    """Of the web front end, e.g. `https://zabbix.example.com/zabbix`."""
    token_env: Variable | None = None
    """The environment variable with an API token."""
    token_file: File | None = None
    """The file with an API token; unset = the one `opsctl monitor setup` writes."""
    user: str | None = None
    """Log in by name instead; needs a password."""
    password_env: Variable | None = None
    password_file: File | None = None
    ca_file: File | None = None
    """PEM certificates that the front end's is checked against; unset = the system's."""
    verify: bool = True
    """Whether its certificate is checked."""
    timeout: Annotated[float, Field(gt=0, le=600)] = 10
    """Seconds for one request."""
    server: Annotated[str, AfterValidator(_server)] | None = None
    """Where the Zabbix server takes values, `HOST` or `HOST:PORT`; unset = the URL's host, port 10051."""

    @model_validator(mode="after")
    def _one_way(self) -> Zabbix:
        tokens = [name for name in ("token_env", "token_file") if getattr(self, name)]
        passwords = [name for name in ("password_env", "password_file") if getattr(self, name)]
        for names in (tokens, passwords):
            if len(names) > 1:
                raise ValueError(f"give {names[0]} or {names[1]}, not both")
        if bool(self.user) != bool(passwords):
            raise ValueError("user and password_env or password_file belong together")
        if self.user and tokens:
            raise ValueError(f"give {tokens[0]} or user, not both")
        return self

    @property
    def place(self) -> str:
        """The URL.

        Raises:
            ConfigError: there is none.
        """
        found = self.url or os.environ.get("ZABBIX_URL", "").strip()
        if not found:
            raise ConfigError("No Zabbix is configured: set monitor.zabbix.url, or export ZABBIX_URL")
        try:
            return _url(found)
        except ValueError as error:
            raise ConfigError(f"ZABBIX_URL: {error}") from None

    @property
    def on(self) -> bool:
        """Whether there is a Zabbix."""
        return bool(self.url or os.environ.get("ZABBIX_URL", "").strip())

    @property
    def trapper(self) -> tuple[str, int]:
        """Host and port that take values.

        Raises:
            ConfigError: there is no URL to take the host from.
        """
        found = _SERVER.fullmatch(self.server or "")
        if found is None:
            return urlsplit(self.place).hostname or "", TRAPPER
        return found["host"].strip("[]"), int(found["port"] or TRAPPER)

    def token(self, home: Path) -> str:
        """The API token; empty when a user and password are to be used.

        Raises:
            ConfigError: there is none, or it cannot be read.
        """
        if self.user:
            return ""
        if self.token_env or self.token_file:
            return _secret("token", self.token_env, self.token_file)
        own = token_file(home)
        if not own.exists() and (found := os.environ.get("ZABBIX_TOKEN", "").strip()):
            return found
        if not own.exists():
            raise ConfigError(
                f"No API token for {self.place}: run `opsctl monitor setup`, set monitor.zabbix.token_file, "
                "or export ZABBIX_TOKEN"
            )
        return _secret("token", None, own)

    @property
    def password(self) -> str:
        """The user's password; empty when a token is to be used.

        Raises:
            ConfigError: it cannot be read.
        """
        return _secret("password", self.password_env, self.password_file) if self.user else ""


class Monitor(BaseModel):
    """All of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    zabbix: Zabbix = Zabbix()


def token_file(home: Path) -> Path:
    """Where `opsctl monitor setup` keeps the token it made."""
    return home / "monitor" / "zabbix.token"


def secret_file(home: Path) -> Path:
    """Where `opsctl monitor setup` keeps the key that signs webhooks."""
    return home / "monitor" / "webhook.secret"


def read_secret(what: str, path: Path) -> str:
    """A secret from its file.

    Raises:
        ConfigError: it cannot be read or is empty.
    """
    return _secret(what, None, path)


def _secret(what: str, variable: str | None, path: Path | None) -> str:
    if variable:
        source, value = f"environment variable {variable}", os.environ.get(variable, "").strip()
    else:
        source = str(path)
        try:
            value = Path(source).expanduser().read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "not UTF-8 text"
            raise ConfigError(f"Cannot read Zabbix's {what} from {source}: {why}") from None
    if not value or "\n" in value:
        raise ConfigError(f"Zabbix's {what} is not in {source}: want one line")
    return value
