"""Notices are kept until delivered: together with what they tell of, tried again, given up visibly."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from opsctl.clock import now
from opsctl.db.engine import Database, opened
from opsctl.db.schema import notices
from opsctl.notify import outbox as module
from opsctl.notify.background import drain
from opsctl.notify.config import Channel, Notify
from opsctl.notify.outbox import Outbox, enqueue, wait
from opsctl.notify.sender import Sender, flush

from .servers import Hook, closed_port, hook

DATA = {"run": "run-1", "what": "command reboot", "by": "alice"}


@pytest.fixture
def server() -> Iterator[Hook]:
    with hook() as found:
        yield found


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return opened(tmp_path)


@pytest.fixture
def settings(server: Hook, tmp_path: Path) -> Notify:
    (tmp_path / "url").write_text(server.url())
    return Notify(channels=(Channel(name="ops", kind="webhook", url_file=tmp_path / "url"),), attempts=3)


def put(database: Database, settings: Notify, event: str = "approval", **data: Any) -> int:
    with database.write() as connection:
        return enqueue(connection, settings, event, {**DATA, **data})


def hurry(database: Database) -> None:
    """As if enough time had passed."""
    with database.write() as connection:
        connection.execute(update(notices).values(due=now()))


def test_a_notice_is_delivered_once(database: Database, settings: Notify, server: Hook) -> None:
    assert put(database, settings) == 1
    sender = Sender(database, settings)
    assert (sender.deliver(5), sender.deliver(5), len(server.got)) == (1, 0, 1)
    (notice,) = sender.outbox.last(10)
    assert (notice.status, notice.attempts, notice.error) == ("delivered", 1, None)


def test_what_is_rolled_back_tells_nobody(database: Database, settings: Notify, server: Hook) -> None:
    def fail() -> None:
        with database.write() as connection:
            enqueue(connection, settings, "approval", DATA)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert Sender(database, settings).deliver(5) == 0
    assert server.got == []


def test_only_channels_that_want_the_event(database: Database, tmp_path: Path) -> None:
    some = Notify(channels=(Channel(name="a", kind="slack", url_env="X", events=("refused",)),))
    assert (put(database, some), put(database, some, "refused")) == (0, 1)


def test_failures_are_tried_again_and_given_up_visibly(database: Database, settings: Notify, server: Hook) -> None:
    server.answers = [(500, b"")]
    put(database, settings)
    sender = Sender(database, settings)
    for attempt, status in ((1, "pending"), (2, "pending"), (3, "failed")):
        assert sender.deliver(5) == 1
        assert sender.deliver(5) == 0
        (notice,) = sender.outbox.last(10)
        assert (notice.status, notice.attempts, notice.error) == (status, attempt, "it answered HTTP 500")
        hurry(database)
    assert sender.outbox.next_due() is None
    server.answers = [(200, b"")]
    assert (sender.outbox.again("nobody"), sender.outbox.again("ops")) == (0, 1)
    assert (sender.deliver(5), sender.outbox.last(1)[0].status) == (1, "delivered")


def test_a_slow_channel_costs_no_more_than_the_budget(database: Database, settings: Notify, server: Hook) -> None:
    server.delay = 5
    put(database, settings)
    put(database, settings)
    begun = time.monotonic()
    assert Sender(database, settings).deliver(0.5) == 2
    assert time.monotonic() - begun < 2
    assert [notice.error for notice in Outbox(database).last(10)] == ["no answer within 0 s"] * 2


def test_a_channel_that_drips_costs_no_more_either(database: Database, settings: Notify, server: Hook) -> None:
    server.drip, server.answers = True, [(200, b"x" * 100)]
    put(database, settings)
    begun = time.monotonic()
    Sender(database, settings).deliver(0.6)
    assert time.monotonic() - begun < 2


def test_a_channel_that_was_taken_out_fails_at_once(database: Database, settings: Notify) -> None:
    put(database, settings)
    Sender(database, Notify()).deliver(5)
    (notice,) = Outbox(database).last(10)
    assert (notice.status, notice.error) == ("failed", "there is no channel of this name any more")


def test_two_senders_do_not_send_the_same(database: Database, settings: Notify, server: Hook) -> None:
    server.delay = 0.2
    for _ in range(6):
        put(database, settings)
    threads = [threading.Thread(target=Sender(database, settings).deliver, args=(5,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({got.headers["X-Opsctl-Delivery"] for got in server.got}) == len(server.got) == 6


def test_what_a_killed_sender_had_is_taken_over(
    database: Database, settings: Notify, server: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(database, settings)
    assert len(Outbox(database).take()) == 1
    assert Sender(database, settings).deliver(5) == 0
    monkeypatch.setattr(module, "now", lambda: "9999-01-01T00:00:00.000000Z")
    assert (Sender(database, settings).deliver(5), len(server.got)) == (1, 1)


def test_the_word_of_one_who_lost_his_lease_does_not_count(database: Database, settings: Notify) -> None:
    put(database, settings)
    box = Outbox(database)
    (late,) = box.take()
    hurry(database)
    (taken,) = box.take()
    box.settle({late.id: (late, "delivered", "", 0)})
    assert box.last(1)[0].status == "sending"
    box.settle({taken.id: (taken, "failed", "x", 0)})
    assert box.last(1)[0].status == "failed"


def test_waits_grow_and_heed_what_is_asked() -> None:
    waits = [wait(attempt) for attempt in range(1, 12)]
    assert all(1.5 <= each <= 2200 for each in waits)
    assert waits[5] > waits[2] > waits[0]
    assert wait(1, asked=500) == 500


def test_flush_never_raises(tmp_path: Path, settings: Notify, capsys: pytest.CaptureFixture[str]) -> None:
    flush(tmp_path, Database(tmp_path / "no" / "such.db"), settings)
    assert "notices could not be sent" in capsys.readouterr().err


def test_the_background_delivers_what_is_left(database: Database, tmp_path: Path, server: Hook) -> None:
    server.answers = [(500, b""), (200, b"")]
    (tmp_path / "url").write_text(server.url())
    (tmp_path / "config.toml").write_text(
        f'[[notify.channels]]\nname = "ops"\nkind = "webhook"\nurl_file = "{tmp_path}/url"\n'
    )
    settings = Notify(channels=(Channel(name="ops", kind="webhook", url_file=tmp_path / "url"),))
    put(database, settings)
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "opsctl.notify.background"],
        env={"OPSCTL_HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        timeout=30,
        check=False,
    )
    assert done.returncode == 0
    assert time.monotonic() - begun > 1.5
    (notice,) = Outbox(database).last(10)
    assert (notice.status, notice.attempts) == ("delivered", 2)


def test_nothing_to_do_ends_at_once(database: Database, tmp_path: Path) -> None:
    drain(tmp_path, database)


def test_a_dead_channel_holds_up_no_other(database: Database, server: Hook, tmp_path: Path) -> None:
    (tmp_path / "url").write_text(server.url())
    (tmp_path / "dead").write_text(f"http://127.0.0.1:{closed_port()}/canary-path-0123456789")
    both = Notify(
        channels=(
            Channel(name="dead", kind="webhook", url_file=tmp_path / "dead"),
            Channel(name="ops", kind="webhook", url_file=tmp_path / "url"),
        )
    )
    assert put(database, both) == 2
    Sender(database, both).deliver(5)
    assert {notice.channel: notice.status for notice in Outbox(database).last(10)} == {
        "dead": "pending",
        "ops": "delivered",
    }
    with database.read() as connection:
        dump = str(connection.execute(notices.select()).all())
    assert "canary" not in dump
