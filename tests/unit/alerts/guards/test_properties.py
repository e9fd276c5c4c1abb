"""Whatever happens in whatever order, what is bounded stays within its bounds, and nothing is decided for ever."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from opsctl.alerts.alert import Alert
from opsctl.alerts.guards.config import Bounds
from opsctl.alerts.guards.decide import decide
from opsctl.alerts.guards.world import Work, World
from opsctl.alerts.rules.part import allowed
from opsctl.alerts.rules.rule import Rule
from opsctl.clock import uuid7
from tests.unit.alerts.rules.make import NOW, alert, rule

GROUPS = {"a": 10, "b": 4, "c": 1}
SHARES = st.sampled_from(["20%", "50%", "1%", "100%", 1, 3])
RULES = st.lists(
    st.fixed_dictionaries(
        {
            "budget": SHARES,
            "max_concurrent": st.integers(1, 4),
            "cooldown": st.sampled_from(["0s", "30s"]),
            "tries": st.fixed_dictionaries({"most": st.integers(1, 3), "within": st.just("10m")}),
        }
    ),
    min_size=1,
    max_size=3,
)
STEPS = st.lists(
    st.tuples(
        st.integers(0, 60),  # seconds that pass
        st.sampled_from(sorted(GROUPS)),
        st.integers(0, 9),  # which host of the group
        st.integers(0, 2),  # which rule
        st.booleans(),  # whether the oldest remediation ends first
    ),
    max_size=60,
)


class Play:
    """Hosts, and remediations that start when the guards say go."""

    def __init__(self, bounds: Bounds) -> None:
        self.works: list[Work] = []
        self.now = NOW
        self.bounds = bounds

    @property
    def world(self) -> World:
        running = tuple(work for work in self.works if work.busy)
        recent = tuple(work for work in self.works if not work.busy)
        return World(running=running, recent=recent, sizes=GROUPS, bounds=self.bounds)

    def end(self) -> None:
        for number, work in enumerate(self.works):
            if work.busy:
                self.works[number] = replace(work, ended=self.now)
                return

    def ask(self, healing: Rule, one: Alert) -> str:
        word = decide(healing, one, self.world, self.now).verdict
        if word == "go":
            groups = frozenset(one.groups)
            self.works.append(Work(uuid7(), healing.name, one.id, one.host, self.now, groups=groups))
        return word


@settings(max_examples=80, deadline=None)
@given(RULES, STEPS, st.integers(1, 5))
def test_never_more_in_change_than_allowed(guards: Any, steps: Any, most: int) -> None:
    rules = [rule(name=f"r{number}", guards=of) for number, of in enumerate(guards)]
    play = Play(Bounds(max_concurrent=most))
    for seconds, group, host, which, ends in steps:
        play.now += timedelta(seconds=seconds)
        if ends:
            play.end()
        healing = rules[which % len(rules)]
        one = alert(host=f"{group}-{host % GROUPS[group]}", groups=(group,), stack="", received=play.now.isoformat())
        word = play.ask(healing, one)
        busy = [work for work in play.works if work.busy]
        assert len(busy) <= most
        assert len({work.host for work in busy}) == len(busy)
        if word != "go":
            continue
        share = healing.guards.budget
        assert share is not None
        # The rule that was just let go keeps its own budget; others were let go with theirs.
        assert sum(group in work.groups for work in busy) <= allowed(share, GROUPS[group])
        assert sum(work.rule == healing.name for work in busy) <= healing.guards.max_concurrent
        since = play.now - timedelta(seconds=healing.guards.tries.within)
        mine = [work for work in play.works if (work.rule, work.host) == (healing.name, one.host)]
        assert sum(work.began is not None and work.began > since for work in mine) <= healing.guards.tries.most
        ended = [work.ended for work in mine if work.ended is not None]
        assert all((play.now - end).total_seconds() >= healing.guards.cooldown for end in ended)


VERDICTS = st.fixed_dictionaries(
    {},
    optional={
        "frozen": st.sampled_from(["", "year-end"]),
        "storm": st.sampled_from([NOW - timedelta(seconds=1), NOW + timedelta(seconds=60)]),
        "maintenance": st.sampled_from([{"cache-1": None}, {"cache-1": NOW + timedelta(hours=1)}, {"x": None}]),
        "risky": st.sampled_from([None, True, False]),
        "sizes": st.sampled_from([{}, {"cache": 0}, {"cache": 6}]),
        "hosts": st.sampled_from([frozenset(), frozenset({"cache-1", "cache-2", "cache-3", "cache-4"})]),
    },
)
ALERTS = st.fixed_dictionaries(
    {},
    optional={
        "host": st.sampled_from(["", "cache-1", "x y"]),
        "groups": st.sampled_from([(), ("g",)]),
        "stack": st.sampled_from(["", "cache"]),
        "state": st.sampled_from(["firing", "resolved"]),
        "acknowledged": st.booleans(),
        "suppressed": st.booleans(),
        "received": st.sampled_from(["", "nonsense", "2026-11-21T12:00:00.000Z", "2030-01-01T00:00:00Z"]),
    },
)


@settings(max_examples=150, deadline=None)
@given(
    VERDICTS,
    ALERTS,
    st.sampled_from(["active", "propose", "shadow", "off"]),
    st.sampled_from(["never", "risky", "always"]),
    st.booleans(),
)
def test_every_verdict_says_who_why_and_when_to_ask_again(
    values: Any,
    said: Any,
    mode: Any,
    approval: Any,
    notice: bool,
) -> None:
    do = {"do": {"notify": "chat"}} if notice else {}
    found = decide(rule(mode=mode, guards={"approval": approval}, **do), alert(**said), World(**values), NOW)
    assert (found.verdict == "go") == (found.guard == "") == (found.reason == "")
    assert "\n" not in found.reason
    assert found.until is None or found.until > NOW
    if found.verdict == "hold":
        assert found.until is not None or found.guard in ("busy", "max_concurrent", "budget")


DOWN = st.lists(
    st.tuples(
        st.integers(0, 12), st.integers(0, 200), st.sampled_from(["z1", "z2", ""]), st.sampled_from(["s", "t", ""])
    ),
    min_size=1,
    max_size=20,
)


@settings(max_examples=100, deadline=None)
@given(DOWN)
def test_an_incident_has_one_alert_that_stands_for_it(given_: Any) -> None:
    alerts = [
        alert(
            host=f"h-{host}",
            received=(NOW + timedelta(seconds=seconds)).isoformat(),
            stack=stack,
            groups=(),
            tags={"opsctl_problem": "host-down", "zone": zone},
        )
        for host, seconds, zone, stack in given_
    ]
    later: datetime = NOW + timedelta(seconds=300)
    found = {one.id: decide(rule(), one, World(firing=tuple(alerts)), later) for one in alerts}
    known = {one.id: one for one in alerts}
    for number, verdict in found.items():
        if verdict.verdict != "suppress":
            continue
        # Each leads, step by step, to one that is not suppressed; and each step to one that was heard of before.
        seen = [number]
        while found[seen[-1]].verdict == "suppress":
            parent = found[seen[-1]].parent
            assert (known[parent].received, parent) < (known[seen[-1]].received, seen[-1])
            seen.append(parent)
        assert found[seen[-1]].guard == "incident"
