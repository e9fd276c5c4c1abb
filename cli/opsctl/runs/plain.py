"""Shows a run as plain lines: for logs, pipes and screens that are no terminal."""

from __future__ import annotations

import queue
import re
import sys
import threading
from typing import Any

from opsctl.output import say
from opsctl.runs.progress import Progress, message
from opsctl.runs.request import RunRequest

_BOUND = 2_000
"""Lines that may wait for a slow reader."""

_LONGEST = 600
"""Characters of a line."""


class Plain:
    """One line for each thing that happens, written by a thread of its own: a reader must not stop the run."""

    def __init__(self) -> None:
        """Begins at once."""
        self.dropped = 0
        self._deaf = False
        self._queue: queue.Queue[str | None] = queue.Queue(_BOUND)
        self._thread = threading.Thread(target=self._write, name="lines", daemon=True)
        self._thread.start()

    def begin(self, request: RunRequest) -> None:
        """Say what is about to run."""
        mode = ", check mode: nothing is changed" if request.check else ""
        say(f"Run {request.id}: {request.content} {request.action} on {request.cloud}{mode}")

    def stopping(self, *, again: bool) -> None:
        """Say that it was heard."""
        self._put("ending it by force" if again else "stopping; ^C again ends it by force")

    def show(self, record: dict[str, Any], progress: Progress) -> None:
        """Queue the record's line; drop it when nobody reads."""
        for text in line(record):
            self._put(cut(text))

    def close(self) -> None:
        """Write what is queued. The run is over: now a slow reader may take his time."""
        if self.dropped:
            self._queue.put(f"({self.dropped} lines not shown; `opsctl runs logs last` has them)")
        self._queue.put(None)
        self._thread.join()

    def _put(self, text: str) -> None:
        try:
            self._queue.put_nowait(text)
        except queue.Full:
            self.dropped += 1

    def _write(self) -> None:
        while (text := self._queue.get()) is not None:
            try:
                if self._deaf:
                    continue
                sys.stderr.write(text + "\n")
                if self._queue.empty():
                    sys.stderr.flush()
            except OSError:
                # The reader has gone; the queue must not fill up for ever.
                self._deaf = True


def cut(text: str) -> str:
    """A line people can read; the journal has all of it."""
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


_HALVES = re.compile("[\ud800-\udc7f\udd00-\udfff]")
"""Halves of characters that stand for no byte: JSON can hold them, nothing can print them."""


def spoken(record: dict[str, Any]) -> str:
    """What a record says to people; bytes that are no text are shown as escapes. Hosts' own output has their names."""
    whole = _HALVES.sub("\ufffd", str(record["stdout"]))
    text = whole.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    if record["event"] != "host_output":
        return text
    mark = "!" if record["data"]["res"]["stream"] == "stderr" else "|"
    return "\n".join(f"{record['host']} {mark} {each}" for each in text.splitlines())


def line(record: dict[str, Any]) -> list[str]:  # noqa: PLR0911 - a table of cases
    """What is worth saying about a record."""
    event, host, task = record["event"], record.get("host", ""), record.get("task", "")
    result = record.get("data", {}).get("res") or {}
    if event == "play_start":
        return [f"PLAY {record.get('play', '')}"]
    if event == "task_start":
        return [f"TASK {task}"]
    if event == "host_ok":
        lost = record.get("data", {}).get("lost")
        return [f"  {'changed' if result.get('changed') else 'ok'}: {host}{f': {lost}' if lost else ''}"]
    if event == "host_failed":
        ignored = " (ignored)" if record.get("data", {}).get("ignore_errors") else ""
        return [f"  FAILED{ignored}: {host}: {task}: {message(result)}"]
    if event == "host_unreachable":
        return [f"  UNREACHABLE: {host}: {task}: {message(result)}"]
    if event == "host_retry":
        return [f"  retrying: {host}: {result.get('attempts', '?')} of {result.get('retries', '?')}"]
    if event == "no_hosts":
        return ["  no hosts matched"]
    if event in ("batch_start", "paused", "continued", "not_started"):
        return [str(record.get("stdout", ""))]
    if event in ("warning", "error"):
        return [f"  {record.get('stdout', '').strip()}"]
    return []
