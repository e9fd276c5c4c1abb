"""Kept connections: never more than allowed, none used by two, none used that should not be."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as some
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from opsctl.agent.pool import OLDEST, Kept, Pool, key
from opsctl.fanout.ssh import Connection

_MOST, _TTL = 3, 10.0


class Link:
    """A connection that can be closed."""

    def __init__(self) -> None:
        self.closed = False

    def abort(self) -> None:
        self.closed = True

    def is_closed(self) -> bool:
        return self.closed


class Life(RuleBasedStateMachine):
    """Any order of taking, making, giving back, losing and waiting."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.pool = Pool(_MOST, _TTL, lambda: self.now)
        self.used: list[Kept] = []
        self.made: list[Link] = []

    @rule(key=some.sampled_from("ab"))
    def take(self, key: str) -> None:
        kept = self.pool.take(key)
        if kept is not None:
            assert kept.key == key
            assert not kept.link.closed
            assert self.now - kept.idle < _TTL
            assert self.now - kept.made < OLDEST
            assert all(kept is not other for other in self.used)
            self.used.append(kept)

    @rule(key=some.sampled_from("ab"))
    def make(self, key: str) -> None:
        room = self.pool.room()
        assert room == (len(self.used) < _MOST)
        if room:
            self.made.append(Link())
            self.used.append(Kept(key, self.made[-1], self.now))

    @rule(whole=some.booleans(), which=some.integers(0, 2))
    def end(self, whole: bool, which: int) -> None:
        if self.used:
            kept = self.used.pop(which % len(self.used))
            if whole:
                self.pool.give(kept)
            else:
                self.pool.lose(kept)
                assert kept.link.closed

    @rule(seconds=some.sampled_from([0.0, 1.0, 9.0, 11.0, OLDEST]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def expire(self) -> None:
        self.pool.expire()

    @rule(which=some.integers(0, 5))
    def break_one(self, which: int) -> None:
        if self.made:
            self.made[which % len(self.made)].closed = True

    @invariant()
    def no_more_than_allowed(self) -> None:
        assert self.pool.taken == len(self.used)
        assert self.pool.taken + len(self.pool) <= _MOST
        # Whatever is neither in use nor kept was closed.
        assert sum(not link.closed for link in self.made) <= self.pool.taken + len(self.pool)


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)

_TO = Connection("web1", "192.0.2.1", 22, "root", "key", "", "", ("known",), "yes", "", 10, "", "")


@pytest.mark.parametrize(
    "change",
    [
        {"address": "192.0.2.2"},
        {"port": 2222},
        {"user": "other"},
        {"password": "x"},
        {"key_file": "other"},
        {"alias": "x"},
        {"known_hosts": ("other",)},
        {"checking": "no"},
        {"jump": "x"},
    ],
)
def test_whatever_a_login_depends_on_is_in_the_key(change: dict[str, Any]) -> None:
    assert key(replace(_TO, **change), "", {}) != key(_TO, "", {})


def test_its_name_and_what_happens_after_the_login_are_not() -> None:
    other = replace(_TO, name="alias", become_user="app", become_password="x", connect_timeout=1)
    assert key(other, "", {}) == key(_TO, "", {})
    assert key(_TO, "/run/agent", {}) != key(_TO, "", {})


def test_files_count_by_what_is_in_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    place, named = tmp_path / ".ssh", replace(_TO, key_file=str(tmp_path / "key"))
    place.mkdir()
    for to, path in ((named, tmp_path / "key"), (replace(_TO, key_file=""), place / "id_ed25519")):
        path.write_text("one")
        seen: dict[str, str] = {}
        before = key(to, "", {})
        assert key(to, "", seen) == before
        path.write_text("two")
        assert key(to, "", {}) != before
        # Within a run a file is read once.
        assert key(to, "", seen) == before
