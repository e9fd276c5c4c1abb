"""^C and its like: what they do while a run is prepared, and while it runs."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from opsctl.runs.recorder import View
from opsctl.runs.work import Running


@contextmanager
def interruptible() -> Iterator[None]:
    """SIGTERM and SIGHUP act as ^C does, also while things are being prepared."""

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    with _handled(interrupt, (signal.SIGTERM, signal.SIGHUP)):
        yield


@contextmanager
def stopping(execution: Running, view: View | None = None) -> Iterator[None]:
    """^C asks the run to stop, a second one ends it by force."""

    def stop(_number: int, _frame: object) -> None:
        if view is not None:
            view.stopping(again=bool(execution.why))
        execution.stop("canceled")

    with _handled(stop, (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)):
        yield


@contextmanager
def _handled(handler: Callable[[int, Any], None], numbers: tuple[signal.Signals, ...]) -> Iterator[None]:
    # What was ignored when we started (nohup, a script's background) stays so.
    heard = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, handler) for number in heard}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
