"""From a record of a journal to a document in the Elastic Common Schema (ECS 8.17). Pure.

The data sets are `opsctl.run` (what is said once a run), `opsctl.task` (what is said of a task or a host) and
`opsctl.audit` (the ledger, in `audit.py`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from opsctl.events.ship.shrink import SHORT, readable, result, text
from opsctl.runs.progress import message
from opsctl.search.text import said, status

ECS = "8.17.0"

_RUN = frozenset({"run_start", "run_end", "playbook_start", "play_start", "no_hosts", "no_hosts_left", "stats"})
_RUN_TOO = frozenset({"warning", "deprecated", "error", "text", "include", "events_dropped"})
_OUTCOMES = {"ok": "success", "failed": "failure", "unreachable": "failure", "skipped": "unknown"}
_ENDS = {"succeeded": "success", "failed": "failure", "unreachable": "failure", "timeout": "failure"}
_ENDS |= {"error": "failure", "lost": "failure", "canceled": "unknown"}
_STATS = {"ok": "ok", "changed": "changed", "failures": "failures", "dark": "unreachable"}
_STATS |= {"skipped": "skipped", "rescued": "rescued", "ignored": "ignored"}
_FAMILIES = {
    "package": "apt apt_key apt_repository dnf dnf5 yum yum_repository package pip rpm_key zypper apk homebrew gem npm",
    "file": "copy template file lineinfile blockinfile replace unarchive get_url assemble fetch stat synchronize",
    "iam": "user group authorized_key pam_limits sudoers known_hosts",
    "process": "command shell script raw expect service systemd systemd_service cron reboot",
}
_CATEGORIES = {module: family for family, modules in _FAMILIES.items() for module in modules.split()}
_TASK = (("task", "name"), ("action", "action"), ("role", "role"), ("path", "path"), ("play", "play"))
_ENCODE = json.JSONEncoder(separators=(",", ":"), allow_nan=False, check_circular=False).encode
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


@dataclass(frozen=True, slots=True)
class Origin:
    """What all documents of this installation share."""

    namespace: str = "default"
    host: str = ""
    version: str = ""
    agent: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)

    def common(self, dataset: str, run_id: str) -> dict[str, Any]:
        """The fields that say where a document comes from and where it goes."""
        found: dict[str, Any] = {
            "ecs": {"version": ECS},
            "data_stream": {"type": "logs", "dataset": dataset, "namespace": self.namespace},
            "agent": {"type": "opsctl", "version": self.version, "id": self.agent},
            "observer": {"name": self.host, "hostname": self.host},
            "service": {"name": "opsctl"},
        }
        if run_id:
            found["trace"] = {"id": run_id}
        if self.labels:
            found["labels"] = dict(self.labels)
        return found


class Translator:
    """Turns one run's lines into documents. It must see the first line first, for who asked for what."""

    def __init__(self, run_id: str, origin: Origin, about: Mapping[str, str] | None = None) -> None:
        """`about`: what the run's record says and its journal does not: `user`."""
        self._user = {"name": readable(about["user"])} if about and about.get("user") else {}
        self._id = run_id
        self._run: dict[str, Any] = {"id": run_id}
        self._common = {name: _text(origin.common(name, run_id)) for name in ("opsctl.run", "opsctl.task")}
        self._actions = {
            name: f'{{"create":{{"_index":"logs-{name}-{origin.namespace}","_id":"'.encode()
            for name in ("opsctl.run", "opsctl.task")
        }

    def learn(self, record: Mapping[str, Any]) -> None:
        """Take what the first record says about the run as a whole."""
        data = record.get("data") or {}
        if record.get("event") != "run_start" or not isinstance(data, Mapping):
            return
        targets = data.get("targets") or {}
        said = {
            **{name: data.get(name) for name in ("kind", "content", "action", "cloud", "plan_hash", "reason")},
            "digest": data.get("digest"),
            "stack": targets.get("stack"),
            "limit": targets.get("limit"),
        }
        self._run |= {name: readable(str(value))[:1024] for name, value in said.items() if value}

    def line(self, raw: bytes, name: str) -> bytes:
        """A line of a bulk request for the document with the id `name`.

        Raises:
            ValueError, KeyError, TypeError: the line is not a record of a journal.
        """
        record = json.loads(raw.decode("utf-8", "surrogateescape"))
        if _SURROGATE.search(raw):
            record = _cleaned(record)
        dataset, document = self.document(record, name, len(raw))
        # What never changes is serialised once; what is left is this document's own.
        head = self._actions[dataset] + name.encode() + b'"}}\n'
        return b"".join((head, _text(document)[:-1], b",", self._common[dataset][1:]))

    def document(self, record: Mapping[str, Any], name: str, length: int) -> tuple[str, dict[str, Any]]:
        """The data set and what is this document's own, with the id `name`; `length` of the line in bytes."""
        kind, seq = str(record["event"]), int(record["seq"])
        if seq == 1:
            self.learn(record)
        data = record.get("data") or {}
        event: dict[str, Any] = {
            "id": name,
            "kind": "event",
            "module": "opsctl",
            "provider": "opsctl" if kind in ("run_start", "run_end") else "ansible-runner",
            "sequence": seq,
            "created": record["time"],
            "action": kind.replace("_", "-"),
        }
        own: dict[str, Any] = {"@timestamp": record["time"], "event": event, "opsctl": {"run": self._run}}
        if kind in _RUN or (kind in _RUN_TOO and "host" not in record and "task" not in record):
            event["dataset"] = "opsctl.run"
            _run(kind, data, own)
        else:
            event["dataset"] = "opsctl.task"
            _task(kind, record, data, own, short=length < SHORT)
        own["opsctl"]["event"] = kind
        own["message"] = own.get("message") or text(said(record)) or _named(record)
        state = status(record)
        if state:
            own["opsctl"]["status"] = state
        if self._user:
            own["user"] = self._user
        return event["dataset"], own


