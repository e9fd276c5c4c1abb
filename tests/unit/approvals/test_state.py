"""No sequence of votes, times and attempts lets a run start that nobody else agreed to, or lets it start twice."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from opsctl.approvals.people import Person
from opsctl.approvals.state import (
    Approval,
    Ask,
    Vote,
    expired,
    met,
    missing,
    reviewed,
    standing,
    used,
    voted,
    withdrawn,
)
from opsctl.errors import Denied

ALICE, BOB, CAROL, DAVE = (Person(name, number) for number, name in enumerate(("alice", "bob", "carol", "dave"), 1001))
ROOT = Person("root", 0)
BY_SUDO = Person("root", 0, "alice")
SERVICE = [Person("opsctl", 900, name) for name in ("alice", "bob", "carol")]
PEOPLE = [ALICE, BOB, CAROL, DAVE, ROOT, BY_SUDO, *SERVICE]


def named(ask: Ask, person: Person) -> bool:
    return bool({person.name, person.login} & set(ask.approvers))


def approval(*asks: Ask, requester: Person = ALICE) -> Approval:
    return Approval(requester, "plan", asks or (Ask("r", ("bob", "carol"), 1),), "t5")


def say(before: Approval, person: Person, verdict: str = "approve", time: str = "t1") -> Approval:
    return voted(before, Vote(person, verdict, "", time), named)  # type: ignore[arg-type]


def test_one_yes_of_another_is_enough_when_one_is_needed() -> None:
    assert say(approval(), BOB).status == "approved"
    assert used(say(approval(), BOB), "plan", approval().asks, named, "t2").status == "used"


def test_the_requester_never_counts() -> None:
    asked = approval(Ask("r", ("alice", "bob"), 1))
    with pytest.raises(Denied, match="somebody else must decide"):
        say(asked, ALICE)
    with pytest.raises(Denied, match="somebody else"):
        say(asked, BY_SUDO)
    forged = replace(asked, status="approved", votes=(Vote(ALICE, "approve", "", "t1"),))
    with pytest.raises(Denied, match="still needs 1 of alice, bob"):
        used(forged, "plan", asked.asks, named, "t2")


def test_two_accounts_of_one_person_are_one_vote() -> None:
    asked = approval(Ask("r", ("bob", "root"), 2))
    once = say(asked, BOB)
    with pytest.raises(Denied, match="one person has one vote"):
        say(once, Person("root", 0, "bob"))
    assert once.status == "open"


def test_people_behind_a_shared_account_are_people() -> None:
    asked = approval(Ask("r", ("bob", "carol"), 2), requester=SERVICE[0])
    assert say(say(asked, SERVICE[1]), SERVICE[2]).status == "approved"
    with pytest.raises(Denied, match="somebody else"):
        say(asked, Person("opsctl", 900))


def test_every_rule_must_be_content() -> None:
    asked = approval(Ask("web", ("bob",)), Ask("db", ("carol", "dave"), 2))
    half = say(say(asked, BOB), CAROL)
    assert (half.status, missing(half, named)) == ("open", "1 of carol, dave (rule db)")
    assert say(half, DAVE).status == "approved"


def test_one_no_ends_it_until_it_starts() -> None:
    assert say(approval(), BOB, "deny").status == "refused"
    approved = say(approval(), BOB)
    assert say(approved, CAROL, "deny").status == "refused"
    assert say(approved, BOB, "deny").status == "refused"
    started = used(approved, "plan", approved.asks, named, "t2")
    with pytest.raises(Denied, match="it is used"):
        say(started, CAROL, "deny")


def test_time_ends_it() -> None:
    assert expired(approval(), "t4").status == "open"
    assert expired(approval(), "t5").status == "expired"
    with pytest.raises(Denied, match="it is expired"):
        say(approval(), BOB, time="t5")
    with pytest.raises(Denied, match="it is expired"):
        used(say(approval(), BOB), "plan", approval().asks, named, "t6")


def test_another_plan_does_not_start() -> None:
    with pytest.raises(Denied, match="has changed since"):
        used(say(approval(), BOB), "other", approval().asks, named, "t2")


def test_what_policy_wants_today_counts() -> None:
    approved = say(approval(), BOB)
    with pytest.raises(Denied, match=r"still needs 1 of dave \(rule new\)"):
        used(approved, "plan", (Ask("new", ("dave",)),), named, "t2")
    assert used(approved, "plan", (), named, "t2").status == "used"
    with pytest.raises(Denied, match="still needs"):
        used(approved, "plan", (), lambda ask, person: False, "t2")


def test_only_the_requester_or_the_owner_takes_it_back() -> None:
    with pytest.raises(Denied, match="deny it"):
        withdrawn(approval(), BOB, False, "t1")
    assert withdrawn(approval(), ALICE, False, "t1").status == "withdrawn"
    assert withdrawn(say(approval(), BOB), DAVE, True, "t1").status == "withdrawn"


def test_a_broken_glass_is_reviewed_by_another() -> None:
    broken = replace(approval(), status="broken")
    with pytest.raises(Denied, match="somebody else must review"):
        reviewed(broken, BY_SUDO, named, True)
    with pytest.raises(Denied, match="not among those who review"):
        reviewed(broken, DAVE, named, False)
    assert reviewed(broken, BOB, named, False).status == "reviewed"
    assert reviewed(broken, DAVE, named, True).status == "reviewed"
    with pytest.raises(Denied, match="nothing to review"):
        reviewed(say(approval(), BOB), CAROL, named, True)
    with pytest.raises(Denied, match="it is broken"):
        say(broken, BOB)


@pytest.mark.parametrize("asks", [(), (Ask("r", ("bob",), 0),)])
def test_an_approval_asks_for_something(asks: tuple[Ask, ...]) -> None:
    with pytest.raises(ValueError, match="at least one yes"):
        Approval(ALICE, "plan", asks, "t5")


people = st.sampled_from(PEOPLE)
verdicts = st.sampled_from(["approve"] * 7 + ["deny"])
times = st.sampled_from([f"t{number}" for number in (0, 1, 1, 2, 2, 3, 3, 4, 5, 6)])


@given(people, people)
def test_sameness_goes_both_ways(one: Person, other: Person) -> None:
    assert one.same(other) == other.same(one)
    assert one.same(one)


class Life(RuleBasedStateMachine):
    """Anything anybody may try, in any order, with a clock that also goes backwards."""

    @initialize(
        requester=people,
        asks=st.lists(
            st.builds(
                Ask,
                st.sampled_from(["a", "b"]),
                st.sets(st.sampled_from(["alice", "bob", "carol", "dave", "root"]), min_size=2).map(sorted).map(tuple),
                st.integers(1, 2),
            ),
            min_size=1,
            max_size=2,
        ),
    )
    def begin(self, requester: Person, asks: list[Ask]) -> None:
        self.now = Approval(requester, "plan", tuple(asks), "t5")
        self.started = self.tries = 0
        self.said: list[Vote] = []
        self.denied = self.over = False

    @rule(person=people, verdict=verdicts, time=times)
    def vote(self, person: Person, verdict: str, time: str) -> None:
        try:
            self.now = say(self.now, person, verdict, time)
        except Denied:
            return
        assert time < "t5"
        assert not person.same(self.now.requester)
        self.said.append(self.now.votes[-1])
        self.denied |= verdict == "deny"

    @rule(time=times)
    def pass_time(self, time: str) -> None:
        self.now = expired(self.now, time)
        self.over |= self.now.status == "expired"

    @precondition(lambda self: self.tries > 6)
    @rule(person=people, owner=st.booleans())
    def withdraw(self, person: Person, owner: bool) -> None:
        try:
            self.now = withdrawn(self.now, person, owner, "t1")
        except Denied:
            return
        self.over = True

    @rule(plan=st.sampled_from(["plan", "other"]), time=times, today=st.booleans())
    def start(self, plan: str, time: str, today: bool) -> None:
        self.tries += 1
        try:
            self.now = used(self.now, plan, self.now.asks if today else (), named, time)
        except Denied:
            return
        self.started += 1
        assert plan == "plan"
        assert time < "t5"
        assert not self.denied
        assert not self.over
        for ask in self.now.asks:
            heads = {
                v.person.login or v.person.name for v in self.said if v.verdict == "approve" and named(ask, v.person)
            }
            assert len(heads - {self.now.requester.login or self.now.requester.name}) >= ask.needed

    @invariant()
    def never_twice(self) -> None:
        assert getattr(self, "started", 0) <= 1

    @invariant()
    def approved_means_met(self) -> None:
        if hasattr(self, "now") and self.now.status in ("approved", "used"):
            assert met(self.now, named)
            assert all(have >= ask.needed for ask, have in standing(self.now, named))


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=200, stateful_step_count=20, deadline=None)
