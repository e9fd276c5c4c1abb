"""The talk with the plug-in in Ansible's process (`inside/opsctl_pace.py`) through two FIFOs in the run's directory.

It says, as lines of JSON: {event: hello} before anything else; {event: batch, play, batch, of, hosts, left}; and
{event: rest, number, lockstep, errors, where: batch|play|task, whole, left, batch?, of?, task?}: Ansible rests, nothing
runs, and it waits for `go NUMBER`. It hears: `hold` = rest before the next task, `free` = no need to, `go NUMBER`.
"""

from __future__ import annotations

import json
import os
import re
import select
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from opsctl.pace import story
from opsctl.pace.brake import Brake, Change, End
from opsctl.pace.rate import DEFAULT, Rate
from opsctl.runs.execute import Execution, Job, Outcome, Why
from opsctl.runs.workspace import write

VARIABLE = "OPSCTL_PACE"
_GREETING = 1.0
"""Seconds for the thread that listens: when hosts begin, the plug-in's first word has long been written."""
_INTERRUPTED = "User interrupted execution"
_TEXTS = ("stdout", "stderr", "msg")
OnEvent = Callable[[dict[str, Any]], None]


class Paced:
    """An execution of Ansible with a pace."""

    def __init__(self, job: Job, rate: Rate, brake: Brake, whole: int = 0) -> None:
        """`whole`: how many hosts there are when that is known before; percentages of errors are of these."""
        self._rate, self._brake, self._whole = rate, brake, whole
        folder = job.space / "pace"
        folder.mkdir(mode=0o700)
        self._in, self._out = (_fifo(folder / name) for name in ("said", "heard"))
        settings = {"rate": rate.plain(), "whole": whole, "out": str(folder / "said"), "in": str(folder / "heard")}
        write(folder / "settings.json", json.dumps(settings))
        environment = {**job.environment, VARIABLE: str(folder / "settings.json")}
        self._execution = Execution(replace(job, environment=environment))
        self._over, self._greeted = threading.Event(), threading.Event()
        self._lock = threading.Lock()
        self._rest: dict[str, Any] | None = None
        self._left: list[str] = []
        self._text = ""
        self._on_event: OnEvent = _ignored

    @property
    def why(self) -> Why:
        """Who stopped it."""
        return self._execution.why

    def stop(self, why: Why) -> None:
        """Ask Ansible to stop; the second time, by force."""
        self._execution.stop(why)

    def run(self, on_event: OnEvent) -> Outcome:
        """Run to the end; events come in this thread and in one more."""
        self._on_event = on_event
        thread = threading.Thread(target=self._listen, name="pace", daemon=True)
        thread.start()
        with self._brake.heard(self._changed, self._wake):
            if self._brake.held:
                self._say("hold")
            try:
                outcome = self._execution.run(self._watched(on_event))
            finally:
                self._over.set()
        thread.join()
        for end in (self._in, self._out):
            os.close(end)
        if self._left:
            on_event(story.left(self._left))
        if self._left and not outcome.why and outcome.status:
            # Ansible's own rule.
            self._text = story.ended("batch", "", 0, len(self._left))
        return replace(outcome, text=self._text)

    def _watched(self, on_event: OnEvent) -> OnEvent:
        pattern = self._rate.stop_match
        told = watched(on_event, re.compile(pattern), self._brake) if pattern else on_event

        def watch(event: dict[str, Any]) -> None:
            if event.get("event") == "runner_on_start" and not self._known():
                self._fail("Ansible did not load opsctl's plug-in; `opsctl doctor` says which Ansible it is")
            # No user did: Ansible was interrupted because of what is told already.
            if not (self._text and event.get("event") == "error" and _INTERRUPTED in str(event.get("stdout"))):
                told(event)

        return watch

    def _known(self) -> bool:
        """Whether the plug-in is there, or nothing depends on it: it speaks before any host begins."""
        return self._rate == DEFAULT or bool(self.why) or self._greeted.wait(_GREETING)

    def _listen(self) -> None:
        poller = select.poll()
        poller.register(self._in, select.POLLIN)
        held = b""
        try:
            while poller.poll(100) or not self._over.is_set():
                if poller.poll(0):
                    *lines, held = (held + os.read(self._in, 65536)).split(b"\n")
                    for line in lines:
                        self._take(json.loads(line))
        except Exception as error:
            self._fail(f"the talk with Ansible broke off: {error}")

    def _fail(self, text: str) -> None:
        """A run whose rate cannot be kept does not go on."""
        self._text = f"Cannot keep the rate of this run: {text}"
        self._execution.stop("broken")

    def _take(self, said: dict[str, Any]) -> None:
        if said["event"] == "hello":
            self._greeted.set()
            return
        self._left = said["left"]
        if said["event"] == "batch":
            self._on_event(story.began(said["batch"], said["of"], said["hosts"], said["play"]))
            return
        if said["where"] == "batch":
            self._on_event(story.done(said["batch"], said["of"], said["errors"]))
        allowed = self._rate.allowed(self._whole or said["whole"])
        with self._lock:
            self._rest = said
        if allowed is not None and said["errors"] > allowed:
            self._brake.finish("errors", "")
        elif said["where"] == "batch" and self._rate.pauses(said["batch"]):
            self._brake.hold(story.asks(said["batch"], said["of"]))
        self._wake()

    def _wake(self) -> None:
        """Answer, if Ansible rests and there is an answer."""
        with self._lock:
            rest, end = self._rest, self._brake.end
            if rest is None:
                if end:
                    self._say("hold")
                return
            if not end and self._brake.held:
                return
            self._rest = None
            if end and _stops(end, rest):
                self._text = story.ended(end, self._brake.text, rest["errors"], len(rest["left"]))
                self._execution.stop(end)
            else:
                self._say(f"go {rest['number']}")

    def _changed(self, change: Change) -> None:
        self._on_event(change.event())
        self._say("hold" if change.kind == "paused" else "free")
        self._wake()

    def _say(self, text: str) -> None:
        if not self._over.is_set():
            os.write(self._out, text.encode("ascii") + b"\n")


def watched(on_event: OnEvent, pattern: re.Pattern[str], brake: Brake) -> OnEvent:
    """Hands on events of Ansible, and ends the run when what a host said matches."""

    def watch(event: dict[str, Any]) -> None:
        on_event(event)
        data = event.get("event_data") or {}
        result = data.get("res")
        if str(event.get("event", "")).startswith("runner_") and isinstance(result, Mapping):
            texts = (result.get(name) for name in _TEXTS)
            if any(pattern.search(text) for text in texts if isinstance(text, str)):
                brake.finish("matched", story.match(data.get("host", ""), pattern.pattern))

    return watch


def _stops(end: End, rest: Mapping[str, Any]) -> bool:
    """Whether a run that is to end may end here."""
    if end == "matched":
        # Others do not begin; those that have begun come to their end.
        return rest["where"] != "task" and bool(rest["left"])
    return rest["where"] != "task" or bool(rest["lockstep"])


def _ignored(_event: dict[str, Any]) -> None:
    return None


def _fifo(path: Path) -> int:
    os.mkfifo(path, 0o600)
    # Both ends, so that opening never waits and the other side finds it open whenever it comes.
    return os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
