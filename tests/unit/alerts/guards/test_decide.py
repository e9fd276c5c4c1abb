"""Each guard by itself: what it objects to, until when, and with which words."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from opsctl.alerts.alert import Alert
from opsctl.alerts.guards.config import Bounds, Incident
from opsctl.alerts.guards.decide import accepted, decide
from opsctl.alerts.guards.verdict import GO, Verdict
from opsctl.alerts.guards.world import World
from opsctl.alerts.rules.rule import Rule
from tests.unit.alerts.guards.make import work, world
from tests.unit.alerts.rules.make import NOW, alert, at, rule


def told(found: Verdict) -> tuple[str, str]:
    return found.verdict, found.guard


def guarded(**guards: Any) -> Rule:
    return rule(guards=guards)


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def test_nothing_objects() -> None:
    assert decide(rule(), alert(), world(), NOW) == GO


def test_what_is_over_is_left_alone() -> None:
    assert told(decide(rule(), alert(state="resolved"), world(), NOW)) == ("suppress", "resolved")


def test_what_somebody_is_at_is_left_alone() -> None:
    mine = alert(acknowledged=True)
    assert told(decide(rule(), mine, world(), NOW)) == ("suppress", "acknowledged")
    own = work(-400, -390, host="cache-1", alert=mine.id)
    assert decide(rule(), mine, world(recent=(own,)), NOW) == GO


def test_maintenance_is_waited_for() -> None:
    found = decide(rule(), alert(), world(maintenance={"cache-1": later(600)}), NOW)
    assert (found.verdict, found.reason, found.until) == ("hold", "cache-1 is in maintenance", later(600))
    assert told(decide(rule(), alert(suppressed=True), world(), NOW)) == ("hold", "maintenance")


def test_silence_of_ones_own_is_no_maintenance() -> None:
    mine = alert(suppressed=True)
    before = work(-400, -390, host="cache-1", alert=mine.id)
    assert decide(guarded(silence=True), mine, world(recent=(before,)), NOW) == GO
    assert told(decide(guarded(), mine, world(recent=(before,)), NOW)) == ("hold", "maintenance")


def test_a_freeze_is_waited_for() -> None:
    found = decide(rule(), alert(), world(frozen="year-end", thaw=later(3600)), NOW)
    assert (found.verdict, found.reason, found.until) == ("hold", "freeze year-end", later(3600))


def test_a_freeze_keeps_no_notice_back() -> None:
    assert decide(rule(do={"notify": "chat"}), alert(), world(frozen="year-end"), NOW) == GO


def test_two_remediations_never_change_one_host() -> None:
    other = work(-5, host="cache-1", rule="another")
    found = decide(rule(), alert(), world(running=(other,)), NOW)
    assert told(found) == ("hold", "busy")
    assert found.reason == f"remediation {other.id} of rule another is changing cache-1"
    wide = work(-5, host="cache-9", hosts=frozenset({"cache-9", "cache-1"}), rule="another")
    assert told(decide(rule(), alert(), world(running=(wide,)), NOW)) == ("hold", "busy")


def test_a_mended_host_is_left_in_peace() -> None:
    before = work(-100, -90, host="cache-1")
    found = decide(guarded(cooldown="5m"), alert(), world(recent=(before,)), NOW)
    assert (found.verdict, found.guard, found.until) == ("hold", "cooldown", later(210))
    assert found.reason == "cache-1 was just mended; again in 210s"
    assert decide(guarded(cooldown="5m"), alert(), world(recent=(before,)), later(210)) == GO
    assert decide(guarded(cooldown="0s"), alert(), world(recent=(before,)), NOW) == GO


def test_another_try_for_the_same_alert_needs_no_cooldown() -> None:
    mine = alert()
    assert decide(rule(), mine, world(recent=(work(-100, -90, host="cache-1", alert=mine.id),)), NOW) == GO


def test_a_group_may_be_left_in_peace_too() -> None:
    before = work(-100, -90, host="cache-2")
    assert decide(rule(), alert(), world(recent=(before,)), NOW) == GO
    found = decide(guarded(group_cooldown="2m"), alert(), world(recent=(before,)), NOW)
    assert (found.guard, found.until) == ("cooldown", later(30))
    assert found.reason == "group cache was just mended; again in 30s"
    other = work(-100, -90, host="web-1", groups=frozenset({"web"}), stack="web")
    assert decide(guarded(group_cooldown="2m"), alert(), world(recent=(other,)), NOW) == GO


def test_after_some_tries_a_person_must_look() -> None:
    before = tuple(work(-600 * number, -600 * number + 5, host="cache-1") for number in (1, 2, 3))
    found = decide(guarded(tries={"most": 3, "within": "1h"}), alert(), world(recent=before), NOW)
    assert told(found) == ("escalate", "tries")
    assert found.reason == "3 tries on cache-1 within 1h, the last 10m ago; a person must look"
    assert found.until == later(1800)
    odd = (*before[:2], work(-130, -125, host="cache-1"))
    assert "the last 2m ago" in decide(guarded(tries={"most": 3}), alert(), world(recent=odd), NOW).reason
    assert decide(guarded(tries={"most": 3, "within": "1h"}), alert(), world(recent=before), later(1800)) == GO
    assert decide(guarded(tries={"most": 4, "within": "1h"}), alert(), world(recent=before), NOW) == GO


def test_a_person_is_told_once() -> None:
    before = tuple(work(-600 * number, -600 * number + 5, host="cache-1") for number in (1, 2, 3))
    long_ago = work(None, -3601, host="cache-1", escalated=True)
    assert told(decide(guarded(tries={"most": 3}), alert(), world(recent=(*before, long_ago)), NOW)) == (
        "escalate",
        "tries",
    )
    escalated = work(None, -60, host="cache-1", escalated=True)
    found = decide(guarded(tries={"most": 3}), alert(), world(recent=(*before, escalated)), NOW)
    assert told(found) == ("suppress", "tries")
    assert found.reason.endswith("a person was told before")


def test_two_rules_that_undo_each_others_work_come_to_an_end() -> None:
    others = tuple(work(-600 * number, -600 * number + 5, host="cache-1", rule="other") for number in (0.1, 2))
    mine = work(-1000, -990, host="cache-1")
    pong = alert(received=at(-58))
    found = decide(guarded(tries={"most": 2}), pong, world(recent=(*others, mine)), NOW)
    assert told(found) == ("escalate", "tries")
    assert "1 of them by other, during which this alert began" in found.reason
    assert decide(guarded(tries={"most": 3}), pong, world(recent=(*others, mine)), NOW) == GO
    # From the moment it began to a minute after it was over.
    for heard, word in ((-61, "go"), (-60, "escalate"), (5, "escalate"), (6, "go")):
        blamed = work(-60, -55, host="cache-1", rule="other")
        one = alert(received=at(heard))
        assert decide(guarded(tries={"most": 1}), one, world(recent=(blamed,)), later(60)).verdict == word


def test_an_alert_without_a_host_is_counted_by_its_stack() -> None:
    bare = alert(host="")
    mine = tuple(work(-600 * number, -600 * number + 5, host="") for number in (1, 2, 3))
    others = tuple(work(-600 * number, -600 * number + 5, host="", stack="x") for number in (1, 2, 3))
    assert told(decide(rule(), bare, world(recent=mine), NOW)) == ("escalate", "tries")
    assert decide(rule(), bare, world(recent=others), NOW) == GO


def test_not_too_many_of_one_rule_or_of_all_run_at_once() -> None:
    running = tuple(work(-5, host=f"x-{number}", groups=frozenset()) for number in range(3))
    found = decide(guarded(max_concurrent=3), alert(), world(running=running), NOW)
    assert (found.verdict, found.reason) == ("hold", "3 remediations are running of rule redis-process-down")
    assert decide(guarded(max_concurrent=4), alert(), world(running=running), NOW) == GO
    found = decide(guarded(), alert(), world(running=running, bounds=Bounds(max_concurrent=3)), NOW)
    assert (found.verdict, found.reason) == ("hold", "3 remediations are running")


def test_the_budget_of_a_group_is_kept() -> None:
    running = (work(-5, host="cache-2"),)
    found = decide(guarded(budget="20%"), alert(), world(running=running), NOW)
    assert told(found) == ("hold", "budget")
    assert found.reason == "1 of the 6 hosts of cache is being changed (cache-2); 20% allows 1"
    assert decide(guarded(budget="34%"), alert(), world(running=running), NOW) == GO
    assert decide(guarded(budget=2), alert(), world(running=running), NOW) == GO
    assert told(decide(guarded(budget=1), alert(), world(running=running), NOW)) == ("hold", "budget")
    assert decide(guarded(budget="1%"), alert(), world(), NOW) == GO


def test_hosts_of_other_groups_use_up_no_budget() -> None:
    running = (work(-5, host="web-1", groups=frozenset({"web"})),)
    assert decide(guarded(budget="20%"), alert(), world(running=running), NOW) == GO


def test_what_never_fits_the_budget_is_proposed() -> None:
    wide = frozenset({f"cache-{number}" for number in range(1, 7)})
    found = decide(rule(), alert(), world(hosts=wide), NOW)
    assert told(found) == ("propose", "budget")
    assert found.reason == "it would change 6 of the 6 hosts of cache; 50% allows 3 at once"
    assert accepted(rule(), alert(), world(hosts=wide), NOW) == GO


def test_a_group_stands_for_its_hosts() -> None:
    members = {f"cache-{number}": frozenset({"cache", "cache_redis"}) for number in range(1, 7)}
    for name in ("cache_redis", "all"):
        wide = world(hosts=frozenset({name, "localhost"}), members=members)
        assert decide(rule(), alert(), wide, NOW).reason.startswith("it would change 6 of the 6 hosts of cache;")
        busy = work(-5, host="cache-4")
        assert (
            decide(rule(), alert(), world(hosts=frozenset({name}), members=members, running=(busy,)), NOW).guard
            == "busy"
        )


def test_a_host_that_is_called_as_a_group_is_not_touched() -> None:
    members = {"cache-1": frozenset({"cache_redis"}), "solo": frozenset({"solo"})}
    found = decide(rule(), alert(host="cache_redis"), world(members=members), NOW)
    assert (*told(found), found.reason) == ("escalate", "host", "cache_redis is a group of the inventory, not a host")
    assert accepted(rule(), alert(host="cache_redis"), world(members=members), NOW) == found
    assert decide(rule(), alert(host="solo"), world(members=members), NOW) == GO


def test_a_host_is_counted_in_its_own_groups_only() -> None:
    members = {"cache-1": frozenset({"cache"}), "cache-2": frozenset({"cache"}), "web-1": frozenset({"web"})}
    wide = work(-5, host="web-1", hosts=frozenset({"web-1", "cache-2"}), groups=frozenset({"web", "cache"}))
    found = decide(guarded(budget=1), alert(), world(running=(wide,), members=members), NOW)
    assert found.reason == "1 of the 6 hosts of cache is being changed (cache-2); 1 allows 1"
    other = work(-5, host="web-1", hosts=frozenset({"web-1"}), groups=frozenset({"web"}))
    assert decide(guarded(budget=1), alert(), world(running=(other,), members=members), NOW) == GO


def test_a_group_that_only_monitoring_knows_is_counted_by_what_alerts_say() -> None:
    members = {"cache-1": frozenset({"cache"}), "cache-2": frozenset({"cache"})}
    named = frozenset({"Linux servers"})
    running = (work(-5, host="cache-2", groups=named),)
    one = alert(groups=("Linux servers",), stack="")
    found = decide(guarded(budget=1), one, world(sizes={"Linux servers": 9}, members=members, running=running), NOW)
    assert found.reason == "1 of the 9 hosts of Linux servers is being changed (cache-2); 1 allows 1"


def test_this_machine_is_nobodys_alone() -> None:
    other = work(-5, host="x", hosts=frozenset({"x", "localhost"}), groups=frozenset())
    assert decide(rule(), alert(), world(hosts=frozenset({"cache-1", "localhost"}), running=(other,)), NOW) == GO


def test_a_share_of_what_is_not_known_is_proposed() -> None:
    assert told(decide(guarded(budget="20%"), alert(), World(), NOW)) == ("propose", "budget")
    assert decide(guarded(), alert(), World(), NOW) == GO
    assert decide(guarded(budget=1), alert(), World(), NOW) == GO
    running = (work(-5, groups=frozenset()),)
    assert told(decide(guarded(budget=1), alert(), World(running=running), NOW)) == ("hold", "budget")


def test_in_a_storm_rules_only_propose() -> None:
    stormy = world(storm=later(60))
    found = decide(rule(), alert(), stormy, NOW)
    assert (found.verdict, found.guard, found.until) == ("propose", "storm", later(60))
    assert told(decide(rule(do={"notify": "chat"}), alert(), stormy, NOW)) == ("suppress", "storm")
    assert decide(rule(), alert(), stormy, later(60)) == GO


def test_a_rule_may_only_propose() -> None:
    assert told(decide(rule(mode="propose"), alert(), world(), NOW)) == ("propose", "mode")
    assert told(decide(rule(mode="off"), alert(), world(), NOW)) == ("suppress", "mode")
    assert decide(rule(mode="shadow"), alert(), world(), NOW) == GO


@pytest.mark.parametrize(
    ("wanted", "risky", "word"),
    [
        ("never", True, "go"),
        ("risky", False, "go"),
        ("risky", True, "propose"),
        ("risky", None, "propose"),
        ("always", False, "propose"),
    ],
)
def test_a_rule_may_want_an_approval(wanted: str, risky: bool | None, word: str) -> None:
    assert decide(guarded(approval=wanted), alert(), world(risky=risky), NOW).verdict == word


def test_what_a_person_accepted_still_keeps_the_bounds() -> None:
    proposing = rule(mode="propose", guards={"approval": "always"})
    assert accepted(proposing, alert(acknowledged=True), world(storm=later(60)), NOW) == GO
    assert accepted(proposing, alert(), world(running=(work(-5, host="cache-1"),)), NOW).guard == "busy"
    assert accepted(proposing, alert(), world(frozen="x"), NOW).guard == "freeze"
    assert accepted(proposing, alert(state="resolved"), world(), NOW).verdict == "suppress"


def down(number: int, seconds: float = 0, **values: Any) -> Alert:
    given: dict[str, Any] = {
        "host": f"cache-{number}",
        "tags": {"opsctl_problem": "host-down"},
        "received": at(seconds),
    }
    return alert(**{**given, **values})


def test_many_hosts_of_a_stack_are_one_incident() -> None:
    alerts = tuple(down(number, number) for number in (1, 2, 3))
    first = decide(rule(), alerts[0], world(firing=alerts), later(3))
    assert told(first) == ("propose", "incident")
    assert first.reason.startswith("3 hosts of stack cache are down together (cache-1, cache-2, cache-3): one incident")
    for other in alerts[1:]:
        found = decide(rule(), other, world(firing=alerts), later(3))
        assert told(found) == ("suppress", "incident")
        assert found.parent == alerts[0].id
        assert found.until == later(63)


def test_a_notice_of_an_incident_is_given_once() -> None:
    alerts = tuple(down(number) for number in (1, 2, 3))
    words = [decide(rule(do={"notify": "chat"}), one, world(firing=alerts), NOW).verdict for one in alerts]
    assert sorted(words) == ["go", "suppress", "suppress"]


def test_few_hosts_or_hosts_one_after_the_other_are_no_incident() -> None:
    for alerts in (
        (down(1), down(2)),
        (down(1), down(1), down(1)),
        (down(1), down(2, 61), down(3, 122)),
        (down(1), down(2), down(3, stack="x")),
        (down(1), down(2), down(3, tags={"opsctl_problem": "disk-full"})),
        (down(1), down(2), down(3, state="resolved")),
    ):
        assert decide(rule(), alerts[0], world(firing=alerts), later(200)).guard != "incident"


def test_the_largest_common_thing_is_the_incident() -> None:
    zones = {f"cache-{number}": "zone-a" for number in range(1, 6)}
    alerts = tuple(down(number, stack="cache" if number < 4 else "web") for number in range(1, 6))
    found = decide(rule(), alerts[4], world(firing=alerts, zones=zones), NOW)
    assert found.reason.startswith("5 hosts of zone zone-a are down together")


def test_what_hosts_may_have_in_common_can_be_set() -> None:
    alerts = tuple(down(number, stack="") for number in (1, 2, 3))
    assert decide(rule(), alerts[0], world(firing=alerts), NOW) == GO
    slowly = (down(1), down(2, 60), down(3, 120))
    assert told(decide(rule(), slowly[2], world(firing=slowly), later(120))) == ("suppress", "incident")
    bounds = Bounds(incident=Incident(by=("group",)))
    assert told(decide(rule(), alerts[1], world(firing=alerts, bounds=bounds), NOW)) == ("suppress", "incident")
