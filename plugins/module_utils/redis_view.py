# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one node says about its cluster: the text of CLUSTER NODES and INFO, as values."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.opsctl.cloud.plugins.module_utils.redis_slots import from_text


@dataclass(frozen=True)
class Node:
    """A node as the caller names it. Without a zone each host is a zone of its own."""

    host: str
    port: int
    zone: str
    name: str

    @property
    def address(self) -> str:
        """``host:port``, how the nodes of a cluster name each other."""
        return f"{self.host}:{self.port}"


@dataclass(frozen=True)
class Member:
    """One line of CLUSTER NODES."""

    id: str
    address: str
    flags: frozenset[str]
    master: str | None
    linked: bool
    slots: frozenset[int]

    @property
    def failed(self) -> bool:
        """Agreed by the majority to be down, or without an address: not a mere suspicion (``fail?``)."""
        return "fail" in self.flags or "noaddr" in self.flags

    @property
    def label(self) -> str:
        """How people know it: an address that another node has by now is no name."""
        return f"node {self.id[:8]}" if self.address.startswith(":") else self.address

    @property
    def known(self) -> bool:
        """More than a handshake under way."""
        return "handshake" not in self.flags


@dataclass(frozen=True)
class View:
    """What ``node`` sees: itself (``id``), all members it knows, and how many keys it holds."""

    node: Node
    id: str
    members: dict[str, Member]
    keys: int = 0

    @property
    def me(self) -> Member:
        """Its own line."""
        return self.members[self.id]


def members(text: str) -> dict[str, Member]:
    """CLUSTER NODES by node id. Slots on the move (``[93-<-...]``) are left to the node that still has them."""
    found = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) < 8:
            continue
        found[words[0]] = Member(
            id=words[0],
            address=words[1].partition("@")[0],
            flags=frozenset(words[2].split(",")),
            master=None if words[3] == "-" else words[3],
            linked=words[7] == "connected",
            slots=from_text(" ".join(word for word in words[8:] if not word.startswith("["))),
        )
    return found


def myself(found: dict[str, Member]) -> str:
    """The id of the node that was asked."""
    return next(member.id for member in found.values() if "myself" in member.flags)


def info(text: str) -> dict[str, str]:
    """INFO or CLUSTER INFO as a dictionary of text."""
    pairs = (line.partition(":") for line in text.splitlines() if line and not line.startswith("#"))
    return {key: value.strip() for key, _colon, value in pairs}
