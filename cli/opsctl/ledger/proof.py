"""Signed checkpoints against the records they sign: a pure walk, beside the one along the chain.

A trail is a series of checkpoints in order: those beside the ledger, those of an anchor, those of an export.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from opsctl.ledger.book import ENDS
from opsctl.ledger.checkpoint import Checkpoint, parse
from opsctl.ledger.record import GENESIS, Record, digest
from opsctl.ledger.ring import Ring
from opsctl.ledger.verify import Finding, Signed


@dataclass(slots=True)
class Trail:
    """One series. `lines` can be read twice; a `whole` one has every checkpoint since number `first`."""

    name: str
    """How a finding begins: `checkpoint` or, for an anchor's, its name."""
    lines: Callable[[], Iterable[str]]
    ring: Ring
    ledger: str = ""
    """The ledger's id, when known beforehand."""
    whole: bool = True
    first: int = 1
    count: int = 0
    newest: Checkpoint | None = None
    """The last one that the key signed."""
    pending: list[int] = field(default_factory=list)
    """Records that end a run and that no checkpoint has signed yet."""
    findings: list[Finding] = field(default_factory=list)
    _said: set[str] = field(default_factory=set)
    _left: Iterator[Checkpoint] = field(default_factory=lambda: iter(()))
    _next: Checkpoint | None = None

    def begin(self) -> None:
        """Look at the signatures and at the order of the lines."""
        intact = self._intact()
        self._left = self._proven(intact)
        self._advance()

    def meet(self, record: Record) -> None:
        """Compare the next record."""
        if record.seq == 1:
            self.ledger = record.hash
        if record.kind in ENDS:
            self.pending.append(record.seq)
        while self._next is not None and self._next.seq <= record.seq:
            found = self._next
            if found.seq < record.seq:
                self._say("missing", found, "signs a record that is not there")
            elif found.hash != record.hash and found.hash != digest(str(record.body)):
                self._say("differs", found, "signs another record: the chain was rewritten")
            self._compare_ledger(found)
            self.pending.clear()
            self._advance()

    def end(self) -> None:
        """What is left signs records that have gone."""
        while self._next is not None:
            self._say("missing", self._next, "signs a record that is not there")
            self._compare_ledger(self._next)
            self._advance()

    def _compare_ledger(self, found: Checkpoint) -> None:
        if self.ledger and found.ledger != self.ledger:
            self._say("differs", found, "is of another ledger", "other ledger")

    def _advance(self) -> None:
        self._next = next(self._left, None)

    def _intact(self) -> bool:
        """Whether each line names the one before and the last is signed: then all are, for one look at a signature."""
        before, last = "", None
        for line in self.lines():
            last = parse(line)
            if last is None or (before and last.previous != digest(before)):
                return False
            before = line
        return last is not None and self.ring.proves(last)

    def _proven(self, intact: bool) -> Iterator[Checkpoint]:
        before: Checkpoint | None = None
        for line in self.lines():
            self.count += 1
            found = parse(line)
            if found is None:
                self._find("forged", 0, f"{self.name} line {self.count} was changed: it is not what opsctl writes")
            elif not (intact or self.ring.proves(found)) or (found.next and found not in self.ring.handovers):
                self._say("forged", found, "is not signed by this key: it was changed, or the key is another")
            else:
                self._compare_order(before, found)
                before = self.newest = found
                yield found

    def _compare_order(self, before: Checkpoint | None, found: Checkpoint) -> None:
        if before is None:
            if self.whole and (found.number != self.first or (self.first == 1 and found.previous != GENESIS)):
                self._say("missing", found, f"is not number {self.first}, the first: some were removed")
            return
        if found.seq < before.seq or found.number <= before.number:
            self._say("missing", found, f"does not follow number {before.number}: some were moved or taken back")
        elif self.whole and (found.number != before.number + 1 or found.previous != digest(before.line)):
            self._say("missing", found, f"does not follow number {before.number}: some were removed or changed")

    def _say(self, what: Signed, found: Checkpoint, text: str, once: str = "") -> None:
        # After the first of a kind the others say nothing new, and a rewritten chain would have one for each run.
        if (once or what) in self._said:
            return
        self._said.add(once or what)
        self._find(what, found.seq, f"{self.name} {found.number} (record {found.seq}, {found.time[:19]}Z) {text}")

    def _find(self, what: Signed, seq: int, text: str) -> None:
        self.findings.append(Finding(seq, what, text))


def walked(records: Iterable[Record], trails: Iterable[Trail]) -> Iterator[Record]:
    """The records as they come, each shown to every trail."""
    trails = list(trails)
    for trail in trails:
        trail.begin()
    for record in records:
        for trail in trails:
            trail.meet(record)
        yield record
    for trail in trails:
        trail.end()
