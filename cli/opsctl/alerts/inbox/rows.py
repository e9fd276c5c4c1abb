"""Alerts as rows of alerts.db."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import RowMapping

from opsctl.alerts.alert import Alert
from opsctl.alerts.inbox.tables import alerts

_JSON = ("groups", "tags", "data")


def row(alert: Alert) -> dict[str, Any]:
    """The values of its columns."""
    values = {column.name: getattr(alert, column.name) for column in alerts.c}
    values |= {"groups": list(alert.groups), "tags": dict(alert.tags), "data": dict(alert.data)}
    return values | {name: json.dumps(values[name], default=str) for name in _JSON}


def alert(row: RowMapping | Mapping[str, Any]) -> Alert:
    """The alert of a row."""
    values = dict(row)
    for name in _JSON:
        values[name] = json.loads(values[name])
    return Alert(**{**values, "groups": tuple(values["groups"])})
