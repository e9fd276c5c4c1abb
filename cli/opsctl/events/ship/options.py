"""What can be set about Elasticsearch: the section `elasticsearch` of config.toml. Secrets are never in it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

_NAMESPACE = re.compile(r"[^\s\\/*?\"<>|,#:A-Z-]{1,100}")


def _urls(value: Any) -> Any:
    return [part for part in re.split(r"[,\s]+", value) if part] if isinstance(value, str) else value


def _url(value: str) -> str:
    parts = urlsplit(value)
    if parts.username or parts.password:
        raise ValueError("must hold no user or password; set user and password_file, or api_key_file")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be like https://HOST:9200")
    return value.rstrip("/")


def _namespace(value: str) -> str:
    if not _NAMESPACE.fullmatch(value):
        raise ValueError("must be lower case, without '-' and special characters")
    return value


def _path(value: Any) -> Any:
    return Path(value).expanduser() if isinstance(value, str) else value


File = Annotated[Path, BeforeValidator(_path)]
Days = Annotated[int, Field(ge=1, le=36500)]


class Retention(BaseModel):
    """Days that documents are kept, where the server can delete them by itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run: Days = 180
    task: Days = 90
    audit: Days = 1095
    alert: Days = 365


class Elasticsearch(BaseModel):
    """Where journals and ledger are copied to. Without an URL nothing is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: Annotated[list[Annotated[str, AfterValidator(_url)]], BeforeValidator(_urls)] = Field(default_factory=list)
    """One cluster; several addresses of it when there are."""
    api_key_file: File | None = None
    """A file with an encoded API key; `OPSCTL_ELASTICSEARCH_API_KEY` goes before it."""
    user: str | None = None
    password_file: File | None = None
    """A file with the user's password; `OPSCTL_ELASTICSEARCH_PASSWORD` goes before it."""
    ca_file: File | None = None
    """PEM certificates that the server's is checked against; unset = the system's."""
    namespace: Annotated[str, AfterValidator(_namespace)] = "default"
    """The last part of the data streams' names: `logs-opsctl.task-NAMESPACE`."""
    labels: dict[Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")], str] = Field(default_factory=dict)
    """Added to every document, e.g. `site`."""
    timeout: Annotated[float, Field(gt=0, le=600)] = 30
    """Seconds for one request."""
    patience: Annotated[float, Field(gt=0, le=3600)] = 30
    """Seconds in which nothing was taken, after which sending pauses."""
    chunk_documents: Annotated[int, Field(ge=1, le=10_000)] = 1000
    chunk_bytes: Annotated[int, Field(ge=10_000, le=90_000_000)] = 4_000_000
    """What one request holds at most."""
    spool_bytes: Annotated[int, Field(ge=1_000_000)] = 2_000_000_000
    """How much of the journals may wait. Beyond it the oldest runs are passed over, counted, told; never the ledger."""
    flush_seconds: Annotated[float, Field(ge=0.2, le=3600)] = 5
    """Between two looks at the journals when `opsctl logs ship flush --follow` is used."""
    lifecycle: Literal["auto", "ilm", "dsl", "none"] = "auto"
    """Who deletes old documents: ILM policies, the data streams' own lifecycle, nobody; auto = what the server has."""
    retention: Retention = Retention()

    @property
    def on(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.url)
