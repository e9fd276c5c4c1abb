"""The durable store of alerts, alerts.db: what was put in stays, once, whoever tells it and however often."""

from __future__ import annotations

from opsctl.alerts.inbox.merge import Taken
from opsctl.alerts.inbox.store import Filter, Inbox
from opsctl.alerts.inbox.writer import Full

__all__ = ["Filter", "Full", "Inbox", "Taken"]
