"""The wrapper around a command, run by a real shell of this machine."""

from __future__ import annotations

import subprocess

from hypothesis import given, settings
from hypothesis import strategies as some

from opsctl.fanout.remote import Command, wrapped

_VALUES = some.text(some.characters(exclude_characters="\0\r", exclude_categories=["Cs"]), max_size=40)


def _run(command: Command) -> subprocess.CompletedProcess[bytes]:
    """As on a host: its standard input stays open while it runs."""
    line, given_ = wrapped(command, "", "", "")
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
    line, given_ = wrapped(Command(("id",), {"TOKEN": "hunter2"}), "root", "s3cret", "mark")
    assert "hunter2" not in line
    assert "s3cret" not in line
    assert given_.startswith(b"s3cret\n")


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


def test_the_end_of_its_input_ends_even_what_ignores_being_asked() -> None:
    line, given_ = wrapped(Command(("sh", "-c", "trap '' TERM; echo on; while :; do sleep 0.1; done")), "", "", "")
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
