"""The loop with everything real but the workers, which only write the records of runs, and monitoring."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from opsctl.alerts.alert import Alert, made
from opsctl.alerts.guards.config import Bounds
from opsctl.alerts.inbox import Inbox
from opsctl.alerts.remedy.aftercare import Aftercare
from opsctl.alerts.remedy.child import service
from opsctl.alerts.remedy.engine import Engine
from opsctl.alerts.remedy.follow import Follow
from opsctl.alerts.remedy.lead import Lead
from opsctl.alerts.remedy.record import Recorder
from opsctl.alerts.remedy.store import Remedies, Remedy
from opsctl.alerts.rules.book import Book
from opsctl.alerts.rules.read import read
from opsctl.clock import now, stamp
from opsctl.db.engine import Database
from opsctl.errors import OpsctlError
from opsctl.runs.desk import Desk
from opsctl.runs.process import myself
from opsctl.runs.request import RunRequest
from opsctl.settings import load

WRITE = Database.write
"""As it is: tests may put something in its place for the service, which workers are no part of."""

RULE = """
- name: heal
  match: {problem: down}
  do: {command: ["true"]}
  guards: {cooldown: 0s, tries: {most: 9, within: 1h}}
"""


@dataclass
class Workers:
    """Instead of processes: a run that is ordered has a record at once, and ends when the test says how."""

    desk: Desk
    executed: list[str] = field(default_factory=list)
    orders: list[dict[str, Any]] = field(default_factory=list)
    said: list[dict[str, Any]] = field(default_factory=list)
    deaf: bool = False
    """Orders are lost, as when the worker is killed before it begins."""
    refusal: str = ""
    status: str = "running"

    def order(self, run: str, spec: Mapping[str, Any], *, resume: bool = False) -> None:
        self.orders.append({"run": run, "spec": dict(spec), "resume": resume})
        if self.deaf:
            self.said.append({"run": run, "said": "ended", "status": -9})
            return
        if self.refusal:
            self.said += [{"run": run, "said": "error", "kind": "unusable", "text": self.refusal}]
            return
        if self.desk.store.known([run]):
            return
        request = RunRequest(
            run, "command", "true", "", "", "here", service(), now(), spec={"trigger": spec["trigger"]}
        )
        with WRITE(self.desk.database) as connection:
            self.desk.store.add(connection, request, self.status, myself())
        self.executed.append(run)
        if self.status == "waiting":
            self.said.append({"run": run, "said": "ended", "status": 0})

    def heard(self) -> list[dict[str, Any]]:
        said, self.said = self.said, []
        return said

    def end(self, status: str = "succeeded", message: str | None = None, run: str = "") -> None:
        """All that run, or one, come to this end."""
        for active in self.desk.store.active():
            if run in ("", active.id):
                with WRITE(self.desk.database) as connection:
                    self.desk.store.move(connection, active.id, status, finished=now(), exit_code=0, message=message)


@dataclass
class Monitoring:
    """A source that can be asked and told."""

    told: list[tuple[str, str]] = field(default_factory=list)
    silenced: dict[str, Sequence[str]] = field(default_factory=dict)
    down: bool = False

    def asks(self, alert: Alert) -> bool:
        return alert.kind == "zabbix"

    def gone(self, alerts: Sequence[Alert]) -> Mapping[str, str]:
        return {}

    def look(self, alerts: Sequence[Alert]) -> None:
        return None

    def tell(self, alert: Alert, text: str, **_change: Any) -> None:
        if self.down:
            raise OpsctlError("Zabbix is down")
        self.told.append((alert.id, text))

    def silence(self, alert: Alert, hosts: Sequence[str], until: float, name: str) -> None:
        self.silenced[name] = list(hosts)

    def lift(self, name: str) -> None:
        self.silenced.pop(name, None)


class Verifier:
    """Knows nothing by itself: the test says what is gone."""

    def __init__(self) -> None:
        self.watched: set[str] = set()

    def watch(self, remediation: str, alert: Alert) -> None:
        self.watched.add(remediation)

    def leave(self, remediation: str) -> None:
        self.watched.discard(remediation)


class Loop:
    """One home; `again` is what a service that was killed and started once more finds."""

    def __init__(self, home: Path, rules: str = RULE, bounds: Bounds | None = None) -> None:
        home.mkdir(mode=0o700, exist_ok=True)
        (home / "config.toml").write_text('cloud = "here"\n[clouds.here]\nkind = "hosts"\ninventory = "/dev/null"\n')
        self.home = home
        self.book: Book = read(rules)
        self.bounds = bounds or Bounds()
        self.desk = Desk(home, load(home))
        self.inbox = Inbox(home)
        self.remedies = Remedies(self.inbox.database)
        self.workers = Workers(self.desk)
        self.monitoring = Monitoring()
        self.told: list[str] = []
        self.maintenance: dict[str, datetime | None] = {}
        """Hosts that people work on."""
        self.ahead = 0.0
        """Seconds by which the clock of the loop is ahead."""
        self.again()

    def again(self) -> None:
        """All memory is lost; what is stored stays."""
        self.aftercare = Aftercare(self.inbox, self.remedies, self.monitoring, lambda: None, self.told.append)
        # What would be done by other threads is done at once.
        self.aftercare._pool = _Now()  # type: ignore[assignment]
        follow = Follow(self.desk, self.workers, self.told.append)  # type: ignore[arg-type]
        self.lead = Lead(self.inbox, self.remedies, follow, self.aftercare)
        self.lead.verifier = self.verifier = Verifier()  # type: ignore[assignment]
        self.engine = Engine(
            self.inbox,
            self.lead,
            book=lambda: self.book,
            bounds=self.bounds,
            maintenance=lambda: self.maintenance,
            clock=self.clock,
        )
        self.engine.begin()
        self.recorder = Recorder(self.desk, self.inbox, self.remedies, self.told.append)

    def clock(self) -> float:
        import time

        return time.time() + self.ahead

    def comes(self, host: str = "web-1", problem: str = "down", kind: Any = "zabbix", **values: Any) -> Alert:
        """An alert is put in."""
        self.count = getattr(self, "count", 0) + 1
        alert = made(
            "zabbix",
            kind,
            values.pop("key", str(self.count)),
            received=stamp(self.clock() - 1)[:23] + "Z",
            name=f"{problem} on {host}",
            host=host,
            tags={"opsctl_problem": problem},
            severity="high",
            **values,
        )
        return self.inbox.put([alert])[0].alert

    def goes(self, alert: Alert) -> None:
        """Its source says that it is over."""
        self.inbox.put([self.inbox.get(alert.id).ended(stamp(self.clock())[:23] + "Z")])

    def turn(self, times: int = 1) -> None:
        """As the service does."""
        for _ in range(times):
            self.ahead += 0.31
            self.engine.turn()
        self.recorder.follow()

    def of(self, alert: Alert) -> list[Remedy]:
        """What was done about it."""
        return self.remedies.of_alerts([alert.id]).get(alert.id, [])

    def state(self, alert: Alert) -> str:
        """That of the last remediation."""
        return self.of(alert)[-1].state

    def states(self, alert: Alert) -> list[str]:
        """Its whole story."""
        return [step.state for step in self.remedies.story([remedy.id for remedy in self.of(alert)])]

    def kinds(self) -> list[str]:
        """What the ledger says."""
        return [record.kind for record in self.desk.ledger.records()]

    def close(self) -> None:
        self.inbox.close()


class _Now:
    """A pool that does everything at once."""

    def submit(self, work: Any, *arguments: Any) -> None:
        work(*arguments)

    def shutdown(self, **_options: Any) -> None:
        return None
