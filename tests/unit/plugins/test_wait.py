# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.opsctl.cloud.plugins.module_utils import wait
from ansible_collections.opsctl.cloud.plugins.module_utils.errors import Timeout


class Time:
    """A clock that moves only when somebody sleeps."""

    def __init__(self):
        self.now, self.sleeps = 100.0, []

    def clock(self):
        return self.now

    def sleep(self, seconds):
        self.sleeps.append(seconds)
        self.now += seconds


@pytest.fixture
def time(monkeypatch):
    monkeypatch.setattr(wait, "FIRST", 0.2)
    return Time()


def test_what_is_done_already_is_not_waited_for(time):
    assert wait.wait_until(lambda: 7, lambda seen: seen == 7, "x", 10, clock=time.clock, sleep=time.sleep) == 7
    assert not time.sleeps


def test_pauses_begin_short_and_grow_to_five_seconds(time):
    end = time.now + 300
    wait.wait_until(time.clock, lambda now: now >= end, "x", 600, clock=time.clock, sleep=time.sleep)
    assert time.sleeps[0] == 0.2
    assert max(time.sleeps) == 5
    assert time.sleeps == sorted(time.sleeps)
    assert len(time.sleeps) < 110


def test_it_is_noticed_a_tenth_late_at_most(time):
    start = time.now
    wait.wait_until(time.clock, lambda now: now >= start + 20, "x", 600, clock=time.clock, sleep=time.sleep)
    assert time.now - start <= 20 * 1.1 + 0.2


def test_time_that_runs_out_is_an_error_that_says_what_for(time):
    with pytest.raises(Timeout, match="Waited 60 s for a miracle"):
        wait.wait_until(lambda: 1, lambda _seen: False, "a miracle", 60, clock=time.clock, sleep=time.sleep)
    assert time.now == pytest.approx(160)


def test_there_is_a_last_look_when_time_runs_out(time):
    end = time.now + 60
    wait.wait_until(time.clock, lambda now: now >= end - 0.001, "x", 60, clock=time.clock, sleep=time.sleep)
