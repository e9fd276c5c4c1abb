# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the callback plug-in journal is made of: the writing thread, the shared list of secrets, the texts."""

from __future__ import annotations

import json
import os
import resource
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.opsctl.cloud.plugins.plugin_utils import scribe as scribing
from ansible_collections.opsctl.cloud.plugins.plugin_utils.said import said
from ansible_collections.opsctl.cloud.plugins.plugin_utils.scribe import Scribe
from ansible_collections.opsctl.cloud.plugins.plugin_utils.veil import Shared, values

_LIMIT = 20


def nothing() -> set[str]:
    return set()


def written(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def wait_for(what: Callable[[], Any]) -> None:
    limit = time.monotonic() + _LIMIT
    while not what():
        assert time.monotonic() < limit
        time.sleep(0.01)


def test_records_are_numbered_and_end_with_the_last(tmp_path: Path) -> None:
    path = tmp_path / "run"
    scribe = Scribe(str(path), {"hunter2"}, nothing)
    for number in range(1000):
        scribe.put({"time": 0.0, "event": "host_ok", "host": f"h{number}", "data": {"res": {"msg": "is hunter2"}}})
    scribe.close({"status": "complete"})
    records = written(path)
    assert [record["seq"] for record in records] == list(range(1, 1002))
    assert records[-1]["data"] == {"status": "complete", "dropped": 0}
    assert records[0]["time"] == "1970-01-01T00:00:00.000000Z"
    assert records[0]["stdout"] == "ok: [h0]"
    assert "hunter2" not in path.read_text()


def test_who_puts_never_waits_and_what_does_not_fit_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stuck = threading.Event()

    def blocked() -> set[str]:
        stuck.wait(_LIMIT)
        return set()

    monkeypatch.setattr(scribing, "BOUND", 100)
    path = tmp_path / "run"
    scribe = Scribe(str(path), set(), blocked)
    for _ in range(1000):
        scribe.put({"time": 0.0, "event": "notify"})
    assert scribe.dropped >= 890
    stuck.set()
    scribe.close({"status": "complete"})
    records = written(path)
    assert records[-1]["data"]["dropped"] == scribe.dropped
    assert len(records) == 1000 - scribe.dropped + 1


def test_a_full_disk_is_outlived(tmp_path: Path) -> None:
    """No line is torn, none is lost or doubled when there is room again. The kernel's own error."""
    path = tmp_path / "run"
    scribe = Scribe(str(path), set(), nothing)
    scribe.put({"time": 0.0, "event": "notify", "host": "before"})
    wait_for(lambda: path.stat().st_size)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 30, before[1]))
    try:
        scribe.put({"time": 0.0, "event": "notify", "host": "during"})
        wait_for(lambda: scribe.complaint)
        assert len(written(path)) == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    scribe.close({"status": "complete"})
    assert [record.get("host") for record in written(path)] == ["before", "during", None]
    assert scribe.complaint == ""


def test_a_value_of_no_type_of_json_is_told_and_one_that_is_encrypted_is_not_asked(tmp_path: Path) -> None:
    class EncryptedString:
        def __str__(self) -> str:
            raise AssertionError("it was decrypted")

    path = tmp_path / "run"
    scribe = Scribe(str(path), set(), nothing)
    data = {"res": {"path": Path("/x"), "set": {1}, "locked": EncryptedString(), 5: b"bytes", "torn": "\udcff"}}
    scribe.put({"time": 0.0, "event": "host_ok", "data": data})
    scribe.close({"status": "complete"})
    assert scribe.complaint == ""
    result = written(path)[0]["data"]["res"]
    assert result == {"path": "/x", "set": [1], "locked": "******", "5": "b'bytes'", "torn": "\udcff"}


def test_what_a_fork_decrypts_is_known_before_its_result_is_written(tmp_path: Path) -> None:
    shared = Shared()
    for number in range(20):
        child = os.fork()
        if not child:
            shared.add({f"secret-of-a-fork-{number}"})
            os._exit(0)
        os.waitpid(child, 0)
    path = tmp_path / "run"
    scribe = Scribe(str(path), set(), shared.take)
    scribe.put({"time": 0.0, "event": "host_ok", "data": {"res": {"msg": "secret-of-a-fork-7, secret-of-a-fork-19"}}})
    shared.add({"and a last one"})
    scribe.put({"time": 0.0, "event": "host_ok", "data": {"res": {"msg": "and a last one"}}})
    scribe.close({"status": "complete"})
    assert [record["data"]["res"]["msg"] for record in written(path)[:2]] == ["******, ******", "******"]


@pytest.mark.parametrize(
    ("plaintext", "found"),
    [
        ("hunter2\n", {"hunter2", "hunter2\n"}),
        ("", set()),
        ("db_user: app\ndb_password: x1\nport: 5432\n", {"x1"}),
        ("users:\n  - name: joe\n    vault_key: abc\n    tokens: [one, two]\n", {"abc"}),
        ("a: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  6162\n", {"$ANSIBLE_VAULT;1.1;AES256\n6162"}),
        ("motd: !unsafe long enough text\n", {"long enough text"}),
        ("a: [\n", {"a: [\n", "a: ["}),
        ("x" * 300_000, set()),
    ],
)
def test_secrets_of_what_was_decrypted(plaintext: str, found: set[str]) -> None:
    assert values(plaintext) >= found if found else values(plaintext) == set()
    assert not {"app", "joe", "5432"} & values(plaintext)


@pytest.mark.parametrize(
    ("record", "text"),
    [
        ({"event": "play_start", "play": "P"}, "PLAY [P]"),
        ({"event": "task_start", "task": "T"}, "TASK [T]"),
        ({"event": "host_ok", "host": "h", "data": {"res": {"changed": True}}}, "changed: [h]"),
        ({"event": "host_ok", "host": "h", "data": {"res": {"censored": "no"}}}, "ok: [h]"),
        ({"event": "item_skipped", "host": "h", "data": {"res": {"item": 3}}}, "skipping: [h] => (item=3)"),
        ({"event": "host_failed", "host": "h", "data": {"res": {"msg": "m"}}}, 'fatal: [h]: FAILED! => {"msg": "m"}'),
        ({"event": "host_unreachable", "host": "h"}, "fatal: [h]: UNREACHABLE! => {}"),
        (
            {"event": "host_retry", "host": "h", "task": "T", "data": {"res": {"retries": 5, "attempts": 2}}},
            "FAILED - RETRYING: [h]: T (3 retries left).",
        ),
        ({"event": "host_start", "host": "h"}, ""),
    ],
)
def test_texts_are_those_of_ansible(record: dict[str, Any], text: str) -> None:
    assert said(record) == text
