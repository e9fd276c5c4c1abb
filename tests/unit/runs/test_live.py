"""What the live view paints."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from opsctl.runs.live import Live
from opsctl.runs.progress import replay
from opsctl.runs.request import Requester, RunRequest

REQUEST = RunRequest(
    id="r-1", kind="scenario", content="cache", action="deploy", playbook="p", cloud="local",
    requester=Requester("ann", 7), created="",
)  # fmt: skip


def event(kind: str, host: str = "", **more: object) -> dict[str, object]:
    return {"event": kind, "time": "2026-01-01T00:00:00.000000Z", "host": host, "task": "Install", **more}


def painted(height: int, hosts: int, tasks: int = 0, *, color: bool = False) -> str:
    screen = io.StringIO()
    console = Console(file=screen, width=80, height=height, force_terminal=color, highlight=False)
    view = Live(REQUEST, tasks, console)
    records = [event("play_start", play="Configure"), event("task_start")]
    records += [event("host_start", f"node-{number}") for number in range(hosts)]
    records += [event("host_failed", "node-7", data={"res": {"msg": "no"}})]
    progress = replay(records)
    view.show(records[-1], progress)
    console.print(view._render())
    return screen.getvalue()


def test_it_shows_play_task_hosts_and_counts() -> None:
    text = painted(40, 9, tasks=12)
    assert "Configure" in text
    assert "Install" in text
    assert "task 1/12" in text
    assert "failed 1" in text
    assert all(f"node-{number}" in text for number in range(9))
    # What is broken comes first.
    assert text.index("node-7") < text.index("node-0")


@pytest.mark.parametrize("height", [8, 12, 24, 50])
def test_it_never_grows_over_the_terminal(height: int) -> None:
    text = painted(height, 200)
    assert len(text.splitlines()) <= height
    assert "node-7 " in text
    assert "more" in text


def test_without_colour_there_are_no_escapes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\x1b[3" in painted(24, 9, color=True)
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[3" not in painted(24, 9, color=True)
