"""Hosts that said the same are shown once; nothing of what they said is lost."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from opsctl.errors import StoreError
from opsctl.events.journal import encode
from opsctl.fanout.fold import groups, said, whole
from opsctl.fanout.host import CHUNK, Spool
from opsctl.fanout.index import Index
from opsctl.fanout.write import blocks, rows


def _piece(host: str, data: bytes, stream: str = "stdout") -> dict[str, Any]:
    text = data.decode("utf-8", "surrogateescape")
    return {"event": "host_output", "host": host, "stdout": text, "data": {"res": {"stream": stream}}}


def _end(host: str, rc: int = 0, msg: str = "") -> dict[str, Any]:
    kind = "host_failed" if msg else "host_ok"
    return {"event": kind, "host": host, "data": {"res": {"rc": rc, "seconds": 0.5, **({"msg": msg} if msg else {})}}}


def test_hosts_that_said_the_same_are_one_group_and_the_largest_comes_first() -> None:
    records = [_piece(f"web{n}", b"6.1\n") for n in (10, 2, 3)] + [_piece("web1", b"5.15\n")]
    records += [_end(f"web{n}") for n in (1, 2, 3, 10)]
    found = [[of.host for of in group] for group in groups(said(records))]
    assert found == [["web2", "web3", "web10"], ["web1"]]


def test_the_same_output_in_other_pieces_is_the_same() -> None:
    records = [_piece("a", b"one\ntwo\n"), _piece("b", b"one\n"), _piece("b", b"two\n"), _end("a"), _end("b")]
    assert len(groups(said(records))) == 1


def test_another_exit_status_or_another_stream_is_not_the_same() -> None:
    records = [_piece("a", b"x\n"), _piece("b", b"x\n", "stderr"), _piece("c", b"x\n")]
    records += [_end("a"), _end("b"), _end("c", 1, "exit status 1")]
    assert len(groups(said(records))) == 3


@contextmanager
def _index(records: list[dict[str, Any]], torn: bytes = b"") -> Iterator[Index]:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name, "run.ndjson")
        path.write_bytes(b"".join(encode({"seq": n, **of}) for n, of in enumerate(records, 1)) + torn)
        with Index(path) as index:
            yield index


def test_people_see_names_ending_and_output_once() -> None:
    records = [_piece("a", b"up"), _piece("b", b"up\n"), _piece("a", b"\n"), _end("a"), _end("b")]
    records += [_piece("c", b"no end", "stderr"), _end("c", 2, "exit status 2")]
    with _index(records) as index:
        shown = "".join(blocks(groups(index.hosts.values()), index.pieces))
    assert shown == "2 hosts the same (exit 0): a, b\n    up\n\n1 host (exit status 2): c\n  ! no end\n"


def test_of_hosts_that_differ_a_little_only_that_is_shown() -> None:
    long = "".join(f"line {n}\n" for n in range(20))
    records = [_piece(host, long.encode()) for host in "ab"] + [_piece("c", long.replace("line 7\n", "x\n").encode())]
    records += [_piece("d", b"quite another\n"), *map(_end, "abcd")]
    with _index(records) as index:
        shown = "".join(blocks(groups(index.hosts.values()), index.pieces))
    assert shown.split("\n\n")[1:] == [
        "1 host (exit 0): c\n    (differs from the first:)\n    @@ -7,3 +7,3 @@\n     line 6\n    -line 7\n    +x\n"
        "     line 8",
        "1 host (exit 0): d\n    quite another\n",
    ]


def test_a_result_of_ansible_counts_as_output_too() -> None:
    with _index([{"event": "host_ok", "host": "a", "data": {"res": {"rc": 0, "stdout": "up"}}}]) as index:
        assert list(index.pieces("a", "stdout")) == [b"up"]


def test_what_was_recorded_before_a_torn_line_counts() -> None:
    with _index([_piece("a", b"up\n"), _end("a")], torn=b'{"seq":3,"ev') as index:
        assert b"".join(index.pieces("a", "stdout")) == b"up\n"


def test_a_damaged_journal_is_told() -> None:
    with pytest.raises(StoreError, match="damaged at byte"), _index([_end("a")], torn=b"{\n"):
        pass


def test_bytes_that_are_no_text_are_given_whole_besides() -> None:
    row = whole({"host": "a", "rc": 0, "stdout_bytes": 2}, lambda _, of: b"\xff\xfe" if of == "stdout" else b"")
    assert row == {"host": "a", "rc": 0, "stdout": "\ufffd\ufffd", "stdout_base64": "//4=", "stderr": ""}


_SPOKEN = some.lists(some.tuples(some.sampled_from("ab"), some.sampled_from(["stdout", "stderr"]), some.binary()))


@given(_SPOKEN)
def test_written_piece_by_piece_it_is_the_same_json(spoken: list[tuple[str, str, bytes]]) -> None:
    written: list[str] = []
    with _index([_piece(host, data, stream) for host, stream, data in spoken]) as index:
        hosts = [of.plain() for of in index.hosts.values()]
        rows(written.append, {"id": "1"}, hosts, index.pieces)
        full = [whole(row, lambda host, stream: b"".join(index.pieces(host, stream))) for row in hosts]
    expected = {"id": "1", "result": {"hosts": full}}
    assert "".join(written) == json.dumps(expected, ensure_ascii=False, indent=2) + "\n"


@given(some.lists(some.binary(max_size=300)))
def test_no_byte_is_lost_between_the_host_and_the_journal(parts: list[bytes]) -> None:
    spool = Spool()
    pieces = [piece for part in parts for piece in spool.take(part)] + spool.rest()
    assert b"".join(piece.encode("utf-8", "surrogateescape") for piece in pieces) == b"".join(parts)


def test_a_piece_ends_where_a_line_ends_unless_the_line_is_very_long() -> None:
    spool = Spool()
    assert spool.take(b"one\ntw") == ["one\n"]
    assert spool.take(b"o\n") == ["two\n"]
    assert [len(piece) for piece in spool.take(b"x" * (CHUNK + 1))] == [CHUNK]
    assert spool.rest() == ["x"]


def test_a_character_is_not_torn_in_two() -> None:
    spool = Spool()
    pieces = spool.take(b"ab" + "\u20ac".encode() * CHUNK)
    assert all("\udce2" not in piece and len(piece.encode()) <= CHUNK for piece in pieces)
