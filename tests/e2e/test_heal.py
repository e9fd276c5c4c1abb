"""A Redis cluster that is broken in every way it can be, and heals: by the least that helps, and without a lost key."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.e2e.conftest import Install

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]
STACK = "mend"


@dataclass(frozen=True)
class Town:
    """A stack of this file's own, and what may go wrong with it."""

    install: Install

    def run(self, action: str, *more: str, code: int | None = 0) -> Any:
        names = ("run", "scenario", "redis-cluster", "--action", action, "-e", f"stack_name={STACK}")
        return self.install.data(*names, *more, code=code)

    def any(self, heal: str, *more: str, code: int | None = 0) -> Any:
        return self.install.data("run", "playbook", f"opsctl.cloud.heal.{heal}", *more, code=code)

    def container(self, host: str) -> str:
        label = f"label=opsctl.name={STACK}-redis-{host}"
        return docker("ps", "--all", "--quiet", "--filter", label)

    def sh(self, host: str, script: str) -> str:
        return docker("exec", self.container(host), "sh", "-c", script)

    def redis(self, host: str, *words: str) -> str:
        secret = (self.install.home / "secrets" / f"{STACK}_redis").read_text().strip()
        environment = ("--env", f"REDISCLI_AUTH={secret}")
        return docker("exec", *environment, self.container(host), "redis-cli", "-c", *words)


