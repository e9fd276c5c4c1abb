# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Problems of Zabbix: find them, change them, check again at once, wait until they are gone.

Zabbix cannot put a tag on an event that exists: only what a webhook returns becomes tags of the event
(``process_tags``). Everybody else leaves a message, with :func:`update`.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.opsctl.cloud.plugins.module_utils.errors import Timeout
from ansible_collections.opsctl.cloud.plugins.module_utils.wait import wait_until
from ansible_collections.opsctl.cloud.plugins.module_utils.zabbix import dialect
from ansible_collections.opsctl.cloud.plugins.module_utils.zabbix.client import Zabbix
from ansible_collections.opsctl.cloud.plugins.module_utils.zabbix.errors import NotFound, Refused, Unavailable

SEVERITIES = ("not_classified", "information", "warning", "average", "high", "disaster")
MESSAGE = 2048  # characters that Zabbix takes for one message
SOONEST = 0.05  # seconds between two looks, however little is asked for
AGAIN = 5.0  # seconds between two wishes for a check at once: the server looks for such wishes that often

_CLOSE, _ACKNOWLEDGE, _MESSAGE, _SEVERITY = 1, 2, 4, 8
_EXISTS, _EQUALS = 4, 1
_KINDS = {"host": ("hostid", "host", "host"), "hostgroup": ("groupid", "name", "host group")}
_DEPENDENT = "18"
_CHECKABLE = {"0", "3", "5", "10", "11", "12", "13", "14", "15", "16", "19", "20", "21"}


@dataclass(frozen=True)
class HostRef:
    """A host of a problem: technical and visible name, and the address of its main interface."""

    host_id: str
    host: str
    name: str
    groups: tuple[str, ...]
    address: str


@dataclass(frozen=True)
class Problem:
    """A problem of a trigger. ``started`` and ``resolved``: seconds since 1970 by the server's clock; ids are texts."""

    event_id: str
    trigger_id: str
    name: str
    severity: int
    started: float
    resolved: float | None
    acknowledged: bool
    suppressed: bool
    tags: tuple[tuple[str, str], ...]
    opdata: str
    hosts: tuple[HostRef, ...]


def problems(
    zabbix: Zabbix,
    *,
    event_ids: Iterable[str] | None = None,
    hosts: Iterable[str] | None = None,
    groups: Iterable[str] | None = None,
    tags: Iterable[tuple[str, str]] = (),
    min_severity: int = 0,
    since: float = 0.0,
    after: str = "",
    suppressed: bool | None = None,
    limit: int = 0,
) -> list[Problem]:
    """The open problems that meet all conditions, the newest first.

    ``hosts`` are technical names and ``groups`` names: of an unknown one :class:`~.errors.NotFound` tells. All ``tags``
    must be there; one with an empty value may have any. ``after``: only events with a higher id than this one, which
    needs no clock. ``suppressed``: whether hidden by a maintenance; ``None`` = both. ``limit`` 0 = all.
    Three calls at most, besides one each for ``hosts`` and ``groups``.
    """
    asked: dict[str, Any] = {
        "output": "extend",
        "source": 0,
        "object": 0,
        "selectTags": ["tag", "value"],
        "sortfield": ["eventid"],
        "sortorder": "DESC",
    }
    chosen = {
        "eventids": None if event_ids is None else list(event_ids),
        "hostids": _ids(zabbix, "host", hosts),
        "groupids": _ids(zabbix, "hostgroup", groups),
    }
    if [] in chosen.values():
        return []
    asked |= {key: ids for key, ids in chosen.items() if ids is not None}
    conditions = [_tag(tag, value) for tag, value in tags]
    if conditions:
        asked |= {"tags": conditions, "evaltype": 0}
    if min_severity > 0:
        asked["severities"] = list(range(min_severity, len(SEVERITIES)))
    if since > 0:
        asked["time_from"] = int(since)
    if after:
        asked["eventid_from"] = str(int(after) + 1)
    if suppressed is not None:
        asked["suppressed"] = suppressed
    if limit > 0:
        asked["limit"] = limit
    rows = zabbix.call("problem.get", asked)
    found = _hosts(zabbix, {str(row["objectid"]) for row in rows})
    return [_problem(row, found.get(str(row["objectid"]), ())) for row in rows]


