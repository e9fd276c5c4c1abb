"""Rules and alerts for tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from opsctl.alerts.alert import Alert
from opsctl.alerts.rules.rule import Rule
from opsctl.clock import uuid7

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def at(seconds: float) -> str:
    """So many seconds after NOW, as alerts have it."""
    return (NOW + timedelta(seconds=seconds)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def alert(**values: Any) -> Alert:
    """A Redis process that died on cache-1, just now."""
    given: dict[str, Any] = {
        "id": uuid7(),
        "source": "zabbix",
        "kind": "zabbix",
        "key": "1",
        "name": "Redis is down on cache-1",
        "host": "cache-1",
        "groups": ("cache_redis",),
        "stack": "cache",
        "tags": {"opsctl_problem": "redis-process-down"},
        "severity": "high",
        "started": at(0),
        "received": at(0),
    }
    return Alert(**{**given, **values})


def rule(**values: Any) -> Rule:
    """One that heals it by an action."""
    given: dict[str, Any] = {
        "name": "redis-process-down",
        "match": {"problem": "redis-process-down"},
        "do": {"scenario": "redis-cluster", "action": "heal"},
    }
    return Rule.model_validate({**given, **values})
