#!/usr/bin/env python3
"""The loop from an alert to its end: what it adds to a bare playbook, how many it heals a minute, and a storm.

    python benchmarks/alerts_loop.py [ROUNDS]

The service is a process of its own; alerts are made up, and put into its inbox from here. The remedy is a playbook of
one task on this machine, so that what is measured is opsctl and Ansible's start, not the work. The peer is
ansible-playbook with the same playbook.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from common import figure, header, row, timed

from opsctl.alerts.alert import Alert
from opsctl.alerts.inbox import Inbox
from opsctl.alerts.people import made_up
from opsctl.alerts.remedy.store import Remedies
from opsctl.clock import seconds

PLAY = """
- name: Heal
  hosts: localhost
  connection: local
  gather_facts: false
  vars:
    ansible_python_interpreter: "{{ ansible_playbook_python }}"
  tasks:
    - name: Do it
      ansible.builtin.command: "true"
"""
RULES = """
- name: heal
  match: {problem: down}
  do: {scenario: work, action: heal}
  limit: []
  guards: {cooldown: 0s, max_concurrent: 10, tries: {most: 100, within: 1h}}
"""
CONFIG = """
cloud = "here"
scenario_path = ["SCENARIOS"]
[clouds.here]
kind = "hosts"
inventory = "HOSTS"
[alerts.guards]
max_concurrent = 10
[alerts.guards.storm]
alerts = STORM
"""
HEALED, STORM, WITHIN = 60, 5000, 10


@contextmanager
def service(folder: Path, storm: int) -> Iterator[tuple[Inbox, Remedies, int]]:
    """A fresh home with a service; its inbox, its remediations, its process."""
    home, place = folder / "home", folder / "scenarios" / "work"
    place.mkdir(parents=True)
    (home / "rules.d").mkdir(parents=True)
    home.chmod(0o700)
    (folder / "hosts").write_text("")
    (place / "heal.yml").write_text(PLAY)
    (place / "deploy.yml").write_text(PLAY)
    (home / "rules.d" / "r.yml").write_text(RULES)
    config = CONFIG.replace("SCENARIOS", str(folder / "scenarios")).replace("HOSTS", str(folder / "hosts"))
    (home / "config.toml").write_text(config.replace("STORM", str(storm)))
    process = subprocess.Popen(
        [sys.executable, "-m", "opsctl", "alert", "serve"],
        env={**os.environ, "OPSCTL_HOME": str(home)},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    while "opsctl alert: ready" not in process.stderr.readline():
        if process.poll() is not None:
            raise SystemExit("the service did not come up")
    # What it says is a line a step: a full pipe would hold it up.
    drain = subprocess.Popen(["cat"], stdin=process.stderr, stdout=subprocess.DEVNULL)
    try:
        with Inbox(home) as inbox:
            yield inbox, Remedies(inbox.database), process.pid
    finally:
        process.terminate()
        process.wait(60)
        drain.wait(60)


def alert(host: str) -> Alert:
    return made_up(
        f"{host} is down", host=host, problem="down", tags=(), severity="high", groups=(f"g-{host}",), stack=f"s-{host}"
    )


def until(remedies: Remedies, alerts: Sequence[Alert], states: Sequence[str]) -> None:
    """All of them are in one of these states."""
    while True:
        found = remedies.of_alerts(one.id for one in alerts)
        if len(found) == len(alerts) and all(each[-1].state in states for each in found.values()):
            return
        time.sleep(0.05 if len(alerts) < 100 else 1.0)


def added(folder: Path, rounds: int) -> None:
    """One alert after the other, each against a bare playbook."""
    ours: list[float] = []
    bare: list[float] = []
    starts: list[float] = []
    play = folder / "play.yml"
    play.write_text(PLAY)

    def bare_playbook() -> None:
        subprocess.run(["ansible-playbook", "-i", "localhost,", str(play)], capture_output=True, check=True)

    with service(folder / "added", 1_000_000) as (inbox, remedies, _pid):
        for number in range(rounds + 1):
            (one,) = [taken.alert for taken in inbox.put([alert(f"host-{number}")])]
            until(remedies, [one], ("closed", "escalated"))
            (remedy,) = remedies.of_alerts([one.id])[one.id]
            story = {step.state: seconds(step.time) for step in remedies.story([remedy.id])}
            peer, _ = timed(bare_playbook)
            # The first of each warms the disk.
            if number:
                began = seconds(one.received)
                ours.append(story["closed"] - began)
                starts.append(story["starting"] - began)
                bare.append(peer)
    header("opsctl", "bare")
    row("alert -> healed, verified and closed", ours, bare, "bare + 0.3 s")
    starts.sort()
    figure("alert -> remediation started, p95", f"{starts[int(0.95 * (len(starts) - 1))]:.3f} s", "< 1 s")


def rate(folder: Path) -> None:
    """Many hosts at once, ten at a time."""
    with service(folder / "rate", 1_000_000) as (inbox, remedies, _pid):
        alerts = [alert(f"host-{number}") for number in range(HEALED)]
        began = time.perf_counter()
        inbox.put(alerts)
        until(remedies, alerts, ("closed", "escalated"))
        took = time.perf_counter() - began
        states = Counter(each[-1].state for each in remedies.of_alerts(one.id for one in alerts).values())
    figure(f"{HEALED} remediations, 10 at a time", f"{60 * HEALED / took:.0f}/min ({dict(states)})", ">= 60/min")


def storm(folder: Path) -> None:
    """5,000 alerts of as many hosts in 10 seconds: all decided, next to none acted on."""
    with service(folder / "storm", 50) as (inbox, remedies, pid):
        alerts = [alert(f"host-{number}") for number in range(STORM)]
        began = time.perf_counter()
        for first in range(0, STORM, 100):
            inbox.put(alerts[first : first + 100])
            time.sleep(max(0.0, began + WITHIN * first / STORM - time.perf_counter()))
        until(remedies, alerts, ("proposed", "closed", "escalated", "suppressed", "held"))
        took = time.perf_counter() - began
        states = Counter(each[-1].state for each in remedies.of_alerts(one.id for one in alerts).values())
        status = Path(f"/proc/{pid}/status").read_text().splitlines()
        peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024
    figure(f"storm of {STORM} in {WITHIN} s: all decided after", f"{took:.1f} s {dict(states)}", f"~ {WITHIN} s")
    figure("memory of the service, at most", f"{peak:.0f} MB", "< 300 MB")


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    with tempfile.TemporaryDirectory(prefix="opsctl-loop-") as name:
        added(Path(name), rounds)
        rate(Path(name))
        storm(Path(name))


if __name__ == "__main__":
    main()
