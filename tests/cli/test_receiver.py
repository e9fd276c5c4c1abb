"""`opsctl alert serve` as people start it: webhooks come in, are listed, and survive what befalls the service."""

from __future__ import annotations

import re
import select
import signal
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
import requests

from tests.unit.alerts.intake.asked import Fake
from tests.unit.alerts.intake.senders import SECRET, post
from tests.unit.alerts.intake.senders import zabbix as problem
from tests.unit.zabbix.model import TOKEN

from .conftest import PATIENCE, Cli, wait_for

SOURCES = """
[alerts]
listen = "127.0.0.1:0"
[[alerts.sources]]
name = "hook"
kind = "webhook"
secret_env = "HOOK_SECRET"
"""
Start = Callable[..., subprocess.Popen[str]]


def ready(service: subprocess.Popen[str]) -> str:
    """What it says when it is up."""
    assert service.stderr
    said = ""
    while "ready" not in said:
        assert select.select([service.stderr], [], [], PATIENCE)[0], said
        line = service.stderr.readline()
        assert line, said
        said += line
    return said


def url(service: subprocess.Popen[str]) -> str:
    found = re.search(r"ready at (http://\S+);", said := ready(service))
    assert found, said
    return found[1]


def configure(cli: Cli, text: str) -> None:
    config = cli.home / "config.toml"
    config.write_text(config.read_text() + text)
    cli.environment["HOOK_SECRET"] = SECRET


def listed(cli: Cli) -> list[dict[str, Any]]:
    return [dict(row) for row in cli("alert", "list", "-o", "json").json]


def test_what_was_taken_survives_a_kill_and_is_not_doubled(cli: Cli, background: Start) -> None:
    configure(cli, SOURCES)
    first = background("alert", "serve")
    place = url(first)
    answer = post(
        place, "hook", {"key": "q", "host": "mq-1", "name": "Queue is long", "severity": "warning", "token": SECRET}
    )
    assert answer.status_code == 202
    first.send_signal(signal.SIGKILL)
    first.wait(PATIENCE)
    [row] = listed(cli)
    assert (row["id"], row["host"], row["name"], row["state"]) == (
        answer.json()["ids"][0],
        "mq-1",
        "Queue is long",
        "firing",
    )
    second = background("alert", "serve")
    place = url(second)
    assert post(place, "hook", {"key": "q", "host": "mq-1"}).json()["ids"] == [row["id"]]
    assert post(place, "hook", {"key": "q", "state": "ok"}).status_code == 202
    assert [row["state"] for row in listed(cli)] == ["resolved"]
    assert requests.get(f"{place}/healthz", timeout=10).json()["status"] == "ok"
    second.send_signal(signal.SIGTERM)
    assert second.wait(PATIENCE) == 0
    assert second.stderr
    assert SECRET not in second.stderr.read()
    files = [path for path in cli.home.rglob("*") if path.is_file()]
    assert cli.home / "alerts.db" in files
    assert [path for path in files if SECRET.encode() in path.read_bytes()] == []


def test_problems_are_asked_for_and_told_of_by_zabbix(cli: Cli, background: Start) -> None:
    fake = Fake()
    try:
        (cli.home / "token").write_text(TOKEN)
        (cli.home / "monitor").mkdir()
        (cli.home / "monitor" / "webhook.secret").write_text(SECRET)
        configure(
            cli,
            f'[alerts]\nlisten = "127.0.0.1:0"\n'
            f'[monitor.zabbix]\nurl = "{fake.url}"\ntoken_file = "{cli.home / "token"}"\n',
        )
        place = url(background("alert", "serve"))
        trigger = fake.add_trigger("Redis is down", fake.add_host("cache-1", fake.add_group("cache")))
        event = fake.add_problem(trigger)
        wait_for(lambda: listed(cli))
        post(place, "zabbix", problem(event, clock=1_700_000_000))
        [row] = listed(cli)
        assert (row["key"], row["host"], row["source"]) == (event, "cache-1", "zabbix")
    finally:
        fake.close()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (SOURCES.replace("HOOK_SECRET", "NOTHING"), "Source hook: its secret is not in environment variable NOTHING"),
        (SOURCES.replace("127.0.0.1:0", "192.0.2.1:8470"), "Cannot listen at 192.0.2.1:8470: "),
        (SOURCES.replace('"webhook"', '"email"'), "alerts.sources.0.kind: input should be"),
    ],
)
def test_what_cannot_be_served_is_one_line(cli: Cli, text: str, message: str) -> None:
    configure(cli, text)
    done = cli("alert", "serve")
    assert done.code in (1, 2)
    assert message in done.line
