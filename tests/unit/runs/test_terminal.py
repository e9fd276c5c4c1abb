"""The terminal waits for what comes late, and not for what never comes."""

from __future__ import annotations

import time

import pexpect

from opsctl.runs.terminal import Terminal, patient


class Slow:
    """Takes its time over everything that is read."""

    def __init__(self) -> None:
        self.taken = ""

    def write(self, text: str) -> None:
        time.sleep(0.1)
        self.taken += text

    def flush(self) -> None: ...


def started(script: str, slow: Slow) -> Terminal:
    child = Terminal("sh", ["-c", script], encoding="utf-8", echo=False, maxread=10)
    child.logfile_read = slow
    return child


def test_all_that_was_said_is_taken_however_long_that_takes() -> None:
    slow = Slow()
    child = started("seq 20", slow)
    assert child.expect(pexpect.EOF, timeout=0.05) == 0
    child.close()
    assert slow.taken.split() == [str(number) for number in range(1, 21)]
    assert child.exitstatus == 0


def test_who_holds_the_terminal_and_says_nothing_is_not_waited_for() -> None:
    slow = Slow()
    child = started("sleep 60 & echo done", slow)
    began = time.monotonic()
    child.expect(pexpect.EOF, timeout=0.3)
    child.close()
    assert time.monotonic() - began < 20
    assert slow.taken.split() == ["done"]


def test_ansible_runner_gets_such_terminals_only_within() -> None:
    before = pexpect.spawn
    with patient():
        assert pexpect.spawn is Terminal
    assert pexpect.spawn is before
