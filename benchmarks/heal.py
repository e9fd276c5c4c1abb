"""A killed Redis until it is back and its problem gone: the closed loop against a bare loop with the same playbook.

    python benchmarks/heal.py [--rounds N] [--stack demo] [--watch RESULT.json]

Needs the stacks that scripts/demo-loop makes, under the same OPSCTL_HOME, and `opsctl monitor setup` done, as there.
The peer asks Zabbix as often as opsctl does, starts ansible-playbook with the same heal.yml on the same host when a
problem is there, and asks until it is gone; it decides nothing and records nothing. Both kill the same hosts in turn,
where systemd is told not to start the dead process again.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from ansible_collections.opsctl.cloud.plugins.module_utils.zabbix.problems import gone, problems
from common import figure, header, row

from opsctl.home import home
from opsctl.monitor.zabbix import gateway
from opsctl.settings import load

_INTERVAL = 0.3
_PATIENCE = 60.0
_TOOLS = str(Path(sys.executable).parent)
_PROBLEM = "redis-process-down"
_KILL = """
folder=/run/systemd/system/redis-server.service.d
mkdir -p $folder; printf '[Service]\\nRestart=no\\n' >$folder/zz-benchmark.conf; systemctl daemon-reload
date +%s.%N; pkill -KILL -x redis-server
address=$(awk '$1 == "bind" { print $2; exit }' /etc/redis/redis.conf)
until exec 3<>/dev/tcp/$address/6379 && printf 'PING\\r\\n' >&3 && IFS= read -r -t 1 answer <&3; do sleep 0.02; done
date +%s.%N
"""
_RULE = f"""# Written by benchmarks/heal.py: as the shipped rule, without bounds that a benchmark would meet.
- name: {_PROBLEM}
  match: {{problem: {_PROBLEM}, stack: "*"}}
  do: {{scenario: redis-cluster, action: heal}}
  timeout: 2m
  verify: {{within: 60s, problem: gone}}
  guards: {{cooldown: 0s, budget: 100%, tries: {{most: 100, within: 1h}}}}
