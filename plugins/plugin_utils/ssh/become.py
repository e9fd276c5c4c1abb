# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The talk with sudo: a password goes out when it is asked for, once, and nothing else before sudo has let us in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

_TAIL = 400


def asks(word: str) -> str:
    """The prompt that sudo is given."""
    return f"{word}-password"


class Become:
    """Waits on both streams for the word that is said behind sudo, and takes out what comes before it."""

    def __init__(self, word: str, password: str) -> None:
        """`word` empty: nobody else is to be become."""
        self.complaint = ""
        self.said = b""
        """The last of what sudo said."""
        self._password = password
        self._word = word.encode() + b"\n"
        self._prompt = asks(word).encode()
        self._held = {"stdout": b"", "stderr": b""} if word else {}
        self._asked = 0
        self._heard = asyncio.Event()

    @property
    def waiting(self) -> bool:
        """Whether sudo has not let us in yet."""
        return "stdout" in self._held

    def strip(self, stream: str, data: bytes) -> bytes:
        """What of a piece was said behind sudo."""
        if stream not in self._held:
            return data
        held = self._held[stream] + data
        before, found, rest = held.partition(self._word)
        if stream == "stderr":
            self._asked += before.count(self._prompt)
            before = before.replace(self._prompt, b"")
            self.said = before[-_TAIL:]
        if found:
            del self._held[stream]
        else:
            # Enough for a word or a prompt that is cut, and never more.
            self._held[stream] = before[-_TAIL:]
        self._heard.set()
        return rest

    async def dialog(self) -> AsyncIterator[bytes]:
        """What to write to sudo, until it lets us in; ends early, with a complaint, when it does not like it."""
        if not self._password:
            return
        while self.waiting:
            await self._heard.wait()
            self._heard.clear()
            if self._asked > 1:
                self.complaint = "wrong password"
                return
            if self._asked and self._password:
                yield self._password.encode() + b"\n"
                self._password = ""
