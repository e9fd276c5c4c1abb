"""The keys of one ledger, one after the other: each hands over to the next by a checkpoint that it signs itself. Pure.

A line that hands over names both keys. Since each line also names the hash of the one before, whoever trusts any key of
the ring can prove all of it: what came before by the lines that this key has signed, what comes after by what it handed
over to. A line of a key that has handed over before is worth nothing: who stole an old key cannot go on with it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass

from opsctl.ledger.checkpoint import Checkpoint, parse
from opsctl.ledger.key import PublicKey, public


@dataclass(frozen=True, slots=True)
class Ring:
    """The keys in order of time, and the lines by which all but the last handed over."""

    keys: tuple[PublicKey, ...]
    handovers: tuple[Checkpoint, ...] = ()

    def of(self, number: int) -> PublicKey:
        """The key that signs the checkpoint of this number; the line that hands over is the old one's last."""
        return self.keys[bisect_left([handover.number for handover in self.handovers], number)]

    def proves(self, found: Checkpoint) -> bool:
        """Whether the right key has signed it."""
        return found.proven(self.of(found.number))


def ring(trusted: PublicKey, lines: Iterable[str]) -> Ring:
    """The ring that a trusted key is part of. Where lines do not make one with it, it stands alone."""
    # Few lines hand over, and many are read.
    handovers = tuple(found for line in lines if '"next":"' in line and (found := parse(line)) is not None)
    alone = Ring((trusted,))
    if not handovers:
        return alone
    keys = [public(found.key) for found in handovers] + [public(handovers[-1].next)]
    known = tuple(key for key in keys if key is not None)
    if len(known) != len(keys) or str(trusted) not in map(str, known):
        return alone
    numbers = [found.number for found in handovers]
    linked = all(str(after) == found.next for found, after in zip(handovers, known[1:], strict=True))
    signed = all(found.proven(key) for found, key in zip(handovers, known, strict=False))
    return Ring(known, handovers) if linked and signed and numbers == sorted(set(numbers)) else alone
