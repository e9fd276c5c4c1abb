"""The talk with real Ansible: what counts as an error, where it ends, and that there is one at all."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from opsctl.clock import uuid7
from opsctl.pace.brake import Brake
from opsctl.pace.rate import Rate
from opsctl.pace.talk import Paced
from opsctl.runs.execute import Job, Outcome
from opsctl.runs.workspace import workspace

PLAY = """
- name: Here
  hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - name: Once
      ansible.builtin.debug:
- name: Work
  hosts: web
  gather_facts: false
  strategy: STRATEGY
  tasks:
    - name: Rescued
      block:
        - name: Fail
          ansible.builtin.fail:
          when: inventory_hostname in ("w1", "w3")
      rescue:
        - name: Rescue
          ansible.builtin.debug:
      when: inventory_hostname != "w3"
    - name: Fail for good
      ansible.builtin.fail:
      when: inventory_hostname in ("w2", "w3")
    - name: Last
      ansible.builtin.debug:
"""


@pytest.fixture
def space(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    local = f"ansible_connection=local ansible_python_interpreter={sys.executable}"
    (tmp_path / "hosts.ini").write_text(f"[web]\nw[1:6] {local}\n")
    with workspace(uuid7()) as path:
        yield path


def go(
    space: Path, rate: Rate, strategy: str = "linear", held: float = 0, **environment: str
) -> tuple[Outcome, list[dict[str, Any]]]:
    """Runs the plays; every pause is answered at once. `held`: seconds in which nothing may begin."""
    folder = space.parent.parent
    (folder / "play.yml").write_text(PLAY.replace("STRATEGY", strategy))
    job = Job(space.name, space, str(folder / "play.yml"), environment=environment, inventories=[folder / "hosts.ini"])
    brake, seen = Brake(), []

    def take(event: dict[str, Any]) -> None:
        seen.append(event)
        if event["event"] == "pace_paused":
            brake.go("by me")

    if held:
        brake.hold("by me")
        threading.Timer(held, brake.go, ("by me",)).start()
    return Paced(job, rate, brake).run(take), seen


def of(events: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [event["event_data"] for event in events if event["event"] == kind]


def test_rescued_hosts_are_no_errors(space: Path) -> None:
    outcome, events = go(space, Rate(batches="1,rest", pause="every", max_errors="2"))
    assert (outcome.status, outcome.why) == (2, "")
    assert [data["pace"]["errors"] for data in of(events, "pace_batch_end")] == [0]
    assert [len(data["pace"]["hosts"]) for data in of(events, "pace_batch_start")] == [1, 5]
    assert [event["event"] for event in events if event["event"] in ("pace_paused", "pace_continued")] == [
        "pace_paused",
        "pace_continued",
    ]
    assert {data["host"] for data in of(events, "runner_on_ok") if data["task"] == "Last"} == {"w1", "w4", "w5", "w6"}


def test_too_many_errors_end_it_before_the_next_task(space: Path) -> None:
    outcome, events = go(space, Rate(batches="4,rest", max_errors="1"))
    assert (outcome.why, outcome.text) == ("errors", "stopped after 2 errors, 2 hosts not started")
    assert [data["pace"]["hosts"] for data in of(events, "pace_not_started")] == [["w5", "w6"]]
    assert not [data for data in of(events, "runner_on_ok") if data["task"] == "Last"]


def test_a_strategy_that_is_not_step_by_step_ends_with_its_batch(space: Path) -> None:
    outcome, events = go(space, Rate(batches="4,rest", max_errors="1"), "free")
    assert (outcome.why, outcome.text) == ("errors", "stopped after 2 errors, 2 hosts not started")
    assert {data["host"] for data in of(events, "runner_on_ok") if data["task"] == "Last"} == {"w1", "w4"}


def test_what_is_held_begins_on_no_host_and_not_here(space: Path) -> None:
    outcome, events = go(space, Rate(), held=3)
    assert (outcome.status, outcome.why) == (2, "")
    kinds = [event["event"] for event in events]
    assert 0 < kinds.index("pace_continued") < kinds.index("runner_on_start")


def test_without_the_plug_in_a_run_with_a_rate_is_ended(space: Path) -> None:
    outcome, _ = go(space, Rate(batches="1"), ANSIBLE_CALLBACK_PLUGINS="")
    assert (outcome.why, outcome.text.startswith("Cannot keep the rate of this run: Ansible did not")) == (
        "broken",
        True,
    )
