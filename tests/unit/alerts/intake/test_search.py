"""A search over the journals raises an alert when there is too much of something, and ends it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsctl.alerts.alert import Alert
from opsctl.alerts.config import Source
from opsctl.alerts.inbox import Inbox
from opsctl.alerts.sources.search import Watcher, judged
from opsctl.clock import stamp, uuid7
from opsctl.db.engine import opened
from opsctl.errors import StoreError, UsageError
from opsctl.events.journal import Journal
from opsctl.search.about import about
from opsctl.search.find import Embedded, Hit

NOW = 1_795_262_400.0


def hit(host: str = "web-1", at: float = NOW) -> Hit:
    return Hit(stamp(at), "run", 1, "host_failed", host, "task", "failed", "command", "", "", "out of memory")


def source(**values: Any) -> Source:
    return Source.model_validate({"name": "oom", "kind": "search", "query": "memory", "interval": 0.2, **values})


@given(st.lists(st.sampled_from(["a", "b", ""]), max_size=12), st.integers(0, 4), st.booleans())
def test_what_fires_is_above_what_is_normal(hosts: list[str], normal: int, each: bool) -> None:
    chosen = source(more_than=normal, by="host" if each else "all")
    firing: dict[str, Alert] = {}
    hits = [hit(host) for host in hosts]
    firing = {alert.key: alert for alert in judged(chosen, hits, firing, NOW)}
    counts = {host: hosts.count(host) for host in hosts} if each else {"": len(hosts)}
    assert len(firing) == sum(count > normal for count in counts.values())
    assert judged(chosen, hits, firing, NOW) == []
    ended = judged(chosen, [], firing, NOW)
    assert {alert.key for alert in ended} == firing.keys()
    assert all(not alert.firing for alert in ended)


def test_an_alert_says_what_was_found() -> None:
    [alert] = judged(source(more_than=1, severity="high"), [hit(at=NOW - 5), hit(at=NOW - 9)], {}, NOW)
    assert alert.name == "More than 1 event like memory within 5m on web-1"
    assert (alert.host, alert.severity, alert.problem, alert.trigger) == ("web-1", "high", "oom", "memory")
    assert alert.data["newest"] == ["out of memory"] * 2
    assert alert.started == "2026-11-21T12:00:00.000Z"


def test_an_alert_of_several_hosts_names_none_as_its_own() -> None:
    [alert] = judged(source(), [hit("a"), hit("b")], {}, NOW)
    assert (alert.host, alert.data["hosts"]) == ("", ["a", "b"])


def test_an_alert_of_more_events_than_were_looked_at_names_no_host() -> None:
    [alert] = judged(source(), [hit("a"), hit("a")], {}, NOW, more=True)
    assert alert.host == ""
    [alert] = judged(source(by="host"), [hit("a")], {}, NOW, more=True)
    assert alert.host == "a"
    assert judged(source(by="host"), [], {alert.key: alert}, NOW, more=True) == []


class Lab:
    def __init__(self, home: Path) -> None:
        self.home, self.inbox, self.said, self.now = home, Inbox(home), list[str](), time.time()
        (home / "journal").mkdir()

    def event(self, text: str, host: str = "web-1") -> None:
        journal = Journal(self.home / "journal" / f"{uuid7()}.ndjson")
        data = {"res": {"msg": text}}
        journal.append({"time": stamp(self.now), "event": "host_failed", "host": host, "data": data})
        journal.close()

    def searcher(self) -> Embedded:
        return Embedded(self.home, about(opened(self.home)))

    def watcher(self, connect: Any = None, **values: Any) -> Watcher:
        return Watcher(self.inbox, source(**values), connect or self.searcher, self.said.append, lambda: self.now)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    made = Lab(tmp_path)
    yield made
    made.inbox.close()


def test_events_of_journals_raise_an_alert_and_end_it(lab: Lab) -> None:
    watcher = lab.watcher(more_than=1, within="5m")
    lab.event("out of memory")
    assert watcher.once() == []
    lab.event("memory is low")
    [taken] = watcher.once()
    assert taken.what == "new"
    assert watcher.once() == []
    lab.now += 301
    [taken] = watcher.once()
    assert (taken.what, taken.alert.state) == ("resolved", "resolved")


def test_the_same_trouble_later_is_another_alert(lab: Lab) -> None:
    watcher = lab.watcher()
    for _ in range(2):
        lab.event("out of memory")
        watcher.once()
        lab.now += 301
        watcher.once()
        lab.now += 1
    assert [alert.state for alert in lab.inbox.find()] == ["resolved", "resolved"]


def test_each_host_can_have_its_own(lab: Lab) -> None:
    lab.event("out of memory", "a")
    lab.event("out of memory", "b")
    lab.event("all is well", "c")
    lab.watcher(by="host").once()
    assert {alert.host for alert in lab.inbox.firing()} == {"a", "b"}


def test_a_search_that_fails_is_told_once_and_ends_nothing(lab: Lab) -> None:
    lab.event("out of memory")
    broken: list[bool] = []

    def connect() -> Embedded:
        if broken:
            raise StoreError("the index is away")
        return lab.searcher()

    watcher = lab.watcher(connect)
    assert watcher.attempt()
    broken.append(True)
    watcher._searcher = None
    assert not watcher.attempt()
    assert not watcher.attempt()
    assert len(lab.inbox.firing()) == 1
    broken.clear()
    assert watcher.attempt()
    assert lab.said == [
        "Source oom: the index is away; trying again until it works",
        "Source oom: it can be searched again",
    ]


def test_a_query_that_cannot_be_understood_is_told_at_once(lab: Lab) -> None:
    with pytest.raises(UsageError, match="a quote is not closed"):
        lab.watcher(query='"out of')


def test_its_thread_searches_and_ends_when_told(lab: Lab) -> None:
    lab.event("out of memory")
    watcher = lab.watcher()
    watcher.start()
    assert lab.inbox.wait(0, 20)
    watcher.stop()
    assert not watcher._thread.is_alive()
