# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Silence for hosts under change, by maintenance windows of our own.

Zabbix looks at maintenance once a minute: silence begins and ends up to 60 s late, and what is a problem already is
only hidden then. Who must not act on a host in maintenance asks :func:`in_maintenance`, which reads the windows
themselves.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.opsctl.cloud.plugins.module_utils.zabbix import dialect
from ansible_collections.opsctl.cloud.plugins.module_utils.zabbix.client import Zabbix
from ansible_collections.opsctl.cloud.plugins.module_utils.zabbix.errors import Duplicate, NotFound

PREFIX = "opsctl: "
LONGEST = 128  # characters that Zabbix takes for a name

_ONCE = 0
_MINUTE = 60


def silence(zabbix: Zabbix, hosts: Iterable[str], until: float, name: str, *, now: float | None = None) -> str:
    """A maintenance window with data for these hosts (technical names), from now to ``until`` (seconds since 1970).

    The same ``name`` again moves its end and its hosts. Returns the id of the window.
    """
    start = int(time.time() if now is None else now) // _MINUTE * _MINUTE
    end = max(int(-(-until // _MINUTE)) * _MINUTE, start + 5 * _MINUTE)  # whole minutes; Zabbix wants five at least
    window = {
        "active_since": start,
        "active_till": end,
        "hosts": dialect.objects("hostid", _ids(zabbix, hosts)),
        "groups": [],
        "timeperiods": [{"timeperiod_type": _ONCE, "start_date": start, "period": end - start}],
    }
    found = _ours(zabbix, name)
    if found:
        zabbix.call("maintenance.update", {"maintenanceid": found, **window})
        return found
    try:
        made = zabbix.call("maintenance.create", {"name": _title(name), "maintenance_type": 0, **window})
    except Duplicate:
        found = _ours(zabbix, name)
        zabbix.call("maintenance.update", {"maintenanceid": found, **window})
        return found
    return str(made["maintenanceids"][0])


def lift(zabbix: Zabbix, name: str) -> bool:
    """End the silence of that name; whether there was one."""
    found = _ours(zabbix, name)
    if not found:
        return False
    try:
        zabbix.call("maintenance.delete", [found])
    except NotFound:
        return False
    return True


def in_maintenance(zabbix: Zabbix, hosts: Iterable[str], *, now: float | None = None) -> dict[str, str]:
    """The name of a window that is open now, for each of these hosts (technical names) that has one; ours come last.

    For windows that happen once this is exact, also in the minute before the server notices. For recurring ones the
    server's own word counts. Windows that also hold hosts or groups that our user may not see are hidden from it.
    """
    names = sorted(set(hosts))
    moment = time.time() if now is None else now
    windows = _current(zabbix, moment) if names else []
    if not windows:
        return {}
    asked = {
        "output": ["hostid", "host", "maintenance_status", "maintenanceid"],
        "filter": {"host": names},
        dialect.host_groups(zabbix.version): ["groupid"],
    }
    found: dict[str, str] = {}
    for row in zabbix.call("host.get", asked):
        groups = {str(group["groupid"]) for group in dialect.groups_of(row)}
        for window in windows:
            known = str(row["maintenance_status"]) == "1" and row["maintenanceid"] == window["maintenanceid"]
            if _holds(window, str(row["hostid"]), groups) and _open(window, moment, known):
                found[str(row["host"])] = str(window["name"])
                break
    return found


def _current(zabbix: Zabbix, moment: float) -> list[Mapping[str, Any]]:
    """Windows that are in force, those of others first."""
    asked = {"output": "extend", "selectTimeperiods": "extend", **_members(zabbix)}
    windows = zabbix.call("maintenance.get", asked)
    current = [one for one in windows if int(one["active_since"]) <= moment < int(one["active_till"])]
    return sorted(current, key=lambda one: str(one["name"]).startswith(PREFIX))


def release(zabbix: Zabbix, host_ids: Iterable[str]) -> None:
    """Delete windows of ours with no other hosts: Zabbix refuses to delete the last host of a window."""
    doomed = set(host_ids)
    asked = {"output": ["maintenanceid", "name"], "hostids": sorted(doomed), **_members(zabbix)}
    ours = [
        str(window["maintenanceid"])
        for window in zabbix.call("maintenance.get", asked)
        if str(window["name"]).startswith(PREFIX)
        and not dialect.groups_of(window)
        and {str(host["hostid"]) for host in window["hosts"]} <= doomed
    ]
    if ours:
        zabbix.call("maintenance.delete", ours)


def _title(name: str) -> str:
    return f"{PREFIX}{name}"[:LONGEST]


def _ours(zabbix: Zabbix, name: str) -> str:
    rows = zabbix.call("maintenance.get", {"output": ["maintenanceid"], "filter": {"name": [_title(name)]}})
    return str(rows[0]["maintenanceid"]) if rows else ""


def _ids(zabbix: Zabbix, hosts: Iterable[str]) -> list[str]:
    names = sorted(set(hosts))
    rows = zabbix.call("host.get", {"output": ["hostid", "host"], "filter": {"host": names}}) if names else []
    missing = sorted(set(names) - {str(row["host"]) for row in rows})
    if missing or not names:
        raise NotFound(f"Zabbix has no host {', '.join(missing) or 'to silence'}, or does not show it to us")
    return [str(row["hostid"]) for row in rows]


def _members(zabbix: Zabbix) -> dict[str, Any]:
    return {"selectHosts": ["hostid"], dialect.host_groups(zabbix.version): ["groupid"]}


def _holds(window: Mapping[str, Any], host_id: str, groups: set[str]) -> bool:
    members = {str(host["hostid"]) for host in window["hosts"]}
    return host_id in members or bool(groups & {str(group["groupid"]) for group in dialect.groups_of(window)})


def _open(window: Mapping[str, Any], moment: float, known: bool) -> bool:
    """Whether a window is open; ``known``: the server says so, as of up to a minute ago."""
    periods = window.get("timeperiods") or []
    once = [one for one in periods if int(one["timeperiod_type"]) == _ONCE]
    if any(int(one["start_date"]) <= moment < int(one["start_date"]) + int(one["period"]) for one in once):
        return True
    return known and len(once) < len(periods)
