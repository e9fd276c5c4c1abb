"""`opsctl alert` and `opsctl why`: the loop as a service, with real runs."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import Cli, processes_with, wait_for

Start = Callable[..., subprocess.Popen[str]]

HEAL = """
- name: Heal
  hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - name: Count
      ansible.builtin.shell: "echo one >> {folder}/count; sleep $(cat {folder}/seconds)"
    - name: Fail when it is wanted
      ansible.builtin.fail:
        msg: it cannot be healed
      when: lookup('ansible.builtin.fileglob', '{folder}/broken') | length > 0
"""
RULES = """
- name: heal-work
  match: {problem: work-down}
  do: {scenario: work, action: heal}
  limit: []
  timeout: 60s
  on_failure: {retry: 1}
  guards: {cooldown: 0s, tries: {most: 9, within: 1h}}
"""


SHAPE = {
    *("id", "rule", "rule_version", "attempt", "state", "run", "hosts", "verdict", "guard", "reason", "error"),
    *("parent", "created", "updated", "until", "story"),
}
"""What programs find of each remediation."""


@pytest.fixture
def loop(cli: Cli, tmp_path: Path) -> Cli:
    """A home with one rule; its remedy counts how often it was applied."""
    cli.scenario("work", heal=HEAL.format(folder=tmp_path), deploy=HEAL.format(folder=tmp_path))
    (tmp_path / "seconds").write_text("0")
    rules = cli.home / "rules.d"
    rules.mkdir()
    (rules / "work.yml").write_text(RULES)
    with (cli.home / "config.toml").open("a") as file:
        file.write('[alerts]\nlisten = "127.0.0.1:0"\n')
    return cli


def count(cli: Cli) -> int:
    path = cli.home.parent / "count"
    return len(path.read_text().splitlines()) if path.exists() else 0


def serve(cli: Cli, background: Start) -> subprocess.Popen[str]:
    """The service, when it is ready."""
    service = background("alert", "serve")
    assert service.stderr is not None
    for line in service.stderr:
        if "opsctl alert: ready" in line:
            # What it says from now on is not read: the pipe takes more than a test writes.
            return service
    raise AssertionError("it did not come up")


def simulate(cli: Cli, *more: str) -> str:
    said = cli("alert", "simulate", "work is down", "--host", "web-1", "--problem", "work-down", *more)
    assert said.code == 0, said.err
    return said.err.split()[1]


def state(cli: Cli, alert: str) -> list[str]:
    return [remedy["state"] for remedy in cli("alert", "show", alert, "-o", "json").json["remediations"]]


def story(cli: Cli, alert: str) -> list[str]:
    remedies = cli("alert", "show", alert, "-o", "json").json["remediations"]
    return [step["state"] for remedy in remedies for step in remedy["story"]]


def test_an_alert_is_healed_and_everything_leads_back_to_it(loop: Cli, background: Start) -> None:
    service = serve(loop, background)
    alert = simulate(loop)
    wait_for(lambda: state(loop, alert) == ["closed"])
    assert count(loop) == 1
    assert story(loop, alert) == ["starting", "running", "verifying", "healed", "closed"]

    shown = loop("alert", "show", alert, "-o", "json").json
    (remedy,) = shown["remediations"]
    assert set(remedy) == SHAPE
    assert remedy["rule"] == "heal-work"
    run = remedy["run"]
    assert loop("runs", "show", run, "-o", "json").json["requester"]["name"] == "opsctl-alert"

    why = loop("why", run, "-o", "json").json
    assert why["cause"] == "alert"
    assert why["alert"]["id"] == alert
    assert why["rule"]["name"] == "heal-work"
    assert why["remediation"]["id"] == remedy["id"]
    assert "work is down" in loop("why", run).out

    (row,) = loop("alert", "list", "-o", "json").json
    assert (row["id"], row["remediations"][0]["state"]) == (alert, "closed")
    assert "heal-work" in loop("alert", "list").out
    assert "problem work-down" in loop("alert", "why", alert).out
    (tally,) = loop("alert", "stats", "-o", "json").json
    assert (tally["rule"], tally["healed"], tally["success"]) == ("heal-work", 1, 1.0)
    assert tally["mttr_median"] > 0

    kinds = [record["kind"] for record in loop("audit", "list", "-o", "json").json]
    assert kinds.count("alert-firing") == kinds.count("remediation-started") == kinds.count("alert-resolved") == 1
    assert loop("audit", "verify", "-o", "json").json["sound"]

    service.send_signal(signal.SIGTERM)
    assert service.wait(30) == 0


def test_only_one_service_a_home(loop: Cli, background: Start) -> None:
    service = serve(loop, background)
    second = loop("alert", "serve")
    assert second.code == 1
    assert f"pid {service.pid}" in second.line


def test_a_run_of_a_person_has_no_alert(loop: Cli) -> None:
    loop("run", "scenario", "work")
    why = loop("why", "last", "-o", "json").json
    assert (why["cause"], why["alert"], why["rule"]) == ("person", None, None)
    assert "A person wanted it" in loop("why", "last").out


def test_a_service_that_was_killed_follows_what_runs(loop: Cli, background: Start) -> None:
    (loop.home.parent / "seconds").write_text("3")
    service = serve(loop, background)
    alert = simulate(loop)
    wait_for(lambda: state(loop, alert) == ["running"])
    service.kill()
    service.wait(10)
    serve(loop, background)
    wait_for(lambda: state(loop, alert) == ["closed"])
    assert count(loop) == 1
    assert [run["status"] for run in loop("runs", "list", "-o", "json").json] == ["succeeded"]


def test_when_all_of_it_was_killed_it_is_tried_again(loop: Cli, background: Start) -> None:
    (loop.home.parent / "seconds").write_text("600")
    service = serve(loop, background)
    alert = simulate(loop)
    wait_for(lambda: count(loop) == 1)
    service.kill()
    service.wait(10)
    for pid in processes_with(str(loop.home)):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    (loop.home.parent / "seconds").write_text("0")
    serve(loop, background)
    wait_for(lambda: state(loop, alert) == ["retrying", "closed"], 60)
    assert count(loop) == 2
    statuses = [run["status"] for run in loop("runs", "list", "-o", "json").json]
    assert statuses == ["succeeded", "lost"]


def test_what_cannot_be_healed_is_escalated(loop: Cli) -> None:
    (loop.home.parent / "broken").touch()
    alert = simulate(loop)
    done = loop("alert", "serve", "--once")
    assert done.code == 0, done.err
    assert state(loop, alert) == ["retrying", "escalated"]
    assert count(loop) == 2
    assert "it cannot be healed" in loop("alert", "show", alert).out


def test_a_remedy_that_hangs_is_ended(loop: Cli) -> None:
    rules = loop.home / "rules.d" / "work.yml"
    rules.write_text(RULES.replace("60s", "3s").replace("retry: 1", "retry: 0"))
    (loop.home.parent / "seconds").write_text("600.531")
    alert = simulate(loop)
    began = time.monotonic()
    assert loop("alert", "serve", "--once").code == 0
    assert time.monotonic() - began < 50
    assert state(loop, alert) == ["escalated"]
    assert loop("runs", "show", "last", "-o", "json").json["status"] == "timeout"
    assert not processes_with("600.531")


def test_policy_decides_about_remedies_as_about_anything(loop: Cli) -> None:
    policy = loop.home / "policy.yml"
    policy.write_text(
        "grants:\n  - {name: not-so, effect: deny, who: everybody, what: {scenario: work, action: heal}}\n"
    )
    policy.chmod(0o600)
    alert = simulate(loop)
    done = loop("alert", "serve", "--once")
    assert done.code == 0, done.err
    assert state(loop, alert) == ["escalated"], done.err
    assert count(loop) == 0
    assert loop("runs", "show", "last", "-o", "json").json["status"] == "denied"


def test_rules_that_are_wrong_keep_the_service_from_starting(loop: Cli) -> None:
    (loop.home / "rules.d" / "work.yml").write_text(RULES.replace("problem:", "problm:"))
    refused = loop("alert", "serve", "--once")
    assert refused.code == 2
    assert "line 3" in refused.line
    assert "problm" in refused.line


def test_rules_are_read_again_and_broken_ones_change_nothing(loop: Cli, background: Start) -> None:
    rules = loop.home / "rules.d" / "work.yml"
    rules.write_text(RULES.replace("work-down", "other"))
    serve(loop, background)
    alert = simulate(loop)
    time.sleep(1)
    assert state(loop, alert) == []
    rules.write_text("- {name")
    time.sleep(2)
    rules.write_text(RULES)
    wait_for(lambda: state(loop, alert) == ["closed"])


def test_a_proposal_waits_for_a_person(loop: Cli, background: Start) -> None:
    (loop.home / "rules.d" / "work.yml").write_text(RULES + "  mode: propose\n")
    serve(loop, background)
    alert, other = simulate(loop), simulate(loop, "--host", "web-2")
    wait_for(lambda: (state(loop, alert), state(loop, other)) == (["proposed"], ["proposed"]))
    assert count(loop) == 0
    assert loop("alert", "refuse", other, "-m", "not this one").code == 0
    assert loop("alert", "approve", alert).code == 0
    wait_for(lambda: state(loop, alert) == ["closed"])
    assert (state(loop, other), count(loop)) == (["suppressed"], 1)
    late = loop("alert", "approve", alert)
    assert late.code == 2
    assert "Nothing is proposed" in late.line


def test_what_would_be_done_can_be_asked_without_doing_it(loop: Cli) -> None:
    words = ("alert", "simulate", "work is down", "--host", "web-1", "--problem", "work-down", "--dry", "-o", "json")
    found = loop(*words).json
    assert (found["rule"], found["would"], found["what"]) == ("heal-work", "go", "work heal")
    assert loop("alert", "list", "-o", "json").json == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("alert", "show", "nosuchthing"), "Unknown alert nosuchthing"),
        (("alert", "approve", "nosuchthing"), "Unknown remediation nosuchthing"),
        (("alert", "simulate", "x", "--severity", "bad"), "--severity bad"),
        (("alert", "simulate", "x", "--tag", "bad"), "--tag bad"),
        (("alert", "list", "--since", "yesterday"), "--since"),
        (("why", "nosuchrun"), "Unknown run nosuchrun"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(loop: Cli, words: tuple[str, ...], said: str) -> None:
    result = loop(*words)
    assert result.code == 2
    assert said in result.line
