"""Freezes and windows decide for every request, whoever asks."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from opsctl.errors import ConfigError
from opsctl.policy.decide import Decision, decided
from opsctl.policy.identity import Identity
from opsctl.policy.match import Case
from opsctl.policy.read import read
from opsctl.runs.request import Requester, RunRequest, Targets

ALICE = Identity("alice", 1000)
FREEZE = """
roles: {look: {command: [uptime, "df *"]}}
calendar:
  zone: Europe/Berlin
  freezes:
    - name: xmas
      from: 2026-12-20
      to: 2027-01-02
      where: {cloud: prod}
      reason: holidays
      except: [look, {action: inspect}]
"""
WINDOWS = """
calendar:
  zone: Europe/Berlin
  windows:
    - {name: db, where: {group: db}, hours: "22:00-04:00", days: [tue]}
    - {name: any, where: {host: "db-9"}, hours: "12:00-13:00"}
"""
DB, WEB = frozenset({"db"}), frozenset({"web"})


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Europe/Berlin"))


def ask(text: str, time: str, content: str = "reboot", kind: Any = "command", **values: Any) -> Decision:
    hosts = values.pop("hosts", {})
    calendar = values.pop("calendar", True)
    given: dict[str, Any] = {"action": "", "playbook": "", "cloud": "prod", "created": "", **values}
    asked = RunRequest(id="1", kind=kind, content=content, requester=Requester("alice", 1000), **given)
    return decided(Case(asked, ALICE, at(time), hosts), 1000, read(text), calendar=calendar)


def test_a_freeze_denies_and_says_until_when() -> None:
    found = ask(FREEZE, "2026-12-24 10:00", hosts={"web-1": WEB})
    assert found.calendar
    assert found.plain() == {
        "verdict": "deny",
        "rule": "freeze:xmas",
        "text": "nothing is changed until 2027-01-03 00:00 Europe/Berlin (holidays) on web-1",
    }


@pytest.mark.parametrize(
    ("time", "values"),
    [
        ("2026-12-19 23:59", {}),
        ("2027-01-03 00:00", {}),
        ("2026-12-24 10:00", {"cloud": "test"}),
        ("2026-12-24 10:00", {"check": True}),
        ("2026-12-24 10:00", {"content": "uptime"}),
        ("2026-12-24 10:00", {"content": "x", "kind": "scenario", "action": "inspect"}),
        ("2026-12-24 10:00", {"calendar": False}),
    ],
)
def test_what_a_freeze_lets_through(time: str, values: dict[str, Any]) -> None:
    assert ask(FREEZE, time, **values).rule == "owner"


def test_what_is_more_than_an_exemption_is_frozen() -> None:
    for content in ("uptime; reboot", "df -h > /etc/x", "uptime $X"):
        assert ask(FREEZE, "2026-12-24 10:00", content).calendar
    assert ask(FREEZE, "2026-12-24 10:00", "x", "scenario", action="deploy").calendar


def test_reading_actions_are_exempt_by_themselves() -> None:
    text = "calendar: {freezes: [{name: always}]}"
    assert ask(text, "2026-12-24 10:00", "x", "scenario", action="inspect").verdict == "allow"
    assert ask(text, "2026-12-24 10:00").text == "nothing is changed with no end in sight"


def test_outside_of_its_window_a_host_is_not_changed() -> None:
    assert ask(WINDOWS, "2026-11-24 21:00", hosts={"db-1": DB}).plain() == {
        "verdict": "deny",
        "rule": "window:db",
        "text": "the window for changes is closed until 2026-11-24 22:00 Europe/Berlin on db-1",
    }
    assert ask(WINDOWS, "2026-11-25 03:59", hosts={"db-1": DB}).verdict == "allow"
    assert ask(WINDOWS, "2026-11-25 04:00", hosts={"db-1": DB}).verdict == "deny"
    assert ask(WINDOWS, "2026-11-24 21:00", hosts={"web-1": WEB}).verdict == "allow"
    assert ask(WINDOWS, "2026-11-24 21:00", hosts={"web-1": WEB, "db-1": DB}).verdict == "deny"


def test_one_open_window_of_several_is_enough() -> None:
    assert ask(WINDOWS, "2026-11-23 12:30", hosts={"db-9": DB}).verdict == "allow"
    assert ask(WINDOWS, "2026-11-23 13:30", hosts={"db-9": DB}).rule == "window:any"


def test_hosts_that_are_not_known_wait_for_all_windows() -> None:
    assert ask(WINDOWS, "2026-11-24 23:00").rule == "window:any"
    assert ask(WINDOWS, "2026-11-24 12:30").rule == "window:db"
    assert ask(WINDOWS.replace("12:00-13:00", "22:00-23:30"), "2026-11-24 23:00").verdict == "allow"
    stack = WINDOWS.replace("{group: db}", "{stack: cache}")
    assert ask(stack, "2026-11-24 23:00", "x", "scenario", targets=Targets(stack="cache")).verdict == "allow"
    assert ask(stack, "2026-11-24 20:00", "x", "scenario", targets=Targets(stack="cache")).verdict == "deny"


def test_a_missing_right_comes_before_the_calendar() -> None:
    text = FREEZE + "grants: [{name: never, who: alice, where: {host: db-1}, effect: deny}]\n"
    found = ask(text, "2026-12-24 10:00", hosts={"web-1": WEB, "db-1": DB})
    assert (found.rule, found.calendar) == ("never", False)


def test_the_calendar_comes_before_an_approval() -> None:
    text = FREEZE + "grants: [{name: ask, who: alice, effect: approve}]\n"
    assert ask(text, "2026-12-24 10:00").rule == "freeze:xmas"
    without = ask(text, "2026-12-24 10:00", calendar=False)
    assert (without.rule, [grant.name for grant in without.asking]) == ("ask", ["ask"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("calendar: {zone: Nowhere}", 'line 1: calendar.zone: unknown time zone "Nowhere"'),
        (
            "calendar: {freezes: [{name: x, form: 2026-12-24}]}",
            "calendar.freezes.0.form: unknown key (did you mean from?)",
        ),
        ("calendar: {freezes: [{from: 2026-12-24}]}", "calendar.freezes.0.name: field required"),
        ("calendar: {freezes: [{name: x}, {name: x}]}", "calendar.freezes.1.name: the name x is taken"),
        ("calendar: {windows: [{name: x, except: look}]}", "calendar.windows.0.except: unknown role look"),
        ("calendar: {windows: [{name: x, except: {comand: y}}]}", "unknown key (did you mean command?)"),
        ("calendar: {windows: {name: x}}", "line 1: calendar.windows: input should be a valid tuple"),
        ("calendar: {windows: [x]}", "calendar.windows.0: input should be"),
        ("calendar: [x]", "policy.yml, line 1: calendar: input should be"),
        ("grants: [{name: 'freeze:x', who: a, effect: deny}]", "grants.0.name: the name freeze:x is taken"),
        (
            "calendar: {freezes: [{name: x, from: 2026-13-45 00:00:00}]}",
            "policy.yml: cannot be used: month must be in 1..12",
        ),
    ],
)
def test_a_bad_calendar_is_one_line(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(text)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
