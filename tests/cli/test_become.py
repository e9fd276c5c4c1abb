"""Passwords for SSH and sudo, and what hosts are told of the run: with an sshd whose users have passwords."""

from __future__ import annotations

import shutil
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pexpect  # type: ignore[import-untyped]
import pytest

from tests.cli.conftest import Cli, Result, wait_for
from tests.cli.sshd import ADMIN, LOGIN, NEEDED, PASSWORD, Server, guarded

pytestmark = [*NEEDED, pytest.mark.skipif(shutil.which("sudo") is None, reason="needs sudo on this machine")]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with guarded(tmp_path_factory.mktemp("guarded")) as found:
        yield found


def _rows(result: Result) -> dict[str, Any]:
    return {row["host"]: row for row in result.json["result"]["hosts"]}


def _with(**passwords: str) -> dict[str, str]:
    return {f"OPSCTL_{name.upper()}_PASSWORD": value for name, value in passwords.items()}


def test_passwords_of_the_environment_reach_ssh_and_sudo(cli: Cli, server: Server, tmp_path: Path) -> None:
    words = ["-i", str(server.inventory(tmp_path, login=LOGIN, key=False)), "-b", "-o", "json", "--", "sh", "-c"]
    command = "id -un; cat /proc/[0-9]*/cmdline | tr '\\0' ' '"
    result = cli("run", "command", "-H", "web1", *words, command, env=_with(ssh=PASSWORD, become=PASSWORD))
    assert result.code == 0, result.err
    assert _rows(result)["web1"]["stdout"].startswith("root\n")
    # On no command line: neither as it is nor, where it was recorded, as the mask that would stand in its place.
    assert PASSWORD not in result.out
    assert "****" not in _rows(result)["web1"]["stdout"]
    assert [p for p in cli.home.rglob("*") if p.is_file() and PASSWORD.encode() in p.read_bytes()] == []


def test_passwords_of_the_inventory_win(cli: Cli, server: Server, tmp_path: Path) -> None:
    more = f"ansible_password={PASSWORD}\nansible_become_password={PASSWORD}"
    words = ["-i", str(server.inventory(tmp_path, more, login=LOGIN, key=False)), "-b", "-o", "json"]
    result = cli("run", "command", "-H", "web1", *words, "--", "id", "-un", env=_with(ssh="wrong", become="wrong"))
    assert _rows(result)["web1"]["stdout"] == "root\n"


def test_a_wrong_ssh_password_is_one_line(cli: Cli, server: Server, tmp_path: Path) -> None:
    words = ["-i", str(server.inventory(tmp_path, login=LOGIN, key=False)), "-o", "json", "--", "true"]
    result = cli("run", "command", "-H", "web1", *words, env=_with(ssh="wrong-4713"))
    assert result.code == 4
    assert _rows(result)["web1"]["error"] == "permission denied: no key or password of ours is accepted"


def test_a_wrong_become_password_is_one_line_and_soon(cli: Cli, server: Server, tmp_path: Path) -> None:
    inventory = server.inventory(tmp_path, f"ansible_password={PASSWORD}", login=LOGIN, key=False)
    words = ["-i", str(inventory), "-b", "-o", "json", "--", "true"]
    result = cli("run", "command", "-H", "web1", *words, env=_with(become="wrong-4713"))
    assert result.code == 3
    assert _rows(result)["web1"]["error"] == "cannot become root: wrong password"
    assert _rows(result)["web1"]["seconds"] < 20


def test_without_the_password_sudo_says_what_it_wants(cli: Cli, server: Server, tmp_path: Path) -> None:
    inventory = server.inventory(tmp_path, f"ansible_password={PASSWORD}", login=LOGIN, key=False)
    result = cli("run", "command", "-H", "web1", "-i", str(inventory), "-b", "-o", "json", "--", "true")
    assert _rows(result)["web1"]["error"] == "cannot become root: sudo: a password is required"


def test_a_password_that_is_not_needed_is_not_run(cli: Cli, server: Server, tmp_path: Path) -> None:
    inventory = server.inventory(tmp_path, f"ansible_password={PASSWORD}", login=ADMIN, key=False)
    words = ["-i", str(inventory), "-b", "-o", "json", "--", "id", "-un"]
    made = tmp_path / "made"
    result = cli("run", "command", "-H", "web1", *words, env=_with(become=f"touch {made}"))
    assert _rows(result)["web1"]["stdout"] == "root\n"
    assert not made.exists()


def test_passwords_are_asked_for_at_a_terminal(cli: Cli, server: Server, tmp_path: Path) -> None:
    inventory = server.inventory(tmp_path, login=LOGIN, key=False)
    words = ["-m", "opsctl", "run", "command", "-k", "-K", "-b", "-H", "web1", "-i", str(inventory), "--", "id", "-un"]
    child = pexpect.spawn(sys.executable, words, env=cli.environ(), timeout=60, encoding="utf-8")
    child.expect_exact("SSH password: ")
    child.sendline(PASSWORD)
    child.expect_exact("sudo password: ")
    child.sendline(PASSWORD)
    child.expect_exact("    root")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0


def test_without_a_terminal_nothing_is_asked(cli: Cli, server: Server, tmp_path: Path) -> None:
    result = cli("run", "command", "-k", "-H", "web1", "-i", str(server.inventory(tmp_path)), "--", "true")
    assert result.code == 2
    assert "no terminal to ask for a password" in result.err


def test_the_host_knows_which_run_it_was(cli: Cli, server: Server, tmp_path: Path) -> None:
    inventory = server.inventory(tmp_path, f"ansible_password={PASSWORD}", login=ADMIN, key=False)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as syslog:
        syslog.bind(str(server.folder / "syslog"))
        (server.folder / "syslog").chmod(0o666)
        syslog.settimeout(20)
        words = ["-b", "--env", "DB_PASSWORD=canary-4711", "-o", "json", "--", "sh", "-c", "echo $OPSCTL_RUN_ID"]
        result = cli("run", "command", "-H", "web1", "-i", str(inventory), *words, "canary-4711")
        run = result.json["id"]
        assert _rows(result)["web1"]["stdout"] == f"{run}\n"
        assert f"opsctl: run={run} root: sh -c 'echo $OPSCTL_RUN_ID' ******" in _said(syslog)
        wait_for(lambda: run in (server.folder / "sudo.log").read_text())
        result = cli("run", "command", "-H", "web1", "-i", str(inventory), *words, env={"OPSCTL_MARK_HOSTS": "false"})
        assert _rows(result)["web1"]["stdout"] == "\n"
        assert result.json["id"] not in (server.folder / "sudo.log").read_text()
        syslog.settimeout(0.5)
        with pytest.raises(TimeoutError):
            _said(syslog)


def _said(syslog: socket.socket) -> str:
    """The next line of opsctl's; sudo and PAM have theirs."""
    while "opsctl: " not in (line := syslog.recv(4096).decode()):
        continue
    return line
