"""Commands, scripts and playbooks on hosts: a real sshd of this machine, each loopback address a host."""

from __future__ import annotations

import base64
import hashlib
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Cli, Result, wait_for
from tests.cli.sshd import NEEDED, Server, sshd

pytestmark = NEEDED
_LOCAL = "ansible_connection=local ansible_python_interpreter='{{ ansible_playbook_python }}'"
_START = subprocess.Popen[str]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with sshd(tmp_path_factory.mktemp("sshd")) as found:
        yield found


@pytest.fixture
def inventory(server: Server, tmp_path: Path) -> Path:
    return server.inventory(tmp_path)


def _rows(result: Result) -> dict[str, Any]:
    return {row["host"]: row for row in result.json["result"]["hosts"]}


def _ended(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def _stubborn(pid: Path) -> list[str]:
    """A command that writes its number down and does not end when asked."""
    return ["sh", "-c", f"trap '' TERM; echo $$ >{pid}.new; mv {pid}.new {pid}; while :; do sleep 0.1; done"]


def test_hosts_that_say_the_same_are_shown_once(cli: Cli, inventory: Path) -> None:
    result = cli("run", "command", "-H", "web", "-i", str(inventory), "--yes-all", "--", "echo", "a  b")
    assert result.code == 0, result.err
    assert result.out.startswith("20 hosts the same (exit 0): web1, web2, web3,")
    assert "    a  b\n" in result.out
    assert "20 hosts: web1, web2," in result.err.splitlines()[0]
    assert len((inventory.parent / "known").read_text().splitlines()) == 20


def test_the_targets_are_recorded_before_anything_runs(cli: Cli, inventory: Path) -> None:
    result = cli("run", "command", "-H", "web[1:2]", "-i", str(inventory), "-o", "json", "--", "true").json
    assert result["targets"]["hosts"] == ["web2", "web3"]
    assert len(result["targets"]["digest"]) == 64
    records = cli("audit", "list", "--run", result["id"], "-o", "json").json
    asked = next(record for record in records if record["kind"] == "asked")
    assert asked["data"]["targets"] == result["targets"]


def test_what_differs_and_fails_is_told_by_host(cli: Cli, inventory: Path) -> None:
    script = 'case "$SSH_CONNECTION" in *127.0.1.3*) echo no >&2; exit 9;; esac; echo yes'
    hosts = "web1,web2,web3"
    result = cli("run", "command", "-H", hosts, "-i", str(inventory), "-o", "json", "--", "sh", "-c", script)
    assert result.code == 3
    rows = _rows(result)
    assert (rows["web1"]["rc"], rows["web1"]["stdout"], rows["web1"]["error"]) == (0, "yes\n", None)
    assert (rows["web3"]["rc"], rows["web3"]["stderr"], rows["web3"]["error"]) == (9, "no\n", "exit status 9: no")


def test_a_closed_port_is_unreachable(cli: Cli, server: Server, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        closed = probe.getsockname()[1]
    inventory = server.inventory(tmp_path, f"[away]\ngone ansible_host=127.0.1.21 ansible_port={closed}")
    result = cli("run", "command", "-H", "gone,web1", "-i", str(inventory), "-o", "json", "--", "true")
    assert result.code == 4
    assert _rows(result)["gone"]["error"]
    assert _rows(result)["web1"]["rc"] == 0


def test_a_timeout_ends_the_command_on_the_host(cli: Cli, inventory: Path, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    words = ["-i", str(inventory), "--timeout", "2", "-o", "json", "--", *_stubborn(pid)]
    result = cli("run", "command", "-H", "web1", *words)
    assert result.code == 5
    assert _rows(result)["web1"]["error"] == "timed out after 2 s"
    assert wait_for(lambda: _ended(int(pid.read_text())), 5)


def test_a_changed_host_key_is_refused(cli: Cli, server: Server, inventory: Path) -> None:
    other = (server.folder / "key.pub").read_text().split()[:2]
    (inventory.parent / "known").write_text(f"[127.0.1.1]:{server.port} {' '.join(other)}\n")
    result = cli("run", "command", "-H", "web1,web2", "-i", str(inventory), "-o", "json", "--", "true")
    assert result.code == 4
    assert "has changed" in _rows(result)["web1"]["error"]
    assert _rows(result)["web2"]["rc"] == 0


def test_an_unknown_key_is_refused_where_keys_may_not_be_learned(cli: Cli, inventory: Path) -> None:
    inventory.write_text(inventory.read_text().replace("accept-new", "yes"))
    result = cli("run", "command", "-H", "web1", "-i", str(inventory), "-o", "json", "--", "true")
    assert result.code == 4
    assert "is not known" in _rows(result)["web1"]["error"]


def test_output_that_is_no_text_survives(cli: Cli, inventory: Path) -> None:
    words = ["-i", str(inventory), "-o", "json", "--", "printf", r"a\377\000\n"]
    row = _rows(cli("run", "command", "-H", "web1", *words))["web1"]
    assert base64.b64decode(row["stdout_base64"]) == b"a\xff\0\n"
    assert cli("runs", "logs", "last").out.splitlines()[-1] == "web1 | a\\xff\0"


def test_much_output_is_kept_whole(cli: Cli, inventory: Path) -> None:
    words = ["-i", str(inventory), "-o", "json", "--", "sh", "-c", "yes 0123456789abcde | head -c 5000000"]
    row = _rows(cli("run", "command", "-H", "web1", *words))["web1"]
    assert row["stdout"] == ("0123456789abcde\n" * 312_500)[:5_000_000]


def test_interrupted_it_ends_the_command_too(
    cli: Cli, background: Callable[..., _START], inventory: Path, tmp_path: Path
) -> None:
    pid = tmp_path / "pid"
    process = background("run", "command", "-H", "web1", "-i", str(inventory), "--", *_stubborn(pid))
    wait_for(pid.exists)
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130
    assert wait_for(lambda: _ended(int(pid.read_text())), 5)
    assert cli("runs", "show", "last", "-o", "json").json["status"] == "canceled"


def test_killed_it_is_lost_and_the_command_ends_all_the_same(
    cli: Cli, background: Callable[..., _START], inventory: Path, tmp_path: Path
) -> None:
    pid = tmp_path / "pid"
    process = background("run", "command", "-H", "web1", "-i", str(inventory), "--", *_stubborn(pid))
    wait_for(pid.exists)
    process.kill()
    assert wait_for(lambda: _ended(int(pid.read_text())), 10)
    assert cli("runs", "show", "last", "-o", "json").json["status"] == "lost"


def test_secrets_of_the_environment_arrive_and_are_recorded_nowhere(cli: Cli, inventory: Path) -> None:
    words = ["-i", str(inventory), "--env", "DB_PASSWORD=canary-4711", "-o", "json", "--", "sh", "-c"]
    result = cli("run", "command", "-H", "web1", *words, "echo $DB_PASSWORD; test $DB_PASSWORD = canary-4711")
    assert result.code == 0
    assert _rows(result)["web1"]["stdout"] == "******\n"
    kept = [path for path in cli.home.rglob("*") if path.is_file() and b"canary-4711" in path.read_bytes()]
    assert kept == []


def test_a_script_runs_with_its_arguments(cli: Cli, inventory: Path, tmp_path: Path) -> None:
    script = tmp_path / "say.sh"
    script.write_text('#!/bin/sh\necho "$1 from $PWD"\n')
    result = cli("run", "script", str(script), "a b", "-H", "web1", "-i", str(inventory), "--chdir", "/usr")
    assert result.code == 0, result.err
    assert "    a b from /usr\n" in result.out


def test_a_host_of_another_connection_is_reached_through_ansible(cli: Cli, server: Server, tmp_path: Path) -> None:
    inventory = server.inventory(tmp_path, f"[here]\nme {_LOCAL}")
    result = cli("run", "command", "-H", "me,web1", "-i", str(inventory), "-o", "json", "--", "echo", "{{ x }}")
    assert result.code == 0, result.err
    assert "1 of 2 hosts are reached through Ansible (me: its connection is local)" in result.err
    assert {host: row["stdout"].strip() for host, row in _rows(result).items()} == {"me": "{{ x }}", "web1": "{{ x }}"}


def test_a_playbook_touches_only_the_hosts_found(cli: Cli, server: Server, tmp_path: Path) -> None:
    inventory = server.inventory(tmp_path, f"[here]\nme1 {_LOCAL}\nme2 {_LOCAL}")
    playbook = tmp_path / "play.yml"
    playbook.write_text(
        "- name: Say\n  hosts: here\n  gather_facts: false\n"
        "  tasks:\n    - name: Say it\n      ansible.builtin.debug:\n        msg: '{{ x }}'\n"
    )
    words = ["-i", str(inventory), "-e", "x=1", "-o", "json"]
    result = cli("run", "playbook", str(playbook), "--hosts", "me2,web1", *words)
    assert result.code == 0, result.err
    assert list(result.json["hosts"]) == ["me2"]
    assert result.json["targets"]["hosts"] == ["me2", "web1"]


@pytest.mark.parametrize("pattern", [[], ["-H", "all"], ["-H", "web"], ["-H", "web*"]])
def test_all_hosts_must_be_meant(cli: Cli, inventory: Path, pattern: list[str]) -> None:
    result = cli("run", "command", *pattern, "-i", str(inventory), "--", "true")
    assert result.code == 2
    assert "means all 20 hosts" in result.line
    assert cli("runs", "list", "-o", "json").json == []


def test_a_pattern_without_hosts_is_one_line(cli: Cli, inventory: Path) -> None:
    result = cli("run", "command", "-H", "nobody", "-i", str(inventory), "--", "true")
    assert (result.code, result.line) == (2, "opsctl: No host matches 'nobody'; `opsctl inventory` shows the cloud's")


@pytest.mark.skipif(shutil.which("sudo") is None, reason="needs sudo on this machine")
def test_become_is_somebody_else_and_a_refusal_is_told(cli: Cli, server: Server, tmp_path: Path) -> None:
    more = "[other]\nweb1 ansible_become_user=nobody\nweb2 ansible_become_user=no-such-user"
    words = ["-i", str(server.inventory(tmp_path, more)), "--become", "-o", "json", "--", "id", "-un"]
    result = cli("run", "command", "-H", "web1,web2", *words)
    assert result.code == 3, result.err
    assert _rows(result)["web1"]["stdout"] == "nobody\n"
    assert "cannot become no-such-user" in _rows(result)["web2"]["error"]


_INPUT = bytes(range(256)) * 1000


def test_what_a_command_reads_arrives_on_every_host(cli: Cli, server: Server, tmp_path: Path) -> None:
    inventory, data = server.inventory(tmp_path, f"[here]\nme {_LOCAL}"), tmp_path / "data"
    data.write_bytes(_INPUT)
    words = ["-i", str(inventory), "--stdin", str(data), "-o", "json", "--", "sha256sum"]
    result = cli("run", "command", "-H", "web1,web2,me", *words)
    assert result.code == 0, result.err
    said = hashlib.sha256(_INPUT).hexdigest() + "  -"
    assert {host: row["stdout"].strip() for host, row in _rows(result).items()} == dict.fromkeys(_HOSTS, said)
    assert not list(Path("/tmp").glob(".opsctl-*"))


_HOSTS = ("web1", "web2", "me")


def test_a_script_reads_what_opsctl_is_given(cli: Cli, server: Server, tmp_path: Path) -> None:
    inventory, script = server.inventory(tmp_path, f"[here]\nme {_LOCAL}"), tmp_path / "count.sh"
    script.write_text("#!/bin/sh\necho $1; wc -c\n")
    words = [str(script), "-H", "web1,web2,me", "-i", str(inventory), "--stdin", "-", "-o", "json", "a b"]
    result = cli("run", "script", *words, stdin="one\ntwo\n")
    assert result.code == 0, result.err
    assert [_rows(result)[host]["stdout"].split() for host in _HOSTS] == [["a", "b", "8"]] * 3


def test_too_much_to_read_is_refused_before_anything_runs(cli: Cli, inventory: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    with data.open("wb") as file:
        file.truncate(16 * 1024 * 1024 + 1)
    result = cli("run", "command", "-H", "web1", "-i", str(inventory), "--stdin", str(data), "--", "true")
    assert (result.code, result.line) == (2, f"opsctl: --stdin {data}: more than 16 MB; copy it to the hosts first")
    assert cli("runs", "list", "-o", "json").json == []
