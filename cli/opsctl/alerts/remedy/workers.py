"""The service's end of the nursery: starts it, orders runs, hears what becomes of them; replaces it when it dies."""

from __future__ import annotations

import json
import os
import queue
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from opsctl.alerts.remedy.nursery import LARGEST
from opsctl.errors import OpsctlError

_PAUSE = 1.0
"""Seconds between two attempts to have a nursery."""


class Workers:
    """Orders go in, `heard` has what came of them. Any thread may order."""

    def __init__(self, home: Path, bell: threading.Event | None = None) -> None:
        """Starts the nursery; it is warm a second later, and orders wait for it. `bell`: see below."""
        self._home = home
        self._lock = threading.Lock()
        self._over = False
        self._said: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self.bell = bell or threading.Event()
        """Set when there is something to hear; whoever listens clears it."""
        self.warm = threading.Event()
        self._began = 0.0
        self._link, self._process = self._nursery()

    def order(self, run: str, spec: Mapping[str, Any], *, resume: bool = False) -> None:
        """Have a run conducted. It is no error to order what runs already: the second one finds the first's record.

        Raises:
            OpsctlError: the nursery cannot be reached; nothing was started.
        """
        message = json.dumps({"run": run, "spec": dict(spec), "resume": resume}, default=str).encode("ascii")
        if len(message) > LARGEST:
            raise OpsctlError(f"Run {run} cannot be ordered: its parameters have {len(message)} bytes")
        with self._lock:
            if self._process.poll() is not None and not self._over:
                self._again()
            try:
                self._link.send(message)
            except OSError as error:
                raise OpsctlError(f"Run {run} cannot be ordered: {error.strerror}") from error

    def heard(self) -> list[dict[str, Any]]:
        """What was said since; `run`, `said` (forked, started, error, ended) and what belongs to it."""
        found = []
        with suppress(queue.Empty):
            while True:
                found.append(self._said.get_nowait())
        return found

    def close(self) -> None:
        """Order nothing more. Runs go on to their end, and the nursery with them."""
        with self._lock:
            self._over = True
            # Shut down, not only closed: the listener waits on it.
            with suppress(OSError):
                self._link.shutdown(socket.SHUT_RDWR)
            self._link.close()

    def _nursery(self) -> tuple[socket.socket, subprocess.Popen[bytes]]:
        self._began = time.monotonic()
        self.warm.clear()
        mine, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "opsctl.alerts.remedy.nursery", str(its.fileno())],
                env={**os.environ, "OPSCTL_HOME": str(self._home)},
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(its.fileno(),),
                # A ^C at the service's terminal is for the service.
                start_new_session=True,
            )
        except OSError as error:
            mine.close()
            raise OpsctlError(f"Cannot start {sys.executable}: {error.strerror}") from error
        finally:
            its.close()
        threading.Thread(target=self._listen, args=(mine,), name="nursery", daemon=True).start()
        return mine, process

    def _again(self) -> None:
        time.sleep(max(0.0, self._began + _PAUSE - time.monotonic()))
        self._link.close()
        self._link, self._process = self._nursery()

    def _listen(self, link: socket.socket) -> None:
        while True:
            try:
                message = link.recv(LARGEST)
            except OSError:
                return
            if not message:
                return
            said = json.loads(message)
            if said["said"] == "ready":
                self.warm.set()
            else:
                self._said.put(said)
                self.bell.set()
