"""A process that has loaded all that runs need, and forks one child for each: a run starts in milliseconds.

    python -m opsctl.alerts.remedy.nursery FD

FD is one end of a socket pair that keeps messages apart (SOCK_SEQPACKET): orders come in, what children say and how
they ended goes out, as JSON. It has one thread, for forking is safe only then. When the other end is gone it takes no
more orders and ends with its last child: a remediation is not left half done because its service was restarted.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

LARGEST = 128 * 1024
"""Bytes of one message."""


def main() -> None:
    """Until nobody wants anything more."""
    link = socket.socket(fileno=int(sys.argv[1]))
    _preload()
    # Children share what is there now; what is never collected is never copied.
    gc.freeze()
    _tell(link, {"said": "ready"})
    _Nursery(link).serve()


def _preload() -> None:
    import opsctl.alerts.remedy.child
    import opsctl.approvals.gate
    import opsctl.fanout.execute
    import opsctl.parameters
    import opsctl.policy.load
    import opsctl.scenarios  # noqa: F401
    from opsctl.runs.execute import warm

    warm()


class _Nursery:
    """Its children, by the file that tells of their end."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        self._children: dict[int, tuple[int, str]] = {}
        self._poll = select.poll()
        self._poll.register(link, select.POLLIN)

    def serve(self) -> None:
        open_ = True
        while open_ or self._children:
            for file, _what in self._poll.poll():
                if file in self._children:
                    self._ended(file)
                elif not (open_ := self._order()):
                    self._poll.unregister(self._link)

    def _order(self) -> bool:
        try:
            message = self._link.recv(LARGEST)
        except OSError:
            message = b""
        if message:
            self._fork(json.loads(message))
        return bool(message)

    def _fork(self, order: Mapping[str, Any]) -> None:
        run = str(order["run"])
        child = os.fork()
        if child == 0:
            code = 1
            try:
                for file in self._children:
                    os.close(file)
                _child(self._link, order)
                code = 0
            finally:
                # Nothing of the parent's is flushed or cleaned up twice.
                os._exit(code)
        file = os.pidfd_open(child)
        self._children[file] = (child, run)
        self._poll.register(file, select.POLLIN)
        _tell(self._link, {"run": run, "said": "forked", "pid": child})

    def _ended(self, file: int) -> None:
        child, run = self._children.pop(file)
        self._poll.unregister(file)
        os.close(file)
        _pid, status = os.waitpid(child, 0)
        _tell(self._link, {"run": run, "said": "ended", "status": os.waitstatus_to_exitcode(status)})


def _child(link: socket.socket, order: Mapping[str, Any]) -> None:
    from opsctl.alerts.remedy.child import perform

    # A session of its own: what ends the nursery is not meant for a run.
    os.setsid()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    try:
        perform(order, lambda said: _tell(link, said))
    except KeyboardInterrupt:
        _tell(link, {"run": order["run"], "said": "error", "kind": "failed", "text": "canceled"})
    except BaseException as error:
        text = f"{type(error).__name__}: {error}"
        _tell(link, {"run": order["run"], "said": "error", "kind": "failed", "text": " ".join(text.split())[:2000]})
        raise


def _tell(link: socket.socket, said: Mapping[str, Any]) -> None:
    # Whoever asked may be gone: the records say all that matters.
    with suppress(OSError):
        link.send(json.dumps(said).encode("ascii"))


if __name__ == "__main__":
    main()
