"""From a host's bytes to pieces of text that are recorded one by one."""

from __future__ import annotations

CHUNK = 64 * 1024
"""Bytes of one stream of one host in one record, at most."""


class Spool:
    """Cuts a stream into pieces that end where lines end, as far as lines are short enough."""

    def __init__(self) -> None:
        """Nothing yet."""
        self._held = b""

    def take(self, data: bytes) -> list[str]:
        """The pieces that are complete now."""
        self._held += data
        pieces = []
        while (cut := self._held.rfind(b"\n", 0, CHUNK) + 1) or len(self._held) >= CHUNK:
            cut = cut or _between(self._held, CHUNK)
            pieces.append(text(self._held[:cut]))
            self._held = self._held[cut:]
        return pieces

    def rest(self) -> list[str]:
        """What is left at the end."""
        ready, self._held = self._held, b""
        return [text(ready)] if ready else []


def _between(data: bytes, cut: int) -> int:
    """At most `cut`, but not within a character of UTF-8."""
    for back in range(4):
        if cut - back >= len(data) or data[cut - back] & 0xC0 != 0x80:
            return cut - back
    return cut


def text(data: bytes) -> str:
    """Any bytes as text that can be turned back."""
    return data.decode("utf-8", "surrogateescape")
