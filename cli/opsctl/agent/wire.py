"""What goes over the agent's socket: frames of a kind (one byte), a length (four bytes) and a content."""

from __future__ import annotations

import asyncio
import json
import struct
from typing import Any

OPEN = b"O"
"""From the client, as JSON: start a line on a host. One socket, one process."""
INPUT, END = b"I", b"E"
"""From the client: bytes for its standard input; the end of that."""
STATUS, QUIT = b"S", b"Q"
"""From the client: tell how it stands; go when nothing runs any more. Answered by STATUS with JSON."""
WAIT, BEGAN, REFUSED, ALONE = b"W", b"B", b"R", b"A"
"""From the agent: I am at it; it runs; the host cannot be reached, and why; not by me, connect yourself."""
OUT, ERR, OVER = b"o", b"e", b"X"
"""From the agent: output; the end of the process, with its exit status as JSON."""

_HEAD = struct.Struct(">cI")
_LARGEST = 1 << 20


class BadFrame(Exception):
    """The other end speaks something else."""


def frame(kind: bytes, content: bytes = b"") -> bytes:
    """One frame."""
    return _HEAD.pack(kind, len(content)) + content


def message(kind: bytes, content: Any) -> bytes:
    """One with JSON in it. Text that is no Unicode survives."""
    return frame(kind, json.dumps(content, ensure_ascii=True).encode("ascii"))


def parsed(content: bytes) -> Any:
    """The JSON in a message.

    Raises:
        ValueError: there is none.
    """
    return json.loads(content)


async def read(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """(kind, content) of the next frame.

    Raises:
        EOFError: there is none, or only a part of one.
        BadFrame: it is larger than any can be.
    """
    kind, size = _HEAD.unpack(await reader.readexactly(_HEAD.size))
    if size > _LARGEST:
        raise BadFrame(f"a frame of {size} bytes")
    return kind, await reader.readexactly(size) if size else b""
