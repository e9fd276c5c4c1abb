"""Which hosts may begin now: the state of a run over its hosts. Pure: no clock, no input, no output."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from opsctl.pace.batches import sizes
from opsctl.pace.rate import Rate

Why = Literal["", "errors", "batch", "matched", "stopped"]


@dataclass(frozen=True, slots=True)
class Start:
    """This host begins now."""

    host: str


@dataclass(frozen=True, slots=True)
class Began:
    """A batch begins: its number from 1, of how many, its hosts."""

    batch: int
    of: int
    hosts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Done:
    """All hosts of a batch have ended."""

    batch: int
    of: int
    errors: int
    """Hosts that failed so far, in all batches."""


@dataclass(frozen=True, slots=True)
class Hold:
    """A batch is over and a person is asked whether the next may begin."""

    batch: int
    of: int


@dataclass(frozen=True, slots=True)
class Over:
    """Nothing runs and nothing will begin any more."""

    why: Why
    """Empty = all hosts have had their turn."""
    errors: int
    left: tuple[str, ...]
    """Hosts that never began."""


Step = Start | Began | Done | Hold | Over


class Machine:
    """Tell it what happened, ask `advance` what follows."""

    def __init__(self, hosts: Sequence[str], rate: Rate, forks: int) -> None:
        """Nothing has begun; `forks` hosts may be at work at the same time."""
        self._rate = rate
        self._forks = max(1, forks)
        self._allowed = rate.allowed(len(hosts))
        names = iter(hosts)
        self._batches = deque(tuple(islice(names, size)) for size in sizes(rate.terms, len(hosts)))
        self._of = len(self._batches)
        self._batch = self._size = 0
        self._open = False
        self._waiting: deque[str] = deque()
        self._running: set[str] = set()
        self._errors = self._before = 0
        self._held = self._asked = False
        self._why: Why = ""
        self._over = False

    @property
    def held(self) -> bool:
        """Whether nothing begins until a person says so."""
        return (self._held or self._asked) and not self._why

    @property
    def running(self) -> frozenset[str]:
        """Hosts at work."""
        return frozenset(self._running)

    @property
    def left(self) -> tuple[str, ...]:
        """Hosts that have not begun."""
        return (*self._waiting, *(host for batch in self._batches for host in batch))

    @property
    def errors(self) -> int:
        """Hosts that failed so far."""
        return self._errors

    def ended(self, host: str, *, failed: bool) -> None:
        """A host that had begun has ended, after its last try; `failed` also when unreachable or out of time."""
        if host not in self._running:
            raise ValueError(f"{host} does not run")
        self._running.discard(host)
        self._errors += failed
        if self._allowed is not None and self._errors > self._allowed:
            self.stop("errors")

    def matched(self) -> None:
        """Some output matched the condition to stop."""
        self.stop("matched")

    def stop(self, why: Why = "stopped") -> None:
        """Nothing begins any more; the first reason counts."""
        self._why = self._why or why

    def hold(self) -> None:
        """Nothing begins until `go`."""
        self._held = True

    def go(self) -> None:
        """What was held goes on."""
        self._held = self._asked = False

    def advance(self) -> list[Step]:
        """What happens now; asked again without news, nothing."""
        return list(self._advance())

    def _advance(self) -> Iterator[Step]:
        while not self._over:
            if self._open and not self._waiting and not self._running:
                self._open = False
                if self._allowed is None and self._of > 1 and self._errors - self._before == self._size:
                    # Nothing is said of errors, and a whole batch of them is no rate to go on with: as Ansible has it.
                    self.stop("batch")
                yield Done(self._batch, self._of, self._errors)
                if self._batches and self._rate.pauses(self._batch) and not self._why:
                    self._asked = True
                    yield Hold(self._batch, self._of)
            if not self._running and (self._why or not (self._waiting or self._batches)):
                self._over = True
                left = self.left
                yield Over(self._why if left else "", self._errors, left)
            elif self._why or self.held:
                return
            elif not self._waiting and not self._running:
                yield from self._next()
            elif self._waiting and len(self._running) < self._forks:
                host = self._waiting.popleft()
                self._running.add(host)
                yield Start(host)
            else:
                return

    def _next(self) -> Iterator[Step]:
        batch = self._batches.popleft()
        self._batch += 1
        self._waiting.extend(batch)
        self._open = True
        self._before, self._size = self._errors, len(batch)
        yield Began(self._batch, self._of, batch)
