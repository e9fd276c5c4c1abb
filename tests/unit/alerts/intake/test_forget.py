"""Alerts of sources that can only tell end when these fall silent, and not before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsctl.alerts.alert import Alert, made, moment
from opsctl.alerts.config import Source
from opsctl.alerts.inbox import Inbox
from opsctl.alerts.sources.forget import Forgetter, silent

NOW = 1_795_262_400.0
SOURCE = Source(name="prom", kind="alertmanager", secret_env="X", forget_after="1h")


def alert(at: float, key: str = "a@1") -> Alert:
    return made("prom", "alertmanager", key, received=moment(at), host="web-1", data={"via": "webhook"})


@pytest.fixture
def inbox(tmp_path: Path) -> Iterator[Inbox]:
    with Inbox(tmp_path) as opened:
        yield opened


@given(st.lists(st.integers(0, 10_000)), st.integers(1, 10_000))
def test_only_those_that_were_silent_for_long_are_over(ages: list[int], limit: int) -> None:
    over = silent([alert(NOW - age) for age in ages], limit, NOW)
    assert len(over) == sum(age > limit for age in ages)
    assert all(not each.firing and each.resolved == moment(NOW) for each in over)


def test_one_that_is_repeated_stays(inbox: Inbox) -> None:
    forgetter = Forgetter(inbox, SOURCE, print, lambda: NOW)
    inbox.put([alert(NOW - 9000)])
    inbox.put([alert(NOW - 100)])
    assert forgetter.once() == []
    assert len(inbox.firing()) == 1


def test_one_that_is_told_again_after_all_goes_on(inbox: Inbox) -> None:
    said: list[str] = []
    forgetter = Forgetter(inbox, SOURCE, said.append, lambda: NOW)
    [before] = inbox.put([alert(NOW - 9000)])
    assert forgetter.attempt()
    assert said == ["Source prom: 1 alerts count as over, not told for long: web-1"]
    assert inbox.firing() == []
    assert forgetter.attempt()
    [after] = inbox.put([alert(NOW + 10)])
    assert (after.what, after.alert.id, after.alert.state) == ("reopened", before.alert.id, "firing")


def test_its_thread_looks_and_ends_when_told(inbox: Inbox) -> None:
    inbox.put([alert(NOW - 9000)])
    forgetter = Forgetter(inbox, SOURCE, lambda text: None, lambda: NOW)
    cursor = inbox.newest()
    forgetter.start()
    assert inbox.wait(cursor, 20)
    forgetter.stop()
    assert inbox.firing() == []
