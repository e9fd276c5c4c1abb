"""From an event of ansible-runner to a record of the journal. Pure."""

from __future__ import annotations

from typing import Any

from opsctl.clock import now

_KINDS = {
    "playbook_on_start": "playbook_start",
    "playbook_on_play_start": "play_start",
    "playbook_on_task_start": "task_start",
    "playbook_on_no_hosts_matched": "no_hosts",
    "playbook_on_no_hosts_remaining": "no_hosts_left",
    "playbook_on_include": "include",
    "playbook_on_notify": "notify",
    "playbook_on_stats": "stats",
    "runner_on_start": "host_start",
    "runner_on_ok": "host_ok",
    "runner_on_failed": "host_failed",
    "runner_on_output": "host_output",
    "runner_on_skipped": "host_skipped",
    "runner_on_unreachable": "host_unreachable",
    "runner_on_async_poll": "async_poll",
    "runner_on_async_ok": "async_ok",
    "runner_on_async_failed": "async_failed",
    "runner_on_file_diff": "diff",
    "runner_retry": "host_retry",
    "runner_item_on_ok": "item_ok",
    "runner_item_on_failed": "item_failed",
    "runner_item_on_skipped": "item_skipped",
    "on_file_diff": "diff",
    "warning": "warning",
    "deprecated": "deprecated",
    "system_warning": "warning",
    "pace_batch_start": "batch_start",
    "pace_batch_end": "batch_end",
    "pace_paused": "paused",
    "pace_continued": "continued",
    "pace_not_started": "not_started",
    "error": "error",
    "verbose": "text",
    "debug": "text",
}

LOST = "this result was larger than the memory of this machine has room for; it was not recorded"
"""Ansible-runner leaves an empty result in place of one that is larger than it may be."""

_STATS = ("ok", "changed", "dark", "failures", "skipped", "rescued", "ignored", "processed")


def translate(event: dict[str, Any]) -> dict[str, Any] | None:
    """The record, without its number; None for an event that says nothing.

    Shape: {time, event, play?, task?, action?, path?, role?, host?, item?, stdout?, data?}.
    """
    kind = _KINDS.get(event.get("event", ""))
    data = event.get("event_data") or {}
    stdout = event.get("stdout") or ""
    if kind is None or (kind in ("text", "warning") and not stdout):
        return None
    record: dict[str, Any] = {"time": _time(event.get("created")), "event": kind}
    for name, key in (
        ("play", "play"),
        ("task", "task"),
        ("action", "task_action"),
        ("path", "task_path"),
        ("role", "role"),
        ("host", "host"),
    ):
        if data.get(key):
            record[name] = data[key]
    if kind == "play_start":
        record["play"] = data.get("name") or record.get("play", "")
    if kind == "task_start":
        record["task"] = data.get("name") or record.get("task", "")
        record["uuid"] = data.get("uuid", "")
    if stdout:
        record["stdout"] = stdout
    payload = _payload(kind, data)
    if payload:
        record["data"] = payload
    return record


def _payload(kind: str, data: dict[str, Any]) -> dict[str, Any]:
    if kind == "stats":
        return {name: data.get(name) or {} for name in _STATS} | {"custom": data.get("artifact_data") or {}}
    if "pace" in data:
        return dict(data["pace"])
    payload = {name: data[name] for name in ("res", "diff", "duration", "ignore_errors", "handler") if data.get(name)}
    if "uuid" not in payload and kind.startswith(("host_", "item_")) and data.get("task_uuid"):
        payload["task_uuid"] = data["task_uuid"]
    if data.get("res") == {} and kind in ("host_ok", "host_failed", "host_unreachable"):
        payload["lost"] = LOST
    return payload


def _time(created: str | None) -> str:
    if not created:
        return now()
    return created.replace("+00:00", "Z")
