# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values for trapper items, sent to the server itself. The one file that imports zabbix_utils."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from dataclasses import dataclass

from ansible_collections.opsctl.cloud.plugins.module_utils.errors import Invalid, Missing
from ansible_collections.opsctl.cloud.plugins.module_utils.zabbix.errors import Unavailable

try:
    from zabbix_utils import ItemValue, Sender
    from zabbix_utils.types import Node
except ImportError:
    _TRACE = traceback.format_exc()
else:
    _TRACE = ""

PORT = 10051
SINGLY = 100  # values up to which each is sent by itself, so that we know which one nobody wanted
CHUNK = 1000  # values a connection beyond that


@dataclass(frozen=True)
class Value:
    """One value. ``clock``: seconds since 1970, or the server's own time."""

    host: str
    key: str
    value: str
    clock: float | None = None


@dataclass(frozen=True)
class Pushed:
    """How many values the server took and refused, and ``refused``: which ones, where that is known.

    It refuses values of hosts and items that it does not know, or not yet: its configuration is read again at times.
    """

    processed: int
    failed: int
    refused: tuple[Value, ...]


def push(server: str, values: Sequence[Value], *, timeout: float = 10.0) -> Pushed:
    """Send values to ``server``, ``HOST`` or ``HOST:PORT`` of a Zabbix server or proxy.

    Raises :class:`~.errors.Unavailable`, whose text says how many values were sent before.
    """
    sender = _sender(server, timeout)
    step = 1 if len(values) <= SINGLY else CHUNK
    processed = failed = 0
    refused: list[Value] = []
    for start in range(0, len(values), step):
        chunk = values[start : start + step]
        try:
            answer = sender.send([_item(value) for value in chunk])
        except Exception as error:  # whatever the library lets through: errors of the socket, of JSON, its own
            raise _unavailable(server, error, start, len(values)) from None
        processed += int(answer.processed)
        failed += int(answer.failed)
        if int(answer.failed) == len(chunk):
            refused.extend(chunk)
    return Pushed(processed, failed, tuple(refused))


def alive(server: str, *, timeout: float = 5.0) -> bool:
    """Whether the server itself answers, which the API (it reads the database) does not tell."""
    try:
        push(server, [Value("opsctl probe", "opsctl.probe", "1")], timeout=timeout)
    except Unavailable:
        return False
    return True


def address(server: str) -> tuple[str, int]:
    """Host and port of ``HOST``, ``HOST:PORT``, ``[IPV6]:PORT`` or ``IPV6``. Raises :class:`~..errors.Invalid`."""
    host, port = server, str(PORT)
    if server.startswith("["):
        host, rest = server[1:].split("]", 1) if "]" in server else ("", "")
        port = rest.removeprefix(":") or port
    elif server.count(":") == 1:
        host, port = server.split(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise Invalid(f"{server!r} is no address of a Zabbix server; say HOST or HOST:PORT")
    return host, int(port)


def _sender(server: str, timeout: float) -> Sender:
    if _TRACE:
        raise Missing("zabbix_utils", _TRACE)
    host, port = address(server)
    sender = Sender(server="127.0.0.1", port=port, timeout=timeout, use_ipv6=":" in host, chunk_size=CHUNK)
    sender.clusters[0].nodes = [Node(host, port)]  # its own parser takes no IPv6
    return sender


def _item(value: Value) -> ItemValue:
    if value.clock is None:
        return ItemValue(value.host, value.key, value.value)
    return ItemValue(value.host, value.key, value.value, int(value.clock), int(value.clock % 1 * 1e9))


def _unavailable(server: str, error: Exception, done: int, total: int) -> Unavailable:
    reason = "timed out" if isinstance(error, TimeoutError) else " ".join(str(error).split()) or type(error).__name__
    sent = f" after {done} of {total} values" if done else ""
    return Unavailable(f"The Zabbix server {server} takes no values{sent}: {reason[:200]}")
