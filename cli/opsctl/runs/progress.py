"""What a run's journal says about its state. Pure; serves the live view, recaps and lost runs alike."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

State = Literal["idle", "running", "ok", "changed", "failed", "unreachable", "skipped"]

_COUNTS = {
    "ok": "ok",
    "changed": "changed",
    "failures": "failed",
    "dark": "unreachable",
    "skipped": "skipped",
    "rescued": "rescued",
    "ignored": "ignored",
}


@dataclass(slots=True)
class Host:
    """One host in the run."""

    state: State = "idle"
    task: str = ""
    since: str = ""
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_COUNTS.values(), 0))

    @property
    def broken(self) -> bool:
        """Whether it fell out of the run."""
        return self.state in ("failed", "unreachable")


@dataclass(frozen=True, slots=True)
class Failure:
    """One task that failed on one host."""

    host: str
    task: str
    message: str
    unreachable: bool = False

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return {"host": self.host, "task": self.task, "message": self.message, "unreachable": self.unreachable}


@dataclass(slots=True)
class Progress:
    """Everything known so far."""

    play: str = ""
    task: str = ""
    plays: int = 0
    tasks: int = 0
    hosts: dict[str, Host] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    complaint: str = ""
    """What Ansible said last as an error, outside of any task."""
    result: Any = None
    last: Mapping[str, Any] = field(default_factory=dict)
    """What the last task on any host returned."""
    not_started: list[str] = field(default_factory=list)
    """Hosts that were to have their turn and never began, once the run has ended."""
    paused: str = ""
    """Why it waits for a person."""
    complete: bool = False
    """Whether Ansible came to its own end and counted."""

    def apply(self, record: Mapping[str, Any]) -> None:
        """Take one record of the journal."""
        handler = getattr(self, f"_on_{record['event']}", None)
        if handler is not None:
            handler(record)

    @property
    def running(self) -> list[tuple[str, str, str]]:
        """(host, task, since) of what has begun and not ended."""
        return [
            (name, host.task, host.since)
            for name, host in sorted(self.hosts.items(), key=lambda item: natural(item[0]))
            if host.state == "running"
        ]

    @property
    def recap(self) -> dict[str, dict[str, int]]:
        """Counts by host."""
        return {name: dict(host.counts) for name, host in sorted(self.hosts.items())}

    def plain(self) -> dict[str, Any]:
        """What is kept of a run: JSON. `in_progress` is what had begun and not ended."""
        return {
            "hosts": self.recap,
            "tasks": self.tasks,
            "failures": [failure.plain() for failure in self.failures],
            "in_progress": [{"host": host, "task": task, "since": since} for host, task, since in self.running],
            "not_started": list(self.not_started),
        }

    def count(self, name: str) -> int:
        """The sum of one count over all hosts."""
        return sum(host.counts[name] for host in self.hosts.values())

    def _on_play_start(self, record: Mapping[str, Any]) -> None:
        self.play = record.get("play", "")
        self.plays += 1

    def _on_task_start(self, record: Mapping[str, Any]) -> None:
        self.task = record.get("task", "")
        self.tasks += 1

    def _on_host_start(self, record: Mapping[str, Any]) -> None:
        host = self._host(record)
        host.state, host.task, host.since = "running", record.get("task", ""), record["time"]

    def _on_host_ok(self, record: Mapping[str, Any]) -> None:
        host, result = self._host(record), _result(record)
        self.last = result
        changed = bool(result.get("changed"))
        host.state = "changed" if changed else "ok"
        host.counts["ok"] += 1
        host.counts["changed"] += changed

    def _on_host_skipped(self, record: Mapping[str, Any]) -> None:
        host = self._host(record)
        host.state = "skipped"
        host.counts["skipped"] += 1

    def _on_host_failed(self, record: Mapping[str, Any]) -> None:
        host = self._host(record)
        if record.get("data", {}).get("ignore_errors"):
            host.state = "ok"
            host.counts["ok"] += 1
            host.counts["ignored"] += 1
            return
        host.state = "failed"
        host.counts["failed"] += 1
        self.failures.append(Failure(record.get("host", ""), record.get("task", ""), message(_result(record))))

    def _on_host_unreachable(self, record: Mapping[str, Any]) -> None:
        host = self._host(record)
        host.state = "unreachable"
        host.counts["unreachable"] += 1
        self.failures.append(
            Failure(record.get("host", ""), record.get("task", ""), message(_result(record)), unreachable=True)
        )

    def _on_warning(self, record: Mapping[str, Any]) -> None:
        self.warnings.append(record.get("stdout", ""))

    def _on_error(self, record: Mapping[str, Any]) -> None:
        self.complaint = " ".join(record.get("stdout", "").split())[:1000]

    def _on_text(self, record: Mapping[str, Any]) -> None:
        text = record.get("stdout", "")
        if text.startswith(("[ERROR]", "ERROR!")):
            self._on_error(record)

    def _on_paused(self, record: Mapping[str, Any]) -> None:
        self.paused = record.get("stdout", "")

    def _on_continued(self, record: Mapping[str, Any]) -> None:
        self.paused = ""

    def _on_not_started(self, record: Mapping[str, Any]) -> None:
        self.not_started = list(record.get("data", {}).get("hosts", ()))

    def _on_stats(self, record: Mapping[str, Any]) -> None:
        """Ansible's own counts are the true ones: they know of rescues."""
        data = record.get("data", {})
        self.complete = True
        self.task = ""
        for name in data.get("processed", {}):
            host = self.hosts.setdefault(name, Host())
            host.counts = {ours: int(data.get(theirs, {}).get(name, 0)) for theirs, ours in _COUNTS.items()}
            host.state = _final(host.counts)
        self.result = data.get("custom", {}).get("opsctl_result")

    def _host(self, record: Mapping[str, Any]) -> Host:
        return self.hosts.setdefault(record.get("host", ""), Host())


def natural(name: str) -> list[tuple[bool, int, str]]:
    """Sorts node-2 before node-10."""
    return [
        (not part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in re.split(r"(\d+)", name) if part
    ]


def replay(records: Any) -> Progress:
    """The state after these records."""
    progress = Progress()
    for record in records:
        progress.apply(record)
    return progress


def message(result: Mapping[str, Any]) -> str:
    """The line that says best why a task failed."""
    items = [item for item in result.get("results") or [] if isinstance(item, Mapping) and item.get("failed")]
    if items:
        return message(items[0])
    for key in ("msg", "stderr", "module_stderr", "exception", "stdout", "reason"):
        text = result.get(key)
        if text:
            lines = str(text if not isinstance(text, list) else "; ".join(map(str, text))).strip().splitlines()
            return " ".join(line.strip() for line in lines if line.strip())[:1000]
    return "failed without a message"


def _result(record: Mapping[str, Any]) -> Mapping[str, Any]:
    result = record.get("data", {}).get("res")
    return result if isinstance(result, Mapping) else {}


def _final(counts: Mapping[str, int]) -> State:
    if counts["unreachable"]:
        return "unreachable"
    if counts["failed"]:
        return "failed"
    return "changed" if counts["changed"] else "ok"