def _run(kind: str, data: Mapping[str, Any], own: dict[str, Any]) -> None:
    event = own["event"]
    event |= {"category": ["process"], "type": ["info"]}
    if kind == "run_start":
        event |= {"type": ["start"], "action": "run-started", "outcome": "unknown"}
        if data.get("reason"):
            event["reason"] = str(data["reason"])[:1024]
        targets = data.get("targets") or {}
        own["opsctl"] |= {"hosts": list(targets.get("hosts") or ())[:1000], "record": result(data)}
    elif kind == "run_end":
        state = str(data.get("status", ""))
        action = {"canceled": "run-canceled", "timeout": "run-timeout", "lost": "run-lost"}.get(state, "run-finished")
        event |= {"type": ["end"], "action": action, "outcome": _ENDS.get(state, "unknown")}
        why = str(data.get("message") or "")
        own["message"] = text(f"{state}: {why}" if why else state)
        if why and event["outcome"] == "failure":
            own["error"] = {"message": text(why)}
    elif kind == "stats":
        counts = {ours: data.get(theirs) or {} for theirs, ours in _STATS.items()}
        stats = {name: sum(value.values()) for name, value in counts.items()}
        own["opsctl"]["stats"] = {**stats, "hosts": len(data.get("processed") or {})}
    elif kind == "events_dropped":
        event["kind"] = "pipeline_error"
        own["opsctl"]["missing"] = data.get("missing")
    if kind in ("error", "warning"):
        own["log"] = {"level": kind}


def _task(kind: str, record: Mapping[str, Any], data: Mapping[str, Any], own: dict[str, Any], *, short: bool) -> None:
    event, outcome = own["event"], data.get("res")
    returned: Mapping[str, Any] = outcome if isinstance(outcome, Mapping) else {}
    changed = bool(returned.get("changed"))
    action = str(record.get("action") or "")
    family = _CATEGORIES.get(action.rpartition(".")[2])
    event["category"] = ["configuration", family] if family else ["configuration"]
    event["type"] = ["change"] if changed else ["info"]
    scope, _, state = kind.partition("_")
    if scope in ("host", "item") and state in _OUTCOMES:
        event["outcome"] = _OUTCOMES[state]
        name = "changed" if state == "ok" and changed else state
        event["action"] = f"task-{name}" if scope == "host" else f"item-{name}"
    if isinstance(data.get("duration"), int | float):
        event["duration"] = int(data["duration"] * 1e9)
    told: dict[str, Any] = {name: record[key] for key, name in _TASK if record.get(key)}
    told |= {name: returned[name] for name in ("attempts", "stream") if returned.get(name)}
    if data.get("ignore_errors"):
        told["ignored"] = True
    if returned.get("_ansible_no_log"):
        told["no_log"] = True
    own["opsctl"]["task"] = told
    if record.get("host"):
        own["host"] = {"name": record["host"]}
        own["related"] = {"hosts": [record["host"]]}
    span = data.get("task_uuid") or record.get("uuid")
    if span:
        own["span"] = {"id": span}
    if returned:
        own["opsctl"]["result"] = result(returned, short=short)
        code = returned.get("rc")
        if isinstance(code, int) and not isinstance(code, bool) and abs(code) < 1 << 62:
            own["process"] = {"exit_code": code}
    if event.get("outcome") == "failure":
        own["error"] = {"message": text(message(returned))}
    if kind == "diff" or data.get("diff"):
        own["opsctl"]["diff"] = text(_text(data.get("diff")).decode())


def _named(record: Mapping[str, Any]) -> str:
    parts = (str(record["event"]).replace("_", " "), record.get("host"), record.get("task") or record.get("play"))
    return ": ".join(str(part) for part in parts if part)


def _text(value: Any) -> bytes:
    # As the journal is: ASCII, so that what is no valid Unicode cannot make the whole request unreadable.
    return _ENCODE(value).encode("ascii")


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return readable(value)
    if isinstance(value, dict):
        return {readable(key): _cleaned(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_cleaned(item) for item in value]
    return value
