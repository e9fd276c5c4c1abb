"""Whatever a server answers, in whatever order: what it took is counted once, what it cannot take is kept aside."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsctl.events.ship.answer import Item, Trouble, items, meaning
from opsctl.events.ship.lanes import ahead, together
from opsctl.events.ship.parcel import Parcel, chunks
from opsctl.events.ship.sender import Sender
from opsctl.events.ship.state import Cursor


class Clock:
    """Time that passes only while somebody waits."""

    def __init__(self) -> None:
        self.now = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += max(seconds, 0.001)


class Scripted:
    """A server that stores by id, and follows a script of faults, one for each request."""

    def __init__(self, faults: list[str], poison: set[str], most: int = 1000) -> None:
        self.faults, self.poison, self.most = faults, poison, most
        self.stored: list[str] = []
        self.requests = 0

    def bulk(self, lines: Sequence[bytes]) -> list[Item]:
        self.requests += 1
        fault = self.faults.pop(0) if self.faults else ""
        if len(lines) > self.most:
            raise Trouble("too large", 413)
        if fault in ("refused", "busy"):
            raise Trouble(fault, {"refused": 0, "busy": 429}[fault])
        answers = [self._take(line.decode(), fault == "some" and place % 2 == 1) for place, line in enumerate(lines)]
        if fault == "lost":
            raise Trouble("no answer in time")
        return answers

    def _take(self, name: str, busy: bool) -> Item:
        if name in self.poison:
            return Item(400, "document_parsing_exception", "no number")
        if busy:
            return Item(429, "es_rejected_execution_exception", "queue full")
        if name in self.stored:
            return Item(409)
        self.stored.append(name)
        return Item(201)


def parcels(*names: str) -> list[Parcel]:
    return [Parcel(name, name.encode(), "run", Cursor(place)) for place, name in enumerate(names)]


@given(
    st.lists(st.sampled_from(["", "refused", "busy", "some", "lost"]), max_size=12),
    st.sets(st.integers(0, 9)),
    st.integers(1, 12),
)
def test_each_document_is_stored_once_or_kept_aside(faults: list[str], poison: set[int], most: int) -> None:
    names = [str(number) for number in range(10)]
    server, clock = Scripted(faults, {str(number) for number in poison}, most), Clock()
    delivery = Sender(server, 10_000, clock.sleep, lambda: clock.now).send(parcels(*names))
    assert sorted(server.stored) == [name for name in names if int(name) not in poison]
    assert sorted(letter.id for letter in delivery.letters) == sorted(map(str, poison))
    assert delivery.counts["acked"] + delivery.counts["duplicate"] == len(server.stored)
    assert delivery.counts["dead"] == len(poison)


def test_patience_ends() -> None:
    server, clock = Scripted(["refused"] * 10_000, set()), Clock()
    with pytest.raises(Trouble, match="refused"):
        Sender(server, 30, clock.sleep, lambda: clock.now).send(parcels("a", "b"))
    assert 30 <= clock.now < 100
    assert server.requests < 200


def test_patience_is_counted_from_the_last_success() -> None:
    clock = Clock()
    sender = Sender(Scripted([*["busy"] * 3, ""] * 3, set()), 60, clock.sleep, lambda: clock.now)
    for name in "abc":
        assert sender.send(parcels(name)).counts["acked"] == 1
        clock.now += 40
    assert clock.now > 60


def test_a_line_that_is_no_record_is_kept_aside_without_asking() -> None:
    server = Scripted([], set())
    broken = Parcel("x", b"", "run", Cursor(), broken="the line at byte 7 is not a record: ValueError")
    delivery = Sender(server, 1).send([broken])
    assert server.requests == 0
    assert [letter.reason for letter in delivery.letters] == [broken.broken]


def test_a_request_that_is_refused_as_a_whole_kills_no_document() -> None:
    class Older:
        def bulk(self, lines: Sequence[bytes]) -> list[Item]:
            raise Trouble("request contains unrecognized parameter: [require_data_stream]", 400)

    with pytest.raises(Trouble, match="unrecognized parameter"):
        Sender(Older(), 100).send(parcels("a", "b"))


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refusal_ends_it_at_once(status: int) -> None:
    class Refusing:
        def bulk(self, lines: Sequence[bytes]) -> list[Item]:
            return [Item(status, "security_exception", "action is unauthorized") for _ in lines]

    with pytest.raises(Trouble, match=rf"action is unauthorized \(status {status}\)") as raised:
        Sender(Refusing(), 100).send(parcels("a"))
    assert raised.value.meaning == "closed"


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ((200, 201), "taken"),
        ((409,), "there"),
        ((413,), "split"),
        ((400, 411, 422), "bad"),
        ((401, 403, 404, 405), "closed"),
        ((0, 408, 429, 500, 502, 503, 504), "later"),
    ],
)
def test_each_status_has_a_meaning(statuses: tuple[int, ...], expected: str) -> None:
    assert {meaning(status) for status in statuses} == {expected}


def test_an_answer_for_fewer_documents_is_no_answer() -> None:
    with pytest.raises(Trouble, match="answered for 1 documents of 2"):
        items({"errors": True, "items": [{"create": {"status": 201}}]}, 2)


@given(st.lists(st.integers(1, 50), max_size=60), st.integers(1, 8), st.integers(1, 120))
def test_chunks_hold_what_they_may(sizes: list[int], count: int, size: int) -> None:
    given_ = [Parcel(str(n), b"x" * length, "r", Cursor()) for n, length in enumerate(sizes)]
    groups = list(chunks(given_, count, size))
    assert [parcel for group in groups for parcel in group] == given_
    for group in groups:
        assert 0 < len(group) <= count
        assert len(group) == 1 or sum(len(parcel.line) for parcel in group) <= size


def test_what_is_made_ahead_comes_in_order_and_errors_come_last() -> None:
    def work() -> object:
        yield from range(50)
        raise ValueError("at the end")

    seen = []
    with pytest.raises(ValueError, match="at the end"):
        seen.extend(ahead(work()))  # type: ignore[arg-type]
    way = ahead(iter(range(50)))
    assert [next(way) for _ in range(50)] == list(range(50))


@given(st.lists(st.integers(0, 3), max_size=30), st.integers(1, 4))
def test_what_is_done_together_comes_in_order(pauses: list[int], lanes: int) -> None:
    def work(pair: tuple[int, int]) -> int:
        time.sleep(pair[1] / 1000)
        return pair[0] * 2

    given_ = list(enumerate(pauses))
    assert list(together(work, given_, lanes)) == [(pair, pair[0] * 2) for pair in given_]


def test_an_error_comes_in_its_place() -> None:
    def work(number: int) -> int:
        if number == 3:
            raise ValueError("three")
        return number

    way, seen = together(work, range(100)), []
    with pytest.raises(ValueError, match="three"):
        seen.extend(number for number, _ in way)
    assert seen == [0, 1, 2]


def test_who_stops_early_stops_the_maker() -> None:
    made = []

    def work() -> object:
        for number in range(1000):
            made.append(number)
            yield number

    way = ahead(work())  # type: ignore[arg-type]
    next(way)
    way.close()
    assert len(made) < 10
