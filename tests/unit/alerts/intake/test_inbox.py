"""The inbox keeps each problem once, on the disk, and tells what changed."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from opsctl.alerts.alert import Alert, made
from opsctl.alerts.inbox import Filter, Full, Inbox, writer
from opsctl.alerts.inbox.tables import remediations
from opsctl.clock import now
from opsctl.errors import StoreError, UsageError

BEGAN, OVER, LATER = "2026-11-21T12:00:00.000Z", "2026-11-21T12:05:00.000Z", "2026-11-21T12:06:00.000Z"


def alert(key: str = "1", **values: Any) -> Alert:
    given = {"source": "zabbix", "kind": "zabbix", "received": BEGAN, **values}
    return made(given.pop("source"), given.pop("kind"), key, **given)


@pytest.fixture
def inbox(tmp_path: Path) -> Iterator[Inbox]:
    with Inbox(tmp_path) as opened:
        yield opened


def test_what_was_put_in_comes_out_the_same(inbox: Inbox) -> None:
    [taken] = inbox.put([alert(tags={"a": "b"}, groups=["g"], data={"x": [1]}, name="Платформа 下")])
    assert taken.what == "new"
    assert inbox.get(taken.alert.id) == taken.alert
    assert taken.alert.change == 1


def test_the_same_twice_is_one(inbox: Inbox) -> None:
    first, second = inbox.put([alert(), alert()])
    [third] = inbox.put([alert()])
    assert [each.what for each in (first, second, third)] == ["new", "again", "again"]
    [stored] = inbox.find()
    assert stored.count == 3
    assert first.alert.id == third.alert.id == stored.id


def test_keys_of_two_sources_are_two(inbox: Inbox) -> None:
    inbox.put([alert(source="a"), alert(source="b")])
    assert len(inbox.find()) == 2


def test_a_problem_ends(inbox: Inbox) -> None:
    inbox.put([alert()])
    assert len(inbox.firing()) == 1
    inbox.put([alert(state="resolved", resolved=OVER)])
    assert inbox.firing() == []
    assert inbox.find()[0].resolved == OVER


def test_a_key_that_is_used_again_is_another_alert(inbox: Inbox) -> None:
    hook = {"source": "hook", "kind": "webhook"}
    inbox.put([alert(**hook), alert(**hook, state="resolved", resolved=OVER), alert(**hook, started=LATER)])
    new, old = inbox.find()
    assert (new.key, new.state, old.state) == ("1", "firing", "resolved")
    assert old.id in old.key
    inbox.put([alert(**hook, state="resolved", resolved=LATER)])
    assert inbox.firing() == []


def test_an_event_of_a_zabbix_that_was_made_anew_ends_the_old_one(inbox: Inbox) -> None:
    inbox.put([alert(data={"clock": 1000})])
    [taken] = inbox.put([alert(data={"clock": 5000}, started=LATER)])
    assert taken.what == "new"
    new, old = inbox.find()
    assert (new.key, new.state, old.state, old.resolved) == ("1", "firing", "resolved", LATER)


def test_an_alert_that_began_anew_ends_the_one_before(inbox: Inbox) -> None:
    prometheus = {"source": "prom", "kind": "alertmanager"}
    inbox.put([alert("abc@1", **prometheus), alert("abd@1", **prometheus)])
    inbox.put([alert("abc@2", **prometheus, started=OVER)])
    assert [each.key for each in inbox.firing()] == ["abd@1", "abc@2"]
    assert inbox.keyed("prom", ["abc@1"])["abc@1"].resolved == OVER


def test_changes_are_told_in_order_and_once(inbox: Inbox) -> None:
    inbox.put([alert("1"), alert("2")])
    seen, cursor = inbox.changed_since(0)
    assert [each.key for each in seen] == ["1", "2"]
    assert inbox.changed_since(cursor) == ([], cursor)
    inbox.put([alert("1", state="resolved")])
    seen, cursor = inbox.changed_since(cursor)
    assert [(each.key, each.state) for each in seen] == [("1", "resolved")]


def test_nothing_new_is_no_change(inbox: Inbox) -> None:
    inbox.put([alert(state="resolved")])
    _, cursor = inbox.changed_since(0)
    [taken] = inbox.put([alert(state="resolved")])
    assert taken.what == "same"
    assert inbox.newest() == cursor


def test_changes_come_in_pieces(inbox: Inbox) -> None:
    inbox.put([alert(str(number)) for number in range(5)])
    first, cursor = inbox.changed_since(0, limit=3)
    rest, _ = inbox.changed_since(cursor, limit=3)
    assert [each.key for each in first + rest] == ["0", "1", "2", "3", "4"]


def test_who_waits_is_woken(inbox: Inbox) -> None:
    woken: list[bool] = []
    waiting = threading.Thread(target=lambda: woken.append(inbox.wait(0, 20)))
    waiting.start()
    inbox.put([alert()])
    waiting.join(20)
    assert woken == [True]
    assert not inbox.wait(inbox.newest(), 0.01)


def test_who_waits_hears_of_other_processes(inbox: Inbox, tmp_path: Path) -> None:
    woken: list[bool] = []
    waiting = threading.Thread(target=lambda: woken.append(inbox.wait(0, 20)))
    waiting.start()
    with Inbox(tmp_path) as other:
        other.put([alert()])
    waiting.join(20)
    assert woken == [True]


def test_alerts_are_found_by_what_is_known(inbox: Inbox) -> None:
    inbox.put(
        [
            alert("1", host="web-1", groups=["web", "网"], severity="high", name="Disk 100% full", stack="shop"),
            alert("2", host="web-2", groups=["web_old"], severity="warning", name="Disk 100 files full"),
        ]
    )

    def keys(**wanted: Any) -> list[str]:
        return [each.key for each in inbox.find(Filter(**wanted))]

    assert keys() == ["2", "1"]
    assert (
        keys(host="web-1")
        == keys(group="web")
        == keys(group="网")
        == keys(severity="average")
        == keys(stack="shop")
        == ["1"]
    )
    assert keys(text="100%") == ["1"]
    assert keys(text="DISK", state="firing") == ["2", "1"]
    assert keys(state="resolved") == keys(source="other") == keys(since=LATER) == []


def test_alerts_are_found_by_parts_of_their_ids(inbox: Inbox) -> None:
    taken = inbox.put([alert("1"), alert("2")])
    assert inbox.get(taken[0].alert.id[-8:]).key == "1"
    assert inbox.get("last").key == "2"
    assert set(inbox.known([taken[1].alert.id, "x"])) == {taken[1].alert.id}
    with pytest.raises(UsageError, match="Several alerts begin or end with"):
        inbox.get(taken[0].alert.id[:8])
    with pytest.raises(UsageError, match="Unknown alert nothing"):
        inbox.get("nothing")


def test_opsctl_can_mark_what_it_did(inbox: Inbox) -> None:
    [taken] = inbox.put([alert()])
    _, cursor = inbox.changed_since(0)
    [marked] = inbox.mark([taken.alert.id], acknowledged=True)
    assert marked.acknowledged
    assert inbox.changed_since(cursor) == ([marked], marked.change)


def test_cursors_are_kept(inbox: Inbox, tmp_path: Path) -> None:
    assert inbox.cursor("poll") == ""
    inbox.move("poll", "17")
    inbox.move("poll", "18")
    assert Inbox(tmp_path).cursor("poll") == "18"


def test_signed_messages_are_remembered_with_what_they_said(inbox: Inbox) -> None:
    inbox.submit([alert()], "digest", int(time.time()) + 300).result(20)
    inbox.submit([alert()], "old", int(time.time()) - 10).result(20)
    assert list(inbox.signed(time.time())) == ["digest"]


def test_old_alerts_are_forgotten_but_not_what_is_used(inbox: Inbox) -> None:
    used, gone, firing = (
        each.alert for each in inbox.put([alert("1", state="resolved"), alert("2", state="resolved"), alert("3")])
    )
    row = {"id": "r", "alert_id": used.id, "rule": "x", "rule_version": "", "attempt": 1, "state": "closed"}
    with inbox.database.write() as connection:
        connection.execute(insert(remediations), {**row, "verdict": "{}", "created": now(), "updated": now()})
    assert inbox.prune(LATER) == 1
    assert set(inbox.known([used.id, gone.id, firing.id])) == {used.id, firing.id}
    [again] = inbox.put([alert("4")])
    assert again.alert.change > firing.change


def test_many_threads_put_the_same_and_it_is_one(inbox: Inbox) -> None:
    def put() -> None:
        for number in range(20):
            inbox.put([alert(str(number))])

    threads = [threading.Thread(target=put) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    found = inbox.find()
    assert len(found) == 20
    assert {each.count for each in found} == {8}


def test_a_storm_is_stored_and_each_of_it_once(inbox: Inbox) -> None:
    storm = [alert(str(number), host=f"web-{number % 500}") for number in range(5000)]
    futures = [inbox.submit(storm[first : first + 10]) for first in range(0, 5000, 10)]
    assert sum(len(future.result(60)) for future in futures) == 5000
    assert {taken.what for taken in inbox.put(storm)} == {"again"}
    assert len(inbox.hosts("zabbix", "zabbix")) == 5000
    assert inbox.refused == 0


def test_a_full_inbox_says_so_and_takes_again(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "WAITING", 3)
    with inbox.database.write():
        waiting = [inbox.submit([alert("1"), alert("2")])]
        with pytest.raises(Full, match="2 wait to be written"):
            inbox.submit([alert("3"), alert("4")])
        waiting.append(inbox.submit([alert("5")]))
    assert [len(each.result(20)) for each in waiting] == [2, 1]
    assert inbox.refused == 2
    assert len(inbox.put([alert("3"), alert("4")])) == 2


def test_one_that_cannot_be_written_does_not_hurt_others(inbox: Inbox) -> None:
    bad = Alert("x", "zabbix", "zabbix", "bad", data={"\ud800": 1}, name="\ud800")
    with inbox.database.write():
        futures = [inbox.submit([alert("1")]), inbox.submit([bad]), inbox.submit([alert("2")])]
    assert futures[0].result(20)[0].what == "new"
    assert futures[2].result(20)[0].what == "new"
    assert futures[1].exception(20) is not None
    assert len(inbox.find()) == 2


def test_a_closed_inbox_has_written_what_it_took(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path)
    futures = [inbox.submit([alert(str(number))]) for number in range(50)]
    inbox.close()
    assert all(each.done() for each in futures)
    with pytest.raises(Full, match="closed"):
        inbox.put([alert()])


def test_what_a_newer_opsctl_wrote_is_left_alone(inbox: Inbox, tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "alerts.db")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StoreError, match=r"a newer opsctl wrote it \(schema 99\)"):
        Inbox(tmp_path)


def test_nobody_else_may_read_it(inbox: Inbox, tmp_path: Path) -> None:
    assert (tmp_path / "alerts.db").stat().st_mode & 0o777 == 0o600


def _put_for_ever(home: Path, told: Any) -> None:
    with Inbox(home) as inbox:
        number = 0
        while True:
            inbox.put([alert(str(number))])
            told.send(number)
            number += 1


def test_what_was_confirmed_survives_a_kill(tmp_path: Path) -> None:
    here, there = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("spawn").Process(target=_put_for_ever, args=(tmp_path, there))
    process.start()
    last = -1
    for _ in range(30):
        assert here.poll(30)
        last = here.recv()
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join(30)
    while here.poll(0):
        last = here.recv()
    with Inbox(tmp_path) as inbox:
        keys = {each.key for each in inbox.firing()}
        assert {str(number) for number in range(last + 1)} <= keys
        assert inbox.put([alert("0")])[0].what == "again"
