"""The receiver over real HTTP: what it answered with 202 is in the inbox, everything else is one line of JSON."""

from __future__ import annotations

import json
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from opsctl.alerts.config import Source
from opsctl.alerts.inbox import Inbox, writer
from opsctl.alerts.receiver import Receiver, app
from opsctl.alerts.receiver.app import LARGEST, Intake
from opsctl.errors import ConfigError, OpsctlError

from .senders import SECRET, post, prometheus, signed, zabbix

SOURCES = (
    Source(name="zabbix", kind="zabbix", secret_env="ALERT_SECRET"),
    Source(name="prom", kind="alertmanager", secret_env="ALERT_SECRET"),
    Source(name="hook", kind="webhook", secret_env="ALERT_SECRET"),
    Source(name="errors", kind="search", query="oom"),
)


@pytest.fixture
def inbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Inbox]:
    monkeypatch.setenv("ALERT_SECRET", SECRET)
    with Inbox(tmp_path) as opened:
        yield opened


@pytest.fixture
def receiver(inbox: Inbox, tmp_path: Path) -> Iterator[Receiver]:
    with Receiver(Intake(inbox, SOURCES, tmp_path, "http://zabbix"), ("127.0.0.1", 0)) as started:
        yield started


def refused(answer: requests.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    assert "\n" not in answer.text
    assert SECRET not in answer.text
    said = answer.json()
    assert list(said) == ["error"]
    return str(said["error"])


def test_a_problem_is_stored_and_the_event_gets_its_id(receiver: Receiver, inbox: Inbox) -> None:
    answer = post(receiver.url, "zabbix", zabbix())
    assert answer.status_code == 202
    [alert] = inbox.firing()
    assert answer.json() == {"taken": 1, "ids": [alert.id], "tags": {"opsctl_alert": alert.id}}


def test_a_problem_that_is_told_twice_is_one(receiver: Receiver, inbox: Inbox) -> None:
    first, second = post(receiver.url, "zabbix", zabbix()), post(receiver.url, "zabbix", zabbix(), at=time.time() - 5)
    assert first.json()["ids"] == second.json()["ids"]
    assert first.json()["tags"] == second.json()["tags"]
    assert len(inbox.find()) == 1


def test_an_event_that_is_over_gets_no_tag(receiver: Receiver) -> None:
    assert "tags" not in post(receiver.url, "zabbix", zabbix(value="0")).json()


def test_alertmanager_bears_the_secret(receiver: Receiver, inbox: Inbox) -> None:
    answer = post(receiver.url, "prom", prometheus("firing", "firing"), headers={"Authorization": f"Bearer {SECRET}"})
    assert (answer.status_code, answer.json()["taken"]) == (202, 2)
    answer = post(receiver.url, "prom", prometheus("resolved", "firing"), headers={"Authorization": f"Bearer {SECRET}"})
    assert [alert.host for alert in inbox.firing()] == ["web-1"]


def test_a_message_may_hold_many_alerts(receiver: Receiver, inbox: Inbox) -> None:
    told = [{"host": f"web-{number}", "name": "Disk is full", "note": "x" * 100} for number in range(1000)]
    assert post(receiver.url, "hook", told).json()["taken"] == 1000
    assert len(inbox.firing()) == 1000


def test_what_is_passed_over_is_told(receiver: Receiver) -> None:
    answer = post(receiver.url, "hook", [{"host": "a"}, {}])
    assert answer.status_code == 202
    assert answer.json()["passed_over"][0].startswith("alert 1: it has no key")


def test_a_replayed_message_is_refused(receiver: Receiver, inbox: Inbox) -> None:
    body = json.dumps(zabbix()).encode()
    headers = signed(body)
    assert post(receiver.url, "zabbix", body, headers=headers).status_code == 202
    assert "came before" in refused(post(receiver.url, "zabbix", body, headers=headers), 403)
    assert inbox.find()[0].count == 1


def test_a_replayed_message_is_refused_after_a_restart(receiver: Receiver, inbox: Inbox, tmp_path: Path) -> None:
    body = json.dumps(zabbix()).encode()
    headers = signed(body)
    post(receiver.url, "zabbix", body, headers=headers)
    with Receiver(Intake(inbox, SOURCES, tmp_path), ("127.0.0.1", 0)) as other:
        assert "came before" in refused(post(other.url, "zabbix", body, headers=headers), 403)


def test_an_old_message_is_refused(receiver: Receiver) -> None:
    assert "are both clocks right" in refused(post(receiver.url, "zabbix", zabbix(), at=time.time() - 400), 403)


@pytest.mark.parametrize(
    "case",
    [
        ("zabbix", zabbix(), {"headers": {}}, 401, "not signed"),
        ("zabbix", zabbix(), {"headers": {"Authorization": f"Bearer {SECRET}"}}, 401, "not signed"),
        ("zabbix", zabbix(), {"secret": "another"}, 403, "signature is wrong"),
        ("prom", prometheus("firing"), {"headers": {}}, 401, "Authorization"),
        ("prom", prometheus("firing"), {"headers": {"Authorization": "Bearer x"}}, 403, "secret is wrong"),
        ("nobody", {}, {}, 404, "no source of this name"),
        ("errors", {}, {}, 404, "no source of this name"),
        ("zabbix", b"{", {}, 400, "no JSON"),
        ("zabbix", b"\xff", {}, 400, "no JSON"),
        ("zabbix", b"[" * 100_000, {}, 400, "no JSON"),
        ("zabbix", {"a": 1}, {}, 400, "no message of opsctl's webhook"),
        ("hook", {}, {}, 400, "no key, name or host"),
        ("zabbix", b"x" * (LARGEST + 1), {}, 413, "1000000 bytes"),
        ("zabbix", b"x" * (9 * LARGEST), {}, 413, "1000000 bytes"),
    ],
)
def test_what_is_not_taken_is_told_in_one_line(receiver: Receiver, inbox: Inbox, case: Any) -> None:
    source, message, options, status, text = case
    assert text in refused(post(receiver.url, source, message, **options), status)
    assert inbox.find() == []
    assert requests.get(f"{receiver.url}/healthz", timeout=10).json()[f"refused_{status}"] == 1


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/v1/alerts/zabbix", 405), ("GET", "/", 404)])
def test_other_calls_are_refused(receiver: Receiver, method: str, path: str, status: int) -> None:
    refused(requests.request(method, receiver.url + path, timeout=10), status)


def test_a_body_without_length_is_bounded(receiver: Receiver) -> None:
    pieces = (b"x" * 100_000 for _ in range(20))
    answer = requests.post(f"{receiver.url}/v1/alerts/zabbix", data=pieces, timeout=20)
    refused(answer, 413)


def test_a_slow_sender_is_told(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "_BODY", 0.2)
    with socket.create_connection(("127.0.0.1", int(receiver.url.rsplit(":", 1)[1])), timeout=20) as sender:
        sender.sendall(b"POST /v1/alerts/zabbix HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")
        assert sender.recv(4096).startswith(b"HTTP/1.1 408 ")


def test_a_full_inbox_asks_to_come_again(receiver: Receiver, inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "WAITING", 1)
    with inbox.database.write():
        waiting = inbox.submit([])
        held = inbox.submit([*_some()])
        answer = post(receiver.url, "zabbix", zabbix())
    assert "is full" in refused(answer, 503)
    assert answer.headers["Retry-After"] == "2"
    waiting.result(20)
    held.result(20)
    assert post(receiver.url, "zabbix", zabbix()).status_code == 202


def test_what_cannot_be_stored_may_be_sent_again_as_it_is(
    receiver: Receiver, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "_STORE", 0.2)
    body = json.dumps(zabbix()).encode()
    headers = signed(body)
    with inbox.database.write():
        assert "not stored within" in refused(post(receiver.url, "zabbix", body, headers=headers), 503)
    monkeypatch.setattr(app, "_STORE", 10)
    assert post(receiver.url, "zabbix", body, headers=headers).status_code == 202
    assert len(inbox.find()) == 1


def test_a_broken_store_is_told_without_saying_where(receiver: Receiver, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "alerts.db") as connection:
        connection.execute("DROP TABLE alerts")
    text = refused(post(receiver.url, "zabbix", zabbix()), 503)
    assert text == "it cannot be stored here now"


def test_a_changed_secret_counts_at_once(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALERT_SECRET", "a new secret of sufficient length")
    refused(post(receiver.url, "zabbix", zabbix()), 403)
    assert post(receiver.url, "zabbix", zabbix(), secret="a new secret of sufficient length").status_code == 202
    monkeypatch.delenv("ALERT_SECRET")
    assert "cannot be read" in refused(post(receiver.url, "zabbix", zabbix()), 503)


def test_health_is_told_to_anybody(receiver: Receiver) -> None:
    post(receiver.url, "zabbix", zabbix())
    assert requests.get(f"{receiver.url}/healthz", timeout=10).json() == {"status": "ok", "taken": 1, "lost": 0}


def test_many_senders_at_once_lose_nothing(receiver: Receiver, inbox: Inbox) -> None:
    answers: list[int] = []

    def send(sender: int) -> None:
        for number in range(20):
            answers.append(post(receiver.url, "zabbix", zabbix(str(1000 * sender + number))).status_code)

    threads = [threading.Thread(target=send, args=(sender,)) for sender in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert answers == [202] * 160
    assert len(inbox.firing()) == 160


def test_an_address_that_is_taken_is_told(receiver: Receiver, inbox: Inbox, tmp_path: Path) -> None:
    port = int(receiver.url.rsplit(":", 1)[1])
    with pytest.raises(OpsctlError, match=rf"Cannot listen at 127.0.0.1:{port}: Address already in use; set alerts"):
        Receiver(Intake(inbox, SOURCES, tmp_path), ("127.0.0.1", port))


def test_a_source_without_its_secret_is_told_before_anything_is_served(inbox: Inbox, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Source hook: cannot read its secret"):
        Intake(inbox, [Source(name="hook", kind="webhook", secret_file=tmp_path / "none")], tmp_path)


def test_it_ends_when_told_and_frees_its_address(inbox: Inbox, tmp_path: Path) -> None:
    with Receiver(Intake(inbox, SOURCES, tmp_path), ("127.0.0.1", 0)) as first:
        assert first.alive
        port = int(first.url.rsplit(":", 1)[1])
    assert not first.alive
    with Receiver(Intake(inbox, SOURCES, tmp_path), ("127.0.0.1", port)) as second:
        assert post(second.url, "zabbix", zabbix()).status_code == 202


def _some() -> Iterator[Any]:
    from opsctl.alerts.sources.zabbix import told

    yield from told(zabbix("7"), "zabbix", "2026-11-21T12:00:00.000Z").alerts
