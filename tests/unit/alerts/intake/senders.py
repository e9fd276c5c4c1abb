"""Messages as the senders of alerts make them, and signed as opsctl's webhook script signs them."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from typing import Any

import requests

SECRET = "a secret of sufficient length"
RECEIVED = "2026-11-21T12:00:00.000Z"


def zabbix(event: str = "101", **values: Any) -> dict[str, Any]:
    """What opsctl's media type sends of a problem."""
    return {
        "version": 1,
        "source": "zabbix",
        "eventid": event,
        "value": "1",
        "update": "0",
        "r_eventid": "",
        "trigger_id": "17",
        "name": "Redis is down on cache-1",
        "severity": "4",
        "host": "cache-1",
        "host_id": "10601",
        "address": "192.168.0.1",
        "tags": [{"tag": "opsctl_stack", "value": "cache"}, {"tag": "opsctl_problem", "value": "redis-process-down"}],
        "opdata": "0",
        "clock": 1795262400,
        "r_clock": 0,
        "groups": ["cache", "cache/redis"],
        "acknowledged": False,
        **values,
    }


def prometheus(*states: str, **labels: str) -> dict[str, Any]:
    """What Alertmanager sends of as many alerts."""
    alerts = [
        {
            "status": state,
            "labels": {"alertname": "DiskFull", "instance": f"web-{number}:9100", "severity": "critical", **labels},
            "annotations": {"summary": "Disk almost full"},
            "startsAt": "2026-11-21T11:59:00.123456789Z",
            "endsAt": "2026-11-21T12:04:00Z" if state == "resolved" else "0001-01-01T00:00:00Z",
            "generatorURL": "http://prometheus/graph",
            "fingerprint": f"00000000000000a{number}",
        }
        for number, state in enumerate(states)
    ]
    return {"version": "4", "status": states[0] if states else "firing", "receiver": "opsctl", "alerts": alerts}


def signed(body: bytes, secret: str = SECRET, at: float | None = None) -> dict[str, str]:
    stamp = str(int(time.time() if at is None else at))
    mac = hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return {"X-Opsctl-Timestamp": stamp, "X-Opsctl-Signature": f"sha256={mac}"}


def post(url: str, source: str, message: Any, **options: Any) -> requests.Response:
    """Send it, signed; `headers` replaces the signature."""
    body = message if isinstance(message, bytes) else json.dumps(message).encode()
    headers = options.pop("headers", None)
    return requests.post(
        f"{url}/v1/alerts/{source}",
        data=body,
        headers={"Content-Type": "application/json", **(signed(body, **options) if headers is None else headers)},
        timeout=20,
    )
