"""From a record of the ledger to a document of data set `opsctl.audit`. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from opsctl.events.ship.document import Origin
from opsctl.events.ship.shrink import readable, result
from opsctl.ledger.record import Record

DATASET = "opsctl.audit"

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
    head = {"create": {"_index": f"logs-{DATASET}-{origin.namespace}", "_id": name}}
    return name, _text(head) + b"\n" + _text(document(record, name, origin))


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
        "dataset": DATASET,
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
    found = origin.common(DATASET, record.run_id)
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
    if content.get("host"):
        found["observer"] = {"name": content["host"], "hostname": content["host"]}
    return found


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _message(record: Record, data: Mapping[str, Any]) -> str:
    parts = [data.get(key) for key in ("verdict", "content", "action", "status", "message", "text", "comment")]
    told = " ".join(readable(str(part)) for part in parts if part)
    return f"{record.kind}: {told}"[:8000] if told else record.kind


def _text(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode("ascii")
