#!/usr/bin/env python3
"""The Redis scenario, first and unchanged second run, against a bare shell script that does the same work.

    python benchmarks/redis_deploy.py [ROUNDS]

Also: what `opsctl run` costs over plain `ansible-playbook` of the same action, and where the time of a deploy goes.
"""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path

from common import HOME, ROOT, figure, header, local_cloud, row, timed

from opsctl.localcloud.hosts import image

STACK = "benchredis"


def playbook(env: dict[str, str], action: str, **more: str) -> subprocess.CompletedProcess[str]:
    argv = [str(Path(sys.executable).with_name("ansible-playbook")), f"opsctl.cloud.redis_cluster.{action}"]
    argv += ["-e", json.dumps({"stack_name": STACK})]
    return run(argv, {**env, **more})


def opsctl(env: dict[str, str], action: str) -> subprocess.CompletedProcess[str]:
    argv = [str(Path(sys.executable).with_name("opsctl")), "run", "scenario", "redis-cluster", "--action", action]
    return run([*argv, "-e", f"stack_name={STACK}", "-o", "json"], env)


def run(argv: list[str], env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode:
        raise SystemExit(f"{' '.join(argv)}: exit code {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-1000:]}")
    return done


def bare(verb: str) -> None:
    subprocess.run([str(ROOT / "benchmarks" / "redis_bare.sh"), image.name(), verb], check=True)


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 2
    first: list[float] = []
    second: list[float] = []
    peer: list[float] = []
    with local_cloud() as env:
        env["OPSCTL_CLOUD"] = "local"
        bare("down")
        for _ in range(rounds):
            try:
                peer.append(timed(lambda: bare("up"))[0])
            finally:
                bare("down")
            first.append(timed(lambda: playbook(env, "deploy"))[0])
            second.append(timed(lambda: playbook(env, "deploy"))[0])
            if len(first) < rounds:
                playbook(env, "destroy")
        plain, audited = [], []
        for _ in range(3):
            plain.append(timed(lambda: playbook(env, "inspect"))[0])
            audited.append(timed(lambda: opsctl(env, "inspect"))[0])
        header("opsctl", "peer")
        row("deploy, 6 nodes, against a shell script", first, peer, "<= 2.5 x")
        row("unchanged deploy, against the first", second, first, "<= 0.5 x")
        row("opsctl run, against ansible-playbook", audited, plain, "<= 1.05 x + 1 s")
        opsctl(env, "deploy")
        phases(env, "an unchanged deploy, its slowest tasks")
        playbook(env, "destroy")
        opsctl(env, "deploy")
        phases(env, "a first deploy, its slowest tasks")
        playbook(env, "destroy")
    figure("home", str(HOME), "-")


def phases(env: dict[str, str], title: str) -> None:
    """Where the time of the last run went: its slowest tasks, from the journal."""
    shown = run([str(Path(sys.executable).with_name("opsctl")), "runs", "logs", "last", "--events"], env).stdout
    events = [json.loads(line) for line in shown.splitlines()]
    marks = [each for each in events if each["event"] in ("run_start", "task_start")] + events[-1:]
    times = [datetime.fromisoformat(each["time"]) for each in marks]
    spent = [
        ((later - earlier).total_seconds(), mark.get("task") or "start of Ansible")
        for mark, earlier, later in zip(marks, times, times[1:], strict=False)
    ]
    figure(title, f"{sum(seconds for seconds, _ in spent):.2f} s", "-")
    for seconds, name in sorted(spent, reverse=True)[:8]:
        figure(f"  {name.rpartition(' : ')[2][:42]}", f"{seconds:.2f} s", "-")


if __name__ == "__main__":
    main()
