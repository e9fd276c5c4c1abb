"""Killed at any moment, begun again: no remediation is lost, none is done twice, none stays open for ever.

The service is killed before or after any of its transactions and orders, one after the other, and at random.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from opsctl.alerts.alert import Alert
from opsctl.alerts.machine import MOVES, State
from opsctl.db.engine import Database

from .loop import RULE, Loop

RETRIED = RULE.replace("guards:", "verify: {within: 5s}\n  on_failure: {retry: 1, undo: {command: [undo]}}\n  guards:")


class Killed(BaseException):
    """The service is gone; nothing catches this."""


class Reaper:
    """Kills at the moments it is told to, counted over all that the loop does."""

    def __init__(self, at: set[int]) -> None:
        self.at = at
        self.moment = 0

    def pass_by(self) -> None:
        self.moment += 1
        if self.moment in self.at:
            raise Killed


def haunt(patch: pytest.MonkeyPatch, loop: Loop, reaper: Reaper) -> None:
    """Let a reaper stand before and behind each transaction and order of a loop."""
    write, order = Database.write, loop.workers.order

    @contextmanager
    def watched(self: Database) -> Iterator[Any]:
        reaper.pass_by()
        with write(self) as connection:
            yield connection
            reaper.pass_by()
        reaper.pass_by()

    def ordered(*arguments: Any, **options: Any) -> None:
        reaper.pass_by()
        order(*arguments, **options)
        reaper.pass_by()

    patch.setattr(Database, "write", watched)
    patch.setattr(loop.workers, "order", ordered)


def lead(loop: Loop, alerts: list[Alert], ends: Callable[[str], str], turns: int = 60) -> None:
    """Turn until all is over, whoever is killed meanwhile. `ends`: how a run ends."""
    for _ in range(turns):
        try:
            loop.turn()
            for run in loop.desk.store.active():
                loop.workers.end(ends(run.id), run=run.id)
            for remedy in loop.remedies.open():
                if remedy.state == "verifying" and remedy.id in loop.verifier.watched:
                    loop.lead.gone(remedy.id, "over")
            if all(loop.of(alert) and not loop.of(alert)[-1].open for alert in alerts):
                loop.turn(2)
                return
        except Killed:
            loop.again()


def sound(loop: Loop, alerts: list[Alert]) -> None:
    """What must hold at the end of every story."""
    executed = Counter(loop.workers.executed)
    assert max(executed.values(), default=0) == 1, "a run was done twice"
    runs = {run.id for run in loop.desk.store.last(1000)}
    assert runs == set(executed)
    for alert in alerts:
        remedies = loop.of(alert)
        assert remedies, "an alert was lost"
        assert not any(remedy.open for remedy in remedies), loop.states(alert)
        assert [remedy.attempt for remedy in remedies] == list(range(1, len(remedies) + 1))
        for remedy in remedies:
            story = [step.state for step in loop.remedies.story([remedy.id])]
            state: State = "matched"
            for after in story:
                assert after in MOVES[state].values(), story
                state = after  # type: ignore[assignment]
    recorded = [record.content["data"].get("step") for record in loop.desk.ledger.records()]
    told = [kind for kind in loop.kinds() if kind.startswith("remediation-")]
    steps = [step.seq for step, _ in loop.remedies.told_since(0)]
    assert sorted({step for step in recorded if step}) == steps, "the ledger lacks a step"
    assert len(told) == len(steps), "the ledger has a step twice"


@pytest.mark.parametrize(("rules", "end"), [(RULE, "succeeded"), (RETRIED, "failed")])
def test_killed_at_each_moment(tmp_path: Path, rules: str, end: str) -> None:
    count = story(tmp_path / "whole", rules, end, set())
    assert count > 10
    # Each costs a home of its own; all of them are seen over some runs of the suite.
    for moment in sorted(random.sample(range(1, count + 1), min(count, 10))):
        story(tmp_path / f"killed-at-{moment}", rules, end, {moment})


def story(home: Path, rules: str, end: str, kills: set[int]) -> int:
    """One story from an alert to its end; how many moments it had to be killed at."""
    loop = Loop(home, rules)
    alerts = [loop.comes()]
    reaper = Reaper(kills)
    with pytest.MonkeyPatch.context() as patch:
        haunt(patch, loop, reaper)
        lead(loop, alerts, lambda _run: end)
    sound(loop, alerts)
    loop.close()
    return reaper.moment


@settings(max_examples=6, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(kills=st.sets(st.integers(1, 150), max_size=12), bad=st.integers(0, 15), number=st.integers(1, 3))
def test_killed_again_and_again(
    tmp_path_factory: pytest.TempPathFactory, kills: set[int], bad: int, number: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        loop = Loop(tmp_path_factory.mktemp("story") / "home", RETRIED)
        alerts = [loop.comes(host=f"web-{index}") for index in range(number)]
        haunt(patch, loop, Reaper(kills))
        lead(loop, alerts, lambda run: "failed" if int(run[-1], 16) < bad else "succeeded", turns=150)
    sound(loop, alerts)
    loop.close()
