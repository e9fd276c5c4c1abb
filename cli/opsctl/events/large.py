"""Divides a record whose task said much into one record and pieces of output before it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

PIECE = 64 * 1024
"""Characters of output in one record, about."""

STREAMS = ("stdout", "stderr")
_TAKEN = ("host_ok", "host_failed")


def divided(record: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The record as it is, or its output in `host_output` records and then the record without it.

    A command's output is in its result twice, as a text and as a list of lines; both go. In their place is
    `output: {stdout: characters, ...}`. What else is large stays: nothing is lost.
    """
    result = record.get("data", {}).get("res")
    host = record.get("host")
    if record["event"] not in _TAKEN or not host or not isinstance(result, dict):
        yield record
        return
    streams = [name for name in STREAMS if isinstance(result.get(name), str) and len(result[name]) > PIECE]
    if not streams:
        yield record
        return
    common = {
        name: record[name] for name in ("time", "play", "task", "action", "path", "role", "host") if name in record
    }
    for name in streams:
        for piece in pieces(result[name], PIECE):
            said = {"event": "host_output", "stdout": piece, "data": {"res": {"stream": name}}}
            yield common | said
    gone = {*streams, *(f"{name}_lines" for name in streams)}
    kept = {name: value for name, value in result.items() if name not in gone}
    kept["output"] = {name: len(result[name]) for name in streams}
    yield {**record, "data": {**record["data"], "res": kept}}


def pieces(text: str, size: int) -> Iterator[str]:
    """A text in pieces of at most this many characters that end where lines end, as far as lines are that short."""
    start = 0
    while start < len(text):
        end = start + size
        if end < len(text):
            end = text.rfind("\n", start, end) + 1 or end
        yield text[start:end]
        start = end