def docker(*words: str) -> str:
    done = subprocess.run(["docker", *words], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.strip()


def changed(run: dict[str, Any]) -> int:
    return sum(host["changed"] for host in run["hosts"].values())


def told(run: dict[str, Any], part: str) -> str:
    return "\n".join(run["result"][part])


def role(run: dict[str, Any], host: str) -> str:
    (found,) = (node["role"] for node in run["result"]["nodes"] if node["name"] == f"{STACK}-redis-{host}")
    return str(found)


@pytest.fixture(scope="module")
def town(install: Install) -> Iterator[Town]:
    found = Town(install)
    found.run("deploy")
    found.redis("a-01", "set", "kept", "yes")
    yield found
    found.run("destroy")


def test_what_is_well_is_left_alone(town: Town) -> None:
    run = town.run("heal")
    assert changed(run) == 0
    assert (run["result"]["found"], run["result"]["did"], run["result"]["left"]) == ([], [], [])
    assert run["result"]["healthy"]


def test_a_dead_process_is_started_on_its_host_alone(town: Town) -> None:
    limit = ("--limit", f"{STACK}-redis-a-01")
    town.sh("a-01", "systemctl stop redis-server")
    plan = town.run("heal", "--check", *limit)
    assert "its process is dead (stopped)" in told(plan, "found")
    assert town.sh("a-01", "pidof redis-server || true") == ""
    run = town.run("heal", *limit)
    assert list(run["hosts"]) == [f"{STACK}-redis-a-01"]
    assert "started redis-server, which answers after" in told(run, "did")
    assert changed(town.run("heal", *limit)) == 0


def test_a_process_that_hangs_is_replaced(town: Town) -> None:
    town.sh("a-01", "sleep 10; kill -STOP $(pidof redis-server)")
    run = town.run("heal", "--limit", f"{STACK}-redis-a-01")
    assert "its process runs and does not answer" in told(run, "found")
    assert "killed and started" in told(run, "did")


def test_a_service_that_somebody_wants_stopped_is_left_alone(town: Town) -> None:
    limit = ("--limit", f"{STACK}-redis-a-02")
    town.sh("a-02", "systemctl mask --now --runtime redis-server")
    run = town.run("heal", *limit, code=3)
    assert "masked: somebody wants it stopped" in told(run, "left")
    town.sh("a-02", "systemctl unmask --runtime redis-server")
    assert "started redis-server" in told(town.run("heal", *limit), "did")


def test_slots_and_links_that_were_lost_are_mended_together(town: Town) -> None:
    nodes = {node["name"]: node for node in town.run("heal")["result"]["nodes"]}
    owner = next(name for name, node in nodes.items() if node["role"] == "master")
    follower = next(name for name, node in nodes.items() if node["role"] == "replica")
    slot = nodes[owner]["slots"].split("-")[0]
    town.redis(owner.removeprefix(f"{STACK}-redis-"), "cluster", "delslots", slot)
    town.redis(follower.removeprefix(f"{STACK}-redis-"), "config", "set", "masterauth", "wrong")
    town.redis(nodes[follower]["of"].removeprefix(f"{STACK}-redis-"), "client", "kill", "type", "replica")
    run = town.run("heal")
    assert f"{owner} serves the slots {slot}" in told(run, "did")
    assert f"{follower}: restarted" in told(run, "did")
    assert run["result"]["healthy"]


def test_a_host_that_is_down_is_brought_back(town: Town) -> None:
    docker("kill", town.container("b-02"))
    run = town.run("heal")
    assert f"{STACK}-redis-b-02: rebooted by force" in told(run, "did")
    assert run["result"]["healthy"]


def test_a_host_that_is_gone_is_made_again_and_joins_as_a_replica(town: Town) -> None:
    before = town.run("inspect")["result"]["nodes"]
    victim = next(node["name"] for node in before if node["role"] == "master" and "-redis-b-" in node["name"])
    docker("rm", "--force", town.container(victim.removeprefix(f"{STACK}-redis-")))
    run = town.run("heal")
    assert f"{STACK}-redis-b-04: made in place of one that is gone" in told(run, "did")
    assert role(run, "b-04") == "replica"
    assert victim not in {node["name"] for node in run["result"]["nodes"]}
    assert run["result"]["healthy"]
    assert town.redis("a-01", "get", "kept") == "yes"
    assert changed(town.run("deploy", "--check")) == 0
    assert changed(town.run("heal")) == 0


def test_room_is_made_by_the_policy_alone(town: Town) -> None:
    host = f"{STACK}-redis-a-01"
    script = "mkdir -p /var/log/app; head -c 2000000 /dev/zero | tee /var/log/app/{name} >/dev/null"
    town.sh("a-01", script.format(name="old.gz") + "; touch -d '9 days ago' /var/log/app/old.gz")
    town.sh("a-01", script.format(name="new.gz"))
    plan = town.any("disk", "--limit", host, "-e", "heal_disk_percent=0.1", "--check")
    assert "removed" in told(plan, "did")
    assert town.sh("a-01", "ls /var/log/app") == "new.gz\nold.gz"
    run = town.any("disk", "--limit", host, "-e", "heal_disk_percent=0.1", code=3)
    assert "nothing else may be removed by the policy" in told(run, "left")
    assert town.sh("a-01", "ls /var/log/app") == "new.gz"


def test_a_process_that_runs_away_is_ended_and_sshd_is_not(town: Town) -> None:
    host = f"{STACK}-redis-a-01"
    town.sh("a-01", "cp /bin/dash /usr/local/bin/spinner; setsid spinner -c 'while :; do :; done' >/dev/null 2>&1 &")
    given = ("--limit", host, "-e", "heal_process_cpu_percent=20", "-e", "heal_process_seconds=2")
    assert "ended spinner" in told(town.any("process", *given, "-e", "heal_process_pattern=spinner"), "did")
    assert town.sh("a-01", "pidof spinner || true") == ""
    given = ("--limit", host, "-e", "heal_process_cpu_percent=0", "-e", "heal_process_memory_mb=1")
    run = town.any("process", *given, "-e", "heal_process_pattern=^sshd", code=3)
    assert told(run, "did") == ""
    assert "sshd" in told(run, "left")


def test_a_service_that_is_down_is_brought_back(town: Town) -> None:
    host = f"{STACK}-redis-a-01"
    town.sh("a-01", "systemctl stop rsyslog syslog.socket")
    given = ("--limit", host, "-e", "heal_service_units=rsyslog")
    assert "restarted rsyslog, which stays up after 1 try" in told(town.any("service", *given), "did")
    assert changed(town.any("service", *given)) == 0
