"""The receiver's socket and thread."""

from __future__ import annotations

import socket
import sys
import threading
from typing import Any

from opsctl.alerts.receiver.app import Intake
from opsctl.errors import OpsctlError
from opsctl.localcloud.gateway.serve import Server

_START = 20.0
"""Seconds until it serves."""
_GRACE = 5.0
"""Seconds that messages in progress get when it stops."""
_BACKLOG = 1024
_TURN = 0.0005
"""Seconds that a thread computes while others want to."""


class Receiver:
    """Serves in a thread of its own from `start` to `stop`."""

    def __init__(self, intake: Intake, address: tuple[str, int]) -> None:
        """Binds the address at once.

        Raises:
            OpsctlError: that cannot be done.
        """
        self.intake = intake
        self._socket = _bound(address)
        self._server = Server(intake.app(), _GRACE)
        self._thread = threading.Thread(target=self._run, name="opsctl-receiver", daemon=True)

    @property
    def url(self) -> str:
        """Where it is, e.g. `http://127.0.0.1:8470`."""
        host, port = self._socket.getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    @property
    def alive(self) -> bool:
        """Whether it serves."""
        return self._thread.is_alive() and self._server.started

    def start(self) -> None:
        """Serve; returns when connections are accepted.

        Raises:
            OpsctlError: it does not come up.
        """
        # Threads that compute let this one go on ten times sooner than is usual: it has to do with others that wait.
        sys.setswitchinterval(_TURN)
        self._thread.start()
        waited = threading.Event()
        for _ in range(int(_START / 0.02)):
            if self._server.started:
                return
            if not self._thread.is_alive():
                break
            waited.wait(0.02)
        raise OpsctlError(f"The receiver of alerts did not come up at {self.url}")

    def stop(self) -> None:
        """Take nothing more; messages in progress are finished."""
        self._server.stop()
        if self._thread.ident is not None:
            self._thread.join(2 * _GRACE)
        self._socket.close()

    def __enter__(self) -> Receiver:
        self.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.stop()

    def _run(self) -> None:
        self._server.run(sockets=[self._socket])


def _bound(address: tuple[str, int]) -> socket.socket:
    host, port = address
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, kind, protocol)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(place)
            bound.listen(_BACKLOG)
        except OSError:
            bound.close()
            raise
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or "no such address"
        raise OpsctlError(f"Cannot listen at {host}:{port}: {why}; set alerts.listen to another HOST:PORT") from None
    return bound
