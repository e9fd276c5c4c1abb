"""Two changes never meet on a host: real processes, real hosts, one of them killed."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from tests.cli.conftest import Cli, wait_for
from tests.cli.sshd import NEEDED, Server, sshd

pytestmark = NEEDED
Background = Callable[..., "subprocess.Popen[str]"]

SLOW = """
- hosts: localhost
  gather_facts: false
  tasks:
    - name: Take long
      ansible.builtin.command: sh -c 'touch $MARK; sleep $LONG'
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with sshd(tmp_path_factory.mktemp("sshd")) as found:
        yield found


@pytest.fixture
def on(server: Server, tmp_path: Path) -> Callable[..., list[str]]:
    """The words of a command on hosts; web3 belongs to a stack."""
    inventory = server.inventory(tmp_path, "[more]\nweb3 stack_name=shop\ntwin ansible_host=127.0.1.1")

    def words(hosts: str, *options: str, do: str = "true") -> list[str]:
        return ["run", "command", "-H", hosts, "-i", str(inventory), *options, "-o", "json", "--", "sh", "-c", do]

    return words


@pytest.fixture
def busy(on: Callable[..., list[str]], background: Background, tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """Starts a command that takes long, and comes back when it runs."""

    def begin(hosts: str, seconds: float = 60) -> subprocess.Popen[str]:
        mark = tmp_path / f"mark-{hosts}"
        process = background(*on(hosts, do=f"touch {mark}; exec sleep {seconds}"))
        wait_for(mark.exists)
        return process

    return begin


def test_the_second_change_of_a_host_is_refused(cli: Cli, on: Callable[..., list[str]], busy: Background) -> None:
    busy("web1,web2")
    first = cli.run_id()
    # By another name, but the same machine.
    refused = cli(*on("twin,web4"))
    assert refused.code == 1
    last = refused.err.splitlines()[-1]
    assert last.startswith(f"opsctl: Busy: twin held by run {first} (sh -c 'touch ")
    assert last.endswith("--lock-wait SECONDS waits for it, and --no-lock is for what only reads")
    assert cli("runs", "show", "last", "-o", "json").json["status"] == "error"
    held = cli("runs", "locks", "-o", "json").json
    assert [lock["name"].rpartition(":")[0] for lock in held] == ["host:127.0.1.1", "host:127.0.1.2"]
    assert {(lock["run"], lock["shared"], lock["by"]) for lock in held} == {(first, False, "root")}
    assert cli(*on("web1,web4", "--no-lock")).code == 0
    assert cli("runs", "show", "last", "-o", "json").json["options"]["rate"] == {"lock": False}
    assert "127.0.1.2" in cli("runs", "locks").out


def test_the_second_change_waits_for_the_first(
    cli: Cli, on: Callable[..., list[str]], busy: Background, background: Background
) -> None:
    busy("web1")
    waits = background(*on("web1", "--lock-wait", "60"))
    assert waits.stderr is not None
    wait_for(lambda: "waiting for web1 held by run" in waits.stderr.readline())  # type: ignore[union-attr]
    first = cli("runs", "list", "-o", "json").json[1]["id"]
    assert cli("runs", "cancel", first).code == 0
    assert waits.wait(30) == 0
    runs = cli("runs", "list", "-o", "json").json
    assert runs[0]["started"] > runs[1]["finished"]
    assert cli("runs", "locks", "-o", "json").json == []


def test_what_waits_can_be_canceled(
    cli: Cli, on: Callable[..., list[str]], busy: Background, background: Background
) -> None:
    busy("web1")
    waits = background(*on("web1", "--lock-wait", "60"))
    assert waits.stderr is not None
    wait_for(lambda: "waiting for web1" in waits.stderr.readline())  # type: ignore[union-attr]
    assert cli("runs", "cancel", "last").code == 0
    assert waits.wait(10) == 130
    assert len(cli("runs", "locks", "-o", "json").json) == 1


def test_one_that_is_killed_while_another_waits_lets_it_begin(
    cli: Cli, on: Callable[..., list[str]], busy: Background, background: Background
) -> None:
    first = busy("web1")
    waits = background(*on("web1", "--lock-wait", "60"))
    assert waits.stderr is not None
    wait_for(lambda: "waiting for web1" in waits.stderr.readline())  # type: ignore[union-attr]
    first.kill()
    first.communicate()
    assert waits.wait(20) == 0
    assert [run["status"] for run in cli("runs", "list", "-o", "json").json] == ["succeeded", "lost"]


def test_stacks_are_shared_by_their_hosts_and_not_by_their_makers(
    cli: Cli, on: Callable[..., list[str]], busy: Background, background: Background, tmp_path: Path
) -> None:
    cli.scenario("shop", deploy=SLOW)
    cli.environment |= {"MARK": str(tmp_path / "mark"), "LONG": "1"}
    config = cli.home / "config.toml"
    # Then the hosts of the file are those of the cloud the stack is on.
    config.write_text(config.read_text().replace("clouds.here", "clouds.files").replace('"here"', '"files"'))
    words = ["run", "scenario", "shop"]
    busy("web3")
    refused = cli(*words)
    assert refused.code == 1
    assert refused.line.startswith("opsctl: Busy: stack shop held by run ")
    assert cli("runs", "cancel", cli("runs", "list", "-o", "json").json[1]["id"]).code == 0

    making = background(*words, env={"LONG": "60"})
    wait_for((tmp_path / "mark").exists)
    assert "Busy: stack shop held by run" in cli(*on("web3")).err
    assert "Busy: stack shop held by run" in cli(*words).line
    assert cli(*words, "--check").code == 0
    making.kill()
    making.communicate()


def test_of_many_that_begin_at_once_one_at_a_time_is_on_the_host(
    cli: Cli, on: Callable[..., list[str]], background: Background, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    do = f"echo in >> {log}; sleep 0.3; echo out >> {log}"
    runs = [background(*on("web1,web2"[: 4 + 5 * (n % 2)], "--lock-wait", "60", do=do)) for n in range(4)]
    results = [json.loads(run.communicate(timeout=60)[0]) for run in runs]
    assert {result["status"] for result in results} == {"succeeded"}
    spans = sorted((result["started"], result["finished"]) for result in results)
    assert all(before[1] <= after[0] for before, after in pairwise(spans))
    assert cli("runs", "locks", "-o", "json").json == []
