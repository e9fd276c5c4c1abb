"""All sources of the settings at once: what is told and what is asked ends in one inbox."""

from __future__ import annotations

import io
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from opsctl.alerts.alert import made
from opsctl.alerts.inbox import Inbox
from opsctl.alerts.sources.origins import Origins
from opsctl.alerts.sources.show import rows, table
from opsctl.errors import ConfigError
from opsctl.settings import load
from tests.unit.zabbix.model import TOKEN

from .asked import Fake
from .senders import RECEIVED, SECRET, post
from .senders import zabbix as message


@pytest.fixture
def zabbix() -> Iterator[Fake]:
    fake = Fake()
    yield fake
    fake.close()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ALERT_SECRET", SECRET)
    for name in ("ZABBIX_URL", "ZABBIX_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def origins(home: Path, said: list[str], text: str = "", zabbix: Fake | None = None, **options: bool) -> Origins:
    way = f'[monitor.zabbix]\nurl = "{zabbix.url}"\ntoken_file = "{home}/token"\n' if zabbix else ""
    (home / "token").write_text(TOKEN)
    (home / "config.toml").write_text(f'[alerts]\nlisten = "127.0.0.1:0"\n{text}\n{way}')
    return Origins(Inbox(home), home, load(home), said.append, **options)


def test_a_problem_is_told_asked_for_and_stored_once(home: Path, zabbix: Fake) -> None:
    (home / "monitor").mkdir()
    (home / "monitor" / "webhook.secret").write_text(SECRET)
    host = zabbix.add_host("cache-1", zabbix.add_group("cache"))
    said: list[str] = []
    with origins(home, said, zabbix=zabbix) as running, Inbox(home) as inbox:
        assert running.receiver
        [status] = running.status()
        assert (status["name"], status["url"]) == ("zabbix", f"{running.receiver.url}/v1/alerts/zabbix")
        event = zabbix.add_problem(zabbix.add_trigger("Redis is down", host))
        assert post(running.receiver.url, "zabbix", message(event, groups=[], clock=1_700_000_000)).status_code == 202
        cursor = 0
        while not (alert := inbox.find()[0]).groups:
            assert inbox.wait(cursor, 20)
            cursor = inbox.newest()
        assert (alert.key, alert.groups) == (event, ("cache",))
        assert len(inbox.find()) == 1
    assert said == []
    assert not running.receiver.alive


def test_zabbix_without_a_webhook_is_only_asked(home: Path, zabbix: Fake) -> None:
    said: list[str] = []
    with origins(home, said, zabbix=zabbix) as running:
        assert running.receiver is None
    [line] = said
    assert line.endswith("run `opsctl monitor setup`; until then Zabbix is only asked")


def test_sources_can_be_asked_once_without_listening(home: Path, zabbix: Fake) -> None:
    host = zabbix.add_host("cache-1", zabbix.add_group("cache"))
    event = zabbix.add_problem(zabbix.add_trigger("Redis is down", host))
    said: list[str] = []
    once = origins(home, said, zabbix=zabbix, listen=False)
    assert once.look()
    assert once.receiver is None
    with Inbox(home) as inbox:
        assert [alert.key for alert in inbox.firing()] == [event]
    zabbix.faults.extend(["html"] * 200)
    assert not once.look()
    assert len(said) == 1
    once.stop()


def test_without_sources_there_is_nothing_to_do(home: Path) -> None:
    with origins(home, []) as running:
        assert (running.receiver, running.asked, running.status()) == (None, [], [])
        assert running.look()


def test_each_kind_finds_its_place(home: Path) -> None:
    text = """
[[alerts.sources]]
name = "prom"
kind = "alertmanager"
secret_env = "ALERT_SECRET"

[[alerts.sources]]
name = "errors"
kind = "search"
query = "oom"
"""
    running = origins(home, [], text)
    with running:
        assert running.receiver
        assert [(each["name"], bool(each["url"])) for each in running.status()] == [("prom", True), ("errors", False)]
        assert [each.name for each in running.asked] == ["errors"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('kind = "webhook"\nsecret_env = "NOTHING"', "Source a: its secret is not in environment variable NOTHING"),
        ('kind = "search"\nquery = "host:"', "Source a: Cannot search: host: has no value"),
        (
            'kind = "search"\nquery = "x"\nwhere = "elasticsearch"',
            "Source a: it searches in Elasticsearch, and elasticsearch.url is not set",
        ),
        ('kind = "zabbix"\nsecret_env = "ALERT_SECRET"', "No Zabbix is configured: set monitor.zabbix.url"),
    ],
)
def test_sources_that_cannot_be_used_are_told_before_anything_begins(home: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        origins(home, [], f'[[alerts.sources]]\nname = "a"\n{text}')


def test_people_see_where_to_send_and_what_is_missing(home: Path, zabbix: Fake) -> None:
    text = """
[[alerts.sources]]
name = "prom"
kind = "alertmanager"
secret_env = "ALERT_SECRET"
"""
    with origins(home, [], text, zabbix) as running:
        del running
    with Inbox(home) as inbox:
        inbox.put(
            [made("old", "webhook", "k", received=RECEIVED), made("prom", "alertmanager", "k", received=RECEIVED)]
        )
        found = rows(load(home), home, inbox)
    assert found[1] == {
        "name": "prom",
        "kind": "alertmanager",
        "url": "http://127.0.0.1:0/v1/alerts/prom",
        "proof": "bearer",
        "every": 0.0,
        "problem": "",
        "firing": 1,
        "last": RECEIVED,
    }
    assert [(row["name"], row["every"]) for row in found] == [("zabbix", 0.5), ("prom", 0.0), ("old", 0.0)]
    assert found[0]["problem"].endswith("run `opsctl monitor setup`")
    assert "will not end by themselves" in found[2]["problem"]
    assert SECRET not in str(found)
    with Console(file=io.StringIO(), width=250) as console:
        console.print(table(found))
        console.print(table([]))
    assert "http://127.0.0.1:0/v1/alerts/prom" in console.file.getvalue()  # type: ignore[attr-defined]


def _block(root: Path, language: str, begin: str) -> str:
    """The block of the document that begins so."""
    text = (root / "docs/alerts.md").read_text(encoding="utf-8")
    blocks: list[str] = re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)
    return next(block for block in blocks if block.startswith(begin))


def test_the_examples_of_the_document_work(root: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKUP_WEBHOOK_SECRET", SECRET)
    (home / "secret").write_text(SECRET)
    text = (
        _block(root, "toml", "[alerts]")
        .replace("127.0.0.1:8470", "127.0.0.1:0")
        .replace("~/.secrets/alertmanager", str(home / "secret"))
    )
    (home / "config.toml").write_text(text)
    shell = _block(root, "bash", "body=")
    with Origins(Inbox(home), home, load(home), print) as running:
        assert running.receiver
        script = shell.replace("curl ", "curl --silent --show-error ").replace(
            "http://127.0.0.1:8470", running.receiver.url
        )
        done = subprocess.run(["bash", "-ec", script], capture_output=True, text=True, timeout=30, check=True)
        assert json.loads(done.stdout)["taken"] == 1
    [alert] = Inbox(home).firing()
    assert (alert.host, alert.name, alert.severity, alert.key) == ("db-1", "disk full", "high", "db-1/nightly")
