"""The `notify` section of the settings: channels, which events they get, and where their secrets are."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from opsctl.errors import ConfigError

Language = Literal["en", "zh"]
Event = Literal[
    "approval",
    "approved",
    "refused",
    "expired",
    "withdrawn",
    "break_glass",
    "reviewed",
    "alert",
    "proposed",
    "escalated",
    "storm",
]


class Channel(BaseModel):
    """Where notices go. What is secret - a URL, a signing key, a password - is named, never written here."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,40}$")]
    kind: Literal["webhook", "mail", "dingtalk", "wecom", "feishu", "slack"]
    events: tuple[Event, ...] = ()
    """Only these; empty = all."""
    language: Language | None = None
    """Unset = that of all channels."""
    url_env: str = ""
    """The environment variable with the URL."""
    url_file: Path | None = None
    """The file with the URL."""
    secret_env: str = ""
    """The environment variable with the signing key, or with the mail server's password."""
    secret_file: Path | None = None
    ca_file: Path | None = None
    """Certificates to trust instead of the system's."""
    host: str = ""
    """Mail: the server."""
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """Mail: unset = 465 for `ssl`, 587 for `starttls`, 25 for `none`."""
    security: Literal["starttls", "ssl", "none"] = "starttls"
    user: str = ""
    """Mail: log in as; needs a password and an encrypted connection."""
    sender: str = ""
    to: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _whole(self) -> Channel:
        urls = bool(self.url_env) + bool(self.url_file)
        mail = (self.host, self.sender, self.to)
        if self.kind == "mail":
            if not all(mail) or urls:
                raise ValueError(f"channel {self.name}: mail needs host, sender and to, and no URL")
            if self.user and self.security == "none":
                raise ValueError(f"channel {self.name}: a password goes over ssl or starttls only")
        elif urls != 1 or any(mail):
            raise ValueError(f"channel {self.name}: {self.kind} needs url_env or url_file, one of them")
        if self.secret_env and self.secret_file:
            raise ValueError(f"channel {self.name}: give secret_env or secret_file, not both")
        return self

    @property
    def url(self) -> str:
        """Where to.

        Raises:
            ConfigError: it is not where the settings say.
        """
        return self._found("url", self.url_env, self.url_file)

    @property
    def secret(self) -> str:
        """The signing key or password; empty when none is configured.

        Raises:
            ConfigError: it is not where the settings say.
        """
        return self._found("secret", self.secret_env, self.secret_file) if self.secret_env or self.secret_file else ""

    def _found(self, what: str, variable: str, path: Path | None) -> str:
        if variable:
            value = os.environ.get(variable, "").strip()
            source = f"environment variable {variable}"
        else:
            source = str(path)
            try:
                value = Path(source).expanduser().read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                why = getattr(error, "strerror", None) or "not UTF-8 text"
                raise ConfigError(f"Channel {self.name}: cannot read its {what} from {source}: {why}") from None
        if not value:
            raise ConfigError(f"Channel {self.name}: its {what} is not in {source}")
        return value


class Notify(BaseModel):
    """All of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    language: Language = "en"
    attempts: Annotated[int, Field(ge=1, le=20)] = 8
    """How often delivery is tried; the last time about an hour after the first."""
    channels: tuple[Channel, ...] = ()

    @model_validator(mode="after")
    def _names(self) -> Notify:
        names = [channel.name for channel in self.channels]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"two channels have the name {twice}")
        return self

    def meant(self, event: str) -> list[Channel]:
        """The channels that get this."""
        return [channel for channel in self.channels if not channel.events or event in channel.events]

    def only(self, names: Collection[str]) -> Notify:
        """The same with these channels alone, which then get every event."""
        chosen = (channel for channel in self.channels if channel.name in names)
        return self.model_copy(update={"channels": tuple(one.model_copy(update={"events": ()}) for one in chosen)})

    def channel(self, name: str) -> Channel | None:
        """The channel of this name."""
        return next((channel for channel in self.channels if channel.name == name), None)
