"""The wrapper around a command, run by a real shell of this machine."""

from __future__ import annotations

import asyncio
import resource
import subprocess
import sys

from ansible_collections.opsctl.cloud.plugins.plugin_utils.ssh.become import Become, asks
from ansible_collections.opsctl.cloud.plugins.plugin_utils.ssh.remote import Command, Mark, wrapped
from hypothesis import given, settings
from hypothesis import strategies as some

_VALUES = some.text(some.characters(exclude_characters="\0\r", exclude_categories=["Cs"]), max_size=40)


def _run(command: Command) -> subprocess.CompletedProcess[bytes]:
    """As on a host: its standard input stays open while it runs."""
    line, given_ = wrapped(command, "", "")
    process = subprocess.Popen(
        ["/bin/sh", "-c", line],
        start_new_session=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdin.write(given_)
    process.stdin.flush()
    out, err = process.stdout.read(), process.stderr.read()
    process.wait(20)
    process.stdin.close()
    process.stdout.close()
    process.stderr.close()
    return subprocess.CompletedProcess(line, process.returncode, out, err)


@settings(max_examples=15, deadline=None)
@given(_VALUES, _VALUES)
def test_arguments_and_environment_arrive_as_they_are(word: str, value: str) -> None:
    done = _run(Command(("sh", "-c", 'printf "%s\\0%s" "$1" "$X"', "sh", word), {"X": value}))
    assert done.stdout.decode() == f"{word}\0{value}"
    assert (done.returncode, done.stderr) == (0, b"")


def test_the_environment_is_on_no_command_line() -> None:
    line, given_ = wrapped(Command(("id",), {"TOKEN": "hunter2"}), "root", "mark", asked=True)
    assert "hunter2" not in line
    assert b"hunter2" in given_


def test_the_exit_status_is_the_commands() -> None:
    assert _run(Command(("sh", "-c", "exit 7"))).returncode == 7
    assert _run(Command(("no-such-command",))).returncode == 127


def test_a_directory_that_is_not_there_stops_it() -> None:
    done = _run(Command(("echo", "ran"), directory="/nonexistent"))
    assert (done.returncode, done.stdout) == (1, b"")


def test_a_script_runs_with_its_arguments_and_is_gone_after() -> None:
    script = b'#!/bin/sh\necho "$1"\ndirname "$0"\n'
    out = _run(Command(("do it.sh", "a b"), script=script)).stdout.decode().splitlines()
    assert out[0] == "a b"
    assert subprocess.run(["test", "-e", out[1]], check=False).returncode == 1


@settings(max_examples=15, deadline=None)
@given(some.binary(max_size=200_000), some.booleans())
def test_what_it_is_to_read_arrives_byte_for_byte(data: bytes, as_script: bool) -> None:
    script = b"#!/bin/sh\ncat\n" if as_script else None
    done = _run(Command(("input",) if as_script else ("cat",), stdin=data, script=script))
    assert (done.returncode, done.stdout, done.stderr) == (0, data, b"")


def test_what_it_does_not_read_harms_nobody() -> None:
    assert _run(Command(("echo", "on"), stdin=b"x\n" * 200_000)).stdout == b"on\n"


def test_the_host_is_told_which_run_it_is() -> None:
    command = Command(
        ("printenv", "OPSCTL_RUN_ID"), mark=Mark("opsctl", "OPSCTL_RUN_ID", "0001-id", "run=0001-id it's")
    )
    assert _run(command).stdout == b"0001-id\n"
    line, _given = wrapped(command, "root", "word")
    assert line.split("/bin/sh -c ")[1].startswith("': opsctl 0001-id\n")


def test_without_a_logger_it_runs_all_the_same() -> None:
    command = Command(("/bin/echo", "on"), {"PATH": "/nonexistent"}, mark=Mark("opsctl", "X", "id", "text"))
    assert (_run(command).stdout, _run(command).stderr) == (b"on\n", b"")


def _chat(become: Become, pieces: list[tuple[str, bytes]]) -> tuple[list[bytes], dict[str, bytes]]:
    """What is written to sudo, and what comes through, when it says this."""

    async def chat() -> tuple[list[bytes], dict[str, bytes]]:
        written: list[bytes] = []

        async def write() -> None:
            written.extend([line async for line in become.dialog()])

        task = asyncio.ensure_future(write())
        through = {"stdout": b"", "stderr": b""}
        for stream, data in pieces:
            through[stream] += become.strip(stream, data)
            for _turn in range(3):
                await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return written, through

    return asyncio.run(chat())


def _torn(pieces: list[tuple[str, bytes]], cuts: list[int]) -> list[tuple[str, bytes]]:
    for cut in cuts:
        pieces = [part for s, data in pieces for part in ((s, data[:cut]), (s, data[cut:])) if part[1]]
    return pieces


@given(some.lists(some.integers(1, 40), max_size=4))
def test_sudo_is_told_the_password_once_and_only_when_it_asks(cuts: list[int]) -> None:
    asked = [("stderr", b"lecture\n" + asks("word").encode()), ("stdout", b"word\nout\n"), ("stderr", b"word\nerr\n")]
    become = Become("word", "s3cret")
    assert _chat(become, _torn(asked, cuts)) == ([b"s3cret\n"], {"stdout": b"out\n", "stderr": b"err\n"})
    assert (become.waiting, become.complaint) == (False, "")


def test_sudo_that_needs_no_password_is_not_told_it() -> None:
    pieces = [("stdout", b"word\nout\n"), ("stderr", b"word\n")]
    assert _chat(Become("word", "s3cret"), pieces) == ([], {"stdout": b"out\n", "stderr": b""})


def test_a_password_sudo_does_not_like_is_not_repeated() -> None:
    become = Become("word", "s3cret")
    prompt = asks("word").encode()
    assert _chat(become, [("stderr", prompt), ("stderr", b"Sorry, try again.\n" + prompt)])[0] == [b"s3cret\n"]
    assert become.complaint == "wrong password"


def test_the_end_of_its_input_ends_even_what_ignores_being_asked() -> None:
    line, given_ = wrapped(Command(("sh", "-c", "trap '' TERM; echo on; while :; do sleep 0.1; done")), "", "")
    words = ["/bin/sh", "-c", line]
    with subprocess.Popen(words, start_new_session=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(given_)
        process.stdin.flush()
        assert process.stdout.readline() == b"on\n"
        process.stdin.close()
        # All that could still write must have ended before this comes back.
        assert process.stdout.read() == b""
        assert process.wait(20) != 0


def test_many_hosts_get_the_files_they_need() -> None:
    code = "import resource as r; r.setrlimit(7, (256, r.getrlimit(7)[1])); "
    code += "from opsctl.fanout.ssh import room; room(1000); print(r.getrlimit(7)[0])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert int(done.stdout) == min(2256, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
