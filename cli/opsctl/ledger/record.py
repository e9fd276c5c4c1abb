"""One audit record: its canonical form and its hash. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

GENESIS = "0" * 64
"""What the first record names as its predecessor's hash."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What is to be recorded. `data` must be JSON and already free of secrets."""

    kind: str
    run_id: str
    requester: Mapping[str, Any]
    host: str
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Record:
    """What is stored: `body` is canonical JSON of everything, also the predecessor's hash; `hash` is its SHA-256."""

    seq: int
    time: str
    kind: str
    run_id: str
    body: str
    hash: str

    @property
    def content(self) -> dict[str, Any]:
        """The body as a mapping: seq, time, kind, run_id, requester, host, data, previous, version."""
        loaded: dict[str, Any] = json.loads(self.body)
        return loaded


def seal(entry: Entry, seq: int, previous: str, time: str) -> Record:
    """The record that continues the chain after the one whose hash is `previous`."""
    body = canonical(
        {
            "version": 1,
            "seq": seq,
            "time": time,
            "kind": entry.kind,
            "run_id": entry.run_id,
            "requester": entry.requester,
            "host": entry.host,
            "data": entry.data,
            "previous": previous,
        }
    )
    return Record(seq, time, entry.kind, entry.run_id, body, digest(body))


def canonical(value: Any) -> str:
    """One text for one value: JSON, keys sorted, no spaces, ASCII only.

    ASCII, because arguments that are not valid UTF-8 come as lone surrogates, which UTF-8 cannot carry.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False, default=_plain)


def digest(text: str) -> str:
    """SHA-256 of a text, in hex."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _plain(value: object) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} cannot be recorded")
