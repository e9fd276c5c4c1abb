"""What the hosts said, from a run's journal: one row a host, hosts that said the same together. Pure."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from opsctl.runs.progress import message, natural

_NAMES = 20
"""Hosts of a group that are named."""
_STREAMS = ("stdout", "stderr")


@dataclass(slots=True)
class Said:
    """One host: how it ended and what it said, as sizes and hashes."""

    host: str
    rc: int | None = None
    seconds: float | None = None
    error: str = ""
    sizes: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_STREAMS, 0))
    hashes: dict[str, Any] = field(default_factory=lambda: {name: hashlib.sha256() for name in _STREAMS})

    @property
    def key(self) -> tuple[Any, ...]:
        """Equal for hosts that ended the same and said the same."""
        return (self.rc, self.error, *(self.hashes[name].hexdigest() for name in _STREAMS))

    def plain(self) -> dict[str, Any]:
        """As it is recorded: JSON."""
        sizes = {f"{name}_bytes": self.sizes[name] for name in _STREAMS}
        return {"host": self.host, "rc": self.rc, "seconds": self.seconds, "error": self.error or None, **sizes}


def said(records: Iterable[Mapping[str, Any]]) -> list[Said]:
    """One for each host that began, in the order people count."""
    found: dict[str, Said] = {}
    for record in records:
        host = record.get("host")
        if not host or not str(record["event"]).startswith("host_"):
            continue
        of = found.setdefault(host, Said(host))
        for stream, data in _pieces(record):
            of.sizes[stream] += len(data)
            of.hashes[stream].update(data)
        if record["event"] in ("host_ok", "host_failed", "host_unreachable"):
            _end(of, record)
    return [found[host] for host in sorted(found, key=natural)]


def outputs(records: Iterable[Mapping[str, Any]], hosts: Collection[str]) -> dict[str, dict[str, bytes]]:
    """All that these hosts said: by host, by stream."""
    parts: dict[str, dict[str, list[bytes]]] = {host: {name: [] for name in _STREAMS} for host in hosts}
    for record in records:
        if record.get("host") in parts:
            for stream, data in _pieces(record):
                parts[record["host"]][stream].append(data)
    return {host: {name: b"".join(of[name]) for name in _STREAMS} for host, of in parts.items()}


def groups(hosts: Iterable[Said]) -> list[list[Said]]:
    """Hosts that ended the same and said the same, the largest group first."""
    found: dict[tuple[Any, ...], list[Said]] = {}
    for host in hosts:
        found.setdefault(host.key, []).append(host)
    return sorted(found.values(), key=lambda group: (-len(group), natural(group[0].host)))


def drawn(grouped: Sequence[Sequence[Said]], texts: Mapping[str, Mapping[str, bytes]]) -> str:
    """The groups for people; `texts` has the output of the first host of each."""
    blocks = []
    for group in grouped:
        first = group[0]
        lines = [f"{_count(group)} ({_ending(first)}): {_named(group)}"]
        for stream in _STREAMS:
            shown = texts.get(first.host, {}).get(stream, b"").decode("utf-8", "backslashreplace")
            mark = "    " if stream == "stdout" else "  ! "
            lines += [f"{mark}{line}" for line in shown.splitlines()]
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def whole(row: dict[str, Any], texts: Mapping[str, bytes]) -> dict[str, Any]:
    """A host's row with its output; bytes that are no text are given in base64 besides."""
    full = {name: value for name, value in row.items() if not name.endswith("_bytes")}
    for stream in _STREAMS:
        data = texts.get(stream, b"")
        full[stream] = data.decode("utf-8", "replace")
        try:
            data.decode("utf-8")
        except UnicodeDecodeError:
            full[f"{stream}_base64"] = base64.b64encode(data).decode("ascii")
    return full


def _pieces(record: Mapping[str, Any]) -> list[tuple[str, bytes]]:
    """(stream, bytes) that a record holds: a piece of ours, or all of it in a result of Ansible's."""
    result = record.get("data", {}).get("res") or {}
    if record["event"] == "host_output":
        return [(result.get("stream", "stdout"), _bytes(record.get("stdout", "")))]
    if record["event"] in ("host_ok", "host_failed"):
        return [(name, _bytes(str(result[name]))) for name in _STREAMS if result.get(name)]
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
