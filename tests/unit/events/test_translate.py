"""From ansible-runner's events to records of the journal."""

from __future__ import annotations

from opsctl.events.translate import translate


def test_a_result_keeps_host_task_and_what_was_returned() -> None:
    record = translate(
        {
            "event": "runner_on_ok",
            "created": "2026-01-01T00:00:00.000001+00:00",
            "stdout": "ok: [a]",
            "event_data": {
                "play": "P",
                "task": "T",
                "task_action": "command",
                "task_uuid": "u",
                "host": "a",
                "res": {"changed": True},
                "duration": 1.5,
            },
        }
    )
    assert record == {
        "time": "2026-01-01T00:00:00.000001Z",
        "event": "host_ok",
        "play": "P",
        "task": "T",
        "action": "command",
        "host": "a",
        "stdout": "ok: [a]",
        "data": {"res": {"changed": True}, "duration": 1.5, "task_uuid": "u"},
    }


def test_what_says_nothing_is_left_out() -> None:
    assert translate({"event": "EOF"}) is None
    assert translate({"event": "verbose", "stdout": ""}) is None


def test_the_count_keeps_the_result_of_the_playbook() -> None:
    record = translate(
        {
            "event": "playbook_on_stats",
            "event_data": {"ok": {"a": 1}, "artifact_data": {"opsctl_result": {"x": 1}}, "processed": {"a": 1}},
        }
    )
    assert record is not None
    assert record["data"]["ok"] == {"a": 1}
    assert record["data"]["dark"] == {}
    assert record["data"]["custom"] == {"opsctl_result": {"x": 1}}
