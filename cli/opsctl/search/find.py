"""Searching: bring the index up to date, look up, read what was found from the journals."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from opsctl.search.index import Damaged, Place, Window, opened, passing
from opsctl.search.query import Query, Term, pattern
from opsctl.search.tails import Found, Tail
from opsctl.search.text import said, status

_AROUND = 70
"""Characters of an excerpt before what was found."""
_EXCERPT = 220
_SOME = 200
"""Events read whole at a time."""


@dataclass(frozen=True, slots=True)
class Hit:
    """One event that was found."""

    time: str
    run: str
    seq: int
    event: str
    host: str
    task: str
    status: str
    kind: str
    content: str
    user: str
    excerpt: str
    """One line of what it says, around what was looked for."""
    marks: list[tuple[int, int]] = field(default_factory=list)
    """Begin and end, in characters of the excerpt, of what was looked for."""

    def plain(self) -> dict[str, Any]:
        """As JSON; its shape is pinned by a test."""
        fields = {name: getattr(self, name) for name in self.__slots__ if name != "marks"}
        return fields | {"marks": [list(mark) for mark in self.marks]}


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found, the newest first."""

    hits: list[Hit]
    more: bool = False
    """Whether there are older ones."""
    notes: list[str] = field(default_factory=list)
    """What its reader must know: what could not be searched."""


class Searcher(Protocol):
    """Something that events of runs can be searched in."""

    def search(self, query: Query, window: Window, limit: int) -> Answer:
        """The newest events that match.

        Raises:
            OpsctlError: it cannot be searched.
        """


class Embedded:
    """The journals of this home, by way of the index beside them."""

    def __init__(
        self,
        home: Path,
        about: Callable[[Iterable[str]], Mapping[str, Mapping[str, str]]],
        say: Callable[[str], None] = lambda text: None,
        *,
        deep: bool = False,
    ) -> None:
        """`about`: user, kind, content of runs; `say`: told when it takes long; `deep`: search what is not indexed."""
        self._path = home / "search.db"
        self._journals = home / "journal"
        self._about, self._say, self._deep = about, say, deep

    def search(self, query: Query, window: Window, limit: int) -> Answer:
        """The newest events that match; first the index learns what is new in the journals."""
        try:
            return self._search(query, window, limit)
        except Damaged:
            self._say("The search index was damaged; making it again")
            return self._search(query, window, limit)

    def advance(self, until: float | None = None, patience: float = 0) -> int:
        """Only bring the index up to date, as far as time allows; how many events were new."""
        with opened(self._path, patience) as index:
            tails = index.behind(self._journals)
            return index.advance(tails, self._about([tail.run for tail in tails]), until)

    def _search(self, query: Query, window: Window, limit: int) -> Answer:
        with opened(self._path) as index:
            tails = index.behind(self._journals)
            size = sum(tail.path.stat().st_size - tail.offset for tail in tails)
            if size > 20_000_000:
                self._say(f"Indexing {size // 1_000_000} MB of journals that are new")
            index.advance(tails, self._about([tail.run for tail in tails]))
            places = index.find(query, window, limit + 1)
            notes = [f"The journal of run {run} has damaged lines: {count}" for run, count in index.damaged().items()]
            cut = index.find(query, window, -1, cut=True) if query.words or query.excluded else []
        more = len(places) > limit
        if cut and self._deep:
            whole = {place for place in places if place not in set(cut)}
            found = sorted(whole.union(self._whole(cut, query, window)), key=lambda place: place.time, reverse=True)
            places, more = found[:limit], more or len(found) > limit
        elif cut:
            notes.append(f"{len(cut)} events are longer than what is indexed of them; --deep reads them whole")
        about = self._about({place.run for place in places})
        records = ((place, self._read(place)) for place in places[:limit])
        hits = [_hit(place.run, record, about.get(place.run, {}), query.words) for place, record in records if record]
        return Answer(hits, more, notes)

    def _whole(self, cut: Iterable[Place], query: Query, window: Window) -> Iterator[Place]:
        """Those of these events that match when all of their words are known."""
        places = iter(cut)
        while some := list(islice(places, _SOME)):
            records = [(place, record) for place in some if (record := self._read(place)) is not None]
            founds = [
                Found(place.time, place.run, place.at, place.length, record, Tail(place.run, self._journals))
                for place, record in records
            ]
            with passing() as index:
                index.add(founds, self._about({place.run for place in some}))
                yield from index.find(query, window, -1)

    def _read(self, place: Place) -> dict[str, Any] | None:
        try:
            with (self._journals / f"{place.run}.ndjson").open("rb") as file:
                file.seek(place.at)
                record: dict[str, Any] = json.loads(file.read(place.length))
        except (OSError, ValueError):
            # Pruned, or changed by somebody else, since it was found.
            return None
        return record


def _hit(run: str, record: Mapping[str, Any], about: Mapping[str, str], words: Sequence[Term]) -> Hit:
    excerpt, marks = excerpted(said(record), words)
    return Hit(
        time=str(record.get("time", "")),
        run=run,
        seq=record["seq"],
        event=record["event"],
        host=str(record.get("host") or ""),
        task=str(record.get("task") or ""),
        status=status(record),
        kind=about.get("kind", ""),
        content=about.get("content", ""),
        user=about.get("user", ""),
        excerpt=excerpt,
        marks=marks,
    )


def excerpted(text: str, words: Iterable[Term]) -> tuple[str, list[tuple[int, int]]]:
    """One line of a text around the first of these words, and where they are in it."""
    looked = pattern(words)
    first = looked.search(text) if looked else None
    begin = max(0, first.start() - _AROUND) if first else 0
    # Cut from more than is shown: runs of space become one.
    piece = " ".join(text[begin : begin + 4 * _EXCERPT].split())
    line = ("..." if begin else "") + piece[:_EXCERPT] + ("..." if len(piece) > _EXCERPT else "")
    line = line.encode("utf-8", "replace").decode("utf-8")
    return line, [found.span() for found in looked.finditer(line)] if looked else []
