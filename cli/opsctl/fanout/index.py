"""Where in a run's journal each host's output is, so that it can be given host by host and never all at once."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, BinaryIO

from opsctl.errors import StoreError
from opsctl.fanout.fold import Said, pieces, said


class Index(AbstractContextManager["Index"]):
    """A journal that is not written any more."""

    def __init__(self, path: Path) -> None:
        """Reads it once.

        Raises:
            StoreError: it cannot be read.
        """
        self._path = path
        self._places: dict[str, array[int]] = {}
        try:
            self._file: BinaryIO = path.open("rb")
        except OSError as error:
            raise StoreError(f"Cannot read {path}: {error.strerror}") from error
        self.hosts: dict[str, Said] = {of.host: of for of in said(self._records())}
        """In the order people count: how each ended, and sizes and hashes of what it said."""

    def pieces(self, host: str, stream: str) -> Iterator[bytes]:
        """What a host said on `stdout` or `stderr`, in order."""
        for place in self._places.get(host, ()):
            self._file.seek(place)
            for kind, data in pieces(json.loads(self._file.readline())):
                if kind == stream:
                    yield data

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def _records(self) -> Iterable[Mapping[str, Any]]:
        place = 0
        for line in self._file:
            try:
                record = json.loads(line)
            except ValueError:
                # A line that was torn when the run was killed has nothing behind it.
                if not line.endswith(b"\n"):
                    return
                raise StoreError(f"Cannot read {self._path}: damaged at byte {place}") from None
            if record.get("event") == "host_retry":
                self._places.pop(record["host"], None)
            if record.get("host") and pieces(record):
                self._places.setdefault(record["host"], array("Q")).append(place)
            place += len(line)
            yield record
