"""Dependency graphs: a deterministic order, or the cycle that forbids one."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Mapping


class CycleError(Exception):
    """``names`` is one cycle, its first name repeated at the end."""

    def __init__(self, names: list[str]) -> None:
        super().__init__(" -> ".join(names))
        self.names = names


def order(needs: Mapping[str, Collection[str]]) -> tuple[str, ...]:
    """All names so that each comes after what it needs; among equals, the order of ``needs``.

    Needs that are no key themselves are ignored. Raises :class:`CycleError`.
    """
    rank = {name: index for index, name in enumerate(needs)}
    names = list(needs)
    waiting = {name: {other for other in others if other in rank} for name, others in needs.items()}
    users: dict[str, list[str]] = {name: [] for name in needs}
    for name, others in waiting.items():
        for other in others:
            users[other].append(name)
    ready = [rank[name] for name, others in waiting.items() if not others]
    heapq.heapify(ready)
    found: list[str] = []
    while ready:
        name = names[heapq.heappop(ready)]
        found.append(name)
        for user in users[name]:
            waiting[user].discard(name)
            if not waiting[user]:
                heapq.heappush(ready, rank[user])
    if len(found) < len(names):
        raise CycleError(_cycle({name: sorted(waiting[name], key=rank.__getitem__) for name in names if waiting[name]}))
    return tuple(found)


def _cycle(stuck: Mapping[str, list[str]]) -> list[str]:
    """Every stuck name needs another stuck name, so walking needs must come around."""
    path = [next(iter(stuck))]
    seen = {path[0]: 0}
    while True:
        following = stuck[path[-1]][0]
        if following in seen:
            return [*path[seen[following] :], following]
        seen[following] = len(path)
        path.append(following)
