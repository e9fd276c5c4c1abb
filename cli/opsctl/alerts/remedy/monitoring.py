"""What the loop wants of those who raised an alert: is it gone, look again, know what we did, keep quiet meanwhile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from opsctl.alerts.alert import Alert, Severity


class Monitoring(Protocol):
    """One way for all sources. Each call may take as long as its source's timeout; it may raise OpsctlError."""

    def asks(self, alert: Alert) -> bool:
        """Whether its source can be asked; else only what it tells by itself counts."""

    def gone(self, alerts: Sequence[Alert]) -> Mapping[str, str]:
        """When those that are over ended, by the alert's id; empty = its source does not know it any more."""

    def look(self, alerts: Sequence[Alert]) -> None:
        """Have what found them look again now."""

    def tell(
        self,
        alert: Alert,
        text: str,
        *,
        acknowledge: bool = False,
        close: bool = False,
        severity: Severity | None = None,
    ) -> None:
        """Leave a message at the problem, and change it."""

    def silence(self, alert: Alert, hosts: Sequence[str], until: float, name: str) -> None:
        """Keep quiet about these hosts; the same name again changes it."""

    def lift(self, name: str) -> None:
        """Be loud again; no error when it is already."""
