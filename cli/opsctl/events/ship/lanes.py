"""Threads beside the shipper's own: one makes what is to be sent next, a few send."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class _Made(Generic[T]):
    item: T


@dataclass(frozen=True, slots=True)
class _End:
    error: BaseException | None = None


def ahead(items: Iterable[T], depth: int = 2) -> Generator[T, None, None]:
    """The same items, made by a thread of their own, at most `depth` in advance: while one is sent, others are made."""
    lane: queue.Queue[_Made[T] | _End] = queue.Queue(depth)
    over = threading.Event()

    def put(item: _Made[T] | _End) -> bool:
        while not over.is_set():
            with suppress(queue.Full):
                lane.put(item, timeout=0.1)
                return True
        return False

    def work() -> None:
        try:
            for item in items:
                if not put(_Made(item)):
                    return
        except BaseException as error:
            put(_End(error))
        else:
            put(_End())

    thread = threading.Thread(target=work, name="ahead", daemon=True)
    thread.start()
    try:
        while True:
            came = lane.get()
            if isinstance(came, _Made):
                yield came.item
            elif came.error is not None:
                raise came.error
            else:
                return
    finally:
        over.set()
        thread.join()


def together(work: Callable[[T], R], items: Iterable[T], lanes: int = 2) -> Generator[tuple[T, R], None, None]:
    """Each item with what `work` makes of it, in order; `lanes` are worked on at a time.

    An error comes in its place and ends it; what is worked on beside it is left to end by itself.
    """
    jobs: queue.SimpleQueue[tuple[T, Future[R]] | None] = queue.SimpleQueue()
    pending: deque[tuple[T, Future[R]]] = deque()

    def serve() -> None:
        while (job := jobs.get()) is not None:
            item, future = job
            try:
                future.set_result(work(item))
            except BaseException as error:
                future.set_exception(error)

    threads = [threading.Thread(target=serve, name="lane", daemon=True) for _ in range(lanes)]
    for thread in threads:
        thread.start()
    try:
        for item in items:
            future: Future[R] = Future()
            pending.append((item, future))
            jobs.put((item, future))
            # One more than there are lanes: none stands idle while the oldest is waited for.
            if len(pending) > lanes:
                first, done = pending.popleft()
                yield first, done.result()
        while pending:
            first, done = pending.popleft()
            yield first, done.result()
    finally:
        with suppress(queue.Empty):
            while True:
                jobs.get_nowait()
        for _ in threads:
            jobs.put(None)
        for thread in threads:
            thread.join(timeout=1)
