"""Shipping as a whole: one sender at a time reads what is new, sends it, and writes down how far it came."""

from __future__ import annotations

import fcntl
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opsctl.clock import now, stamp
from opsctl.db.engine import spoken
from opsctl.errors import ConfigError, StoreError
from opsctl.events.ship import source
from opsctl.events.ship.answer import Item, Trouble
from opsctl.events.ship.dead import Dead, Letter
from opsctl.events.ship.document import Origin
from opsctl.events.ship.lanes import ahead, together
from opsctl.events.ship.options import Elasticsearch
from opsctl.events.ship.parcel import Parcel, chunks
from opsctl.events.ship.secret import credentials
from opsctl.events.ship.sender import Sender
from opsctl.events.ship.setup import prepare
from opsctl.events.ship.state import LEDGER, Circuit, Cursor, State
from opsctl.events.ship.template import VERSION

if TYPE_CHECKING:
    from opsctl.events.ship.client import Server
    from opsctl.ledger.book import Ledger

_PAUSES = (5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
"""Seconds in which nothing is tried, after so many failures in a row."""

_INTERVAL = 0.0003
_LANES = 2
"""Requests at the same time: while the server answers one it works on the other."""


@dataclass(slots=True)
class Report:
    """What one pass did."""

    counts: Counter[str] = field(default_factory=Counter)
    trouble: str = ""
    """Why it ended early; empty when all that was there is done with."""
    busy: bool = False
    """Another sender is at work, and was told to look again."""


class Shipper:
    """The shipping of one home. Opening it connects to nothing."""

    def __init__(self, home: Path, options: Elasticsearch) -> None:
        """Makes `spool/` below the home.

        Raises:
            ConfigError: there is no URL.
            StoreError: what is kept there cannot be opened.
        """
        if not options.on:
            raise ConfigError("No Elasticsearch is set: add elasticsearch.url to config.toml")
        self.home = home
        self.options = options
        self.folder = home / "spool"
        self.state = State(self.folder / "ship.db")
        self.dead = Dead(self.folder)
        self._server: Server | None = None

    @property
    def server(self) -> Server:
        """The connection. What it needs is imported at its first use: it takes longer than most commands."""
        if self._server is None:
            from opsctl.events.ship.client import Server

            self._server = Server(self.options, credentials(self.options))
        return self._server

    @property
    def origin(self) -> Origin:
        """What all documents share."""
        return Origin(
            self.options.namespace, os.uname().nodename, version("opsctl"), self.state.agent, self.options.labels
        )

    def flush(
        self,
        *,
        patience: float | None = None,
        complete: bool = False,
        on_chunk: Callable[[Counter[str]], None] | None = None,
    ) -> Report:
        """Send all there is. `complete`: however much it is. Never raises for the server's sake.

        Raises:
            StoreError: this machine's own files cannot be read or written.
            ConfigError: the credentials cannot be read.
        """
        report = Report()
        self._ask()
        while self._asked():
            with self._turn() as mine:
                if not mine:
                    report.busy = True
                    return report
                self._answered()
                self._pass(report, patience, complete, on_chunk)
            # Who came while the lock was held has left word, and is gone.
            if report.trouble:
                break
        return report

    def failed(self, reason: str) -> None:
        """Write down what stopped a flush that nobody was watching."""
        self._close(Trouble(reason))

    def waiting(self) -> dict[str, int]:
        """Bytes of journals that are not sent, by run."""
        cursors = self.state.cursors()
        found = {path.stem: size - cursors.get(path.stem, Cursor()).position for path, size in _journals(self.home)}
        return {name: size for name, size in found.items() if size}

    def status(self) -> dict[str, Any]:
        """As JSON: the shape of `opsctl logs ship status -o json`."""
        waiting, counters, circuit = self.waiting(), self.state.counters(), self.state.circuit
        names = ("acked", "duplicate", "dead", "dropped", "retried", "split", "dead_lost")
        return {
            "url": self.options.url,
            "namespace": self.options.namespace,
            "sent": self.state.fact("sent"),
            "waiting": {"runs": len(waiting), "bytes": sum(map(abs, waiting.values())), "ledger": self._behind()},
            "counts": {name: counters.get(name, 0) for name in names},
            "dead": sum(1 for _ in self.dead.letters()),
            "circuit": {
                "open": circuit.open(),
                "since": circuit.since,
                "reason": circuit.reason,
                "failures": circuit.failures,
                "left": round(circuit.left, 1),
            },
        }

    def rewind(self, runs: Sequence[str], since: float | None = None) -> None:
        """Let these runs, and all journals written to since then, be sent from their beginnings; the ledger as well.

        Raises:
            StoreError: another sender is at work.
        """
        with self._turn() as mine:
            if not mine:
                raise StoreError("Cannot go back: another opsctl is shipping; try again when it is done")
            names = set(runs)
            if since is not None:
                names |= {path.stem for path, _size in _journals(self.home) if path.stat().st_mtime >= since}
            self.state.forget(names)
            self._rewind_ledger(runs, since)

    def _rewind_ledger(self, runs: Sequence[str], since: float | None) -> None:
        if not (self.home / "opsctl.db").exists():
            return
        book = self.book()
        found = [record.seq for run in runs for record in islice(book.records(run), 1)]
        if since is not None and (first := book.first_since(stamp(since))) is not None:
            found.append(first)
        if found and min(found) <= self.state.cursor(LEDGER).seq:
            self.state.advance({LEDGER: source.before(book, min(found))}, {})

    def _behind(self) -> int:
        """Records of the ledger that are not sent."""
        if not (self.home / "opsctl.db").exists():
            return 0
        newest = next(self.book().records(last=1), None)
        return 0 if newest is None else abs(newest.seq - self.state.cursor(LEDGER).seq)

    def book(self) -> Ledger:
        """The ledger."""
        from opsctl.db.engine import opened
        from opsctl.ledger.book import Ledger

        return Ledger(opened(self.home), self.home / "ledger.head")

    def resend(self) -> Report:
        """Send the dead letters again; those that are refused again stay.

        Raises:
            StoreError: as `flush`; or another sender is at work.
        """
        report = Report()
        with self._turn() as mine:
            if not mine:
                raise StoreError("Cannot send the dead letters: another opsctl is shipping; try again when it is done")
            letters = list(self.dead.letters())
            again = [
                Parcel(each.id, each.line.encode(), each.source, Cursor(), broken="" if each.line else each.reason)
                for each in letters
            ]
            kept: dict[str, Letter] = {}
            try:
                sender = Sender(self.server, self.options.patience)
                for chunk in chunks(again, self.options.chunk_documents, self.options.chunk_bytes):
                    delivery = sender.send(chunk)
                    report.counts.update(delivery.counts)
                    kept |= {letter.id: letter for letter in delivery.letters}
                    done = {parcel.id for parcel in chunk}
                    letters = [letter for letter in letters if letter.id not in done]
            except Trouble as trouble:
                report.trouble = str(trouble)
            self.dead.keep([*kept.values(), *letters])
            counts = {name: value for name, value in report.counts.items() if name in ("acked", "duplicate")}
            self.state.advance({}, counts)
        return report

    def _pass(
        self,
        report: Report,
        patience: float | None,
        complete: bool,
        on_chunk: Callable[[Counter[str]], None] | None,
    ) -> None:
        options = self.options
        groups = ahead(chunks(self._parcels(complete), options.chunk_documents, options.chunk_bytes))
        sender, sent = Sender(self, options.patience if patience is None else patience), False
        deliveries = together(sender.send, self._prepared(groups), _LANES)
        # Who sends needs the interpreter often and shortly, who makes documents always: it must give way soon.
        interval = sys.getswitchinterval()
        sys.setswitchinterval(_INTERVAL)
        try:
            for chunk, delivery in deliveries:
                sent = True
                if delivery.letters:
                    delivery.counts["dead_lost"] += self.dead.add(delivery.letters)
                self.state.advance({parcel.source: parcel.cursor for parcel in chunk}, delivery.counts)
                report.counts.update(delivery.counts)
                if on_chunk is not None:
                    on_chunk(report.counts)
        except Trouble as trouble:
            report.trouble = str(trouble)
            self._close(trouble)
        else:
            if sent:
                self.state.note("sent", now())
            if sent and self.state.circuit.failures:
                self.state.circuit = Circuit()
        finally:
            sys.setswitchinterval(interval)
            sender.stop()
            deliveries.close()
            groups.close()

    def bulk(self, lines: Sequence[bytes]) -> list[Item]:
        """Send documents; connects at the first."""
        return self.server.bulk(lines)

    def _prepared(self, groups: Iterable[list[Parcel]]) -> Iterator[list[Parcel]]:
        """The same; the templates are there before the first."""
        for number, group in enumerate(groups):
            if number == 0:
                self._prepare()
            yield group

    def _prepare(self) -> None:
        """See that the templates are there. Who may only write cannot, and leaves it to who set up the cluster."""
        mark = repr((self.options.url, self.options.namespace, self.options.lifecycle, self.options.retention, VERSION))
        if self.state.fact("prepared") == mark:
            return
        try:
            prepare(self.server, self.options)
        except Trouble as trouble:
            # Should they be missing, the server refuses the documents: they go to data streams or nowhere.
            if trouble.status not in (401, 403):
                raise
        self.state.note("prepared", mark)

    def _parcels(self, complete: bool) -> Iterator[Parcel]:
        cursors, origin = self.state.cursors(), self.origin
        journals = _journals(self.home)
        self.state.forget(set(cursors) - {LEDGER} - {path.stem for path, _size in journals})
        if (self.home / "opsctl.db").exists():
            yield from source.ledger(self.book(), cursors.get(LEDGER, Cursor()), origin)
        new = [
            (path, size, cursors.get(path.stem, Cursor()))
            for path, size in journals
            if size != cursors.get(path.stem, Cursor()).position
        ]
        about = self._about(path.stem for path, _size, _cursor in new)
        excess = sum(abs(size - cursor.position) for _path, size, cursor in new) - self.options.spool_bytes
        for path, size, cursor in new:
            if excess > 0 and not complete:
                excess -= abs(size - cursor.position)
                yield from source.passed_over(path, cursor, origin)
            else:
                yield from source.journal(path, cursor, origin, about.get(path.stem))

    def _about(self, runs: Iterable[str]) -> Mapping[str, Mapping[str, str]]:
        if not (self.home / "opsctl.db").exists():
            return {}
        from opsctl.db.engine import opened
        from opsctl.search.about import about

        return about(opened(self.home))(runs)

    def _close(self, trouble: Trouble) -> None:
        before = self.state.circuit
        pause = _PAUSES[-1] if trouble.meaning == "closed" else _PAUSES[min(before.failures, len(_PAUSES) - 1)]
        since = before.since or now()
        self.state.circuit = Circuit(time.time() + pause, since, str(trouble), before.failures + 1)

    @contextmanager
    def _turn(self) -> Iterator[bool]:
        """Hold the sender's lock; false when another has it."""
        with spoken(self.folder):
            lock = os.open(self.folder / "ship.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with os.fdopen(lock) as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True

    def _ask(self) -> None:
        with spoken(self.folder):
            (self.folder / "ship.again").touch(mode=0o600)

    def _asked(self) -> bool:
        return (self.folder / "ship.again").exists()

    def _answered(self) -> None:
        (self.folder / "ship.again").unlink(missing_ok=True)


def _journals(home: Path) -> list[tuple[Path, int]]:
    """The journals and their sizes, the oldest run first."""
    found = []
    try:
        with os.scandir(home / "journal") as entries:
            for entry in entries:
                if entry.name.endswith(".ndjson"):
                    found.append((Path(entry.path), entry.stat().st_size))
    except FileNotFoundError:
        return []
    return sorted(found)
