"""What runs when: everything after all it waits for, nothing once canceled, and no circle that holds up a removal."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsctl.localcloud.models import StackResource
from opsctl.localcloud.ros.schedule import Frontier, removal, run

Graph = dict[str, set[str]]


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Each name waits for some of those before it."""
    names = [f"n{number}" for number in range(draw(st.integers(0, 12)))]
    return {name: draw(st.sets(st.sampled_from(names[:index]))) if index else set() for index, name in enumerate(names)}


circles = st.dictionaries(st.sampled_from("abcd"), st.sets(st.sampled_from("abcde")), max_size=4)


def never() -> bool:
    return False


class Work:
    """Remembers what began and ended, in order."""

    def __init__(self, then: Callable[[str], None] = lambda name: None) -> None:
        self.log: list[tuple[str, str]] = []
        self._lock = threading.Lock()
        self._then = then

    def __call__(self, name: str) -> None:
        with self._lock:
            self.log.append(("begin", name))
        self._then(name)
        with self._lock:
            self.log.append(("end", name))

    @property
    def begun(self) -> list[str]:
        return [name for what, name in self.log if what == "begin"]


@given(graphs(), st.integers(0, 16))
@settings(max_examples=60, deadline=None)
def test_each_begins_after_all_it_waits_for(graph: Graph, parallelism: int) -> None:
    work = Work()
    assert run(graph, work, never, parallelism) == 0
    assert sorted(work.begun) == sorted(graph)
    for name, waits in graph.items():
        at = work.log.index(("begin", name))
        assert all(work.log.index(("end", other)) < at for other in waits)


@given(circles)
@settings(max_examples=60, deadline=None)
def test_a_circle_does_not_hold_up_the_rest(graph: Graph) -> None:
    work = Work()
    assert run(graph, work, never, 2) == 0
    assert sorted(work.begun) == sorted(graph)


@given(graphs(), st.data())
def test_the_frontier_gives_each_name_once(graph: Graph, data: st.DataObject) -> None:
    frontier, busy, seen = Frontier(graph), list[str](), list[str]()
    while frontier or busy:
        busy += frontier.take()
        assert busy, "nothing may begin although something is left"
        name = busy.pop(data.draw(st.integers(0, len(busy) - 1)))
        seen.append(name)
        frontier.done(name)
    assert sorted(seen) == sorted(graph)


def test_what_waits_for_nothing_runs_side_by_side() -> None:
    together = threading.Barrier(3, timeout=5)
    assert run({name: set() for name in "abc"}, Work(lambda name: together.wait() and None), never, 3) == 0


def test_nothing_begins_once_canceled_and_what_began_is_waited_for() -> None:
    stop = threading.Event()
    work = Work(lambda name: (stop.set(), time.sleep(0.05))[1])
    assert run({"a": set(), "b": {"a"}, "c": {"b"}}, work, stop.is_set, 4) == 2
    assert work.log == [("begin", "a"), ("end", "a")]


def test_canceled_from_the_start_begins_nothing() -> None:
    work = Work()
    assert run({"a": set()}, work, lambda: True, 4) == 1
    assert work.log == []


def test_an_error_ends_the_run_after_what_had_begun() -> None:
    def fail(name: str) -> None:
        if name == "a":
            raise KeyError(name)
        time.sleep(0.05)

    work = Work(fail)
    with pytest.raises(KeyError):
        run({"a": set(), "b": set(), "c": {"a"}}, work, never, 4)
    assert ("end", "b") in work.log
    assert "c" not in work.begun


def row(name: str, depends_on: list[str], stale: bool = False) -> StackResource:
    return StackResource(
        "s", name, "T", f"id-{name}", "CREATE_COMPLETE", "", {}, depends_on, "", stale=stale, uid=f"{name}-{stale}"
    )


def test_users_are_removed_before_what_they_use() -> None:
    rows = [row("Vpc", []), row("Switch", ["Vpc"]), row("Host", ["Switch", "Elsewhere"])]
    waits = removal({each.key: each for each in rows})
    vpc, switch, host = (each.key for each in rows)
    assert waits == {vpc: {switch}, switch: {host}, host: frozenset()}


def test_both_sides_of_a_replacement_wait_for_their_users() -> None:
    rows = [row("Vpc", []), row("Vpc", [], stale=True), row("Host", ["Vpc"])]
    new, old, host = (each.key for each in rows)
    assert removal({each.key: each for each in rows}) == {new: {host}, old: {host}, host: frozenset()}
