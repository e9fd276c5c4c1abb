"""What hosts did in each task of a run: those that did the same together, the others as a difference. Pure."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from opsctl.events.large import STREAMS
from opsctl.runs.progress import natural
from opsctl.search.text import status

_KEPT = 64 * 1024
"""Characters of what a host said that are shown and compared line by line; hosts are told apart by all of it."""
_LINES = 60
"""Of a difference."""

_ENDS = ("host_ok", "host_failed", "host_unreachable", "host_skipped")
_FACTS = ("gather_facts", "setup")
_NOISE = frozenset({"invocation", "start", "end", "delta", "stdout_lines", "stderr_lines", "warnings", "deprecations"})
_NEVER_SAME = frozenset({"attempts", "seconds", "src", "ansible_job_id", "backup_file"})


@dataclass(slots=True)
class Done:
    """One host in one task."""

    host: str
    state: str = ""
    text: str = ""
    hash: Any = field(default_factory=hashlib.sha256)

    def add(self, text: str) -> None:
        """It said this, too."""
        self.hash.update(text.encode("utf-8", "surrogatepass"))
        if len(self.text) < _KEPT:
            self.text += text[: _KEPT - len(self.text)]


@dataclass(frozen=True, slots=True)
class Group:
    """Hosts that did the same."""

    hosts: list[str]
    state: str
    text: str
    diff: list[str]
    """How what they said differs from what the largest group said: lines of a unified diff."""

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        said = {"state": self.state, "text": self.text, "diff": self.diff}
        return {"count": len(self.hosts), "hosts": self.hosts, **said}


@dataclass(frozen=True, slots=True)
class Task:
    """One task on all of its hosts, the largest group first."""

    play: str
    name: str
    groups: list[Group]

    @property
    def same(self) -> bool:
        """Whether all hosts did the same."""
        return len(self.groups) == 1

    def plain(self) -> dict[str, Any]:
        """As JSON; its shape is pinned by a test."""
        groups = [group.plain() for group in self.groups]
        return {"play": self.play, "task": self.name, "same": self.same, "groups": groups}


def compare(records: Iterable[Mapping[str, Any]]) -> list[Task]:
    """The tasks of a run in order, as far as hosts have ended them."""
    tasks: dict[tuple[str, str], dict[str, Done]] = {}
    names: dict[tuple[str, str], tuple[str, str]] = {}
    spoken: dict[str, Done] = {}
    for record in records:
        event, host = record["event"], record.get("host")
        if not host or event not in (*_ENDS, "host_output"):
            continue
        if event == "host_output":
            spoken.setdefault(host, Done(host)).add(record.get("stdout", ""))
            continue
        done = spoken.pop(host, None) or Done(host)
        done.state = status(record)
        done.add(_said(record))
        name = (str(record.get("play", "")), str(record.get("task", "")))
        key = (record.get("data", {}).get("task_uuid") or name[0], name[1])
        tasks.setdefault(key, {})[host] = done
        names[key] = name
    return [Task(*names[key], grouped(hosts.values())) for key, hosts in tasks.items()]


def grouped(hosts: Iterable[Done]) -> list[Group]:
    """Hosts that ended the same and said the same, the largest group first."""
    found: dict[tuple[str, str], list[Done]] = {}
    for done in hosts:
        found.setdefault((done.state, done.hash.hexdigest()), []).append(done)
    ordered = sorted(found.values(), key=lambda group: (-len(group), natural(min(of.host for of in group))))
    most = ordered[0][0] if ordered else Done("")
    return [
        Group(
            sorted((of.host for of in group), key=natural),
            group[0].state,
            group[0].text,
            _difference(most.text, group[0].text) if number else [],
        )
        for number, group in enumerate(ordered)
    ]


def _said(record: Mapping[str, Any]) -> str:
    """What can be compared of a result: messages and output; without them, all of it but what never agrees."""
    result = record.get("data", {}).get("res")
    if not isinstance(result, Mapping) or str(record.get("action", "")).rpartition(".")[2] in _FACTS:
        return ""
    said = [str(result[name]) for name in ("msg", *STREAMS) if result.get(name)]
    if result.get("rc"):
        said.append(f"rc={result['rc']}")
    if said or record["event"] == "host_skipped":
        return "\n".join(said)
    rest = {
        name: value
        for name, value in result.items()
        if name not in _NOISE and name not in _NEVER_SAME and not str(name).startswith("_ansible")
    }
    return json.dumps(rest, ensure_ascii=False, indent=1, sort_keys=True, default=str)


def _difference(most: str, text: str) -> list[str]:
    lines = list(difflib.unified_diff(most.splitlines(), text.splitlines(), "most", "these", lineterm="", n=1))
    rest = len(lines) - _LINES
    return [*lines[:_LINES], f"... {rest} more lines"] if rest > 0 else lines
