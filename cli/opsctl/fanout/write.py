"""Writes the result of a command on many hosts piece by piece: as JSON for programs, as text for people."""

from __future__ import annotations

import base64
import codecs
import difflib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from opsctl.fanout.fold import STREAMS, Said, heading

Pieces = Callable[[str, str], Iterable[bytes]]
"""(host, stream): what it said there, again at every call."""
_COMPARED = 16 * 1024
"""Bytes of output that are compared with others' at most."""
_DIFFERENT = 50
"""Groups that are compared with the first: who has more of them does not look for small differences."""
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
    """Hosts that said the same, for people: pieces of text, with what the first host of each group said.

    Of later groups only what differs from the first one is shown, where that is shorter.
    """
    first: dict[str, list[str] | None] = {}
    for number, group in enumerate(grouped):
        yield f"{'' if number == 0 else chr(10)}{heading(group)}\n"
        for stream in STREAMS:
            mark = "    " if stream == "stdout" else "  ! "
            lines = _few(said(group[0].host, stream))
            base = first.setdefault(stream, lines) if number == 0 else first[stream]
            if 0 < number <= _DIFFERENT and base and lines and (shown := _difference(base, lines)):
                yield f"{mark}(differs from the first:)\n"
                yield from (f"{mark}{line}\n" for line in shown)
            else:
                yield from _marked(mark, said(group[0].host, stream))


def _marked(mark: str, parts: Iterable[bytes]) -> Iterator[str]:
    fresh = True
    for text in _decoded(parts, "backslashreplace"):
        for line in text.splitlines(keepends=True):
            yield mark + line if fresh else line
            fresh = line.endswith("\n")
    if not fresh:
        yield "\n"


def _few(parts: Iterable[bytes]) -> list[str] | None:
    """The lines; None when they are too many to be compared."""
    data = b""
    for part in parts:
        data += part
        if len(data) > _COMPARED:
            return None
    return data.decode("utf-8", "backslashreplace").splitlines()


def _difference(base: list[str], lines: list[str]) -> list[str]:
    """How the lines differ, if that can be said in fewer lines."""
    found = list(difflib.unified_diff(base, lines, lineterm="", n=1))[2:]
    return found if len(found) < len(lines) else []


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
