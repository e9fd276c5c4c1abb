"""The verification of a whole ledger: its chain, its checkpoints, its anchors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from opsctl.errors import StoreError
from opsctl.ledger.book import ENDS, Ledger
from opsctl.ledger.key import PublicKey, load
from opsctl.ledger.proof import Trail, walked
from opsctl.ledger.record import GENESIS, Record
from opsctl.ledger.ring import Ring, ring
from opsctl.ledger.verify import Finding, check
from opsctl.ledger.witness import Witness


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of a verification."""

    records: int
    head: str
    """The hash of the last record."""
    findings: tuple[Finding, ...]
    checkpoints: int = 0
    anchors: tuple[str, ...] = ()

    @property
    def sound(self) -> bool:
        """Whether the ledger is what was once written."""
        return not any(finding.grave for finding in self.findings)

    def plain(self) -> dict[str, Any]:
        """As JSON: the shape of `opsctl audit verify -o json`."""
        findings = [{"seq": f.seq, "what": f.what, "text": f.text, "grave": f.grave} for f in self.findings]
        return {
            "sound": self.sound,
            "records": self.records,
            "checkpoints": self.checkpoints,
            "anchors": list(self.anchors),
            "head": self.head,
            "findings": findings,
        }


@dataclass(slots=True)
class Tally:
    """Counts what passes."""

    records: int = 0
    last: Record | None = None
    ended: bool = False
    """Whether there was a record that ends a run."""

    def of(self, records: Iterable[Record]) -> Iterator[Record]:
        """The same records."""
        for record in records:
            self.records, self.last = self.records + 1, record
            self.ended = self.ended or record.kind in ENDS
            yield record

    @property
    def head(self) -> str:
        """The hash of the last one."""
        return GENESIS if self.last is None else self.last.hash


def audit(ledger: Ledger, witnesses: Sequence[Witness] = (), key: PublicKey | None = None) -> Report:
    """Verify a ledger as it is now; others may go on appending. `key` is trusted instead of the one in the home."""
    findings: list[Finding] = []
    key = key or _own(ledger, findings)
    # Read before the ledger is: an anchor must not know more than the records it is compared with.
    keys = ring(key, ledger.checkpoints.lines(ledger.checkpoints.size())) if key else None
    others = _anchors(witnesses, keys, findings)
    with ledger.snapshot() as snapshot:
        held = partial(ledger.checkpoints.lines, snapshot.size)
        own = Trail("checkpoint", held, ring(key, held())) if key else None
        trails = ([own] if own else []) + others
        tally = Tally()
        chain = list(check(tally.of(walked(snapshot.records, trails)), snapshot.head))
    if snapshot.damage:
        chain = [finding for finding in chain if finding.what != "unanchored"]
        chain.append(Finding(0, "unanchored", snapshot.damage))
    findings = chain + findings + [finding for trail in trails for finding in trail.findings]
    if own is not None:
        findings += _uncovered(own, tally, signed=bool(own.count) or ledger.checkpoints.key.exists())
        findings += [found for other in others if (found := _behind(own, other)) is not None]
    elif tally.ended and not findings:
        findings.append(Finding(0, "unsigned", "nothing is signed yet: `opsctl audit checkpoint` signs, each run will"))
    return Report(
        records=tally.records,
        head=tally.head,
        findings=tuple(findings),
        checkpoints=own.count if own else 0,
        anchors=tuple(witness.name for witness in witnesses),
    )


def _own(ledger: Ledger, findings: list[Finding]) -> PublicKey | None:
    path = ledger.checkpoints.key
    try:
        found = load(path)
    except StoreError as error:
        findings.append(Finding(0, "unreadable", str(error)))
        return None
    if found is None:
        if ledger.checkpoints.size():
            text = f"{path} has gone: checkpoints cannot be proven without --public-key"
            findings.append(Finding(0, "unreadable", text))
        return None
    return found.public


def _anchors(witnesses: Sequence[Witness], keys: Ring | None, findings: list[Finding]) -> list[Trail]:
    trails = []
    for witness in witnesses:
        if keys is None:
            findings.append(Finding(0, "unreadable", f"anchor {witness.name} cannot be checked: there is no key"))
            continue
        try:
            trails.append(Trail(f"anchor {witness.name}: checkpoint", witness.lines(), keys, whole=False))
        except StoreError as error:
            findings.append(Finding(0, "unreadable", str(error)))
    return trails


def _uncovered(own: Trail, tally: Tally, signed: bool) -> Iterator[Finding]:
    """Every run's end is signed at once. Only the very last may lack it, when opsctl was killed just then."""
    if not own.pending or tally.last is None:
        return
    first = own.pending[0]
    if signed and first != tally.last.seq:
        yield Finding(first, "uncovered", f"record {first} ended a run and was never signed: checkpoints were removed")
    else:
        yield Finding(first, "unsigned", f"record {first} is not signed: opsctl was killed; the next record will be")


def _behind(own: Trail, other: Trail) -> Finding | None:
    newest = own.newest.seq if own.newest else 0
    reached = other.newest.seq if other.newest else 0
    if reached >= newest:
        return None
    where = other.name.removesuffix(": checkpoint")
    return Finding(reached, "behind", f"{where} is behind: it ends at record {reached}, the checkpoints at {newest}")