def gone(zabbix: Zabbix, event_ids: Iterable[str]) -> dict[str, float]:
    """When each of these problems ended, by event id; those that go on are left out.

    An event that Zabbix does not show (any more) ended at 0.0: its trigger or host was deleted, or our right to see it
    was taken away. That is an end, but no proof that anything was mended.
    """
    wanted = list(dict.fromkeys(map(str, event_ids)))
    if not wanted:
        return {}
    rows = zabbix.call("event.get", {"output": ["eventid", "r_eventid"], "eventids": wanted})
    ends = {str(row["eventid"]): str(row.get("r_eventid") or "0") for row in rows}
    recoveries = sorted({end for end in ends.values() if end != "0"})
    clocks: dict[str, float] = {}
    if recoveries:
        later = zabbix.call("event.get", {"output": ["eventid", "clock", "ns"], "eventids": recoveries})
        clocks = {str(row["eventid"]): _clock(row["clock"], row.get("ns")) for row in later}
    return {one: clocks.get(ends.get(one, ""), 0.0) for one in wanted if ends.get(one) != "0"}


def update(
    zabbix: Zabbix,
    event_ids: Iterable[str],
    *,
    message: str = "",
    acknowledge: bool = False,
    close: bool = False,
    severity: int | None = None,
) -> None:
    """Change these problems in one call: all of them or, on an error, none.

    ``close`` needs a trigger that allows it, and right to write to the host: :class:`~.errors.Refused` or
    :class:`~.errors.NotFound` otherwise. A message is cut at 2,048 characters.
    """
    wanted = list(dict.fromkeys(map(str, event_ids)))
    action = _CLOSE * close | _ACKNOWLEDGE * acknowledge | _MESSAGE * bool(message)
    asked: dict[str, Any] = {"eventids": wanted}
    if message:
        asked["message"] = message if len(message) <= MESSAGE else f"{message[: MESSAGE - 1]}…"
    if severity is not None:
        action |= _SEVERITY
        asked["severity"] = severity
    if wanted and action:
        zabbix.call("event.acknowledge", {**asked, "action": action})


def check_now(zabbix: Zabbix, trigger_ids: Iterable[str]) -> list[str]:
    """Have the items of these triggers checked at once, those of :func:`checkable`; their ids."""
    chosen = checkable(zabbix, trigger_ids)
    if chosen:
        zabbix.call("task.create", [{"type": 6, "request": {"itemid": item}} for item in chosen])
    return chosen


def checkable(zabbix: Zabbix, trigger_ids: Iterable[str]) -> list[str]:
    """The ids of the items of these triggers that the server asks for by itself.

    Active agent and trapper items are not; instead of an item that depends on another one, that one is meant.
    """
    wanted = list(dict.fromkeys(map(str, trigger_ids)))
    rows = _items(zabbix, {"triggerids": wanted}) if wanted else []
    chosen: dict[str, None] = {}
    for _depth in range(4):  # Zabbix allows three levels of dependent items
        chosen |= dict.fromkeys(str(row["itemid"]) for row in rows if str(row["type"]) in _CHECKABLE)
        masters = sorted({str(row["master_itemid"]) for row in rows if str(row["type"]) == _DEPENDENT})
        if not masters:
            break
        rows = _items(zabbix, {"itemids": masters})
    return list(chosen)


