"""For scripts/demo-loop: the settings of a Zabbix that a run made, and what happens to a problem until it is closed.

timeline.py settings RESULT.json
timeline.py follow HOST KILLED PATIENCE       (seconds since 1970; seconds)
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

_PAUSE = 0.3


def _opsctl(*words: str) -> Any:
    program = str(Path(sys.executable).with_name("opsctl"))
    done = subprocess.run([program, *words, "-o", "json"], capture_output=True, text=True, check=False, timeout=60)
    if done.returncode:
        sys.exit(f"opsctl {' '.join(words)}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def settings(file: str) -> None:
    """As the variable OPSCTL_MONITOR has it."""
    result = json.loads(Path(file).read_text(encoding="utf-8"))["result"]
    zabbix = {"url": result["url"], "ca_file": result["ca_file"], "server": result["trapper"]}
    print(json.dumps({"zabbix": zabbix}))


def follow(host: str, killed: float, patience: float) -> bool:
    """Print each step of the host's problems that began after `killed`; whether one was closed in time."""
    seen: set[tuple[str, str]] = set()
    print("\n      SECONDS  WHAT\n        0.00   the process is killed", flush=True)
    while time.time() < killed + patience:
        alerts = [alert for alert in _opsctl("alert", "list", "--host", host) if _when(alert["received"]) > killed]
        for alert in alerts:
            for when, text in _story(_opsctl("alert", "show", alert["id"])):
                if (when, text) not in seen:
                    seen.add((when, text))
                    print(f"    {_when(when) - killed:8.2f}   {text}", flush=True)
        if any(_closed(alert) for alert in alerts):
            return True
        time.sleep(_PAUSE)
    return False


def _closed(alert: dict[str, Any]) -> bool:
    states = [remedy["state"] for remedy in alert["remediations"]]
    return alert["state"] == "resolved" and "closed" in states


def _story(alert: dict[str, Any]) -> list[tuple[str, str]]:
    story = [(alert["started"], f"Zabbix: {alert['name']}"), (alert["received"], "opsctl has it")]
    for remedy in alert["remediations"]:
        for step in remedy["story"]:
            story.append((step["time"], f"{step['state']}: {step['text']}" if step["text"] else step["state"]))
    if alert["resolved"]:
        story.append((alert["resolved"], "Zabbix: the problem is gone"))
    return sorted(story)


def _when(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def main() -> int:
    """Do one of the two."""
    match sys.argv[1:]:
        case ["settings", file]:
            settings(file)
            return 0
        case ["follow", host, killed, patience]:
            return 0 if follow(host, float(killed), float(patience)) else 1
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
