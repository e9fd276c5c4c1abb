"""From a record of the ledger to a document of data set `opsctl.audit`, or `opsctl.alert`. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from opsctl.events.ship.document import Origin
from opsctl.events.ship.shrink import readable, result
from opsctl.ledger.record import Record

DATASET = "opsctl.audit"
LOOP = "opsctl.alert"
"""The records of alerts and what was done about them."""

_KINDS: dict[str, tuple[str, str, str, str]] = {
    "asked": ("run-asked", "process", "info", "unknown"),
    "decided": ("decided", "api", "admin", "success"),
    "started": ("run-started", "process", "start", "unknown"),
    "finished": ("run-finished", "process", "end", ""),
    "observed": ("run-observed", "process", "end", ""),
    "canceled": ("run-canceled", "process", "end", "unknown"),
    "lost": ("run-lost", "process", "end", "failure"),
    "approved": ("approval-granted", "api", "allowed", "success"),
    "refused": ("approval-denied", "api", "denied", "success"),
    "held": ("approval-held", "api", "denied", "success"),
    "break_glass": ("approval-break-glass", "api", "allowed", "success"),
    "expired": ("approval-expired", "api", "info", "success"),
    "withdrawn": ("approval-withdrawn", "api", "info", "success"),
    "claimed": ("approval-claimed", "api", "info", "success"),
    "policy": ("policy-changed", "configuration", "change", "success"),
    "pruned": ("journals-pruned", "file", "deletion", "success"),
    "reanchored": ("ledger-reanchored", "configuration", "change", "success"),
}
"""Action, category, type and outcome by kind; the outcome is empty where the record has it."""

_VERDICTS = {"allow": "allowed", "deny": "denied"}
_OTHER = ("", "api", "info", "success")


def line(record: Record, origin: Origin) -> tuple[str, bytes]:
    """The document's id, and a line of a bulk request for it."""
    name = identity(record)
    head = {"create": {"_index": f"logs-{dataset(record)}-{origin.namespace}", "_id": name}}
    return name, _text(head) + b"\n" + _text(document(record, name, origin))


def dataset(record: Record) -> str:
    """Where it belongs."""
    return LOOP if record.kind.startswith(("alert-", "remediation-")) else DATASET


def identity(record: Record) -> str:
    """The document's id: the record's hash names its place and all before it."""
    return hashlib.sha256(f"ledger\n{record.seq}\n{record.hash}\n{record.body}".encode()).hexdigest()[:40]


def document(record: Record, name: str, origin: Origin) -> dict[str, Any]:
    """The record, with its text as it was hashed in `event.original`."""
    try:
        content: Mapping[str, Any] = record.content
    except ValueError:
        # Damage is shipped as it stands: it is evidence.
        content = {}
    data = _mapping(content.get("data"))
    action, category, kind, outcome = _KINDS.get(record.kind, _OTHER)
    if record.kind == "decided":
        kind = _VERDICTS.get(str(data.get("verdict")), "info")
    event: dict[str, Any] = {
        "id": name,
        "kind": "event",
        "module": "opsctl",
        "dataset": dataset(record),
        "provider": "opsctl",
        "sequence": record.seq,
        "created": record.time,
        "action": action or record.kind.replace("_", "-"),
        "category": [category],
        "type": ["admin", kind] if category == "api" else [kind],
        "outcome": outcome or ("success" if data.get("status") == "succeeded" else "failure"),
        "hash": record.hash,
        "original": record.body,
    }
    reason = data.get("reason") or data.get("comment") or data.get("text")
    if reason:
        event["reason"] = readable(str(reason))[:1024]
    asker = _mapping(content.get("requester"))
    found = origin.common(dataset(record), record.run_id)
    found |= {
        "@timestamp": record.time,
        "event": event,
        "message": _message(record, data),
        "opsctl": {
            "run": {"id": record.run_id} if record.run_id else {},
            "audit": {
                "kind": record.kind,
                "previous": content.get("previous"),
                **{key: readable(str(data[key]))[:1024] for key in ("rule", "verdict", "plan_hash") if key in data},
            },
            "record": result(data),
        },
        "related": {"hash": [record.hash]},
    }
    if asker.get("name"):
        name_, uid = readable(str(asker["name"])), str(asker.get("uid", ""))
        found["user"] = {"name": name_, "id": uid}
        found["related"]["user"] = [name_]
    if dataset(record) == LOOP:
        _loop(found, record, data)
    if content.get("host"):
        found["observer"] = {"name": content["host"], "hostname": content["host"]}
    return found


_PHASES = {"remediation-started": "start", "remediation-succeeded": "end", "remediation-closed": "end"}
_PHASES |= {"remediation-escalated": "end", "remediation-suppressed": "end", "remediation-failed": "end"}
_OUTCOMES = {"remediation-succeeded": "success", "remediation-failed": "failure", "remediation-escalated": "failure"}


def _loop(found: dict[str, Any], record: Record, data: Mapping[str, Any]) -> None:
    """What is said of an alert and of a remediation, by the fields that ECS has for it."""
    event, told = found["event"], _mapping(data.get("firing"))
    if record.kind.startswith("alert-"):
        del event["outcome"]
        event |= {"kind": "alert", "category": ["host"], "type": ["info"]}
    else:
        phase = _PHASES.get(record.kind, "change")
        # Of these two, only a process begins and ends.
        event |= {"category": ["configuration", "process"] if phase == "change" else ["process"], "type": [phase]}
        event["outcome"] = _OUTCOMES.get(record.kind, "unknown")
    names = {"rule": ("rule", "name"), "remediation": ("transaction", "id")}
    for key, (place, field) in names.items():
        if data.get(key):
            found[place] = {field: readable(str(data[key]))[:1024]}
    about = {"id": data.get("alert"), **{name: told.get(name) for name in ("source", "name", "severity", "url", "key")}}
    found["opsctl"]["alert"] = {name: readable(str(value))[:1024] for name, value in about.items() if value}
    found["opsctl"]["remediation"] = {
        name: data[name] for name in ("attempt", "state", "guard", "verdict") if data.get(name)
    }
    if told.get("host"):
        found["host"] = {"name": readable(str(told["host"]))[:1024]}
        found["related"]["hosts"] = [found["host"]["name"]]


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _message(record: Record, data: Mapping[str, Any]) -> str:
    parts = [data.get(key) for key in ("verdict", "content", "action", "status", "message", "text", "comment")]
    told = " ".join(readable(str(part)) for part in parts if part)
    return f"{record.kind}: {told}"[:8000] if told else record.kind


def _text(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode("ascii")
