"""A Zabbix server as a scenario, and a Redis cluster that it watches, in the order of a day."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.opsctl.cloud.plugins.module_utils.zabbix.client import Access, Zabbix
from ansible_collections.opsctl.cloud.plugins.module_utils.zabbix.errors import Auth

from tests.e2e.conftest import Install

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]
SERVER, STACK = "watch", "watched"
NODES = 3
WITHOUT_REPLICAS = ("-e", "redis_cluster_replicas=0", "-e", f"zabbix_stack={SERVER}")


def run(install: Install, scenario: str, action: str, *more: str, code: int = 0) -> Any:
    stack = SERVER if scenario == "zabbix" else STACK
    return install.data("run", "scenario", scenario, "--action", action, "-e", f"stack_name={stack}", *more, code=code)


def changed(run: dict[str, Any]) -> int:
    return sum(host["changed"] for host in run["hosts"].values())


def until(what: str, poll: Callable[[], Any], timeout: float = 120) -> Any:
    end = time.monotonic() + timeout
    while not (found := poll()):
        assert time.monotonic() < end, f"waited {timeout} s for {what}"
        time.sleep(0.3)
    return found


@pytest.fixture(scope="module")
def server(install: Install) -> dict[str, Any]:
    """What the deploy says of it."""
    found: dict[str, Any] = run(install, "zabbix", "deploy")["result"]
    return found


@pytest.fixture(scope="module")
def api(server: dict[str, Any]) -> Zabbix:
    """With the token and the certificate that the deploy keeps."""
    token = Path(server["token_file"]).read_text(encoding="utf-8").strip()
    return Zabbix(Access(url=server["url"], token=token, ca_file=server["ca_file"]))


@pytest.fixture(scope="module")
def watched(install: Install, api: Zabbix) -> dict[str, Any]:
    """The first deploy's run, of nodes in the server's VPC."""
    vpc = install.data("stack", "outputs", SERVER)["VpcId"]
    found: dict[str, Any] = run(install, "redis-cluster", "deploy", *WITHOUT_REPLICAS, "-e", f"VpcId={vpc}")
    return {**found, "vpc": vpc}


def hosts(api: Zabbix) -> dict[str, dict[str, Any]]:
    rows = api.call(
        "host.get", {"tags": [{"tag": "opsctl_stack", "value": STACK, "operator": 1}], "selectInterfaces": "extend"}
    )
    return {row["host"]: row for row in rows}


def test_check_works_before_anything_exists(install: Install) -> None:
    assert run(install, "zabbix", "deploy", "--check")["status"] == "succeeded"


def test_the_server_answers_by_https_with_a_token_of_its_own(server: dict[str, Any], api: Zabbix) -> None:
    assert server["url"].startswith("https://")
    assert api.version >= (6, 0, 0)
    wanted = {"filter": {"host": ["opsctl Linux", "opsctl Redis"]}, "output": ["host"]}
    assert len(api.call("template.get", wanted)) == 2


def test_nobody_gets_in_with_the_password_that_everybody_knows(server: dict[str, Any]) -> None:
    everybody = Access(url=server["url"], user="Admin", password="zabbix", ca_file=server["ca_file"])
    with pytest.raises(Auth):
        Zabbix(everybody).call("host.get", {"limit": 1})


def test_a_second_deploy_changes_nothing(install: Install, server: dict[str, Any]) -> None:
    assert changed(run(install, "zabbix", "deploy", "--check")) == 0
    assert changed(run(install, "zabbix", "deploy")) == 0


def test_nodes_are_watched_from_their_deploy_on(install: Install, api: Zabbix, watched: dict[str, Any]) -> None:
    found = hosts(api)
    assert sorted(found) == sorted(host for host in watched["hosts"] if host.startswith(STACK))
    assert len(found) == NODES
    # By private addresses, and encrypted.
    assert all(row["interfaces"][0]["ip"].startswith("192.168.") for row in found.values())
    assert {(row["tls_connect"], row["tls_accept"]) for row in found.values()} == {("2", "2")}


def test_a_second_deploy_of_what_is_watched_changes_nothing(install: Install, watched: dict[str, Any]) -> None:
    again = run(install, "redis-cluster", "deploy", *WITHOUT_REPLICAS, "-e", f"VpcId={watched['vpc']}")
    assert changed(again) == 0


def test_a_redis_that_stops_is_a_problem_until_it_runs(install: Install, api: Zabbix, watched: dict[str, Any]) -> None:
    host = sorted(hosts(api))[0]
    wanted = {"hostids": [hosts(api)[host]["hostid"]], "selectTags": "extend", "output": "extend"}

    def tags() -> list[str]:
        rows = api.call("problem.get", wanted)
        return [tag["value"] for row in rows for tag in row["tags"] if tag["tag"] == "opsctl_problem"]

    def values() -> bool:
        items = {"hostids": wanted["hostids"], "filter": {"key_": "opsctl.redis.ping"}, "output": ["lastvalue"]}
        return [row["lastvalue"] for row in api.call("item.get", items)] == ["1"]

    until("the first value", values)
    install.run("opsctl", "ssh", host, "--", "systemctl", "stop", "redis-server")
    try:
        until("the problem", lambda: "redis-process-down" in tags())
    finally:
        install.run("opsctl", "ssh", host, "--", "systemctl", "start", "redis-server")
    until("its end", lambda: "redis-process-down" not in tags())


def test_inspect_finds_a_server_that_is_down(install: Install, server: dict[str, Any]) -> None:
    assert run(install, "zabbix", "inspect")["result"]["findings"] == []
    install.run("opsctl", "ssh", f"{SERVER}-server", "--", "systemctl", "stop", "zabbix-server")
    try:
        failed = run(install, "zabbix", "inspect", code=3)
        assert "zabbix-server does not run" in json.dumps(failed)
    finally:
        install.run("opsctl", "ssh", f"{SERVER}-server", "--", "systemctl", "start", "zabbix-server")


def test_a_restored_server_is_the_one_of_the_backup(install: Install, api: Zabbix, watched: dict[str, Any]) -> None:
    assert run(install, "zabbix", "backup")["result"]["bytes"] > 1_000_000
    (group,) = api.call("hostgroup.create", [{"name": "made after the backup"}])["groupids"]
    run(install, "zabbix", "restore")
    assert api.call("hostgroup.get", {"groupids": [group], "output": ["name"]}) == []
    assert len(hosts(api)) == NODES


def test_hosts_that_are_destroyed_are_watched_no_longer(install: Install, api: Zabbix, watched: dict[str, Any]) -> None:
    run(install, "redis-cluster", "destroy", "-e", f"zabbix_stack={SERVER}")
    assert hosts(api) == {}


def test_no_secret_is_where_it_does_not_belong(install: Install, server: dict[str, Any]) -> None:
    paths = [path for path in (install.home / "secrets").glob(f"{SERVER}_zabbix_*") if not path.name.endswith("_ca")]
    secrets = [path.read_text(encoding="utf-8").strip() for path in paths]
    assert len(secrets) == 2
    assert {path.stat().st_mode & 0o777 for path in paths} == {0o600}
    for path in install.home.rglob("*"):
        if path.is_file() and install.home / "secrets" not in path.parents:
            content = path.read_bytes()
            assert not any(secret.encode() in content for secret in secrets), path


def test_destroy_leaves_nothing(install: Install, server: dict[str, Any]) -> None:
    run(install, "zabbix", "destroy")
    assert install.data("stack", "list") == []
