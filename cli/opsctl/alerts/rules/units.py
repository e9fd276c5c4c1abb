"""Lengths of time, shares of a group, and lists, as people write them."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from opsctl.clock import span
from opsctl.policy.part import many

TEXTS = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
"""The schema of one text or a list of them."""
_SHARE = re.compile(r"(\d{1,6})(%?)")


def length(seconds: int) -> str:
    """`90` as `90s`, `300` as `5m`."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{max(0, seconds)}s"


def _seconds(value: Any) -> int:
    if value in (0, "0s"):
        return 0
    if not isinstance(value, str):
        raise ValueError(f'want a length of time as "30s", "5m" or "1h", not {value}')
    return span(value)


Seconds = Annotated[
    int,
    BeforeValidator(_seconds),
    PlainSerializer(length, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": "^(0s|[1-9][0-9]{0,5}[smhd])$", "examples": ["30s", "5m", "1h"]}),
]
"""Written `30s`, `5m`, `1h`, `7d`; `0s` is none."""

Texts = Annotated[tuple[str, ...], BeforeValidator(many), WithJsonSchema(TEXTS)]
"""One text, or a list of them."""


def _share(value: Any) -> str:
    text = str(value)
    found = _SHARE.fullmatch(text)
    if isinstance(value, bool) or not found or int(found[1]) < 1 or (found[2] and int(found[1]) > 100):
        raise ValueError(f'want a number of hosts, or a share of them as "20%", not "{value}"')
    return text


Share = Annotated[
    str,
    BeforeValidator(_share),
    WithJsonSchema(
        {
            "anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": "^[0-9]{1,6}%?$"}],
            "examples": ["20%", 2],
        }
    ),
]
"""A number of hosts, or a percentage of a group."""


def allowed(share: str, size: int) -> int:
    """How many hosts of a group of this size that is: a percentage is rounded down, but one host is always allowed."""
    number = int(share.rstrip("%"))
    return max(1, number * size // 100) if share.endswith("%") else number
