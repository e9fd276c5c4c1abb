"""Makes what hosts returned fit into an index: depth and length have bounds, the journal has all of it. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

TEXT = 32_000
"""Characters of a message."""

_STRING = 8_000
_KEY = 200
_DEPTH = 5
_MANY = 200
_WHOLE = 48_000
"""Characters of a result as JSON."""

SHORT = _WHOLE
"""Bytes of a journal's line whose result is surely not longer than that."""

_BULKY = frozenset({"ansible_facts", "invocation", "diff"})
_HALVES = re.compile("[\ud800-\udfff]")
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def text(value: str) -> str:
    """Output as a message: no colours, its line ends as everywhere, not longer than is allowed; cut in the middle."""
    if len(value) > 4 * TEXT:
        value = value[: 2 * TEXT] + value[-2 * TEXT :]
    plain = value.replace("\r\n", "\n")
    if "\x1b" in plain:
        plain = _ESCAPES.sub("", plain)
    return cut(plain.strip("\r\n"), TEXT)


def cut(value: str, length: int) -> str:
    """The beginning and the end of a text that is too long."""
    if len(value) <= length:
        return value
    half = (length - 40) // 2
    return f"{value[:half]}\n[{len(value) - 2 * half} characters left out]\n{value[-half:]}"


def readable(value: str) -> str:
    """A text without what UTF-8 cannot carry: bytes that were no text are shown as escapes, halves of pairs as such."""
    return _HALVES.sub(_shown, value)


def result(value: Mapping[str, Any], *, short: bool = False) -> dict[str, Any]:
    """What a module returned, without what Ansible adds; facts and differences are in the journal.

    `short`: it is known to be no longer than is allowed. `value` is made of what `json.loads` makes.
    """
    small = {
        _key(key): _small(item, 1)
        for key, item in value.items()
        if not key.startswith("_ansible") and key not in _BULKY and item not in ("", None, [], {})
    }
    # Escapes count as one character here: the bound is on what a shard has to hold, roughly.
    if short or len(json.dumps(small, ensure_ascii=False)) <= _WHOLE:
        return small
    return {key: cut(item if isinstance(item, str) else _json(item), 1000) for key, item in list(small.items())[:40]}


def _small(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return value if len(value) <= _STRING else cut(value, _STRING)
    if isinstance(value, dict | list) and depth >= _DEPTH:
        return cut(_json(value), _STRING)
    if isinstance(value, dict):
        shown = [(key, item) for key, item in value.items() if not key.startswith("_ansible")]
        return {_key(key): _small(item, depth + 1) for key, item in shown[:_MANY]}
    if isinstance(value, list):
        return [_small(item, depth + 1) for item in value[:_MANY]]
    if isinstance(value, float) and not -1e308 < value < 1e308:
        return str(value)
    return value


def _key(key: str) -> str:
    """As a field of type `flattened` takes it: no zero byte, not empty, not endless."""
    if 0 < len(key) <= _KEY and "\0" not in key:
        return key
    return key.replace("\0", "\\0")[:_KEY] or "(empty)"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _shown(half: re.Match[str]) -> str:
    code = ord(half[0])
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else "\ufffd"
