"""What is run on a host around a command: so that it ends when it must, and its secrets are on no command line. Pure.

The wrapper's standard input stays open while the command runs. Its end, for whatever reason (time is up, ^C, opsctl
killed, the network gone), ends the command's whole process group there: TERM, a second later KILL. That works
inside of sudo too, where the one who logged in may not signal.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

_WATCH = """\
( trap '' TERM HUP; while IFS= read -r line; do :; done; kill -TERM 0; sleep 1; kill -KILL 0 ) <&3 >/dev/null 2>&1 &
watch=$!
"""
_SCRIPT = """\
umask 077
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' 0
trap 'exit 143' HUP INT TERM
head -c {size} <&3 >"$dir"/{name} || exit 1
[ "$(wc -c <"$dir"/{name})" -eq {size} ] || exit 1
chmod 700 "$dir"/{name}
"""


@dataclass(frozen=True, slots=True)
class Command:
    """What is to run on each host."""

    argv: Sequence[str]
    """The command, or the script's name and arguments."""
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    directory: str = ""
    script: bytes | None = field(default=None, repr=False)
    """The script's content; None = a command."""


def wrapped(command: Command, become_user: str, become_password: str, mark: str) -> tuple[str, bytes]:
    """The line for the login shell, and what is written to its standard input at once.

    With `become_user` the first line on standard output is `mark`: what comes before or instead of it is sudo's.
    """
    line = f"/bin/sh -c {shlex.quote(_body(command, mark if become_user else ''))}"
    entered = _exports(command.environment) + b"\n" + (command.script or b"")
    if not become_user:
        return line, entered
    user = shlex.quote(become_user)
    if become_password:
        return f"sudo -H -S -k -p '' -u {user} {line}", become_password.encode() + b"\n" + entered
    return f"sudo -H -n -u {user} {line}", entered


def _body(command: Command, mark: str) -> str:
    parts = ["exec 3<&0 </dev/null\n", "newline='\n'\n", 'IFS= read -r given <&3 && eval "$given"\n']
    if mark:
        parts.insert(0, f"echo {mark}\n")
    argv = shlex.join(command.argv)
    if command.script is not None:
        name = shlex.quote(command.argv[0])
        parts.append(_SCRIPT.format(size=len(command.script), name=name))
        argv = f'"$dir"/{argv}'
    if command.directory:
        parts.append(f"cd {shlex.quote(command.directory)} || exit 1\n")
    parts += [_WATCH, f"{argv} 3<&-\n", "status=$?\n", "kill -KILL $watch 2>/dev/null\n", "exit $status\n"]
    return "".join(parts)


def _exports(environment: Mapping[str, str]) -> bytes:
    """One line for `eval`, whatever is in the values."""
    words = [f"{name}={_quoted(value)}" for name, value in environment.items()]
    return (f"export {' '.join(words)}" if words else ":").encode("utf-8", "surrogateescape")


def _quoted(value: str) -> str:
    return '"$newline"'.join(shlex.quote(part) for part in value.split("\n"))
