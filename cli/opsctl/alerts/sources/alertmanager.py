"""What the webhook of Prometheus' Alertmanager tells, as alerts. Pure.

Source: https://prometheus.io/docs/alerting/latest/configuration/#webhook_config (message version 4).
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import re
from collections.abc import Mapping
from typing import Any

from opsctl.alerts.alert import Alert, made, moment, severity
from opsctl.alerts.sources.told import Told, each

_HOST = ("host", "hostname", "nodename", "node", "instance")
"""Labels that say on which host, the best first."""
_PORT = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^:]*):\d{1,5}")
_NAME = ("summary", "title", "message", "description")
_SUPPRESSED = ("suppressed", "silenced", "inhibited")


def told(message: Any, source: str, received: str) -> Told:
    """The alerts of one message.

    Raises:
        ValueError: it is none, or has no alert that can be understood.
    """
    if not isinstance(message, Mapping) or not isinstance(message.get("alerts"), list):
        raise ValueError("no message of Alertmanager's webhook: it has no list of alerts")
    found = each(message["alerts"], lambda item: _one(item, source, received))
    if not found.alerts:
        raise ValueError("the message has no alerts")
    if isinstance(left_out := message.get("truncatedAlerts"), int) and left_out > 0:
        return Told(found.alerts, [*found.wrong, f"Alertmanager left out {left_out} alerts: raise its max_alerts"])
    return found


def _one(item: Any, source: str, received: str) -> Alert:
    if not isinstance(item, Mapping) or not isinstance(labels := item.get("labels"), Mapping) or not labels:
        raise ValueError("it has no labels")
    notes = item.get("annotations")
    notes = notes if isinstance(notes, Mapping) else {}
    place = next((str(labels[name]) for name in _HOST if labels.get(name)), "")
    host, address = _place(place)
    instance = _place(str(labels.get("instance", "")))[1]
    trigger = str(labels.get("alertname", ""))
    over = item.get("status") == "resolved"
    return made(
        source,
        "alertmanager",
        _key(item, labels),
        received=received,
        state="resolved" if over else "firing",
        name=next((notes[name] for name in _NAME if notes.get(name)), trigger),
        trigger=trigger,
        host=host,
        address=address or instance,
        groups=[labels[name] for name in ("job", "cluster", "group") if labels.get(name)],
        stack=labels.get("opsctl_stack") or labels.get("stack") or "",
        tags=labels,
        severity=severity(labels.get("severity") or labels.get("priority")),
        started=moment(item.get("startsAt")),
        resolved=moment(item.get("endsAt")) if over else "",
        suppressed=str(item.get("status")) in _SUPPRESSED,
        url=item.get("generatorURL"),
        data={"via": "webhook", "annotations": dict(notes)},
    )


def _key(item: Mapping[str, Any], labels: Mapping[str, Any]) -> str:
    """One occurrence of an alert: what it is, and since when; a resolution repeats both."""
    fingerprint = str(item.get("fingerprint") or "").replace("@", "")[:100]
    if not fingerprint:
        fingerprint = hashlib.sha256(json.dumps(labels, sort_keys=True, default=str).encode()).hexdigest()[:16]
    return f"{fingerprint}@{moment(item.get('startsAt')) or '-'}"


def _place(text: str) -> tuple[str, str]:
    """Host and address of `web-1:9100`, `10.0.0.7:9100`, `[::1]:9100` or one without a port."""
    found = _PORT.fullmatch(text)
    host = (found["host"] if found else text).strip("[]")
    try:
        return host, str(ipaddress.ip_address(host))
    except ValueError:
        return host, ""
