"""What goes wrong on the way to hosts and on them: each is one clear line, and nothing waits or grows without end."""

from __future__ import annotations

import os
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
_START = subprocess.Popen[str]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with sshd(tmp_path_factory.mktemp("sshd")) as found:
        yield found


def _rows(result: Result) -> dict[str, Any]:
    return {row["host"]: row for row in result.json["result"]["hosts"]}


def test_hosts_that_cannot_be_reached_are_told_and_others_go_on(cli: Cli, server: Server, tmp_path: Path) -> None:
    lines = [
        "[bad]",
        "unknown ansible_host=no-such-host.invalid",
        "nokey ansible_ssh_private_key_file=/nonexistent/key",
    ]
    lines += ["badkey ansible_host=127.0.1.3", "badknown ansible_host=127.0.1.4"]
    lines[-1] += f" ansible_ssh_common_args='-o UserKnownHostsFile={tmp_path}'"
    (tmp_path / "broken").write_text("no key\n")
    lines[-2] += f" ansible_ssh_private_key_file={tmp_path / 'broken'}"
    inventory = server.inventory(tmp_path, "\n".join(lines))
    result = cli("run", "command", "-H", "web1,bad", "-i", str(inventory), "-o", "json", "--", "echo", "on")
    assert result.code == 4
    errors = {host: row["error"] for host, row in _rows(result).items()}
    assert errors["web1"] is None
    assert "not known" in errors["unknown"]
    assert errors["nokey"] == "cannot read key /nonexistent/key: No such file or directory"
    assert errors["badkey"].startswith(f"cannot use key {tmp_path / 'broken'}: ")
    assert errors["badknown"] == f"cannot read {tmp_path}: Is a directory"


def test_a_connection_that_is_cut_in_the_middle_is_told(
    cli: Cli, background: Callable[..., _START], server: Server, tmp_path: Path
) -> None:
    script = f"ps -o ppid= -p $PPID >{tmp_path}/new; mv {tmp_path}/new {tmp_path}/pid; echo before; sleep 60"
    words = ["-i", str(server.inventory(tmp_path)), "-o", "json", "--", "sh", "-c", script]
    process = background("run", "command", "-H", "web1", *words)
    wait_for((tmp_path / "pid").exists)
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
    out, err = process.communicate(timeout=30)
    row = _rows(Result(process.returncode, out, err))["web1"]
    assert process.returncode == 4
    assert row["error"].startswith("connection lost while it ran")


def test_output_without_end_stays_out_of_memory(cli: Cli, server: Server, tmp_path: Path) -> None:
    words = ["run", "command", "-H", "web1,web2", "-i", str(server.inventory(tmp_path)), "--timeout", "4"]
    command = cli.command(*words, "-o", "json", "--", "sh", "-c", "tr '\\0' x </dev/zero")
    with (tmp_path / "out").open("wb") as out:
        process = subprocess.Popen(command, env=cli.environ(), stdout=out, stderr=subprocess.DEVNULL)
        peak = 0
        while process.poll() is None:
            status = Path(f"/proc/{process.pid}/status").read_text()
            peak = max([peak, *(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))])
            try:
                process.wait(0.1)
            except subprocess.TimeoutExpired:
                continue
    assert process.returncode == 5
    said = (tmp_path / "out").stat().st_size
    assert said > 4 * 1024 * 1024
    assert peak < 200 * 1024
    journal = next((cli.home / "journal").glob("*.ndjson"))
    assert journal.stat().st_size > said * 0.9


def test_a_login_that_never_comes_is_not_waited_for(cli: Cli, server: Server, tmp_path: Path) -> None:
    with socket.create_server(("127.0.1.5", 0)) as silent:
        line = f"[silent]\nsilent ansible_host=127.0.1.5 ansible_port={silent.getsockname()[1]}"
        inventory = server.inventory(tmp_path, f"{line} ansible_ssh_extra_args='-o ConnectTimeout=1'")
        result = cli("run", "command", "-H", "silent", "-i", str(inventory), "-o", "json", "--", "true")
    assert (result.code, _rows(result)["silent"]["error"]) == (4, "no answer in time")


def test_hosts_behind_one_jump_host_share_the_way_to_it(cli: Cli, server: Server, tmp_path: Path) -> None:
    home = tmp_path / ".ssh"
    home.mkdir(mode=0o700)
    shutil.copy(server.folder / "key", home / "id_ed25519")
    key = " ".join((server.folder / "hostkey.pub").read_text().split()[:2])
    (home / "known_hosts").write_text(f"[127.0.1.9]:{server.port} {key}\n")
    inventory = server.inventory(tmp_path)
    inventory.write_text(inventory.read_text().replace("-o Strict", f"-J root@127.0.1.9:{server.port} -o Strict"))
    before = server.log().count("Accepted publickey")
    words = ["-i", str(inventory), "-o", "json", "--", "sh", "-c", "echo ${SSH_CONNECTION%% *}"]
    result = cli("run", "command", "-H", "web1,web2,web3", *words)
    assert result.code == 0, result.out
    assert server.log().count("Accepted publickey") == before + 4
    # Without its key the jump host is not trusted, and the hosts say where it ended.
    (home / "known_hosts").unlink()
    result = cli("run", "command", "-H", "web1", *words)
    assert result.out, result.err
    assert _rows(result)["web1"]["error"].startswith("jump host root@127.0.1.9:")
