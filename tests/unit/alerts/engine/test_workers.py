"""Warm workers: a run is conducted under the id it was given, once, whoever dies meanwhile."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from opsctl.alerts.remedy.workers import Workers
from opsctl.clock import uuid7
from opsctl.errors import OpsctlError
from opsctl.runs.desk import Desk
from opsctl.settings import load

PLAY = """
- name: Work
  hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - name: Count
      ansible.builtin.shell: "echo one >> {folder}/count; sleep $(cat {folder}/seconds)"
"""


class Home:
    """A home with one scenario that counts how often it ran."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.home.mkdir(mode=0o700)
        (folder / "hosts").write_text("")
        (folder / "seconds").write_text("0")
        place = folder / "scenarios" / "work"
        place.mkdir(parents=True)
        (place / "deploy.yml").write_text(PLAY.format(folder=folder))
        (self.home / "config.toml").write_text(
            f'cloud = "here"\n[clouds.here]\nkind = "hosts"\ninventory = "{folder / "hosts"}"\n'
        )

    def spec(self, **parameters: Any) -> dict[str, Any]:
        return {"kind": "scenario", "content": "work", "action": "deploy", "parameters": parameters}

    def runs(self) -> list[Any]:
        return Desk(self.home, load(self.home)).store.last(10)

    @property
    def count(self) -> int:
        path = self.folder / "count"
        return len(path.read_text().splitlines()) if path.exists() else 0


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    made = Home(tmp_path)
    monkeypatch.setenv("OPSCTL_HOME", str(made.home))
    monkeypatch.setenv("OPSCTL_SCENARIO_PATH", str(tmp_path / "scenarios"))
    return made


@pytest.fixture
def workers(home: Home) -> Iterator[Workers]:
    made = Workers(home.home)
    assert made.warm.wait(60)
    yield made
    made.close()


def heard(workers: Workers, enough: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    limit = time.monotonic() + 60
    while not enough(found):
        assert time.monotonic() < limit, found
        workers.bell.wait(0.1)
        workers.bell.clear()
        found += workers.heard()
    return found


def ended(count: int) -> Callable[[list[dict[str, Any]]], bool]:
    return lambda found: sum(each["said"] == "ended" for each in found) >= count


def test_a_run_has_the_id_it_was_given(home: Home, workers: Workers) -> None:
    run = uuid7()
    workers.order(run, {**home.spec(), "trigger": {"kind": "alert", "alert": "a1"}})
    said = heard(workers, ended(1))
    assert [each["said"] for each in said] == ["forked", "started", "finished", "ended"]
    (found,) = home.runs()
    assert (found.id, found.status) == (run, "succeeded")
    assert found.requester["name"] == "opsctl-alert"
    assert found.requester["uid"] == os.getuid()
    assert found.spec["trigger"] == {"kind": "alert", "alert": "a1"}
    asked = next(Desk(home.home, load(home.home)).ledger.records(run))
    assert asked.content["data"]["trigger"] == {"kind": "alert", "alert": "a1"}


def test_a_run_ordered_twice_runs_once(home: Home, workers: Workers) -> None:
    run = uuid7()
    (home.folder / "seconds").write_text("1")
    workers.order(run, home.spec())
    workers.order(run, home.spec())
    said = heard(workers, ended(2))
    assert sum(each["said"] == "started" for each in said) == 1, said
    assert sum(each["said"] == "error" for each in said) == 1
    assert home.count == 1
    assert [found.status for found in home.runs()] == ["succeeded"]


def test_what_cannot_be_done_is_said_in_a_line(home: Home, workers: Workers) -> None:
    workers.order(uuid7(), {"kind": "scenario", "content": "nosuch", "action": "deploy"})
    error = next(each for each in heard(workers, ended(1)) if each["said"] == "error")
    assert error["kind"] == "unusable"
    assert "nosuch" in error["text"]
    assert "\n" not in error["text"]
    assert home.runs() == []


def test_a_run_goes_on_when_nursery_and_service_are_gone(home: Home, workers: Workers) -> None:
    run = uuid7()
    (home.folder / "seconds").write_text("2")
    workers.order(run, home.spec())
    heard(workers, lambda found: any(each["said"] == "started" for each in found))
    os.kill(workers._process.pid, signal.SIGKILL)
    workers._process.wait(10)
    workers.close()
    limit = time.monotonic() + 60
    while home.runs()[0].active:
        assert time.monotonic() < limit
        time.sleep(0.1)
    assert home.runs()[0].status == "succeeded"
    assert home.count == 1


def test_a_nursery_that_died_is_replaced(home: Home, workers: Workers) -> None:
    os.kill(workers._process.pid, signal.SIGKILL)
    workers._process.wait(10)
    run = uuid7()
    workers.order(run, home.spec())
    heard(workers, ended(1))
    assert [(found.id, found.status) for found in home.runs()] == [(run, "succeeded")]


def test_an_order_that_is_too_large_is_refused(home: Home, workers: Workers) -> None:
    with pytest.raises(OpsctlError, match="bytes"):
        workers.order(uuid7(), home.spec(text="x" * 200_000))
    assert home.runs() == []
