"""The client's end, against an agent that says what a test wants it to say."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as some

from opsctl.agent import way, wire
from opsctl.fanout.ssh import Connection, Lost, Process, Refused

_TO = Connection("web1", "192.0.2.1")
_T = TypeVar("_T")
_BEGAN = wire.message(wire.BEGAN, {"warm": True})


def _with(frames: Iterable[bytes], work: Callable[[way.Kept], Coroutine[Any, Any, _T]]) -> _T:
    """What work makes of an agent that says this, as it comes, to whoever asks, and is gone."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert (await wire.read(reader))[0] == wire.OPEN
        for part in frames:
            writer.write(part)
            await writer.drain()
        writer.close()

    async def both() -> _T:
        with tempfile.TemporaryDirectory() as name:
            async with await asyncio.start_unix_server(serve, Path(name, "socket")):
                return await work(way.Kept(Path(name, "socket")))

    return asyncio.run(both())


async def _said(kept: way.Kept) -> tuple[bytes, bytes, int | None]:
    process: Process = await kept.open(_TO, "true")
    try:

        async def whole(stream: str) -> bytes:
            found = b""
            while data := await process.read(stream, 10):
                found += data
            return found

        out, err, _none = await asyncio.gather(whole("stdout"), whole("stderr"), process.wait())
        return out, err, process.returncode
    finally:
        process.close()


_OUTPUT = some.lists(some.tuples(some.sampled_from([wire.OUT, wire.ERR, wire.WAIT]), some.binary(max_size=50)))


@given(_OUTPUT, some.lists(some.integers(1, 30), max_size=5))
def test_streams_come_through_whatever_way_they_are_cut(spoken: list[tuple[bytes, bytes]], cuts: list[int]) -> None:
    frames = [wire.frame(kind, b"" if kind == wire.WAIT else data) for kind, data in spoken]
    data = b"".join([wire.frame(wire.WAIT), _BEGAN, *frames, wire.frame(wire.OVER, b'{"rc": 3}')])
    parts = [data]
    for cut in cuts:
        parts = [piece for part in parts for piece in (part[:cut], part[cut:]) if piece]
    expected = tuple(b"".join(data for kind, data in spoken if kind == of) for of in (wire.OUT, wire.ERR))
    assert _with(parts, _said) == (*expected, 3)


def test_what_the_agent_says_of_a_host_is_why_it_is_refused() -> None:
    with pytest.raises(Refused, match="no route"):
        _with([wire.frame(wire.REFUSED, b"no route")], _said)


@pytest.mark.parametrize("end", [b"", wire.frame(b"?"), wire.frame(wire.OVER, b"{"), wire.frame(wire.OUT, b"x")[:-1]])
def test_an_agent_that_is_gone_in_the_middle_is_told(end: bytes) -> None:
    with pytest.raises(Lost, match="the agent is gone"):
        _with([_BEGAN, wire.frame(wire.OUT, b"some"), end], _said)


@pytest.mark.parametrize("answer", [b"", wire.frame(wire.ALONE), wire.frame(b"?"), b"O\xff\xff\xff\xff"])
def test_before_anything_has_begun_it_is_done_without_the_agent(answer: bytes) -> None:
    """The own connection is refused at once: nobody listens there."""

    async def work(kept: way.Kept) -> int:
        with pytest.raises(Refused):
            await kept.open(Connection("here", "127.0.0.1", port=1), "true")
        return kept.alone

    assert _with([answer], work) == 1
