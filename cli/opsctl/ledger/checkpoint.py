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
from typing import Any

from opsctl.clock import now
from opsctl.errors import StoreError
from opsctl.ledger.anchor import Point, sync_directory
from opsctl.ledger.key import PREFIX, PublicKey, Signer, load, make, public
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
    key: str = ""
    """Only in a line that hands over: the public key that has signed it."""
    next: str = ""
    """Only in a line that hands over: the public key that signs from the next line on."""

    @property
    def point(self) -> Point:
        """The place in the chain that it signs."""
        return Point(self.seq, self.hash)

    @property
    def claim(self) -> bytes:
        """What is signed."""
        said = self.plain
        del said["signature"]
        return (DOMAIN + canonical(said)).encode("ascii")

    @property
    def line(self) -> str:
        """As stored."""
        return canonical(self.plain)

    @property
    def plain(self) -> dict[str, Any]:
        """As JSON. What hands over is only in lines that do."""
        return {name: value for name, value in asdict(self).items() if value or name not in ("key", "next")}

    def proven(self, key: PublicKey) -> bool:
        """Whether this key signed it."""
        return key.proves(self.claim, self.signature)


def parse(line: str) -> Checkpoint | None:
    """The checkpoint of a line; None when it is not exactly what we write."""
    try:
        said = json.loads(line)
        found = Checkpoint(**said)
        exact = found.line == line and all(type(said[n]) is t for n, t in _TYPES.items() if n in said)
        return found if exact and bool(found.key) == bool(found.next) else None
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def signed(
    signer: Signer, last: Checkpoint | None, ledger: str, point: Point, following: PublicKey | None = None
) -> Checkpoint:
    """The checkpoint that follows `last`, which must be the same key's or hand over to it.

    `following`: the key to hand over to.
    """
    claim = Checkpoint(
        ledger=ledger,
        number=1 if last is None else last.number + 1,
        seq=point.seq,
        hash=point.hash,
        time=now(),
        previous=GENESIS if last is None else digest(last.line),
        key="" if following is None else str(signer.public),
        next="" if following is None else str(following),
    )
    return replace(claim, signature=signer.sign(claim.claim))


_TYPES = {"ledger": str, "number": int, "seq": int, "hash": str, "time": str, "previous": str, "signature": str}
_TYPES |= {"key": str, "next": str}


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

    def rotate(self, ledger: str, point: Point, *, destroy: bool) -> Signer:
        """Hand over to a new key, durably, and take it; the old one is kept beside it, or destroyed.

        Killed in between, the next `signer` does the rest, or it has not happened.

        Raises:
            StoreError: the key has gone or cannot be used.
            OSError: a file cannot be written.
        """
        old = self.signer()
        new = make(self._waiting)
        append(self.path, signed(old, self.newest(old.public), ledger, point, new.public).line)
        self._take(old if not destroy else None)
        return new

    def signer(self) -> Signer:
        """The key, made when nothing was ever signed."""
        self._complete()
        found = load(self.key)
        if found is not None:
            return found
        if self.path.exists():
            raise StoreError(f"Cannot sign the ledger: {self.key} has gone; restore it from a backup")
        return make(self.key)

    def newest(self, key: PublicKey | None = None) -> Checkpoint | None:
        """The last line that can be read, and that `key` has signed; what was changed is for verification to find."""
        read = (parse(line) for line in reversed(tail(self.path)))
        return next((found for found in read if found is not None and (key is None or _ours(found, key))), None)

    def size(self) -> int:
        """Bytes in the file now: what `lines` is to read."""
        return self.path.stat().st_size if self.path.exists() else 0

    def lines(self, size: int) -> Iterator[str]:
        """The lines in the first `size` bytes."""
        return lines(self.path, size) if size else iter(())

    @property
    def _waiting(self) -> Path:
        """A new key until it is taken."""
        return self.key.with_name(f"{self.key.name}.next")

    @property
    def _doomed(self) -> Path:
        """An old key that is to be destroyed."""
        return self.key.with_name(f".{self.key.name}.old")

    def _complete(self) -> None:
        """Finish or undo what a kill has interrupted: the line that hands over decides."""
        if self._waiting.exists():
            new, newest = load(self._waiting), self.newest()
            if new is not None and newest is not None and newest.next == str(new.public):
                self._take(None if self._doomed.exists() else load(self.key))
            else:
                self._waiting.unlink()
        self._destroy()

    def _take(self, old: Signer | None) -> None:
        """Put the new key in place. `old` is kept under a name of its own; None: it is destroyed."""
        name = "" if old is None else f"{self.key.name}.{str(old.public).removeprefix(PREFIX)[:16]}"
        kept = self.key.with_name(name) if name else self._doomed
        kept.unlink(missing_ok=True)
        kept.hardlink_to(self.key)
        self._waiting.replace(self.key)
        sync_directory(self.key.parent)
        self._destroy()

    def _destroy(self) -> None:
        if self._doomed.exists() and not (self.key.exists() and self._doomed.samefile(self.key)):
            overwrite(self._doomed)
            self._doomed.unlink()
            sync_directory(self.key.parent)


def _ours(found: Checkpoint, key: PublicKey) -> bool:
    """Whether this key signed it, or takes over by it."""
    if found.proven(key):
        return True
    before = public(found.key) if found.next == str(key) else None
    return before is not None and found.proven(before)


def overwrite(path: Path) -> None:
    """Make a private key unreadable before its name goes; a disk that copies on write may keep it all the same."""
    with path.open("r+b") as file:
        file.write(os.urandom(path.stat().st_size))
        file.flush()
        os.fsync(file.fileno())


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
