# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What differs between Zabbix 6.0 and 8.0, and nothing else. Source: the API changes pages of each version's manual."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

Version = tuple[int, int, int]

OLDEST: Version = (6, 0, 0)


def parse(text: str) -> Version | None:
    """``"7.4.1"`` and ``"8.0.0rc1"`` are versions; anything else is none."""
    found = re.match(r"(\d+)\.(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2]), int(found[3])) if found else None


def bearer(version: Version) -> bool:
    """Whether the token goes into a header: possible since 6.4, and since 7.2 the only place."""
    return version >= (6, 4, 0)


def host_groups(version: Version) -> str:
    """The parameter of ``host.get`` that asks for groups: ``selectGroups`` went away with 7.2."""
    return "selectHostGroups" if version >= (6, 2, 0) else "selectGroups"


def groups_of(host: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The groups in a record of ``host.get``, which are called after what was asked for."""
    found: Any = host.get("hostgroups", host.get("groups", []))
    return list(found)


def acknowledges(version: Version) -> str:
    """The parameter of ``event.get`` that asks for the story of an event; the old spelling went away with 7.2."""
    return "selectAcknowledges" if version >= (7, 0, 0) else "select_acknowledges"


def objects(key: str, ids: Iterable[str]) -> list[dict[str, str]]:
    """``[{key: id}, ...]``: how maintenance, host and the rest take references in every version."""
    return [{key: one} for one in ids]


def proxy(version: Version, proxy_id: str) -> dict[str, Any]:
    """What ``host.create`` takes to be watched by a proxy; ``""`` = by the server itself."""
    if version >= (7, 0, 0):
        return {"monitored_by": 1, "proxyid": proxy_id} if proxy_id else {"monitored_by": 0}
    return {"proxy_hostid": proxy_id or "0"}


def proxy_name(version: Version) -> str:
    """The field of ``proxy.get`` that holds the name."""
    return "name" if version >= (7, 0, 0) else "host"
