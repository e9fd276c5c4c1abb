"""What the hosts said, from a run's journal: one row a host, hosts that said the same together. Pure."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from opsctl.runs.progress import message, natural

_NAMES = 20
"""Hosts of a group that are named."""
STREAMS = ("stdout", "stderr")


@dataclass(slots=True)
class Said:
    """One host: how it ended and what it said, as sizes and hashes."""

    host: str
    rc: int | None = None
    seconds: float | None = None
    error: str = ""
    sizes: dict[str, int] = field(default_factory=lambda: dict.fromkeys(STREAMS, 0))
    hashes: dict[str, Any] = field(default_factory=lambda: {name: hashlib.sha256() for name in STREAMS})

    @property
    def key(self) -> tuple[Any, ...]:
        """Equal for hosts that ended the same and said the same."""
        return (self.rc, self.error, *(self.hashes[name].hexdigest() for name in STREAMS))

    def plain(self) -> dict[str, Any]:
        """As it is recorded: JSON."""
        sizes = {f"{name}_bytes": self.sizes[name] for name in STREAMS}
        return {"host": self.host, "rc": self.rc, "seconds": self.seconds, "error": self.error or None, **sizes}


def said(records: Iterable[Mapping[str, Any]]) -> list[Said]:
    """One for each host that began, in the order people count."""
    found: dict[str, Said] = {}
    for record in records:
        host = record.get("host")
        if not host or not str(record["event"]).startswith("host_"):
            continue
        if record["event"] == "host_retry":
            # The last try counts; the journal has them all.
            found[host] = Said(host)
        of = found.setdefault(host, Said(host))
        for stream, data in pieces(record):
            of.sizes[stream] += len(data)
            of.hashes[stream].update(data)
        if record["event"] in ("host_ok", "host_failed", "host_unreachable"):
            _end(of, record)
    return [found[host] for host in sorted(found, key=natural)]


def groups(hosts: Iterable[Said]) -> list[list[Said]]:
    """Hosts that ended the same and said the same, the largest group first."""
    found: dict[tuple[Any, ...], list[Said]] = {}
    for host in hosts:
        found.setdefault(host.key, []).append(host)
    return sorted(found.values(), key=lambda group: (-len(group), natural(group[0].host)))


def heading(group: Sequence[Said]) -> str:
    """How many hosts ended the same and said the same, how, and which."""
    return f"{_count(group)} ({_ending(group[0])}): {_named(group)}"


def whole(row: Mapping[str, Any], said: Callable[[str, str], bytes]) -> dict[str, Any]:
    """A host's row with its output; bytes that are no text are given in base64 besides."""
    full = {name: value for name, value in row.items() if not name.endswith("_bytes")}
    for stream in STREAMS:
        data = said(row["host"], stream)
        full[stream] = data.decode("utf-8", "replace")
        try:
            data.decode("utf-8")
        except UnicodeDecodeError:
            full[f"{stream}_base64"] = base64.b64encode(data).decode("ascii")
    return full


def pieces(record: Mapping[str, Any]) -> list[tuple[str, bytes]]:
    """(stream, bytes) that a record holds: a piece of ours, or all of it in a result of Ansible's."""
    result = record.get("data", {}).get("res") or {}
    if record["event"] == "host_output":
        return [(result.get("stream", "stdout"), _bytes(record.get("stdout", "")))]
    if record["event"] in ("host_ok", "host_failed"):
        return [(name, _bytes(str(result[name]))) for name in STREAMS if result.get(name)]
    return []


def _end(of: Said, record: Mapping[str, Any]) -> None:
    result = record.get("data", {}).get("res") or {}
    of.rc = result.get("rc")
    of.seconds = result.get("seconds", record.get("data", {}).get("duration"))
    if record["event"] != "host_ok":
        of.error = message(result)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _count(group: Sequence[Said]) -> str:
    return "1 host" if len(group) == 1 else f"{len(group)} hosts the same"


def _ending(of: Said) -> str:
    if of.error:
        return of.error
    return "did not end" if of.rc is None else f"exit {of.rc}"


def _named(group: Sequence[Said]) -> str:
    names = ", ".join(of.host for of in group[:_NAMES])
    return names if len(group) <= _NAMES else f"{names} and {len(group) - _NAMES} more"
