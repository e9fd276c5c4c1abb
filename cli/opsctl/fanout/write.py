"""Writes the result of a command on many hosts piece by piece: as JSON for programs, as text for people."""

from __future__ import annotations

import base64
import codecs
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from opsctl.fanout.fold import STREAMS, Said, heading

Pieces = Callable[[str, str], Iterable[bytes]]
"""(host, stream): what it said there, again at every call."""
Write = Callable[[str], object]


def rows(write: Write, result: Mapping[str, Any], hosts: Sequence[Mapping[str, Any]], said: Pieces) -> None:
    """The JSON of `result` with `{"result": {"hosts": [...]}}` at its end: the rows with all that the hosts said."""
    start = json.dumps(dict(result), ensure_ascii=False, indent=2).removesuffix("\n}")
    write(f'{start},\n  "result": {{\n    "hosts": [')
    for number, row in enumerate(hosts):
        write(",\n      {" if number else "\n      {")
        _row(write, row, said)
        write("\n      }")
    write("\n    ]\n  }\n}\n" if hosts else "]\n  }\n}\n")


def _row(write: Write, row: Mapping[str, Any], said: Pieces) -> None:
    fields = {name: value for name, value in row.items() if not name.endswith("_bytes")}
    write(",".join(f"\n        {json.dumps(name)}: {_value(value)}" for name, value in fields.items()))
    for stream in STREAMS:
        write(f',\n        "{stream}": "')
        valid = _Valid()
        for text in _decoded(valid.watch(said(row["host"], stream)), "replace"):
            write(_value(text)[1:-1])
        write('"')
        if not valid.ended():
            write(f',\n        "{stream}_base64": "')
            for text in _encoded(said(row["host"], stream)):
                write(text)
            write('"')


def blocks(grouped: Iterable[Sequence[Said]], said: Pieces) -> Iterator[str]:
    """Hosts that said the same, for people: pieces of text, with what the first host of each group said."""
    for number, group in enumerate(grouped):
        yield f"{'' if number == 0 else chr(10)}{heading(group)}\n"
        for stream in STREAMS:
            mark = "    " if stream == "stdout" else "  ! "
            fresh = True
            for text in _decoded(said(group[0].host, stream), "backslashreplace"):
                for line in text.splitlines(keepends=True):
                    yield mark + line if fresh else line
                    fresh = line.endswith("\n")
            if not fresh:
                yield "\n"


class _Valid:
    """Watches whether bytes that go by are UTF-8."""

    def __init__(self) -> None:
        self._decoder: codecs.IncrementalDecoder | None = codecs.getincrementaldecoder("utf-8")("strict")

    def watch(self, parts: Iterable[bytes]) -> Iterator[bytes]:
        for part in parts:
            self._take(part)
            yield part

    def ended(self) -> bool:
        self._take(b"", final=True)
        return self._decoder is not None

    def _take(self, part: bytes, *, final: bool = False) -> None:
        if self._decoder is not None:
            try:
                self._decoder.decode(part, final)
            except UnicodeDecodeError:
                self._decoder = None


def _decoded(parts: Iterable[bytes], errors: str) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8")(errors)
    for part in parts:
        yield decoder.decode(part)
    yield decoder.decode(b"", True)


def _encoded(parts: Iterable[bytes]) -> Iterator[str]:
    held = b""
    for part in parts:
        held += part
        cut = len(held) - len(held) % 3
        yield base64.b64encode(held[:cut]).decode("ascii")
        held = held[cut:]
    yield base64.b64encode(held).decode("ascii")


def _value(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
