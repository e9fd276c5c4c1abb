"""What people and the ledger hear of the loop, and what it all comes to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from opsctl.alerts.stats import tally
from opsctl.notify.message import written
from opsctl.notify.outbox import Notice, Outbox
from opsctl.runs.desk import Desk
from opsctl.settings import load

from .loop import RULE, Loop

CHANNELS = """
[[notify.channels]]
name = "ops"
kind = "webhook"
url_env = "NOWHERE"
[[notify.channels]]
name = "night"
kind = "webhook"
url_env = "NOWHERE"
events = ["approval"]
"""


@pytest.fixture
def loops(tmp_path: Path) -> Iterator[list[Loop]]:
    made: list[Loop] = []
    yield made
    for loop in made:
        loop.close()


def told(loops: list[Loop], home: Path, rules: str) -> Loop:
    loop = Loop(home, rules)
    loops.append(loop)
    with (home / "config.toml").open("a") as file:
        file.write(CHANNELS)
    loop.desk = Desk(home, load(home))
    loop.again()
    return loop


def notices(loop: Loop) -> list[Notice]:
    return Outbox(loop.desk.database).last(100)


def test_people_hear_of_what_needs_them_once(loops: list[Loop], tmp_path: Path) -> None:
    loop = told(loops, tmp_path / "home", RULE)
    alert = loop.comes(host="web-1;reboot")
    loop.turn(3)
    loop.again()
    loop.turn(3)
    (notice,) = notices(loop)
    assert (notice.channel, notice.event) == ("ops", "escalated")
    assert "down on web-1;reboot" in notice.message.title
    assert f"opsctl alert show {alert.id}" in notice.message.text


def test_the_channels_that_a_rule_names_hear_of_it(loops: list[Loop], tmp_path: Path) -> None:
    loop = told(loops, tmp_path / "home", "- name: tell\n  match: {problem: down}\n  do: {notify: night}\n")
    loop.comes()
    loop.turn(2)
    assert [(notice.channel, notice.event) for notice in notices(loop)] == [("night", "alert")]


def test_people_are_asked_what_is_proposed(loops: list[Loop], tmp_path: Path) -> None:
    loop = told(loops, tmp_path / "home", RULE.replace("guards:", "mode: propose\n  guards:"))
    alert = loop.comes()
    loop.turn(2)
    (notice,) = notices(loop)
    assert notice.event == "proposed"
    assert f"opsctl alert approve {loop.of(alert)[0].id}" in notice.message.text


@pytest.mark.parametrize("event", ["alert", "proposed", "escalated", "storm"])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_notices_say_what_it_is_about(event: str, language: str) -> None:
    data = {"what": "Redis is down (web-1)", "host": "web-1", "severity": "high", "rule": "heal", "do": "opsctl x"}
    message = written("1", event, "2026", data, language)
    assert message.title.startswith("[opsctl] ")
    assert "opsctl x" in message.text
    assert event == "storm" or "Redis is down" in message.title


def test_a_tally_of_rules(loops: list[Loop], tmp_path: Path) -> None:
    loop = Loop(tmp_path / "home", RULE)
    loops.append(loop)
    healed, failed = loop.comes(host="web-1"), loop.comes(host="web-2")
    loop.turn(2)
    loop.workers.end("succeeded", run=loop.of(healed)[0].run_id)
    loop.workers.end("failed", "it broke")
    loop.turn(2)
    loop.lead.gone(loop.of(healed)[0].id, "over")
    loop.turn(4)
    done = loop.remedies.since("")
    alerts = loop.inbox.known([healed.id, failed.id])
    (row,) = tally(done, alerts, loop.remedies.story([remedy.id for remedy in done]))
    assert (row["rule"], row["healed"], row["escalated"], row["success"]) == ("heal", 1, 1, 0.5)
    assert row["mttr_median"] == row["mttr_p95"] > 0
    assert tally([], {}, []) == []
