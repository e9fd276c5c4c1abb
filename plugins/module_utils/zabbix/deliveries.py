# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What became of the messages that Zabbix sent about problems: webhooks it gave up on are lost for ever."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ansible_collections.opsctl.cloud.plugins.module_utils.zabbix.client import Zabbix

STATES = {"0": "waiting", "1": "sent", "2": "failed", "3": "new"}


@dataclass(frozen=True)
class Delivery:
    """One message. ``state``: ``new``, ``waiting``, ``sent`` or ``failed``; ``error``: of the last try."""

    alert_id: str
    event_id: str
    problem_id: str
    media_type: str
    user: str
    time: float
    state: str
    tries: int
    error: str


def deliveries(
    zabbix: Zabbix,
    *,
    media_type: str = "",
    event_ids: Iterable[str] | None = None,
    failed: bool = False,
    since: float = 0.0,
    limit: int = 0,
) -> list[Delivery]:
    """Messages, the newest first. ``media_type``: its name; ``failed``: only those that nobody got."""
    asked: dict[str, Any] = {
        "output": ["alertid", "eventid", "p_eventid", "clock", "status", "retries", "error"],
        "selectMediatypes": ["mediatypeid", "name"],
        "selectUsers": ["username"],
        "sortfield": ["alertid"],
        "sortorder": "DESC",
        "filter": {"alerttype": 0, **({"status": 2} if failed else {})},
    }
    if media_type:
        known = zabbix.call("mediatype.get", {"output": ["mediatypeid"], "filter": {"name": [media_type]}})
        if not known:
            return []
        asked["mediatypeids"] = [str(one["mediatypeid"]) for one in known]
    if event_ids is not None:
        asked["eventids"] = list(event_ids)
    if since > 0:
        asked["time_from"] = int(since)
    if limit > 0:
        asked["limit"] = limit
    return [
        Delivery(
            alert_id=str(row["alertid"]),
            event_id=str(row["eventid"]),
            problem_id=str(row["p_eventid"]) if str(row.get("p_eventid") or "0") != "0" else str(row["eventid"]),
            media_type=next((str(one["name"]) for one in row.get("mediatypes") or []), ""),
            user=next((str(one["username"]) for one in row.get("users") or []), ""),
            time=float(row["clock"]),
            state=STATES.get(str(row["status"]), str(row["status"])),
            tries=int(row["retries"]),
            error=str(row["error"]),
        )
        for row in zabbix.call("alert.get", asked)
    ]
