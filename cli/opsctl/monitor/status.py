"""Whether Zabbix is well, what it watches, what it says."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ansible_collections.opsctl.cloud.plugins.module_utils.zabbix.deliveries import deliveries
from ansible_collections.opsctl.cloud.plugins.module_utils.zabbix.problems import SEVERITIES, problems
from ansible_collections.opsctl.cloud.plugins.module_utils.zabbix.push import alive

from opsctl.errors import OpsctlError
from opsctl.monitor.config import Zabbix as Options
from opsctl.monitor.hosts import STACK
from opsctl.monitor.zabbix import Error, Zabbix, access, said

DAY = 86400
_SHOWN = 5
_PATIENCE = 1.0
_EXISTS = 4
_UNREACHABLE = "2"


def status(options: Options, home: Path) -> dict[str, Any]:
    """All of it, as JSON. What cannot be asked is an `error` in it, not an exception.

    Raises:
        OpsctlError: the settings do not suffice to ask anything.
    """
    host, port = options.trapper
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        lives = alive(place, timeout=min(options.timeout, 5))
    except Error as error:
        raise OpsctlError(str(error)) from None
    result: dict[str, Any] = {
        "url": options.place,
        "reachable": False,
        "error": "",
        "version": None,
        "server": {"address": place, "alive": lives},
        "stacks": [],
        "problems": dict.fromkeys(reversed(SEVERITIES), 0),
        "suppressed": 0,
        "deliveries": {"sent": 0, "waiting": 0, "failed": 0, "errors": []},
    }
    try:
        # Who looks wants to know that nobody answers, soon.
        with Zabbix(replace(access(options, home), patience=_PATIENCE)) as zabbix:
            result["version"] = ".".join(map(str, zabbix.version))
            result["stacks"] = _stacks(zabbix)
            _problems(zabbix, result)
            result["deliveries"] = _deliveries(zabbix)
            result["reachable"] = True
    except Error as error:
        result["error"] = said(error)
    return result


def well(result: Mapping[str, Any]) -> bool:
    """Whether Zabbix answers, its server works, and what it had to tell got through."""
    return bool(result["reachable"] and result["server"]["alive"] and not result["deliveries"]["failed"])


def _stacks(zabbix: Zabbix) -> list[dict[str, Any]]:
    rows = zabbix.call(
        "host.get",
        {
            "output": ["host", "status"],
            "selectTags": ["tag", "value"],
            "selectInterfaces": ["available", "type"],
            "tags": [{"tag": STACK, "value": "", "operator": _EXISTS}],
        },
    )
    found: dict[str, Counter[str]] = {}
    for row in rows:
        for stack in {tag["value"] for tag in row["tags"] if tag["tag"] == STACK}:
            count = found.setdefault(stack, Counter())
            count["hosts"] += 1
            count["disabled"] += str(row["status"]) != "0"
            count["unreachable"] += any(str(face["available"]) == _UNREACHABLE for face in row["interfaces"])
    return [
        {"stack": stack, **{key: found[stack][key] for key in ("hosts", "disabled", "unreachable")}}
        for stack in sorted(found)
    ]


def _problems(zabbix: Zabbix, result: dict[str, Any]) -> None:
    for problem in problems(zabbix):
        if problem.suppressed:
            result["suppressed"] += 1
        else:
            result["problems"][SEVERITIES[problem.severity]] += 1


def _deliveries(zabbix: Zabbix) -> dict[str, Any]:
    """Of the last day."""
    found = deliveries(zabbix, since=time.time() - DAY)
    count = Counter(each.state for each in found)
    errors = [each.error for each in found if each.state == "failed" and each.error]
    return {
        "sent": count["sent"],
        "waiting": count["waiting"] + count["new"],
        "failed": count["failed"],
        "errors": list(dict.fromkeys(errors))[:_SHOWN],
    }
