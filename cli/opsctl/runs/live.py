"""Shows a run on a terminal while it runs: play, task, hosts, counts, progress."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live as Screen
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from opsctl.clock import seconds
from opsctl.output import story
from opsctl.runs.plain import cut, line
from opsctl.runs.progress import Host, Progress, natural
from opsctl.runs.request import RunRequest

_STYLES = {
    "idle": "dim",
    "running": "cyan",
    "ok": "green",
    "changed": "yellow",
    "failed": "bold red",
    "unreachable": "bold magenta",
    "skipped": "dim",
}
_COUNTS = (
    ("ok", "green"),
    ("changed", "yellow"),
    ("failed", "bold red"),
    ("unreachable", "bold magenta"),
    ("skipped", "dim"),
)
_INTERVAL = 0.12
"""Seconds between two pictures."""

_TOLD = frozenset({"play_start", "host_failed", "host_unreachable", "error", "batch_start", "paused", "continued"})
"""What stays on the screen above the live part."""


class Live:
    """The live view, painted by a thread of its own from the last state: a slow terminal slows nothing else."""

    def __init__(self, request: RunRequest, tasks: int, console: Console | None = None) -> None:
        """`tasks`: how many tasks to expect; 0 = unknown."""
        self._console = console or story()
        self._expected = tasks
        self._request = request
        self._progress = Progress()
        self._began = time.monotonic()
        self._spinner = Spinner("dots", style="cyan")
        self._told: list[str] = []
        self._notice = ""
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._painter = threading.Thread(target=self._paint, name="painter", daemon=True)
        self._screen = Screen(
            console=self._console,
            get_renderable=self._render,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
        )

    def begin(self, request: RunRequest) -> None:
        """Say what is about to run, and begin to paint."""
        mode = "  [check mode: nothing is changed]" if request.check else ""
        title = Text.assemble(
            (f"{request.content} {request.action}", "bold"), f" on {request.cloud}  run {request.id}{mode}"
        )
        self._console.print(title)
        self._screen.start()
        self._painter.start()

    def stopping(self, *, again: bool) -> None:
        """Paint that it was heard."""
        self._notice = "ending it by force" if again else "stopping; ^C again ends it by force"

    def show(self, record: dict[str, Any], progress: Progress) -> None:
        """Remember what is to be told and the state to be painted."""
        with self._lock:
            self._progress = progress
            if record["event"] in ("paused", "continued"):
                self._notice = "paused" if record["event"] == "paused" else ""
            if record["event"] in _TOLD:
                self._told += map(cut, line(record))

    def close(self) -> None:
        """Paint the last time."""
        self._over.set()
        if self._painter.is_alive():
            self._painter.join(5)
        self._screen.stop()
        self._tell()

    def _paint(self) -> None:
        while not self._over.wait(_INTERVAL):
            self._tell()
            self._screen.refresh()

    def _render(self) -> RenderableType:
        with self._lock:
            return self._painted(self._progress)

    def _tell(self) -> None:
        with self._lock:
            told, self._told = self._told, []
        for text in told:
            style = "bold" if text.startswith("PLAY") else "red" if "FAILED" in text or "UNREACHABLE" in text else ""
            self._console.print(Text(text, style=style))

    def _painted(self, progress: Progress) -> RenderableType:
        room = max(3, self._console.size.height - 6)
        return Group(self._heading(progress), *self._rows(progress, room), self._footer(progress))

    def _heading(self, progress: Progress) -> RenderableType:
        self._spinner.update(
            text=Text.assemble(
                (f"{self._notice}  " if self._notice else "", "bold yellow"),
                (progress.play or "starting", "bold"),
                ("  " + progress.task if progress.task else "", ""),
                overflow="ellipsis",
                no_wrap=True,
            )
        )
        return self._spinner

    def _rows(self, progress: Progress, room: int) -> Iterable[RenderableType]:
        ordered = sorted(progress.hosts.items(), key=_weight)
        table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        for name, host in ordered[:room]:
            table.add_row(f"  {name}", Text(host.state, style=_STYLES[host.state]), Text(_doing(host), style="dim"))
        yield table
        if len(ordered) > room:
            yield Text(f"  and {len(ordered) - room} more", style="dim")

    def _footer(self, progress: Progress) -> RenderableType:
        parts = [(f"{name} {count}  ", style) for name, style in _COUNTS if (count := progress.count(name))]
        grid = Table.grid(padding=(0, 2, 0, 0))
        bar = ProgressBar(
            total=max(self._expected, progress.tasks) if self._expected else None,
            completed=progress.tasks,
            width=30,
            pulse=not self._expected,
        )
        tasks = f"task {progress.tasks}" + (f"/{max(self._expected, progress.tasks)}" if self._expected else "")
        grid.add_row(bar, tasks, _clock(time.monotonic() - self._began), Text.assemble(*parts))
        return grid


def _weight(item: tuple[str, Host]) -> tuple[int, list[tuple[bool, int, str]]]:
    """What matters first: broken, then running, then the rest by name."""
    name, host = item
    return (0 if host.broken else 1 if host.state == "running" else 2), natural(name)


def _doing(host: Host) -> str:
    if host.state != "running" or not host.since:
        return host.task
    return f"{host.task} ({_clock(time.time() - seconds(host.since))})"


def _clock(elapsed: float) -> str:
    minutes, rest = divmod(max(0, int(elapsed)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
