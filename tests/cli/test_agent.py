"""Connections that are kept between runs: by a real agent, to a real sshd."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import tempfile
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


@pytest.fixture
def cli(cli: Cli) -> Iterator[Cli]:
    """With a runtime directory as short as real ones are: the path of a socket has 107 bytes at most."""
    with tempfile.TemporaryDirectory(prefix="opsctl-", dir="/tmp") as folder:
        cli.environment["XDG_RUNTIME_DIR"] = folder
        yield cli


@pytest.fixture
def inventory(server: Server, tmp_path: Path) -> Path:
    return server.inventory(tmp_path)


@pytest.fixture
def agent(cli: Cli) -> Iterator[int]:
    """Its process id."""
    started = cli("agent", "start", "-o", "json", env={"OPSCTL_SSH_PASSWORD": "canary-4714"})
    assert started.code == 0, started.err
    pid = int(started.json["pid"])
    yield pid
    if Path(f"/proc/{pid}").exists():
        os.kill(pid, signal.SIGKILL)


def _status(cli: Cli) -> dict[str, Any]:
    found: dict[str, Any] = cli("agent", "status", "-o", "json").json
    return found


def _rows(result: Result) -> dict[str, Any]:
    return {row["host"]: row for row in result.json["result"]["hosts"]}


def _run(cli: Cli, inventory: Path, hosts: str, *words: str) -> Result:
    return cli("run", "command", "-H", hosts, "-i", str(inventory), "-o", "json", "--", *words)


def _socket(cli: Cli) -> Path:
    return Path(cli.environment["XDG_RUNTIME_DIR"], "opsctl-agent", "socket")


def _logins(server: Server) -> int:
    return server.log().count("Accepted publickey")


def test_the_second_run_logs_in_nowhere(cli: Cli, server: Server, inventory: Path, agent: int) -> None:
    before = _logins(server)
    for _time in range(3):
        result = _run(cli, inventory, "web1,web2", "sh", "-c", "echo out; echo err >&2; exit 3")
        rows = _rows(result)
        assert [(of["rc"], of["stdout"], of["stderr"]) for of in rows.values()] == [(3, "out\n", "err\n")] * 2
        assert f"Connections are kept by the agent (process {agent})" in result.err
    assert _logins(server) == before + 2
    assert _status(cli)["commands"] == {"over_kept": 4, "over_new": 2}


def test_it_is_not_used_when_it_is_switched_off(cli: Cli, server: Server, inventory: Path, agent: int) -> None:
    result = cli("run", "command", "-H", "web1", "-i", str(inventory), "--", "true", env={"OPSCTL_AGENT": "off"})
    assert result.code == 0
    assert "agent" not in result.err
    assert _status(cli)["commands"] == {"over_kept": 0, "over_new": 0}


def test_input_much_output_and_bytes_go_through(cli: Cli, inventory: Path, agent: int, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.write_bytes(bytes(range(256)) * 8000)
    words = ["--stdin", str(data), "-o", "json", "--", "sh", "-c", "cat; echo end >&2"]
    for _time in range(2):
        row = _rows(cli("run", "command", "-H", "web1", "-i", str(inventory), *words))["web1"]
        assert row["stderr"] == "end\n"
        assert len(row["stdout_base64"]) == (256 * 8000 + 2) // 3 * 4


def test_other_parameters_are_another_connection(cli: Cli, server: Server, tmp_path: Path, agent: int) -> None:
    before = _logins(server)
    plain = server.inventory(tmp_path)
    assert _run(cli, plain, "web1", "true").code == 0
    folder = tmp_path / "other"
    folder.mkdir()
    # The same host, user and key, but another file of known hosts.
    assert _run(cli, server.inventory(folder), "web1", "true").code == 0
    assert _logins(server) == before + 2
    refused = server.inventory(folder, f"ansible_ssh_private_key_file={server.folder / 'hostkey'}")
    result = _run(cli, refused, "web1", "true")
    assert _rows(result)["web1"]["error"] == "permission denied: no key or password of ours is accepted"


def test_a_key_that_is_no_longer_trusted_is_refused_on_an_open_connection(
    cli: Cli, server: Server, inventory: Path, agent: int
) -> None:
    assert _run(cli, inventory, "web1", "true").code == 0
    other = (server.folder / "key.pub").read_text().split()[:2]
    (inventory.parent / "known").write_text(f"[127.0.1.1]:{server.port} {' '.join(other)}\n")
    result = _run(cli, inventory, "web1", "true")
    assert result.code == 4
    assert "has changed" in _rows(result)["web1"]["error"]


def test_a_dead_connection_is_replaced(cli: Cli, server: Server, inventory: Path, agent: int) -> None:
    assert _run(cli, inventory, "web1", "true").code == 0
    # The server's end of the connection is killed: the process that the command's shell is a child of.
    parent = _rows(_run(cli, inventory, "web1", "sh", "-c", "ps -o ppid= -p $PPID"))["web1"]["stdout"]
    os.kill(int(parent), signal.SIGKILL)
    assert _run(cli, inventory, "web1", "echo", "on").code == 0


def test_a_connection_that_went_silent_is_replaced(cli: Cli, inventory: Path, agent: int) -> None:
    parent = int(_rows(_run(cli, inventory, "web1", "sh", "-c", "ps -o ppid= -p $PPID"))["web1"]["stdout"])
    os.kill(parent, signal.SIGSTOP)
    try:
        assert _run(cli, inventory, "web1", "echo", "on").code == 0
    finally:
        os.kill(parent, signal.SIGKILL)


def test_killed_in_mid_run_its_hosts_are_told_and_the_rest_goes_on(
    cli: Cli, background: Callable[..., _START], inventory: Path, agent: int, tmp_path: Path
) -> None:
    script = f'touch {tmp_path}/began; case "$SSH_CONNECTION" in *127.0.1.1*) sleep 60;; esac'
    words = ["-i", str(inventory), "--forks", "1", "-o", "json", "--", "sh", "-c", script]
    process = background("run", "command", "-H", "web1,web2", *words)
    wait_for((tmp_path / "began").exists)
    os.kill(agent, signal.SIGKILL)
    out, err = process.communicate(timeout=30)
    rows = _rows(Result(process.returncode, out, err))
    assert process.returncode == 4
    assert rows["web1"]["error"] == "connection lost while it ran: the agent is gone"
    assert rows["web2"]["rc"] == 0


def test_an_agent_that_hangs_holds_up_no_run(cli: Cli, inventory: Path, agent: int) -> None:
    os.kill(agent, signal.SIGSTOP)
    result = _run(cli, inventory, "web1,web2", "true")
    assert result.code == 0, result.err
    os.kill(agent, signal.SIGCONT)


def test_a_killed_client_ends_its_command(
    cli: Cli, background: Callable[..., _START], inventory: Path, agent: int, tmp_path: Path
) -> None:
    script = f"echo $$ >{tmp_path}/new; mv {tmp_path}/new {tmp_path}/pid; trap '' TERM; while :; do sleep 0.1; done"
    process = background("run", "command", "-H", "web1", "-i", str(inventory), "--", "sh", "-c", script)
    pid = int(wait_for(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text()))
    process.kill()
    wait_for(lambda: not Path(f"/proc/{pid}").exists(), 10)
    wait_for(lambda: _status(cli)["in_use"] == 0)
    # What a command was torn from is not used for another one.
    assert _status(cli)["kept"] == 0


def test_it_keeps_no_more_than_it_may(cli: Cli, inventory: Path) -> None:
    pid = int(cli("agent", "start", "--max", "2", "-o", "json").json["pid"])
    try:
        assert _run(cli, inventory, "web1,web2,web3,web4,web5", "sleep", "0.5").code == 0
        assert _status(cli)["kept"] <= 2
    finally:
        os.kill(pid, signal.SIGKILL)


def test_it_goes_when_it_is_not_needed(cli: Cli, inventory: Path) -> None:
    pid = int(cli("agent", "start", "--ttl", "1", "-o", "json").json["pid"])
    assert _run(cli, inventory, "web1", "true").code == 0
    wait_for(lambda: not Path(f"/proc/{pid}").exists())
    assert cli("agent", "status").line == "opsctl: the agent does not run; `opsctl agent start` starts it"
    assert not _socket(cli).exists()


def test_stopped_it_lets_what_runs_end(
    cli: Cli, background: Callable[..., _START], inventory: Path, agent: int, tmp_path: Path
) -> None:
    script = f"touch {tmp_path}/began; while [ ! -e {tmp_path}/go ]; do sleep 0.05; done; echo on"
    words = ["-i", str(inventory), "-o", "json", "--", "sh", "-c", script]
    process = background("run", "command", "-H", "web1", *words)
    wait_for((tmp_path / "began").exists)
    assert "goes when the 1 that run have ended" in cli("agent", "stop").err
    assert cli("agent", "status").code == 1
    (tmp_path / "go").touch()
    out, err = process.communicate(timeout=30)
    assert _rows(Result(process.returncode, out, err))["web1"]["stdout"] == "on\n"
    wait_for(lambda: not Path(f"/proc/{agent}").exists())


def test_started_twice_it_is_one(cli: Cli, agent: int) -> None:
    again = cli("agent", "start", "-o", "json")
    assert again.json["pid"] == agent
    assert again.line == "opsctl: the agent runs already, as it was started"


def test_nobody_else_can_speak_to_it(cli: Cli, agent: int) -> None:
    path = _socket(cli)
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    script = f"c.connect('{path}'); c.sendall(b'S' + bytes(4)); print(len(c.recv(9)))"
    for who, answered in (("", True), ("import ctypes; ctypes.CDLL(None).setresuid(65534, 65534, 0); ", False)):
        words = ["python3", "-c", f"import socket; c = socket.socket(socket.AF_UNIX); {who}{script}"]
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=20)
        assert (done.stdout.strip() == "9") == answered, done.stderr


def test_what_is_no_request_does_it_no_harm(cli: Cli, agent: int) -> None:
    for data in (b"", b"GET / HTTP/1.1\r\n\r\n", b"O\0\0\0\2{}", b"O\xff\xff\xff\xff", b"O\0\0\0\4null"):
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(20)
            client.connect(str(_socket(cli)))
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
            assert client.recv(100) == b""
    assert _status(cli)["pid"] == agent


def test_it_has_no_secrets_of_who_started_it(cli: Cli, agent: int) -> None:
    assert b"canary-4714" not in Path(f"/proc/{agent}/environ").read_bytes()
    assert b"HOME=" in Path(f"/proc/{agent}/environ").read_bytes()


def test_a_place_that_others_can_reach_is_not_used(cli: Cli, inventory: Path) -> None:
    _socket(cli).parent.mkdir(mode=0o755)
    assert _run(cli, inventory, "web1", "true").code == 0
    refused = cli("agent", "start")
    assert (refused.code, "must be a directory of yours with mode 0700" in refused.line) == (1, True)


def test_a_place_that_is_too_deep_is_said_in_one_line(cli: Cli, tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 100)
    deep.mkdir(mode=0o700)
    refused = cli("agent", "start", env={"XDG_RUNTIME_DIR": str(deep)})
    assert refused.code == 1
    assert "107 bytes at most; shorten XDG_RUNTIME_DIR" in refused.line
