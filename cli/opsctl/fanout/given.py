"""What is given to a command besides its words: standard input, and passwords."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

from opsctl.errors import UsageError

LARGEST = 16 * 1024 * 1024
"""Bytes of standard input: each host gets them, and they wait in memory."""


@dataclass(frozen=True, slots=True)
class Passwords:
    """For hosts whose variables have none."""

    ssh: str = field(default="", repr=False)
    become: str = field(default="", repr=False)


def stdin(name: str) -> bytes | None:
    """The content of a file, of our own standard input for `-`; None for no name.

    Raises:
        UsageError: it cannot be read, or is too much.
    """
    if not name:
        return None
    if name == "-" and sys.stdin.isatty():
        raise UsageError("--stdin - reads what opsctl is given, and that is a terminal; give a file or a pipe")
    try:
        if name == "-":
            data = sys.stdin.buffer.read(LARGEST + 1)
        else:
            with Path(name).open("rb") as file:
                data = file.read(LARGEST + 1)
    except OSError as error:
        raise UsageError(f"Cannot read {name}: {error.strerror}") from error
    if len(data) > LARGEST:
        raise UsageError(f"--stdin {name}: more than {LARGEST >> 20} MB; copy it to the hosts first")
    return data


def passwords(*, ssh: bool, become: bool) -> Passwords:
    """From the environment, or, where wished, from the user.

    Raises:
        UsageError: there is no terminal to ask at, or nothing was answered.
    """
    return Passwords(
        _asked("SSH password: ") if ssh else os.environ.get("OPSCTL_SSH_PASSWORD", ""),
        _asked("sudo password: ") if become else os.environ.get("OPSCTL_BECOME_PASSWORD", ""),
    )


def _asked(prompt: str) -> str:
    import getpass

    if not sys.stderr.isatty():
        raise UsageError("There is no terminal to ask for a password; set OPSCTL_SSH_PASSWORD, OPSCTL_BECOME_PASSWORD")
    try:
        answer = getpass.getpass(prompt)
    except EOFError:
        answer = ""
    if not answer or "\n" in answer:
        raise UsageError(f"No {prompt.strip(': ')} was given")
    return answer
