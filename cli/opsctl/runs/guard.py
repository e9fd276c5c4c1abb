"""Stands between opsctl and Ansible so that Ansible never outlives the opsctl that started it.

    python guard.py LEASH GRACE -- COMMAND...

LEASH is a FIFO in the run's private directory whose other end opsctl holds open. A byte `i` on it asks the command to
stop, `k` ends it by force, and the leash's end (opsctl is gone, however) is an `i` that becomes a `k` after GRACE
seconds. The guard is the subreaper of the command's whole process tree, so those that made sessions of their own come
back to it and end with the rest. A command that ended by itself may leave processes behind (a service that a task
started); only the connections that Ansible keeps open are closed then.

Runs without opsctl's own packages (`python -I -S`): it must start fast and cannot fail by an import.
"""

from __future__ import annotations

# Importing pathlib takes as long as all the rest.
# ruff: noqa: PTH120, PTH123, PTH208
import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_SIGNALS = (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGQUIT)


def main() -> int:
    """Run the command; its exit status, 128 + signal if one ended it."""
    leash_path, grace, command = sys.argv[1], float(sys.argv[2]), sys.argv[4:]
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    # Signals of the terminal are for opsctl, which says by the leash what to do.
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    leash = os.open(leash_path, os.O_RDONLY | os.O_NONBLOCK)
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, preexec_fn=lambda: _prepare(libc))  # noqa: PLW1509 - one thread
    by_itself = _watch(child, leash, grace)
    if not by_itself:
        child.kill()
    status = child.wait()
    _end(os.path.dirname(leash_path).encode() if by_itself and status >= 0 else b"")
    return 128 - status if status < 0 else status


def _prepare(libc: ctypes.CDLL) -> None:
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _watch(child: subprocess.Popen[bytes], leash: int, grace: float) -> bool:
    """Until the command has ended or must end; whether nobody asked it to."""
    ended = os.pidfd_open(child.pid)
    poller = select.poll()
    poller.register(ended, select.POLLIN)
    poller.register(leash, select.POLLIN | select.POLLHUP)
    deadline = 0.0
    while True:
        left = max(0.0, deadline - time.monotonic()) * 1000 if deadline else None
        ready = dict(poller.poll(left))
        if ended in ready:
            return not deadline
        if leash in ready:
            said = os.read(leash, 16)
            if b"k" in said:
                return False
            if not said:
                poller.unregister(leash)
            if not deadline:
                deadline = time.monotonic() + grace
                with suppress(OSError):
                    os.kill(child.pid, signal.SIGINT)
        if deadline and time.monotonic() >= deadline:
            return False


def _end(mark: bytes) -> None:
    """End every descendant whose command line holds `mark`, again until there is none: the killed hand theirs to us."""
    limit = time.monotonic() + 10
    while time.monotonic() < limit:
        left = [pid for pid in _children() if mark in _command(pid)]
        for pid in left:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        if not left:
            return
        time.sleep(0.005)


def _children() -> list[int]:
    """Processes whose parent is this one and that have not ended."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            with suppress(OSError, IndexError), open(f"/proc/{name}/stat") as file:
                fields = file.read().rpartition(")")[2].split()
                if int(fields[1]) == os.getpid() and fields[0] not in "ZX":
                    found.append(int(name))
    return found


def _command(pid: int) -> bytes:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read()
    except OSError:
        return b""


if __name__ == "__main__":
    sys.exit(main())
