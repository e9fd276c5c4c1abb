"""Takes webhooks: whether a message is proved (`proof`), the calls (`app`), the sockets (`serve`)."""

from __future__ import annotations

from opsctl.alerts.receiver.serve import Receiver

__all__ = ["Receiver"]
