"""What a message told: its alerts, and what of it could not be understood. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from opsctl.alerts.alert import Alert

MOST = 2000
"""Alerts in one message."""


@dataclass(frozen=True, slots=True)
class Told:
    """The good ones are not lost for a bad one among them."""

    alerts: list[Alert]
    wrong: list[str] = field(default_factory=list)
    """Why others were passed over."""


def each(items: Iterable[Any], one: Callable[[Any], Alert]) -> Told:
    """The alerts of a list.

    Raises:
        ValueError: there is none that can be understood, or there are too many.
    """
    alerts: list[Alert] = []
    wrong: list[str] = []
    for number, item in enumerate(items):
        if number >= MOST:
            raise ValueError(f"more than {MOST} alerts in one message")
        try:
            alerts.append(one(item))
        except ValueError as error:
            wrong.append(f"alert {number}: {error}")
    if wrong and not alerts:
        raise ValueError(wrong[0])
    return Told(alerts, wrong)
