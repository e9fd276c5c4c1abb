"""The main job: a Redis cluster on the embedded cloud, in the four ways the product is used, in the order of a day."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import BIN, STACK, Install

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]
NODES = 6


def cloud_env(install: Install) -> dict[str, str]:
    lines = install.run("opsctl", "cloud", "env").stdout.splitlines()
    pairs = (shlex.split(line)[1].partition("=") for line in lines)
    return {**install.env, **{name: value for name, _, value in pairs}}


def changed(run: dict[str, Any]) -> int:
    return sum(host["changed"] for host in run["hosts"].values())


def test_check_works_before_anything_exists(install: Install) -> None:
    run = install.scenario("deploy", "--check")
    assert run["status"] == "succeeded"
    assert install.data("stack", "list") == []


def test_deploy_ends_with_a_verified_cluster(install: Install, cluster: dict[str, Any]) -> None:
    assert cluster["status"] == "succeeded"
    assert len([host for host in cluster["hosts"] if host.startswith(STACK)]) == NODES
    result = cluster["result"]
    assert result["verified"]["read"] == result["verified"]["slots"] == 16384
    assert len(result["nodes"]) == NODES


def test_no_replica_is_in_the_zone_of_its_master(install: Install, cluster: dict[str, Any]) -> None:
    replicas = [node for node in cluster["result"]["nodes"] if node["role"] == "replica"]
    assert len(replicas) == 3
    assert all(node["zone"] != node["of_zone"] for node in replicas)


def test_second_deploy_changes_nothing(install: Install, cluster: dict[str, Any]) -> None:
    assert changed(install.scenario("deploy")) == 0


def test_check_after_deploy_would_change_nothing(install: Install, cluster: dict[str, Any]) -> None:
    assert changed(install.scenario("deploy", "--check")) == 0


def test_inspect_says_healthy(install: Install, cluster: dict[str, Any]) -> None:
    result = install.scenario("inspect")["result"]
    assert result["findings"] == []


def test_plain_ansible_playbook_works_without_the_cli(install: Install, cluster: dict[str, Any]) -> None:
    argv = [BIN / "ansible-playbook", "opsctl.cloud.redis_cluster.deploy", "-e", f"stack_name={STACK}"]
    done = subprocess.run(
        argv, env=cloud_env(install), capture_output=True, text=True, timeout=600, cwd=install.home, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:]
    recap = [line for line in done.stdout.splitlines() if line.startswith(STACK)]
    assert len(recap) == NODES
    assert all("changed=0" in line for line in recap)


def test_inventory_groups_the_hosts(install: Install, cluster: dict[str, Any]) -> None:
    source = install.home / "my.opsctl.yml"
    source.write_text("plugin: opsctl.cloud.stacks\n")
    argv = [BIN / "ansible-inventory", "-i", source, "--list"]
    done = subprocess.run(argv, env=cloud_env(install), capture_output=True, text=True, timeout=60, check=True)
    listed = json.loads(done.stdout)
    assert len(listed[f"{STACK}_redis"]["hosts"]) == NODES
    assert f"@{STACK}_redis" in install.run("opsctl", "inventory", "--graph").stdout


def test_ssh_runs_a_command_on_a_node(install: Install, cluster: dict[str, Any]) -> None:
    host = sorted(host for host in cluster["hosts"] if host.startswith(STACK))[0]
    assert install.run("opsctl", "ssh", host, "--", "hostname").stdout.strip() == host


def test_stack_commands_show_the_stack(install: Install, cluster: dict[str, Any]) -> None:
    assert [row["stack_name"] for row in install.data("stack", "list")] == [STACK]
    assert install.data("stack", "show", STACK)["status"] in ("CREATE_COMPLETE", "UPDATE_COMPLETE")
    assert install.data("stack", "events", STACK)
    assert install.data("stack", "outputs", STACK)


def test_drill_loses_no_acknowledged_write(install: Install, cluster: dict[str, Any]) -> None:
    result = install.scenario("drill")["result"]
    assert result["lost_acknowledged"] == 0
    assert result["promoted"]
    assert install.scenario("inspect")["result"]["findings"] == []


def test_inspect_fails_when_a_node_is_down(install: Install, cluster: dict[str, Any]) -> None:
    host = sorted(host for host in cluster["hosts"] if host.startswith(STACK))[-1]
    install.run("opsctl", "ssh", host, "--", "systemctl", "stop", "redis-server")
    try:
        run = install.scenario("inspect", code=3)
        assert run["status"] == "failed"
    finally:
        install.run("opsctl", "ssh", host, "--", "systemctl", "start", "redis-server")
        time.sleep(6)


def test_killed_run_is_lost_and_leaves_no_process(install: Install, cluster: dict[str, Any]) -> None:
    argv = [BIN / "opsctl", "run", "scenario", "redis-cluster", "-e", f"stack_name={STACK}"]
    with subprocess.Popen(argv, env=install.env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if b"Configure" in line:
                break
        process.send_signal(signal.SIGKILL)
    newest = install.data("runs", "list")[0]
    assert newest["status"] == "lost"
    deadline = time.monotonic() + 15
    while (alive := ansible_of(install.home)) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert alive == []
    assert install.data("audit", "verify")["sound"]


def ansible_of(home: Path) -> list[str]:
    """Ansible processes that belong to this home."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            line = (path / "cmdline").read_bytes()
            env = (path / "environ").read_bytes()
        except OSError:
            continue
        if b"ansible-playbook" in line and str(home).encode() in env and path.name != str(os.getpid()):
            found.append(line.decode(errors="replace"))
    return found


def test_secrets_are_nowhere_they_do_not_belong(install: Install, cluster: dict[str, Any]) -> None:
    secrets = [path.read_text().strip() for path in (install.home / "secrets").glob("*") if path.is_file()]
    secrets.append(json.loads((install.home / "cloud" / "credentials.json").read_text())["access_key_secret"])
    assert all(len(secret) > 15 for secret in secrets)
    allowed = {install.home / "secrets", install.home / "cloud" / "credentials.json"}
    for path in install.home.rglob("*"):
        if not path.is_file() or any(path == place or place in path.parents for place in allowed):
            continue
        content = path.read_bytes()
        assert not any(secret.encode() in content for secret in secrets), path


def test_ledger_tells_the_story_and_is_whole(install: Install, cluster: dict[str, Any]) -> None:
    assert install.data("audit", "verify")["sound"]
    kinds = [row["kind"] for row in install.data("audit", "list") if row["run_id"] == cluster["id"]]
    assert sorted(kinds) == ["asked", "decided", "finished", "started"]


def test_destroy_leaves_nothing(install: Install, cluster: dict[str, Any]) -> None:
    install.scenario("destroy")
    assert install.data("stack", "list") == []
    assert install.data("cloud", "status")["hosts"] == 0
    assert install.scenario("destroy")["status"] == "succeeded"
