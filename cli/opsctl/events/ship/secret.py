"""Credentials for Elasticsearch and Kibana: from the environment or files, never shown."""

from __future__ import annotations

import base64
import os
from dataclasses import dataclass, field
from pathlib import Path

from opsctl.errors import ConfigError
from opsctl.events.ship.options import Elasticsearch

API_KEY = "OPSCTL_ELASTICSEARCH_API_KEY"
PASSWORD = "OPSCTL_ELASTICSEARCH_PASSWORD"  # noqa: S105 - the variable's name


@dataclass(frozen=True, slots=True)
class Credentials:
    """At most one of the two kinds."""

    api_key: str = field(default="", repr=False)
    user: str = ""
    password: str = field(default="", repr=False)

    @property
    def header(self) -> str:
        """The `Authorization` header; empty when there is none."""
        if self.api_key:
            return f"ApiKey {self.api_key}"
        if self.user:
            return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        return ""


def credentials(options: Elasticsearch) -> Credentials:
    """What the settings name.

    Raises:
        ConfigError: a file cannot be read or is empty, or a user has no password.
    """
    key = os.environ.get(API_KEY, "").strip() or _read("api_key_file", options.api_key_file)
    if key:
        if not key.isascii() or len(key.split()) != 1:
            raise ConfigError(
                f"elasticsearch: the API key ({API_KEY} or api_key_file) must be one word, the encoded form"
            )
        return Credentials(api_key=key)
    if options.user is None:
        return Credentials()
    password = os.environ.get(PASSWORD, "") or _read("password_file", options.password_file)
    if not password:
        raise ConfigError(f"elasticsearch.user: {options.user} has no password; set {PASSWORD} or password_file")
    return Credentials(user=options.user, password=password)


def _read(name: str, path: Path | None) -> str:
    if path is None:
        return ""
    try:
        text = path.read_text(encoding="utf-8").strip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
        raise ConfigError(f"elasticsearch.{name}: cannot read {path}: {reason}") from None
    if not text:
        raise ConfigError(f"elasticsearch.{name}: {path} is empty")
    return text
