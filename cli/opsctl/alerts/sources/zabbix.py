"""What Zabbix tells by the webhook of `opsctl monitor setup`, or when it is asked, as alerts. Pure.

Both ways end in the same key, the id of the problem's event: whatever comes first, the other adds to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from opsctl.alerts.alert import Alert, made, moment, severity, tagged, text
from opsctl.alerts.sources.told import Told

if TYPE_CHECKING:
    from opsctl.monitor.problems import Problem

STACK = "opsctl_stack"
"""The tag of hosts that says which stack they are of."""


def told(message: Any, source: str, received: str, base: str = "") -> Told:
    """The alert of one message of the webhook. `base`: URL of the web front end, where known.

    Raises:
        ValueError: it is none of these messages.
    """
    if not isinstance(message, Mapping) or message.get("version") != 1:
        raise ValueError("no message of opsctl's webhook of version 1; run `opsctl monitor setup` again")
    event, value = str(message.get("eventid", "")), str(message.get("value", ""))
    if not event.isascii() or not event.isdigit() or value not in ("0", "1"):
        raise ValueError("eventid must be a number and value 0 or 1")
    recovery = str(message.get("r_eventid") or "")
    over = value == "0" or (recovery.isdigit() and recovery != "0")
    tags = tagged(_pairs(message.get("tags")))
    trigger = str(message.get("trigger_id") or "")
    alert = made(
        source,
        "zabbix",
        event,
        received=received,
        state="resolved" if over else "firing",
        name=message.get("name"),
        trigger=trigger,
        host=message.get("host"),
        address=message.get("address"),
        groups=_list(message.get("groups")),
        stack=tags.get(STACK, ""),
        tags=tags,
        severity=severity(message.get("severity")),
        started=_when(message.get("clock")),
        resolved=_when(message.get("r_clock")) if over else "",
        acknowledged=message.get("acknowledged") is True,
        url=_url(base, trigger, event),
        data={
            "via": "webhook",
            "host_id": text(message.get("host_id")),
            "opdata": text(message.get("opdata")),
            **_clock(message.get("clock")),
        },
    )
    return Told([alert])


def seen(problem: Problem, source: str, received: str, base: str = "", known: str = "") -> Alert:
    """The alert of a problem that Zabbix was asked for. `known`: the host it was told with before, of its hosts."""
    tags = tagged(problem.tags)
    hosts = {str(host.host): host for host in problem.hosts}
    first = hosts.get(known) or next(iter(hosts.values()), None)
    return made(
        source,
        "zabbix",
        str(problem.event_id),
        received=received,
        state="firing" if problem.resolved is None else "resolved",
        name=problem.name,
        trigger=str(problem.trigger_id),
        host=first.host if first else "",
        address=first.address if first else "",
        groups=first.groups if first else (),
        stack=tags.get(STACK, ""),
        tags=tags,
        severity=severity(problem.severity),
        started=_when(problem.started),
        resolved=_when(problem.resolved),
        acknowledged=problem.acknowledged,
        suppressed=problem.suppressed,
        url=_url(base, str(problem.trigger_id), str(problem.event_id)),
        data={
            "via": "poll",
            "host_id": first.host_id if first else "",
            "opdata": text(problem.opdata),
            **_clock(problem.started),
            **({"hosts": list(hosts)} if len(hosts) > 1 else {}),
        },
    )


def _when(seconds: Any) -> str:
    """0 is how Zabbix says: not known."""
    return moment(seconds) if seconds else ""


def _clock(seconds: Any) -> dict[str, int]:
    """When it began by Zabbix's own clock: with the event's id that is what makes it one of a kind."""
    return {"clock": int(seconds)} if isinstance(seconds, int | float) and 0 < seconds < 1e12 else {}


def _url(base: str, trigger: str, event: str) -> str:
    found = base and trigger.isdigit() and event.isdigit()
    return f"{base}/tr_events.php?triggerid={trigger}&eventid={event}" if found else ""


def _pairs(tags: Any) -> list[tuple[Any, Any]]:
    items = tags if isinstance(tags, list) else []
    return [(item.get("tag"), item.get("value")) for item in items if isinstance(item, Mapping)]


def _list(value: Any) -> list[Any]:
    if isinstance(value, str):
        return [part.strip() for part in value.split(",")]
    return value if isinstance(value, list) else []
