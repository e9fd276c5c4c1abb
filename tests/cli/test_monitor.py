"""`opsctl monitor` as a process, with a Zabbix that speaks as one."""

from __future__ import annotations

import json
import socketserver
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.zabbix.model import PASSWORD, TOKEN, USER
from tests.unit.zabbix.wire import FakeZabbix

from .conftest import Cli

HOSTS = """
all:
  children:
    cache:
      hosts:
        cache-redis-1: {stack_name: cache, private_ip: 10.1.0.5, instance_tags: {"opsctl:group": redis}}
        cache-redis-2: {stack_name: cache, private_ip: 10.1.0.6, instance_tags: {"opsctl:group": redis}}
    web:
      hosts:
        web-1: {stack_name: web, ansible_host: web-1.example}
"""


@pytest.fixture
def zabbix() -> Iterator[FakeZabbix]:
    made = FakeZabbix("7.0.30")
    made.add_template("opsctl Linux")
    yield made
    made.close()


@pytest.fixture
def trapper() -> Iterator[int]:
    """Takes values as a server does that knows none of the hosts."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            size = struct.unpack("<Q", self.request.recv(13)[5:])[0] & 0xFFFFFFFF
            self.request.recv(size)
            info = {"response": "success", "info": "processed: 0; failed: 1; total: 1; seconds spent: 0.000010"}
            text = json.dumps(info).encode()
            self.request.sendall(b"ZBXD\x01" + struct.pack("<Q", len(text)) + text)

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


@pytest.fixture
def watched(cli: Cli, zabbix: FakeZabbix, trapper: int, tmp_path: Path) -> Cli:
    """opsctl with that Zabbix and three hosts in two stacks."""
    (tmp_path / "hosts.yml").write_text(HOSTS)
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    (cli.home / "config.toml").write_text(
        f'cloud = "here"\n[clouds.here]\nkind = "hosts"\ninventory = "{tmp_path / "hosts.yml"}"\n'
        f'[monitor.zabbix]\nurl = "{zabbix.url}"\ntoken_file = "{tmp_path / "token"}"\nserver = "127.0.0.1:{trapper}"\n'
    )
    cli.environment |= dict.fromkeys(("ZABBIX_URL", "ZABBIX_TOKEN", "ZABBIX_USER", "ZABBIX_PASSWORD"), "")
    return cli


def hosts(zabbix: FakeZabbix) -> dict[str, Any]:
    return {row["host"]: row for row in zabbix.table("host").values()}


def test_hosts_of_a_stack_are_told_changed_and_removed(watched: Cli, zabbix: FakeZabbix, tmp_path: Path) -> None:
    assert watched("monitor", "sync").out == "Zabbix watches no stack of this cloud; name one to have it watched\n"
    checked = watched("monitor", "sync", "cache", "--check", "-o", "json").json
    assert checked["stacks"][0]["created"] == ["cache-redis-1", "cache-redis-2"]
    assert hosts(zabbix) == {}
    assert watched("monitor", "sync", "cache").code == 0
    assert sorted(hosts(zabbix)) == ["cache-redis-1", "cache-redis-2"]
    again = watched("monitor", "sync", "-o", "json").json
    assert again == {
        "check": False,
        "stacks": [
            {
                "stack": "cache",
                "changed": False,
                "created": [],
                "updated": [],
                "deleted": [],
                "unchanged": ["cache-redis-1", "cache-redis-2"],
                "duplicates": {},
                "failed": {},
            }
        ],
    }
    (tmp_path / "hosts.yml").write_text(HOSTS.replace("10.1.0.5", "10.1.0.9").replace("cache-redis-2", "cache-redis-3"))
    told = watched("monitor", "sync", "--diff")
    assert {"+ cache-redis-3", "~ cache-redis-1", "- cache-redis-2"} <= {line.strip() for line in told.out.splitlines()}
    assert '+    "address": "10.1.0.9"' in told.out
    (tmp_path / "hosts.yml").write_text("all: {hosts: {other: {}}}")
    refused = watched("monitor", "sync", "cache")
    assert (refused.code, refused.line) == (
        2,
        "opsctl: Cloud here has no stack cache; --remove takes its 2 hosts out of Zabbix",
    )
    assert watched("monitor", "sync", "cache", "--remove").code == 0
    assert hosts(zabbix) == {}
    kinds = [row["kind"] for row in watched("audit", "list", "-o", "json").json]
    assert kinds == ["monitor-sync"] * 3


def test_a_host_that_zabbix_refuses_is_named_and_the_others_are_done(watched: Cli, zabbix: FakeZabbix) -> None:
    zabbix.table("template").clear()
    told = watched("monitor", "sync", "web")
    assert told.code == 1
    assert told.line.startswith("opsctl: Stack web: Zabbix has no template opsctl Linux")
    zabbix.add_template("opsctl Linux")
    zabbix.denied = {"hostgroup.create"}
    told = watched("monitor", "sync", "web")
    assert (told.code, "--rights methods" in told.line) == (1, True)


def test_status_says_what_is_watched_and_what_is_wrong(watched: Cli, zabbix: FakeZabbix) -> None:
    watched("monitor", "sync", "cache", "web")
    (one, *_) = zabbix.table("host")
    zabbix.table("host")[one]["interfaces"][0]["available"] = "2"
    for row in zabbix.table("host").values():
        row["interfaces"][0].setdefault("available", "1")
    trigger = zabbix.add_trigger("Redis is down", one)
    zabbix.add_problem(trigger, severity=4)
    zabbix.add_problem(trigger, severity=2, suppressed="1")
    told = watched("monitor", "status", "-o", "json")
    assert told.code == 0, told.err
    found = told.json
    assert list(found) == [
        "url",
        "reachable",
        "error",
        "version",
        "server",
        "stacks",
        "problems",
        "suppressed",
        "deliveries",
    ]
    assert found["version"] == "7.0.30"
    assert found["server"]["alive"] is True
    assert found["stacks"] == [
        {"stack": "cache", "hosts": 2, "disabled": 0, "unreachable": 1},
        {"stack": "web", "hosts": 1, "disabled": 0, "unreachable": 0},
    ]
    assert found["problems"] == {
        "disaster": 0,
        "high": 1,
        "average": 0,
        "warning": 0,
        "information": 0,
        "not_classified": 0,
    }
    assert found["suppressed"] == 1
    shown = watched("monitor", "status").out
    assert "1 high" in shown
    assert "takes values" in shown


def test_a_zabbix_that_is_down_is_said_and_not_a_traceback(watched: Cli, zabbix: FakeZabbix) -> None:
    zabbix.denied = {"problem.get"}
    told = watched("monitor", "status", "-o", "json")
    assert (told.code, told.json["reachable"], "problem.get" in told.json["error"]) == (1, False, True)
    zabbix.tokens.clear()
    lapsed = watched("monitor", "sync")
    assert (lapsed.code, "`opsctl monitor setup` makes a new token" in lapsed.line) == (1, True)
    closed = json.dumps({"zabbix": {"url": "http://127.0.0.1:1", "server": "127.0.0.1:1"}})
    told = watched("monitor", "status", env={"OPSCTL_MONITOR": closed})
    assert (told.code, told.err) == (1, "")
    assert "cannot be reached" in told.out
    assert "takes no values" in told.out
    assert TOKEN not in told.out


def test_what_lacks_is_one_line(watched: Cli, zabbix: FakeZabbix) -> None:
    (watched.home / "config.toml").write_text("")
    assert watched("monitor", "status").line == (
        "opsctl: No Zabbix is configured: set monitor.zabbix.url, or export ZABBIX_URL"
    )
    url = {"ZABBIX_URL": zabbix.url}
    assert "run `opsctl monitor setup`" in watched("monitor", "status", env=url).line
    assert (
        "--rights is hosts or methods"
        in watched("monitor", "setup", "--rights", "all", env=url | {"ZABBIX_TOKEN": TOKEN}).line
    )
    told = watched("monitor", "setup", "--receiver", "10.0.0.5:8470", env=url | {"ZABBIX_TOKEN": TOKEN})
    assert (told.code, "--receiver must be like http://HOST:8470" in told.line) == (2, True)


def test_who_sets_up_may_be_said_in_many_ways_and_asked_for_in_one(watched: Cli, zabbix: FakeZabbix) -> None:
    (watched.home / "config.toml").write_text(f'[monitor.zabbix]\nurl = "{zabbix.url}"\n')
    zabbix.denied = {"hostgroup.get"}
    as_user = watched("monitor", "setup", "--admin-user", USER, env={"ZABBIX_PASSWORD": PASSWORD})
    assert as_user.line == (
        "opsctl: Cannot set up host group opsctl: Zabbix refused hostgroup.get: "
        'No permissions to call "hostgroup.get". It takes a Super admin.'
    )
    assert zabbix.logins == 1
    wrong = watched("monitor", "setup", "--admin-user", USER, env={"ZABBIX_PASSWORD": "other-secret"})
    assert "Incorrect user name or password" in wrong.line
    assert "other-secret" not in wrong.line
    nobody = watched("monitor", "setup", "--admin-user", USER)
    assert nobody.line == f"opsctl: The password of {USER} is needed: --admin-password-file, or export ZABBIX_PASSWORD"
    both = watched("monitor", "setup", "--admin-user", USER, "--admin-token-file", "x")
    assert (both.code, "not both" in both.line) == (2, True)
    missing = watched("monitor", "setup", "--admin-token-file", "/none/such")
    assert "Cannot read Zabbix's token from /none/such" in missing.line