"""


class Lab:
    """The stacks, and what is done to them."""

    def __init__(self, stack: str, watch: Path) -> None:
        """`watch`: the result of the run that deployed Zabbix."""
        result = json.loads(watch.read_text(encoding="utf-8"))["result"]
        zabbix = {"url": result["url"], "ca_file": result["ca_file"], "server": result["trapper"]}
        os.environ["OPSCTL_MONITOR"] = json.dumps({"zabbix": zabbix})
        sources = [{"name": "zabbix", "kind": "zabbix", "interval": _INTERVAL}]
        os.environ["OPSCTL_ALERTS"] = json.dumps({"sources": sources})
        self.stack = stack
        self.home = home()
        self.settings = load(self.home)
        self.zabbix = gateway(self.settings.monitor.zabbix, self.home)
        self.cloud = self._environment()
        self.inventory = self.home / "logs" / "benchmark.opsctl.yml"
        self.inventory.parent.mkdir(exist_ok=True)
        self.inventory.write_text("plugin: opsctl.cloud.stacks\n")

    def _environment(self) -> dict[str, str]:
        told = subprocess.run([f"{_TOOLS}/opsctl", "cloud", "env"], capture_output=True, text=True, check=True).stdout
        lines = [
            line.removeprefix("export ").partition("=") for line in told.splitlines() if line.startswith("export ")
        ]
        return {**os.environ, **{name: value.strip("'\"") for name, _, value in lines}}

    def hosts(self) -> list[str]:
        """The nodes."""
        listed = subprocess.run([f"{_TOOLS}/opsctl", "inventory", "--list"], capture_output=True, text=True, check=True)
        return sorted(json.loads(listed.stdout)[f"{self.stack}_redis"]["hosts"])

    def kill(self, host: str) -> subprocess.Popen[str]:
        """Kill its Redis; prints when, and when something answered there again."""
        words = [f"{_TOOLS}/opsctl", "ssh", host, "--", "bash", "-c", _KILL]
        return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def quiet(self) -> None:
        """Wait until Zabbix has no problem any more."""
        limit = time.monotonic() + _PATIENCE
        while problems(self.zabbix, tags=[("opsctl_problem", _PROBLEM)]):
            if time.monotonic() > limit:
                sys.exit("a problem of an earlier round does not go away")
            time.sleep(_INTERVAL)


def ours(lab: Lab, host: str) -> tuple[float, float, float]:
    """Seconds from the kill until the service is back, the problem is gone, and all is told and closed."""
    log = (lab.home / "logs" / "benchmark-heal.log").open("a+")
    serving = subprocess.Popen([f"{_TOOLS}/opsctl", "alert", "serve"], stdout=log, stderr=log)
    try:
        time.sleep(4)
        killing = lab.kill(host)
        limit = time.monotonic() + _PATIENCE
        killing.wait(_PATIENCE)
        # Whoever looks takes a processor from what is measured.
        time.sleep(3)
        while time.monotonic() < limit:
            listed = _json("alert", "list", "--host", host, "--find", "Redis is not running", "-n", "1")
            if listed and listed[0]["state"] == "resolved" and listed[0]["remediations"]:
                shown = _json("alert", "show", listed[0]["id"])
                states = {step["state"]: _when(step["time"]) for step in shown["remediations"][-1]["story"]}
                if "closed" in states:
                    killed, back = map(float, killing.communicate()[0].split())
                    if states["closed"] > killed:
                        return back - killed, _when(shown["resolved"]) - killed, states["closed"] - killed
            time.sleep(1)
        sys.exit(f"{host} was not healed within {_PATIENCE:.0f} s; see {log.name}")
    finally:
        serving.send_signal(signal.SIGTERM)
        serving.wait(30)


def bare(lab: Lab, host: str) -> tuple[float, float]:
    """The same without opsctl: until the service is back, and the problem gone."""
    killing = lab.kill(host)
    while not (found := problems(lab.zabbix, tags=[("opsctl_problem", _PROBLEM)])):
        time.sleep(_INTERVAL)
    words = [f"{_TOOLS}/ansible-playbook", "opsctl.cloud.redis_cluster.heal", "-e", f"stack_name={lab.stack}"]
    words += ["-i", str(lab.inventory), "-l", host]
    done = subprocess.run(words, env=lab.cloud, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"ansible-playbook: {done.stdout[-1500:]}{done.stderr[-500:]}")
    while not gone(lab.zabbix, [problem.event_id for problem in found]):
        time.sleep(_INTERVAL)
    now = time.time()
    killed, back = map(float, killing.communicate(timeout=_PATIENCE)[0].split())
    return back - killed, now - killed


def _json(*words: str) -> Any:
    done = subprocess.run([f"{_TOOLS}/opsctl", *words, "-o", "json"], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def _when(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--stack", default="demo")
    parser.add_argument("--watch", type=Path, default=home() / "logs" / "zabbix.json", metavar="RESULT.json")
    given = parser.parse_args()
    lab = Lab(given.stack, given.watch)
    rule = lab.home / "rules.d" / "benchmark-heal.yml"
    rule.parent.mkdir(exist_ok=True)
    rule.write_text(_RULE)
    hosts, mine, theirs = lab.hosts(), [], []
    try:
        for number in range(given.rounds):
            host = hosts[number % len(hosts)]
            lab.quiet()
            mine.append(ours(lab, host))
            lab.quiet()
            theirs.append(bare(lab, host))
    finally:
        rule.unlink()
    header("opsctl", "bare")
    row("killed -> service back", [one[0] for one in mine], [one[0] for one in theirs], "<= 2.5 s, bare + 0.3 s")
    row("killed -> problem gone", [one[1] for one in mine], [one[1] for one in theirs], "<= 3.5 s")
    figure("killed -> told and closed", f"{statistics.median(one[2] for one in mine):.2f} s", "<= 3.5 s")


if __name__ == "__main__":
    main()
