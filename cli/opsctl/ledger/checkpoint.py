"""Signed checkpoints: who has no key cannot rewrite the chain up to one of them.

One line of canonical JSON each, appended to a file beside the ledger. A checkpoint signs the ledger's id (the hash of
its first record), a record's number and hash, and the time; and its own number and the SHA-256 of the line before, so
that a good signature on the last line proves all lines before it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from opsctl.clock import now
from opsctl.errors import StoreError
from opsctl.ledger.anchor import Point, sync_directory
from opsctl.ledger.key import PublicKey, Signer, load, make
from opsctl.ledger.record import GENESIS, canonical, digest

DOMAIN = "opsctl ledger checkpoint 1\n"
"""Begins what is signed, so that no signature can be taken for one of something else."""

LINE = 4096
"""More characters than a line has."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One line."""

    ledger: str
    number: int
    seq: int
    hash: str
    time: str
    previous: str
    """SHA-256 of the line before; zeros in the first."""
    signature: str = ""

    @property
    def point(self) -> Point:
        """The place in the chain that it signs."""
        return Point(self.seq, self.hash)

    @property
    def claim(self) -> bytes:
        """What is signed."""
        said = asdict(self)
        del said["signature"]
        return (DOMAIN + canonical(said)).encode("ascii")

    @property
    def line(self) -> str:
        """As stored."""
        return canonical(asdict(self))

    def proven(self, key: PublicKey) -> bool:
        """Whether this key signed it."""
        return key.proves(self.claim, self.signature)


def parse(line: str) -> Checkpoint | None:
    """The checkpoint of a line; None when it is not exactly what we write."""
    try:
        said = json.loads(line)
        found = Checkpoint(**said)
        return found if found.line == line and all(type(said[n]) is t for n, t in _TYPES.items()) else None
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def signed(signer: Signer, last: Checkpoint | None, ledger: str, point: Point) -> Checkpoint:
    """The checkpoint that follows `last`, which must be the same key's."""
    claim = Checkpoint(
        ledger=ledger,
        number=1 if last is None else last.number + 1,
        seq=point.seq,
        hash=point.hash,
        time=now(),
        previous=GENESIS if last is None else digest(last.line),
    )
    return replace(claim, signature=signer.sign(claim.claim))


_TYPES = {"ledger": str, "number": int, "seq": int, "hash": str, "time": str, "previous": str, "signature": str}


class Checkpoints:
    """The file and the key. Whoever adds holds the ledger's lock."""

    def __init__(self, path: Path, key: Path) -> None:
        """Neither need exist."""
        self.path = path
        self.key = key

    def add(self, ledger: str, point: Point) -> Checkpoint:
        """Sign this place, durably.

        Raises:
            StoreError: the key has gone or cannot be used.
            OSError: the file cannot be written.
        """
        signer = self.signer()
        # Never after a line that is not ours: the signature on this one will speak for all before it.
        made = signed(signer, self.newest(signer.public), ledger, point)
        append(self.path, made.line)
        return made

    def signer(self) -> Signer:
        """The key, made when nothing was ever signed."""
        found = load(self.key)
        if found is not None:
            return found
        if self.path.exists():
            raise StoreError(f"Cannot sign the ledger: {self.key} has gone; restore it from a backup")
        return make(self.key)

    def newest(self, key: PublicKey | None = None) -> Checkpoint | None:
        """The last line that can be read, and that `key` has signed; what was changed is for verification to find."""
        read = (parse(line) for line in reversed(tail(self.path)))
        return next((found for found in read if found is not None and (key is None or found.proven(key))), None)

    def size(self) -> int:
        """Bytes in the file now: what `lines` is to read."""
        return self.path.stat().st_size if self.path.exists() else 0

    def lines(self, size: int) -> Iterator[str]:
        """The lines in the first `size` bytes."""
        return lines(self.path, size) if size else iter(())


def lines(path: Path, size: int) -> Iterator[str]:
    """The lines in the first `size` bytes of a file; what a crash tore off the last one is left out."""
    with path.open("rb") as file:
        while size > 0 and (line := file.readline(LINE)):
            size -= len(line)
            if line.endswith(b"\n") or size > 0:
                yield text(line)


def text(line: bytes) -> str:
    """A line of a file that anything may have been done to."""
    return line.decode("ascii", "backslashreplace").removesuffix("\n")


def tail(path: Path) -> list[str]:
    """The last whole lines of a file of checkpoints; all there are when they are few."""
    if not path.exists():
        return []
    with path.open("rb") as file:
        length = file.seek(0, os.SEEK_END)
        file.seek(max(0, length - 8 * LINE))
        return [text(line) for line in file.read().split(b"\n")[:-1]]


def append(path: Path, line: str) -> None:
    """Add a line, durably; a line that a crash has torn is cut off first.

    Raises:
        OSError: it cannot be written.
    """
    new = not path.exists()
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "rb+") as file:
        file.truncate(_whole(file.fileno()))
        file.seek(0, os.SEEK_END)
        file.write(line.encode("ascii") + b"\n")
        file.flush()
        os.fsync(file.fileno())
    if new:
        sync_directory(path.parent)


def _whole(descriptor: int) -> int:
    """The length without a torn line at the end. A whole line without its end is damage and is kept."""
    length = os.fstat(descriptor).st_size
    start = max(0, length - LINE)
    last = os.pread(descriptor, length - start, start)
    end = last.rfind(b"\n") + 1
    return start + end if end or start == 0 else length
