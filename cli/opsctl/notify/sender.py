"""Delivers what is in the outbox: right away within a short time, and what is left in a process of its own."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from opsctl.clock import now, uuid7
from opsctl.db.engine import Database
from opsctl.errors import ConfigError, OpsctlError
from opsctl.events.redact import Redactor
from opsctl.notify import http, mail
from opsctl.notify.channels import built, refused
from opsctl.notify.config import Channel, Notify
from opsctl.notify.http import Undelivered
from opsctl.notify.message import Message, written
from opsctl.notify.outbox import Notice, Outbox, wait
from opsctl.output import say
from opsctl.runs.process import RUN_VARIABLE

AT_ONCE = 2.0
"""Seconds that a command may spend on notices."""

PATIENCE = 10.0
"""Seconds for one attempt when nobody waits for it."""

_Results = dict[str, tuple[Notice, str, str, float]]


def transmit(channel: Channel, message: Message, timeout: float) -> str:
    """Send one message; what to note although it was taken, mostly nothing.

    Raises:
        Undelivered: it was not taken; nothing secret is said.
    """
    hidden: set[str] = set()
    try:
        secret = channel.secret
        hidden.add(secret)
        if channel.kind == "mail":
            return mail.send(channel, message, secret, timeout)
        url = channel.url
        hidden |= _secrets(url)
        post = built(channel.kind, message, url, secret, time.time())
        status, body = http.send(post, timeout, channel.ca_file)
    except ConfigError as error:
        raise Undelivered(str(error)) from None
    except Undelivered as error:
        raise Undelivered(Redactor(hidden).text(str(error)), error.wait) from None
    if why := refused(channel.kind, status, body):
        raise Undelivered(Redactor(hidden).text(why))
    return ""


def probe(channel: Channel, language: str, timeout: float = PATIENCE) -> str:
    """Send a message that says nothing but that it came; what to note.

    Raises:
        Undelivered: it was not taken.
    """
    data = {"machine": os.uname().nodename}
    return transmit(channel, written(uuid7(), "test", now(), data, channel.language or language), timeout)


class Sender:
    """Delivers the notices of one home."""

    def __init__(self, database: Database, notify: Notify) -> None:
        """Nothing is done yet."""
        self.outbox = Outbox(database)
        self.notify = notify

    def deliver(self, budget: float) -> int:
        """Try what is due, all at once; how many were tried. Takes `budget` seconds at most, and a little."""
        end = time.monotonic() + budget
        taken = self.outbox.take()
        results: _Results = {}
        todo: queue.SimpleQueue[tuple[Notice, str, str, float]] = queue.SimpleQueue()
        started: dict[str, Notice] = {}
        for notice in taken:
            channel = self.notify.channel(notice.channel)
            if channel is None:
                results[notice.id] = (notice, "failed", "there is no channel of this name any more", 0)
                continue
            started[notice.id] = notice
            # Daemons: one that hangs must not hold up the end of the process.
            threading.Thread(target=self._one, args=(notice, channel, budget, todo), daemon=True).start()
        while started and (left := end - time.monotonic()) > 0:
            try:
                done = todo.get(timeout=left)
            except queue.Empty:
                break
            started.pop(done[0].id, None)
            results[done[0].id] = done
        for notice in started.values():
            results[notice.id] = self._failed(notice, f"no answer within {budget:.0f} s", 0)
        self.outbox.settle(results)
        return len(taken)

    def _one(self, notice: Notice, channel: Channel, budget: float, results: queue.SimpleQueue[Any]) -> None:
        try:
            note = transmit(channel, notice.message, budget)
        except Undelivered as error:
            results.put(self._failed(notice, str(error), error.wait))
        except Exception as error:
            results.put(self._failed(notice, f"opsctl failed: {type(error).__name__}", 0))
        else:
            results.put((notice, "delivered", note, 0))

    def _failed(self, notice: Notice, error: str, asked: float) -> tuple[Notice, str, str, float]:
        last = notice.attempts >= self.notify.attempts
        return notice, "failed" if last else "pending", error, 0 if last else wait(notice.attempts, asked)


def flush(home: Path, database: Database, notify: Notify) -> None:
    """Deliver what is due, for two seconds at most; the rest goes on in the background. Never raises."""
    if not notify.channels:
        return
    try:
        sender = Sender(database, notify)
        sender.deliver(AT_ONCE)
        waiting = [notice for notice in sender.outbox.last(50) if notice.status == "pending"]
        for notice in waiting[:3]:
            say(f"opsctl: {notice.channel} was not notified yet: {notice.error}; `opsctl notify status` says more")
        if waiting:
            _background(home)
    except (OpsctlError, OSError) as error:
        say(f"opsctl: notices could not be sent: {error}; `opsctl notify retry` tries again")


def _background(home: Path) -> None:
    environment: Mapping[str, str] = {
        **{name: value for name, value in os.environ.items() if name != RUN_VARIABLE},
        "OPSCTL_HOME": str(home),
    }
    subprocess.Popen(
        [sys.executable, "-m", "opsctl.notify.background"],
        env=environment,
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _secrets(url: str) -> set[str]:
    """What of a URL must not be seen: all but its host."""
    try:
        parts = urlsplit(url)
        values = {value for _, value in parse_qsl(parts.query)}
    except ValueError:
        return {url}
    segments = {part for part in parts.path.split("/") if len(part) >= 8}
    return {url, parts.path + "?" + parts.query, *values, *segments, parts.password or "", parts.query} - {"", "?"}
