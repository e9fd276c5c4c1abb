"""Lets Ansible go over its hosts in batches, and rest between batches and tasks until opsctl says that it goes on.

Works in Ansible's process; the other end of the talk, and its shape, is `opsctl.pace.talk`. While it waits here nothing
runs on any host: both strategies that go task by task have all results of the last task by then.
"""

from __future__ import annotations

import functools
import json
import os
import select
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase

from opsctl.pace.batches import serial, sizes
from opsctl.pace.rate import Rate

VARIABLE = "OPSCTL_PACE"
_HERE = frozenset(("localhost", "127.0.0.1", "::1"))
_LOCKSTEP = frozenset(("linear", "debug", "ansible.builtin.linear", "ansible.builtin.debug"))


def _strictly(handle: Any) -> Any:
    """Ansible goes on when a plug-in fails; a run whose rate cannot be kept must not."""

    @functools.wraps(handle)
    def strict(self: Any, *arguments: Any, **options: Any) -> Any:
        try:
            return handle(self, *arguments, **options)
        except Exception as error:
            self._display.error(f"Cannot keep the rate of this run: {type(error).__name__}: {error}")
            raise KeyboardInterrupt from error

    return strict


class CallbackModule(CallbackBase):  # type: ignore[misc]
    """Sleeps where the run has no pace."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "opsctl_pace"
    CALLBACK_NEEDS_ENABLED = False

    def __init__(self) -> None:
        """Reads what the run wants."""
        super().__init__()
        # Not for an Ansible that a task may start.
        path = os.environ.pop(VARIABLE, None)
        self.disabled = not path
        if path:
            self._line = _Line(Path(path))
            self._hosts = _Hosts()
            self._play: Any = None
            self._batch = 0

    @_strictly
    def v2_playbook_on_start(self, playbook: Any) -> None:
        """Give every play that is not about this machine alone its batches: these objects are executed."""
        self._line.say({"event": "hello"})
        plays = playbook.get_plays()
        if self._line.rate.max_errors and plays:
            _go_on(plays[0]._variable_manager._inventory)
        for play in plays:
            if not _here(play):
                play.serial = serial(self._line.rate.terms, play.serial or [], _count(play))

    @_strictly
    def v2_playbook_on_play_start(self, play: Any) -> None:
        """A play begins, or its next batch."""
        self._hosts.settle(self._play)
        # Its identity says nothing: ansible-runner gives every batch another.
        again = self._play is not None and self._play._ds is play._ds
        before, self._play = self._batch, play
        self._batch = before + 1 if again else 1
        batch, whole = ([], []) if _here(play) else (_names(play), _names(play, whole=True))
        of = len(sizes([str(part) for part in play.serial or ["rest"]], len(whole)))
        self._hosts.expect(whole)
        if again:
            self._rest("batch", batch=before, of=of)
        elif self._line.wanted or self._too_many():
            self._rest("play")
        self._hosts.begin(batch)
        if of > 1:
            said = {"play": play.get_name(), "batch": self._batch, "of": of, "hosts": batch, "left": self._hosts.left}
            self._line.say({"event": "batch", **said})

    @_strictly
    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        """Rest before it, where that was asked for."""
        if self._line.wanted or self._too_many():
            self._rest("task", task=task.get_name())

    def v2_playbook_on_handler_task_start(self, task: Any) -> None:
        """Handlers too."""
        self.v2_playbook_on_task_start(task, is_conditional=False)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        """May be an error; a rescue makes it none."""
        if not ignore_errors:
            self._hosts.suspect(result.host.get_name())

    def v2_runner_on_unreachable(self, result: Any) -> None:
        """The same, unless that is ignored."""
        self._hosts.suspect(result.host.get_name())

    def _too_many(self) -> bool:
        allowed = self._line.rate.allowed(self._line.whole or self._hosts.count)
        return allowed is not None and len(self._hosts.errors(self._play)) > allowed

    def _rest(self, where: str, **more: Any) -> None:
        """Say where Ansible stands, and wait."""
        said = {"where": where, "play": self._play.get_name(), "lockstep": str(self._play.strategy) in _LOCKSTEP}
        errors = self._hosts.errors(self._play)
        counts = {"errors": len(errors), "whole": self._hosts.count, "left": self._hosts.left}
        self._line.ask({**said, **counts, **more})


class _Hosts:
    """Who is expected, who has begun, who failed: over all plays."""

    def __init__(self) -> None:
        self._expected: dict[str, None] = {}
        self._begun: set[str] = set()
        self._suspects: set[str] = set()
        self._failed: set[str] = set()

    @property
    def count(self) -> int:
        return len(self._expected)

    @property
    def left(self) -> list[str]:
        return [host for host in self._expected if host not in self._begun]

    def expect(self, hosts: Iterable[str]) -> None:
        self._expected.update(dict.fromkeys(hosts))

    def begin(self, hosts: Iterable[str]) -> None:
        self._begun.update(hosts)

    def suspect(self, host: str) -> None:
        if host in self._expected:
            self._suspects.add(host)

    def errors(self, play: Any) -> set[str]:
        """Hosts that failed and were taken out of their play for it."""
        return self._failed | self._suspects.intersection(play._removed_hosts if play is not None else ())

    def settle(self, play: Any) -> None:
        self._failed = self.errors(play)
        self._suspects.clear()


class _Line:
    """The line to opsctl: what is said goes through one FIFO, what is heard comes through another."""

    def __init__(self, path: Path) -> None:
        settings = json.loads(path.read_text(encoding="utf-8"))
        self.rate = Rate.from_plain(settings["rate"])
        self.whole: int = settings["whole"]
        self._out = os.open(settings["out"], os.O_WRONLY | os.O_CLOEXEC)
        self._in = os.open(settings["in"], os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        self._heard = b""
        self._held = False
        self._asked = 0
        self._allowed = 0

    @property
    def wanted(self) -> bool:
        """Whether opsctl wants Ansible to rest as soon as it can."""
        while select.select([self._in], [], [], 0)[0]:
            self._listen()
        return self._held

    def say(self, what: dict[str, Any]) -> None:
        data = memoryview(json.dumps(what).encode("ascii") + b"\n")
        while data:
            data = data[os.write(self._out, data) :]

    def ask(self, what: dict[str, Any]) -> None:
        """Say it, and come back when it is answered."""
        self._asked += 1
        self.say({"event": "rest", "number": self._asked, **what})
        while self._allowed < self._asked:
            select.select([self._in], [], [])
            self._listen()

    def _listen(self) -> None:
        heard = os.read(self._in, 4096)
        if not heard:
            # opsctl is gone. Its guard says so too, but nothing may begin before.
            raise KeyboardInterrupt
        *lines, self._heard = (self._heard + heard).split(b"\n")
        for line in lines:
            word, _, number = line.partition(b" ")
            if word == b"go":
                self._allowed = int(number)
            self._held = word == b"hold" if word in (b"hold", b"free") else self._held


def _go_on(inventory: Any) -> None:
    """Keep Ansible from ending the run when all hosts of a batch failed: here the limit of errors decides.

    It compares the length of the list that it restricts the inventory to with the number of failed hosts.
    """
    restrict = inventory.restrict_to_hosts

    def longer(batch: list[Any]) -> None:
        restrict(list(batch))
        batch.append(None)

    inventory.restrict_to_hosts = longer


def _here(play: Any) -> bool:
    """Whether a play is about this machine alone."""
    hosts = play.hosts if isinstance(play.hosts, list) else [play.hosts]
    return bool(hosts) and all(str(host) in _HERE for host in hosts)


def _names(play: Any, *, whole: bool = False) -> list[str]:
    inventory = play._variable_manager._inventory
    hosts = inventory.get_hosts(play.hosts, ignore_restrictions=whole, order=play.order)
    return [host.name for host in hosts]


def _count(play: Any) -> int:
    """The hosts of a play as far as the inventory knows them before the run; 0 where its pattern is a template."""
    return 0 if "{" in str(play.hosts) else len(_names(play, whole=True))
