"""Sends chunks until each document in them is taken, was there already, or can never be taken."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from opsctl.events.ship.answer import Item, Trouble
from opsctl.events.ship.dead import Letter, letter
from opsctl.events.ship.parcel import Parcel

LONGEST = 60.0
"""Seconds between two attempts, at most."""

_SHORTEST = 0.5


class Bulk(Protocol):
    """The server, as far as sending goes."""

    def bulk(self, lines: Sequence[bytes]) -> list[Item]:
        """The answer to each document. Raises Trouble when there is none for the request."""


@dataclass(slots=True)
class Delivery:
    """What became of a chunk."""

    counts: Counter[str] = field(default_factory=Counter)
    letters: list[Letter] = field(default_factory=list)


class Sender:
    """Sends to one server. Waits when it has to, but not longer than `patience` without any success."""

    def __init__(
        self,
        server: Bulk,
        patience: float,
        sleep: Callable[[float], object] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`patience` in seconds."""
        self._server = server
        self._patience = patience
        self._over = threading.Event()
        self._sleep = sleep or self._over.wait
        self._clock = clock
        self._good = clock()
        self._failures = 0

    def stop(self) -> None:
        """Try nothing again."""
        self._over.set()

    def send(self, parcels: Sequence[Parcel]) -> Delivery:
        """Send a chunk to its end. May be called in several threads at once.

        Raises:
            Trouble: the way is closed, or nothing was taken for too long. Some of it may have been taken.
        """
        delivery = Delivery()
        for parcel in parcels:
            if parcel.broken:
                delivery.letters.append(letter(parcel, 0, "broken", parcel.broken))
        rest: Sequence[Parcel] = [parcel for parcel in parcels if not parcel.broken]
        while rest:
            rest = self._attempt(rest, delivery)
        delivery.counts["dead"] += len(delivery.letters)
        delivery.counts["dropped"] += sum(parcel.dropped for parcel in parcels)
        return delivery

    def _attempt(self, parcels: Sequence[Parcel], delivery: Delivery) -> list[Parcel]:
        """One request, or more where it has to be split; what is to be sent again."""
        try:
            answers = self._server.bulk([parcel.line for parcel in parcels])
        except Trouble as trouble:
            return self._troubled(trouble, parcels, delivery)
        left, why = [], None
        for parcel, answer in zip(parcels, answers, strict=True):
            meaning = answer.meaning
            if meaning == "taken":
                delivery.counts["acked"] += 1
            elif meaning == "there":
                delivery.counts["duplicate"] += 1
            elif meaning == "bad":
                delivery.letters.append(letter(parcel, answer.status, answer.kind, answer.reason))
            elif meaning == "closed":
                raise Trouble(f"Elasticsearch refuses documents: {_spoken(answer)}", answer.status, answer.kind)
            else:
                left.append(parcel)
                why = answer
        if len(left) < len(parcels):
            self._good, self._failures = self._clock(), 0
        if why is not None:
            delivery.counts["retried"] += len(left)
            self._wait(Trouble(f"Elasticsearch does not take documents now: {_spoken(why)}", why.status, why.kind))
        return left

    def _troubled(self, trouble: Trouble, parcels: Sequence[Parcel], delivery: Delivery) -> list[Parcel]:
        meaning = trouble.meaning
        if meaning == "split" and len(parcels) > 1:
            delivery.counts["split"] += 1
            middle = len(parcels) // 2
            return [parcel for half in (parcels[:middle], parcels[middle:]) for parcel in self._attempt(half, delivery)]
        if meaning == "split":
            delivery.letters.append(letter(parcels[0], trouble.status, trouble.kind, str(trouble)))
            return []
        if meaning == "later":
            delivery.counts["retried"] += len(parcels)
            self._wait(trouble)
            return list(parcels)
        # Also what is bad as a whole: our requests are well-formed, so it is not the documents' fault.
        raise trouble

    def _wait(self, trouble: Trouble) -> None:
        """Back off, with full jitter, so that many senders do not come at once.

        Raises:
            Trouble: there is no patience left.
        """
        waited = self._clock() - self._good
        if waited >= self._patience or self._over.is_set():
            raise trouble
        self._failures += 1
        longest = min(LONGEST, _SHORTEST * 2**self._failures, max(0.05, self._patience - waited))
        self._sleep(random.uniform(0, longest))  # noqa: S311 - nobody must be kept from guessing it


def _spoken(answer: Item) -> str:
    return f"{answer.reason or answer.kind} (status {answer.status})"
