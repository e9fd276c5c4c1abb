"""The templates, on a real server: they come in as they are, find what they are for, and see it go."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .server import Server

_FULL = {"createMissing": True, "updateExisting": True, "deleteMissing": True}
_RULES = {
    "groups": {"createMissing": True},
    **{name: {"createMissing": True, "updateExisting": True} for name in ("templates", "valueMaps")},
    **dict.fromkeys(("items", "triggers", "graphs", "templateDashboards"), _FULL),
}
HOST, PATIENCE = "content-redis", 90


def _import(root: Path) -> list[dict[str, Any]]:
    files = sorted((root / "roles/zabbix/files/templates").glob("*.yaml"))
    return [{"format": "yaml", "rules": _RULES, "source": path.read_text(encoding="utf-8")} for path in files]


@pytest.fixture(scope="module")
def templates(root: Path, zabbix: Server) -> list[str]:
    """Ids of both."""
    for request in _import(root):
        assert zabbix.call("configuration.import", request)
    found = zabbix.call("template.get", {"filter": {"host": ["opsctl Linux", "opsctl Redis"]}, "output": ["host"]})
    assert len(found) == 2
    return [row["templateid"] for row in found]


@pytest.fixture(scope="module")
def watched(root: Path, zabbix: Server, templates: list[str]) -> Iterator[str]:
    """The server's own host as a Redis node with an agent of ours; its id."""
    # The agent of the image asks by the script of the role, which is what is to be tried.
    script = (root / "roles/zabbix_agent/files/redis-status").read_text(encoding="utf-8")
    zabbix.write("/usr/local/bin/redis-status", script, "755")
    zabbix.write(
        "/etc/zabbix/zabbix_agentd.conf.d/content.conf",
        "UserParameter=opsctl.redis[*],/usr/local/bin/redis-status $1\n",
        "644",
    )
    zabbix.run("systemctl", "restart", "zabbix-agent")
    zabbix.run("systemctl", "start", "redis-server")
    (group,) = zabbix.call("hostgroup.create", [{"name": "content"}])["groupids"]
    face = {"type": 1, "main": 1, "useip": 1, "ip": "127.0.0.1", "dns": "", "port": "10050"}
    wanted = {
        "host": HOST,
        "interfaces": [face],
        "groups": [{"groupid": group}],
        "templates": [{"templateid": one} for one in templates],
        "tags": [{"tag": "opsctl_stack", "value": "content"}],
    }
    (host,) = zabbix.call("host.create", [wanted])["hostids"]
    zabbix.reload()
    yield str(host)
    zabbix.call("host.delete", [host])
    zabbix.run("systemctl", "stop", "redis-server")


def _until(what: str, poll: Callable[[], Any]) -> Any:
    end = time.monotonic() + PATIENCE
    while not (found := poll()):
        assert time.monotonic() < end, f"waited {PATIENCE} s for {what}"
        time.sleep(0.1)
    return found


def _problems(zabbix: Server, host: str) -> dict[str, dict[str, str]]:
    """Tags of the problems there are, by that which rules look for."""
    found = zabbix.call("problem.get", {"hostids": [host], "selectTags": "extend"})
    tags = [{tag["tag"]: tag["value"] for tag in row["tags"]} for row in found]
    return {row["opsctl_problem"]: row for row in tags}


def _values(zabbix: Server, host: str) -> dict[str, str]:
    rows = zabbix.call("item.get", {"hostids": [host], "output": ["key_", "lastvalue", "lastclock", "state"]})
    assert [row["key_"] for row in rows if row["state"] == "1"] == []
    return {row["key_"]: row["lastvalue"] for row in rows if row["lastclock"] != "0"}


def test_a_second_import_would_change_nothing(root: Path, zabbix: Server, templates: list[str]) -> None:
    for request in _import(root):
        assert zabbix.call("configuration.importcompare", request) == []


def test_redis_is_seen_through_the_agent(zabbix: Server, watched: str) -> None:
    seen = _until("a value", lambda: (found := _values(zabbix, watched)).get("opsctl.redis.role") and found)
    assert seen["opsctl.redis.role"] == "master"
    assert seen["opsctl.redis.ping"] == seen["opsctl.redis.link"] == seen["opsctl.redis.cluster.ok"] == "1"
    assert seen["opsctl.redis.cluster.slots"] == "16384"
    assert int(seen["opsctl.redis.memory.used"]) > 100_000


@pytest.mark.parametrize(
    ("problem", "break_it", "mend_it"),
    [
        ("redis-process-down", "systemctl kill -s KILL redis-server", "systemctl start redis-server"),
        ("redis-not-answering", "pkill -STOP redis-server", "pkill -CONT redis-server"),
        ("agent-down", "systemctl stop zabbix-agent", "systemctl start zabbix-agent"),
    ],
)
def test_a_problem_comes_and_goes(zabbix: Server, watched: str, problem: str, break_it: str, mend_it: str) -> None:
    _until("a value", lambda: _values(zabbix, watched).get("opsctl.redis.ping") == "1")
    _until("a calm host", lambda: problem not in _problems(zabbix, watched))
    zabbix.run("sh", "-c", break_it)
    try:
        tags = _until(problem, lambda: _problems(zabbix, watched).get(problem))
    finally:
        zabbix.run("sh", "-c", mend_it)
    assert tags["opsctl_component"] == ("redis" if problem.startswith("redis") else "host")
    assert tags["opsctl_stack"] == "content"
    _until("the end of it", lambda: problem not in _problems(zabbix, watched))


def test_each_template_has_a_dashboard(zabbix: Server, templates: list[str]) -> None:
    found = zabbix.call("templatedashboard.get", {"templateids": templates, "selectPages": "extend"})
    assert sorted(row["name"] for row in found) == ["Host", "Redis"]
    assert all(page["widgets"] for row in found for page in row["pages"])
