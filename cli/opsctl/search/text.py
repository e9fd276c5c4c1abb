"""What a record of the journal says, as text to be searched and shown. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_NOISE = frozenset({"stdout_lines", "stderr_lines", "start", "end", "delta", "task_uuid", "duration"})
"""Keys whose values say again what others say, or say nothing to people."""

_FIRST = ("msg", "stderr", "stdout")
"""What of a result is best shown to people."""

_STATES = {
    "host_unreachable": "unreachable",
    "host_skipped": "skipped",
    "item_failed": "failed",
    "item_skipped": "skipped",
    "async_ok": "ok",
    "async_failed": "failed",
    "host_retry": "retry",
    "warning": "warning",
    "deprecated": "warning",
    "error": "error",
}


def status(record: Mapping[str, Any]) -> str:
    """How it stands after this: of a host's task, or of the run; empty for what is no result."""
    event, data = record["event"], record.get("data") or {}
    if event in ("host_ok", "item_ok"):
        return "changed" if _mapping(data.get("res")).get("changed") else "ok"
    if event == "host_failed":
        return "ignored" if data.get("ignore_errors") else "failed"
    if event == "run_end":
        return str(data.get("status", ""))
    return _STATES.get(event, "")


def said(record: Mapping[str, Any]) -> str:
    """Everything a record says that is worth finding: messages, output, other results, reasons, names."""
    parts: dict[str, None] = {}
    shown = str(record.get("stdout") or "")
    data = record.get("data")
    if record["event"] == "host_output":
        parts[shown] = None
    elif isinstance(data, Mapping):
        result = _mapping(data.get("res"))
        for name in _FIRST:
            if isinstance(result.get(name), str):
                parts[result[name]] = None
        _gather(data, parts)
    # What Ansible shows is what was returned once more, at length; all of it, when nothing was.
    rest = (shown, record.get("play") if record["event"] == "play_start" else "", record.get("host"))
    parts.update(dict.fromkeys(str(part) for part in (*rest, record.get("role"), record.get("path")) if part))
    parts.pop("", None)
    return "\n".join(parts)


def _gather(value: Any, parts: dict[str, None]) -> None:
    """Each text and number in what `json.loads` made; this is called for every event there is."""
    if isinstance(value, str):
        parts[value] = None
    elif isinstance(value, dict):
        for key, item in value.items():
            if key not in _NOISE and not key.startswith("_ansible"):
                _gather(item, parts)
    elif isinstance(value, list):
        if value and all(isinstance(item, str) for item in value):
            # An argument list: one text, so that phrases go across.
            parts[" ".join(value)] = None
        else:
            for item in value:
                _gather(item, parts)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        parts[str(value)] = None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