def wait(
    zabbix: Zabbix,
    event_ids: Iterable[str],
    *,
    timeout: float,
    every: float = 0.5,
    check_now: bool = True,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[str, float]:
    """Wait until all these problems are gone, and tell when as :func:`gone` does.

    ``check_now``: have their items checked again and again meanwhile, where that is allowed. While Zabbix does not
    answer, the wait goes on. Raises :class:`~..errors.Timeout` with ``open``, the ids of what goes on.
    """
    wanted = list(dict.fromkeys(map(str, event_ids)))
    ended: dict[str, float] = {}
    asker = _Asker(zabbix, clock) if check_now else None

    def look() -> list[str]:
        left = [one for one in wanted if one not in ended]
        try:
            ended.update(gone(zabbix, left))
            left = [one for one in wanted if one not in ended]
            if asker and left:
                asker.ask(left)
        except Unavailable:
            pass
        return left

    what = f"{len(wanted)} problem{'s' * (len(wanted) != 1)} of Zabbix to end"
    try:
        wait_until(look, lambda left: not left, what, timeout, every=max(every, SOONEST), clock=clock, sleep=sleep)
    except Timeout as error:
        left = [one for one in wanted if one not in ended]
        raise Timeout(f"{error}: {', '.join(left[:5])}{' ...' * (len(left) > 5)}", open=left) from None
    return {one: ended[one] for one in wanted}


class _Asker:
    """Asks for checks each few seconds, until Zabbix says that we may not."""

    def __init__(self, zabbix: Zabbix, clock: Callable[[], float]) -> None:
        self._zabbix, self._clock = zabbix, clock
        self._next = clock()

    def ask(self, event_ids: Sequence[str]) -> None:
        if self._clock() < self._next:
            return
        self._next = self._clock() + AGAIN
        rows = self._zabbix.call("event.get", {"output": ["objectid"], "eventids": list(event_ids)})
        try:
            check_now(self._zabbix, sorted({str(row["objectid"]) for row in rows}))
        except (NotFound, Refused):
            self._next = float("inf")


def page(zabbix: Zabbix, problem: Problem) -> str:
    """The address of the web page that shows a problem."""
    return f"{zabbix.access.page}/tr_events.php?triggerid={problem.trigger_id}&eventid={problem.event_id}"


def _items(zabbix: Zabbix, asked: Mapping[str, Any]) -> list[dict[str, Any]]:
    output = ["itemid", "type", "master_itemid"]
    found: list[dict[str, Any]] = zabbix.call("item.get", {"output": output, "monitored": True, **asked})
    return found


def _ids(zabbix: Zabbix, kind: str, names: Iterable[str] | None) -> list[str] | None:
    """The ids of hosts or host groups of these names."""
    if names is None:
        return None
    wanted = list(dict.fromkeys(names))
    if not wanted:
        return []
    key, name, what = _KINDS[kind]
    rows = zabbix.call(f"{kind}.get", {"output": [key, name], "filter": {name: wanted}})
    missing = sorted(set(wanted) - {str(row[name]) for row in rows})
    if missing:
        raise NotFound(f"Zabbix has no {what} {', '.join(missing)}, or does not show it to us")
    return [str(row[key]) for row in rows]


def _tag(tag: str, value: str) -> dict[str, Any]:
    if value:
        return {"tag": tag, "value": value, "operator": _EQUALS}
    return {"tag": tag, "value": "", "operator": _EXISTS}


def _hosts(zabbix: Zabbix, trigger_ids: set[str]) -> dict[str, tuple[HostRef, ...]]:
    """The hosts of each trigger."""
    if not trigger_ids:
        return {}
    triggers = zabbix.call(
        "trigger.get", {"output": ["triggerid"], "triggerids": sorted(trigger_ids), "selectHosts": ["hostid"]}
    )
    host_ids = sorted({str(host["hostid"]) for row in triggers for host in row["hosts"]})
    if not host_ids:
        return {}
    asked = {
        "output": ["hostid", "host", "name"],
        "hostids": host_ids,
        "selectInterfaces": ["ip", "dns", "useip", "main", "type"],
        dialect.host_groups(zabbix.version): ["name"],
    }
    known = {str(row["hostid"]): _host(row) for row in zabbix.call("host.get", asked)}
    members: defaultdict[str, tuple[HostRef, ...]] = defaultdict(tuple)
    for row in triggers:
        ids = [str(host["hostid"]) for host in row["hosts"]]
        members[str(row["triggerid"])] = tuple(known[one] for one in ids if one in known)
    return members


def _host(row: Mapping[str, Any]) -> HostRef:
    return HostRef(
        host_id=str(row["hostid"]),
        host=str(row["host"]),
        name=str(row["name"]),
        groups=tuple(sorted(str(group["name"]) for group in dialect.groups_of(row))),
        address=_address(row.get("interfaces") or []),
    )


def _address(interfaces: Sequence[Mapping[str, Any]]) -> str:
    """Of the main interface of the agent, or of the first of another kind."""
    for one in sorted(interfaces, key=lambda one: (str(one["main"]) != "1", str(one["type"]))):
        address = str(one["ip"] if str(one["useip"]) == "1" else one["dns"])
        if address:
            return address
    return ""


def _problem(row: Mapping[str, Any], hosts: tuple[HostRef, ...]) -> Problem:
    ended = str(row.get("r_eventid") or "0") != "0"
    return Problem(
        event_id=str(row["eventid"]),
        trigger_id=str(row["objectid"]),
        name=str(row["name"]),
        severity=int(row["severity"]),
        started=_clock(row["clock"], row.get("ns")),
        resolved=_clock(row["r_clock"], row.get("r_ns")) if ended else None,
        acknowledged=str(row["acknowledged"]) == "1",
        suppressed=str(row.get("suppressed", "0")) == "1",
        tags=tuple((str(tag["tag"]), str(tag["value"])) for tag in row.get("tags") or []),
        opdata=str(row.get("opdata", "")),
        hosts=hosts,
    )


def _clock(seconds: Any, nanoseconds: Any) -> float:
    return int(seconds) + int(nanoseconds or 0) / 1e9
