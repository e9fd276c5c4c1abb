# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that the Zabbix modules share; the doc fragment zabbix documents them."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from ansible_collections.opsctl.cloud.plugins.module_utils.errors import Invalid
from ansible_collections.opsctl.cloud.plugins.module_utils.zabbix.client import Access, Zabbix
from ansible_collections.opsctl.cloud.plugins.module_utils.zabbix.problems import SEVERITIES, Problem, problems

CONNECTION: dict[str, Any] = {
    "zabbix_url": {"type": "str"},
    "zabbix_token": {"type": "str", "no_log": True},
    "zabbix_user": {"type": "str"},
    "zabbix_password": {"type": "str", "no_log": True},
    "validate_certs": {"type": "bool", "default": True},
    "ca_path": {"type": "path"},
    "timeout": {"type": "float", "default": 10.0},
}
CHOICE: dict[str, Any] = {
    "event_ids": {"type": "list", "elements": "str"},
    "hosts": {"type": "list", "elements": "str"},
    "groups": {"type": "list", "elements": "str"},
    "tags": {"type": "dict"},
    "min_severity": {"type": "str", "choices": list(SEVERITIES), "default": SEVERITIES[0]},
    "suppressed": {"type": "bool"},
}
CHOSEN = ("event_ids", "hosts", "groups", "tags")
"""One of these must say which problems: "all" would be a slip of the pen."""


def connect(params: Mapping[str, Any]) -> Zabbix:
    """The Zabbix of the options, or of the environment where the options say nothing."""
    url = params["zabbix_url"] or os.environ.get("ZABBIX_URL")
    if not url:
        raise Invalid("No Zabbix is named: set zabbix_url, or the environment variable ZABBIX_URL")
    token, user, password = (params[f"zabbix_{one}"] or "" for one in ("token", "user", "password"))
    if not (token or user or password):
        token = os.environ.get("ZABBIX_TOKEN", "")
        if not token:
            user, password = os.environ.get("ZABBIX_USER", ""), os.environ.get("ZABBIX_PASSWORD", "")
    if not (token or user or password):
        raise Invalid("Nobody to log in to Zabbix: set zabbix_token, or the environment variable ZABBIX_TOKEN")
    access = Access(
        url=url,
        token=token,
        user=user,
        password=password,
        ca_file=params["ca_path"] or "",
        verify=params["validate_certs"],
        timeout=params["timeout"],
    )
    return Zabbix(access)


def some(params: Mapping[str, Any]) -> None:
    """Refuse options that say which problems only by tags, and then none: an empty variable must not mean them all."""
    if not params["tags"] and all(params[one] is None for one in CHOSEN if one != "tags"):
        raise Invalid("The tags are empty, which would mean all problems; name some, or use event_ids, hosts or groups")


def choose(zabbix: Zabbix, params: Mapping[str, Any], *, within: int | None = None, limit: int = 0) -> list[Problem]:
    """The open problems that the options of :data:`CHOICE` mean."""
    return problems(
        zabbix,
        event_ids=params["event_ids"],
        hosts=params["hosts"],
        groups=params["groups"],
        tags=[(str(tag), "" if value is None else str(value)) for tag, value in (params["tags"] or {}).items()],
        min_severity=SEVERITIES.index(params["min_severity"]),
        suppressed=params["suppressed"],
        since=time.time() - within if within else 0.0,
        limit=limit,
    )


def told(problem: Problem) -> dict[str, Any]:
    """A problem as modules return it."""
    record = asdict(problem)
    record["severity"] = SEVERITIES[problem.severity]
    record["tags"] = [{"tag": tag, "value": value} for tag, value in problem.tags]
    return record
