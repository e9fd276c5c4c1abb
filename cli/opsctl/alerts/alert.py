"""One alert, whoever raised it, in the one form that everything after the sources knows. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Literal

from opsctl.clock import uuid7
from opsctl.events.redact import Redactor, dumped

Kind = Literal["zabbix", "alertmanager", "webhook", "search", "simulated"]
State = Literal["firing", "resolved"]
Severity = Literal["not_classified", "information", "warning", "average", "high", "disaster"]

SEVERITIES: tuple[Severity, ...] = ("not_classified", "information", "warning", "average", "high", "disaster")
"""From the least to the worst: the place of each is its number in Zabbix."""

_WORDS: dict[str, Severity] = {
    "none": "not_classified",
    "unknown": "not_classified",
    "not classified": "not_classified",
    "debug": "information",
    "info": "information",
    "notice": "information",
    "low": "information",
    "warn": "warning",
    "minor": "warning",
    "medium": "average",
    "moderate": "average",
    "error": "high",
    "err": "high",
    "major": "high",
    "critical": "high",
    "crit": "high",
    "page": "high",
    "fatal": "disaster",
    "emergency": "disaster",
    "alert": "disaster",
}

LONG = 1024
"""Characters of one text of an alert; what is longer is cut."""
_TAGS = 64
_GROUPS = 100
_DATA = 16 * 1024
"""Characters of the original that are kept."""
_REDACTOR = Redactor()
_WEB = re.compile(r"https?://", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Alert:
    """A problem of one host or service as its source told it, and what became of it. Times: RFC 3339, UTC, with
    milliseconds; empty where there is none."""

    id: str
    """UUIDv7, given when it is first seen."""
    source: str
    """The name it is configured by."""
    kind: Kind
    key: str
    """What the source knows this one problem by: dedupes what comes twice."""
    state: State = "firing"
    name: str = ""
    """What is wrong, in words: the problem's name."""
    trigger: str = ""
    """What found it: the id of a Zabbix trigger, the name of an alerting rule."""
    host: str = ""
    address: str = ""
    groups: tuple[str, ...] = ()
    stack: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    severity: Severity = "not_classified"
    started: str = ""
    received: str = ""
    """When it was first heard of."""
    resolved: str = ""
    acknowledged: bool = False
    suppressed: bool = False
    """Its source keeps quiet about it: maintenance, a silence."""
    url: str = ""
    count: int = 1
    """How many times it was told."""
    data: Mapping[str, Any] = field(default_factory=dict)
    """Some of the original, without secrets; `via` says which way it came."""
    change: int = 0
    """Number of the last change of it in the inbox; 0 = never stored."""

    @property
    def firing(self) -> bool:
        """Whether the problem is there, as far as is known."""
        return self.state == "firing"

    @property
    def rank(self) -> int:
        """Its severity as a number, 0 to 5."""
        return SEVERITIES.index(self.severity)

    @property
    def problem(self) -> str:
        """What kind of problem it is, in one word that rules match: its tag `opsctl_problem`."""
        return self.tags.get("opsctl_problem", "")

    def plain(self) -> dict[str, Any]:
        """As JSON. Its shape is pinned by a test."""
        return {**asdict(self), "groups": list(self.groups), "tags": dict(self.tags), "data": dict(self.data)}

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Alert:
        """The inverse of `plain`; unknown keys are passed over.

        Raises:
            ValueError: it is none; the message says what is missing or wrong.
        """
        known = {each.name for each in fields(cls)}
        given = {name: value for name, value in plain.items() if name in known}
        missing = [name for name in ("id", "source", "kind", "key") if not given.get(name)]
        if missing:
            raise ValueError(f"an alert needs {', '.join(missing)}")
        if given.get("severity", "not_classified") not in SEVERITIES:
            raise ValueError(f"{given['severity']} is no severity; known: {', '.join(SEVERITIES)}")
        if given.get("state", "firing") not in ("firing", "resolved"):
            raise ValueError(f"{given['state']} is no state of an alert; known: firing, resolved")
        return cls(**{**given, "groups": tuple(given.get("groups") or ())})

    def ended(self, when: str) -> Alert:
        """The same, over."""
        return replace(self, state="resolved", resolved=when)


