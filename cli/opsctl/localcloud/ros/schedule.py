"""Which work may begin, and in parallel: each after all it waits for. Knows nothing of resources."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from opsctl.localcloud.models import StackResource

TICK = 0.5


class Frontier:
    """The names that are left, and which of them nothing holds back. What they wait for beyond them does not count."""

    def __init__(self, waits_for: Mapping[str, Collection[str]]) -> None:
        self._left = {name: {dep for dep in deps if dep in waits_for} for name, deps in waits_for.items()}

    def __len__(self) -> int:
        return len(self._left)

    def take(self) -> list[str]:
        """All that may begin now; they are not left any more."""
        names = [name for name, deps in self._left.items() if not deps]
        for name in names:
            del self._left[name]
        return names

    def done(self, name: str) -> None:
        for deps in self._left.values():
            deps.discard(name)

    def force(self) -> list[str]:
        """One of those that wait for each other in a circle, to be taken although it waits."""
        name = min(self._left, key=lambda each: len(self._left[each]))
        del self._left[name]
        return [name]


def run(
    waits_for: Mapping[str, Collection[str]],
    work: Callable[[str], None],
    canceled: Callable[[], bool],
    parallelism: int,
) -> int:
    """Do ``work`` for every name in order, ``parallelism`` at a time; returns how many were not begun.

    Nothing more begins once ``canceled``; what has begun is waited for. An error of ``work`` ends the run likewise.
    """
    frontier = Frontier(waits_for)
    running: dict[Future[None], str] = {}
    with ThreadPoolExecutor(max(1, min(parallelism, len(frontier) or 1)), "resource") as pool:
        while frontier or running:
            names = [] if canceled() else frontier.take()
            if not (names or running or canceled()):
                # Changed dependencies of a broken update can wait for each other; that must not hold up a removal.
                names = frontier.force()
            running |= {pool.submit(work, name): name for name in names}
            if not running:
                break
            done, _ = wait(running, timeout=TICK, return_when=FIRST_COMPLETED)
            for future in done:
                frontier.done(running.pop(future))
                future.result()
    return len(frontier)


def removal(gone: Mapping[str, StackResource]) -> dict[str, frozenset[str]]:
    """For each record to remove, by key, those that must go before it: what depends on it."""
    waits: dict[str, set[str]] = {key: set() for key in gone}
    by_name: dict[str, list[str]] = {}
    for key, row in gone.items():
        by_name.setdefault(row.logical_id, []).append(key)
    for key, row in gone.items():
        for name in row.depends_on:
            for other in by_name.get(name, ()):
                if other != key:
                    waits[other].add(key)
    return {key: frozenset(deps) for key, deps in waits.items()}
