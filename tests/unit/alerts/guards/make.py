"""Worlds and remediations for tests."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from opsctl.alerts.guards.world import Work, World
from opsctl.clock import uuid7
from tests.unit.alerts.rules.make import NOW


def work(began: float | None = -10, ended: float | None = None, **values: Any) -> Work:
    """A remediation of redis-process-down on cache-2; times in seconds from NOW."""
    given: dict[str, Any] = {
        "id": uuid7(),
        "rule": "redis-process-down",
        "alert": uuid7(),
        "host": "cache-2",
        "groups": frozenset({"cache_redis", "cache"}),
        "stack": "cache",
        "began": None if began is None else NOW + timedelta(seconds=began),
        "ended": None if ended is None else NOW + timedelta(seconds=ended),
    }
    return Work(**{**given, **values})


def world(**values: Any) -> World:
    """Six hosts, and nothing going on."""
    return World(**{"sizes": {"cache_redis": 6, "cache": 6}, **values})