def made(source: str, kind: Kind, key: str, *, received: str, **values: Any) -> Alert:
    """A new alert of what a source told: texts are cut and made valid, secrets are taken out of the original.

    `values`: fields of Alert. `started` is `received` where the source does not say.
    """
    texts = ("name", "trigger", "host", "address", "stack", "url")
    values |= {name: text(values[name]) for name in texts if name in values}
    groups = islice(values.get("groups") or (), 10 * _GROUPS)
    values["groups"] = tuple(dict.fromkeys(filter(None, map(text, groups))))[:_GROUPS]
    if not _WEB.match(values.get("url", "")):
        # Pages show it as a link: nothing that a browser would run.
        values["url"] = ""
    values["tags"] = tagged((values.get("tags") or {}).items())
    values["data"] = bounded(values.get("data") or {})
    values["started"] = values.get("started") or received
    if values.get("state") == "resolved":
        values["resolved"] = values.get("resolved") or received
    return Alert(uuid7(), source, kind, text(key, 512), received=received, **values)


def severity(value: Any) -> Severity:
    """What a source calls a severity, as one of ours: Zabbix's numbers, words in use elsewhere; else not_classified."""
    word = str(value).strip().lower() if value is not None else ""
    if word in ("0", "1", "2", "3", "4", "5"):
        return SEVERITIES[int(word)]
    for known in SEVERITIES:
        if word.replace(" ", "_").replace("-", "_") == known:
            return known
    return _WORDS.get(word, "not_classified")


def text(value: Any, most: int = LONG) -> str:
    """A text that can be stored and shown on one line: valid Unicode, no control characters, not too long."""
    if value is None:
        return ""
    raw = str(value)[: 4 * most]
    if not (raw.isascii() and raw.isprintable()):
        valid = raw.encode("utf-8", "replace").decode("utf-8")
        raw = "".join(letter if letter.isprintable() else " " for letter in valid)
    line = " ".join(raw.split())
    return line if len(line) <= most else line[: most - 1] + "…"


def tagged(pairs: Iterable[tuple[Any, Any]]) -> dict[str, str]:
    """Tags of name and value. A name that comes more than once has its values joined by a comma."""
    found: dict[str, str] = {}
    for name, value in islice(pairs, 10 * _TAGS):
        clean, said = text(name, 255), text(value)
        if not clean or (clean not in found and len(found) >= _TAGS):
            continue
        before = found.get(clean, "")
        values = [*before.split(","), said] if before else [said]
        found[clean] = text(",".join(dict.fromkeys(values)))
    return found


def bounded(data: Mapping[str, Any]) -> dict[str, Any]:
    """Some of an original: no secrets, no more than 16 KB; what comes last is left out first."""
    kept: dict[str, Any] = {}
    size = 0
    for name, value in data.items():
        one = {text(name, 255): _valid(value)}
        # Measured first: looking for secrets in something huge takes long.
        size += len(dumped(one))
        if size > _DATA:
            return {**kept, "cut": True}
        kept |= _REDACTOR.clean(one)
    return kept


def moment(value: Any) -> str:
    """A time as alerts have it: of seconds since the epoch or of a text with a zone; empty when it is none.

    Alertmanager writes `0001-01-01T00:00:00Z` for "not yet": that is none.
    """
    try:
        if isinstance(value, int | float) or (isinstance(value, str) and value.strip().isdecimal()):
            when = datetime.fromtimestamp(float(value), UTC)
        else:
            when = datetime.fromisoformat(str(value).strip())
            when = when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC)
    except (ValueError, OverflowError, OSError):
        return ""
    if when.year < 1970:
        return ""
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _valid(value: Any, depth: int = 0) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8").replace("\0", " ")
    if value is None or isinstance(value, bool | int | float):
        return value
    if depth >= 8:
        return text(value)
    if isinstance(value, Mapping):
        return {text(name, 255): _valid(item, depth + 1) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_valid(item, depth + 1) for item in value]
    return text(value)
