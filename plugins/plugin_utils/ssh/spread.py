# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A command on many hosts at once, with what each of them said kept in memory."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass, field

from ansible_collections.opsctl.cloud.plugins.plugin_utils.ssh.connection import Connection
from ansible_collections.opsctl.cloud.plugins.plugin_utils.ssh.direct import Direct
from ansible_collections.opsctl.cloud.plugins.plugin_utils.ssh.limits import room
from ansible_collections.opsctl.cloud.plugins.plugin_utils.ssh.remote import Command
from ansible_collections.opsctl.cloud.plugins.plugin_utils.ssh.session import Ending, Session

MOST = 16 * 1024 * 1024
"""Bytes of one stream of one host that are kept."""


@dataclass
class Answer:
    """What came of it on one host."""

    ending: Ending
    stdout: bytearray = field(default_factory=bytearray)
    stderr: bytearray = field(default_factory=bytearray)
    cut: bool = False
    """Whether it said more than is kept."""


def spread(hosts: Sequence[Connection], command: Command, limit: float, forks: int) -> dict[str, Answer]:
    """Run it on all, `forks` at once, each at most `limit` seconds; by name of the host."""
    room(forks)
    return asyncio.run(_all(hosts, command, limit, forks))


async def _all(hosts: Sequence[Connection], command: Command, limit: float, forks: int) -> dict[str, Answer]:
    way, word = Direct(), f"opsctl-{os.urandom(12).hex()}"
    gate, stop = asyncio.Semaphore(forks), asyncio.get_running_loop().create_future()

    async def one(to: Connection) -> Answer:
        answer = Answer(Ending("canceled", 0.0))

        async def say(stream: str, data: bytes) -> None:
            kept = answer.stdout if stream == "stdout" else answer.stderr
            room = MOST - len(kept)
            kept += data[:room]
            answer.cut = answer.cut or len(data) > room

        async with gate:
            answer.ending = await Session(to, way, word).run(command, limit, stop, say)
        return answer

    try:
        found = await asyncio.gather(*map(one, hosts))
    finally:
        await way.close()
    return {to.name: answer for to, answer in zip(hosts, found, strict=True)}
