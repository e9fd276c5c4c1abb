# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is run on a host around a command: so that it ends when it must, and its secrets are on no command line. Pure.

The wrapper's standard input stays open while the command runs. Its end, for whatever reason (time is up, ^C, the
program here killed, the network gone), ends the command's whole process group there: TERM, a second later KILL. That
works inside of sudo too, where the one who logged in may not signal. What the command itself is to read comes first on
the same stream, its length said in advance, and waits for it in a file that has no name any more.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.opsctl.cloud.plugins.plugin_utils.ssh.become import asks

_WATCH = """\
( trap '' TERM HUP; while IFS= read -r line; do :; done; kill -TERM 0; sleep 1; kill -KILL 0 ) <&3 >/dev/null 2>&1 &
watch=$!
"""
_PLACE = """\
umask 077
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' 0
trap 'exit 143' HUP INT TERM
"""
_TAKE = """\
head -c {size} <&3 >"$dir"/{name} || exit 1
[ "$(wc -c <"$dir"/{name})" -eq {size} ] || exit 1
"""
_OPEN = """\
exec 4<"$dir"/input
rm -f "$dir"/input
"""
_TELL = """\
if [ -e /dev/log ]; then logger -t %s -- %s </dev/null >/dev/null 2>&1 3<&- & fi
"""


@dataclass(frozen=True)
class Mark:
    """What the host is told of who comes: in the environment, in syslog, and by the first line in sudo's log."""

    tag: str
    """The program, as syslog shows it."""
    variable: str
    """The environment variable that has the id."""
    id: str
    text: str = ""
    """The line in syslog; empty = none. Without secrets."""


@dataclass(frozen=True)
class Command:
    """What is to run on each host."""

    argv: Sequence[str]
    """The command, or the script's name and arguments."""
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    directory: str = ""
    script: bytes | None = field(default=None, repr=False)
    """The script's content; None = a command."""
    stdin: bytes | None = field(default=None, repr=False)
    """What it reads; None = nothing."""
    mark: Mark | None = None


def wrapped(command: Command, become_user: str, word: str, *, asked: bool = False) -> tuple[str, bytes]:
    """The line for the login shell, and what is written to its standard input once the command may begin.

    With `become_user` the first line on each stream is `word`: what comes before or instead of it is sudo's. `asked`:
    there is a password for sudo, which asks for it with the prompt of `become.asks`.
    """
    line = f"/bin/sh -c {shlex.quote(_body(command, word if become_user else ''))}"
    entered = _entered(command)
    if not become_user:
        return line, entered
    how = f"-S -k -p {shlex.quote(asks(word))}" if asked else "-n"
    return f"sudo -H {how} -u {shlex.quote(become_user)} {line}", entered


def plain(command: Command, limit: float) -> tuple[str, bytes]:
    """The same for a way whose standard input ends when all is written: the host itself sees that it ends in time.

    Where the host has no program `timeout` nothing does.
    """
    return f"/bin/sh -c {shlex.quote(_body(command, '', limit))}", _entered(command)


def _entered(command: Command) -> bytes:
    return b"".join((_exports(command), b"\n", command.stdin or b"", command.script or b""))


def _body(command: Command, word: str, limit: float | None = None) -> str:
    parts = ["exec 3<&0 </dev/null\n", "newline='\n'\n", "IFS= read -r given <&3 || exit 1\n", 'eval "$given"\n']
    if word:
        parts.insert(0, f"echo {word}; echo {word} >&2\n")
    if command.mark:
        # First of all, because sudo's log has only the beginning of a long line.
        parts.insert(0, f": {command.mark.tag} {command.mark.id}\n")
        if command.mark.text:
            parts.append(_TELL % (shlex.quote(command.mark.tag), shlex.quote(command.mark.text)))
    argv = shlex.join(command.argv)
    if command.script is not None or command.stdin is not None:
        parts.append(_PLACE)
    if command.stdin is not None:
        parts += [_TAKE.format(size=len(command.stdin), name="input"), _OPEN]
    if command.script is not None:
        name = shlex.quote(command.argv[0])
        parts += [_TAKE.format(size=len(command.script), name=name), f'chmod 700 "$dir"/{name}\n']
        argv = f'"$dir"/{argv}'
    if command.stdin is not None:
        argv = f"{argv} <&4 4<&-"
    if command.directory:
        parts.append(f"cd {shlex.quote(command.directory)} || exit 1\n")
    if limit is not None:
        timeout = "timeout=\nif command -v timeout >/dev/null; then timeout='timeout -k 1 %g'; fi\n" % limit
        return "".join([*parts, timeout, f"$timeout {argv} 3<&-\n"])
    parts += [_WATCH, f"{argv} 3<&-\n", "status=$?\n", "kill -KILL $watch 2>/dev/null\n", "exit $status\n"]
    return "".join(parts)


def _exports(command: Command) -> bytes:
    """One line for `eval`, whatever is in the values."""
    environment = dict(command.environment)
    if command.mark:
        environment[command.mark.variable] = command.mark.id
    words = [f"{name}={_quoted(value)}" for name, value in environment.items()]
    return (f"export {' '.join(words)}" if words else ":").encode("utf-8", "surrogateescape")


def _quoted(value: str) -> str:
    return '"$newline"'.join(shlex.quote(part) for part in value.split("\n"))
