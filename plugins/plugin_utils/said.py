# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Ansible's default output says of an event: the text that a journal can be searched for and shown as."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_HIDDEN = ("_ansible_verbose_always", "_ansible_verbose_override", "_ansible_no_log", "_ansible_item_label")
_COUNTS = (
    ("ok", "ok"),
    ("changed", "changed"),
    ("unreachable", "dark"),
    ("failed", "failures"),
    ("skipped", "skipped"),
    ("rescued", "rescued"),
    ("ignored", "ignored"),
)


def said(record: Mapping[str, Any]) -> str:
    """The text of a record; empty when Ansible would say nothing."""
    speak = _TEXTS.get(record["event"])
    return speak(record) if speak else ""


def _play(record: Mapping[str, Any]) -> str:
    return f"PLAY [{record.get('play', '')}]"


def _task(record: Mapping[str, Any]) -> str:
    return f"TASK [{record.get('task', '')}]"


def _ok(record: Mapping[str, Any]) -> str:
    result = _result(record)
    text = f"{'changed' if result.get('changed') else 'ok'}: [{record.get('host', '')}]{_item(record, result)}"
    return f"{text} => {_shown(result)}" if result.get("_ansible_verbose_always") else text


def _failed(record: Mapping[str, Any]) -> str:
    result = _result(record)
    how = "failed" if record["event"] == "item_failed" else "fatal"
    ignored = "\n...ignoring" if record.get("data", {}).get("ignore_errors") else ""
    what = f"{how}: [{record.get('host', '')}]{_item(record, result)}: FAILED! => {_shown(result, indent=None)}"
    return what + ignored


def _unreachable(record: Mapping[str, Any]) -> str:
    return f"fatal: [{record.get('host', '')}]: UNREACHABLE! => {_shown(_result(record), indent=None)}"


def _skipped(record: Mapping[str, Any]) -> str:
    return f"skipping: [{record.get('host', '')}]{_item(record, _result(record))}"


def _retry(record: Mapping[str, Any]) -> str:
    result = _result(record)
    left = result.get("retries", 0) - result.get("attempts", 0)
    return f"FAILED - RETRYING: [{record.get('host', '')}]: {record.get('task', '')} ({left} retries left)."


def _stats(record: Mapping[str, Any]) -> str:
    data = record["data"]
    lines = ["PLAY RECAP"]
    for host in sorted(data.get("processed") or {}):
        lines.append(f"{host} : " + " ".join(f"{name}={data[key].get(host, 0)}" for name, key in _COUNTS))
    return "\n".join(lines)


def _result(record: Mapping[str, Any]) -> Mapping[str, Any]:
    found = record.get("data", {}).get("res")
    return found if isinstance(found, Mapping) else {}


def _item(record: Mapping[str, Any], result: Mapping[str, Any]) -> str:
    if not record["event"].startswith("item_"):
        return ""
    return f" => (item={result.get('_ansible_item_label', result.get('item'))})"


def _shown(result: Mapping[str, Any], indent: int | None = 4) -> str:
    shown = {name: value for name, value in result.items() if name not in _HIDDEN and name != "invocation"}
    return json.dumps(shown, ensure_ascii=False, indent=indent, default=str)


_TEXTS = {
    "play_start": _play,
    "task_start": _task,
    "host_ok": _ok,
    "item_ok": _ok,
    "host_failed": _failed,
    "item_failed": _failed,
    "host_unreachable": _unreachable,
    "host_skipped": _skipped,
    "item_skipped": _skipped,
    "host_retry": _retry,
    "stats": _stats,
}
