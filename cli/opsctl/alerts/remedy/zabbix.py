"""Zabbix as those who raise alerts: asked, told, and kept quiet through its API."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from opsctl.alerts.alert import SEVERITIES, Alert, Severity
from opsctl.clock import stamp
from opsctl.errors import OpsctlError


class Sources:
    """Monitoring of all sources: Zabbix is asked and told, of the others only what they tell counts."""

    def __init__(self, zabbix: Callable[[], Any] | None) -> None:
        """`zabbix`: makes a gateway; None where no Zabbix is configured."""
        self._make = zabbix
        self._lock = threading.Lock()
        self._gateway: Any = None

    def asks(self, alert: Alert) -> bool:
        """Whether its source can be asked."""
        return alert.kind == "zabbix" and self._make is not None

    def gone(self, alerts: Sequence[Alert]) -> Mapping[str, str]:
        """When those that are over ended; empty = Zabbix does not show it any more."""
        from ansible_collections.opsctl.cloud.plugins.module_utils.zabbix.problems import gone

        keys = {alert.key: alert.id for alert in alerts}
        with _told():
            ended = gone(self._zabbix(), list(keys))
        return {keys[key]: stamp(when) if when else "" for key, when in ended.items() if key in keys}

    def look(self, alerts: Sequence[Alert]) -> None:
        """Have the items of their triggers checked now."""
        from ansible_collections.opsctl.cloud.plugins.module_utils.zabbix.problems import check_now

        with _told():
            check_now(self._zabbix(), sorted({alert.trigger for alert in alerts if alert.trigger}))

    def tell(
        self,
        alert: Alert,
        text: str,
        *,
        acknowledge: bool = False,
        close: bool = False,
        severity: Severity | None = None,
    ) -> None:
        """Leave a message at the problem."""
        if not self.asks(alert):
            return
        from ansible_collections.opsctl.cloud.plugins.module_utils.zabbix.problems import update

        rank = SEVERITIES.index(severity) if severity else None
        with _told():
            update(self._zabbix(), [alert.key], message=text, acknowledge=acknowledge, close=close, severity=rank)

    def silence(self, alert: Alert, hosts: Sequence[str], until: float, name: str) -> None:
        """A maintenance of these hosts."""
        if self.asks(alert):
            from ansible_collections.opsctl.cloud.plugins.module_utils.zabbix.maintenance import silence

            with _told():
                silence(self._zabbix(), list(hosts), until, name)

    def lift(self, name: str) -> None:
        """End it."""
        if self._make is not None:
            from ansible_collections.opsctl.cloud.plugins.module_utils.zabbix.maintenance import lift

            with _told():
                lift(self._zabbix(), name)

    def maintained(self, hosts: Collection[str]) -> frozenset[str]:
        """Which of these hosts are in a maintenance window that is not one of ours."""
        if self._make is None:
            return frozenset()
        from ansible_collections.opsctl.cloud.plugins.module_utils.zabbix.maintenance import PREFIX, in_maintenance

        with _told():
            windows = self._zabbix().call("maintenance.get", {"output": ["name"]})
            if all(str(window["name"]).startswith(PREFIX) for window in windows):
                # Mostly there are none, and hosts may be thousands.
                return frozenset()
            found = in_maintenance(self._zabbix(), hosts)
        return frozenset(host for host, window in found.items() if not window.startswith(PREFIX))

    def warm(self) -> None:
        """Load what asking needs now, not when the first problem waits for it."""
        if self._make is not None:
            from ansible_collections.opsctl.cloud.plugins.module_utils.zabbix import maintenance, problems  # noqa: F401

    def _zabbix(self) -> Any:
        with self._lock:
            if self._gateway is None:
                if self._make is None:
                    raise OpsctlError("No Zabbix is configured")
                self._gateway = self._make()
            return self._gateway


@contextmanager
def _told() -> Iterator[None]:
    """What Zabbix says no to becomes an error of opsctl; Zabbix is loaded only where there is one."""
    from opsctl.monitor.zabbix import told

    with told():
        yield
