"""The rules of a service that runs for weeks: read again when their files change, kept when the new ones are broken."""

from __future__ import annotations

from dataclasses import dataclass

from opsctl.alerts.rules.book import Book, Places, Seal
from opsctl.alerts.rules.read import RulesError, load


@dataclass(frozen=True, slots=True)
class News:
    """What came of looking: a new book, or why the old one stays."""

    book: Book
    error: RulesError | None = None

    @property
    def text(self) -> str:
        """In a line."""
        if self.error is None:
            return f"rules {self.book.version} are in use: {len(self.book.rules)}"
        return f"{self.error}; rules {self.book.version} stay in use"


class Shelf:
    """The book in use. One thread refreshes it; any may read it."""

    def __init__(self, places: Places, book: Book | None = None) -> None:
        """Reads the rules, unless they were read already.

        Raises:
            RulesError: they cannot be used: a service does not start with broken rules.
        """
        self._places = places
        self.book = book or load(places)
        self._refused: Seal | None = None
        self.error: RulesError | None = None
        """Why the newest files are not in use; None = they are."""

    def refresh(self) -> News | None:
        """Looks at the files, which takes a few stat calls; None = nothing has changed since the last time."""
        seal = self._places.seal()
        if seal == (self._refused if self.error else self.book.seal):
            return None
        try:
            book = load(self._places)
        except RulesError as error:
            self._refused, self.error = seal, error
            return News(self.book, error)
        before, was = self.book.version, self.error
        self.book, self._refused, self.error = book, None, None
        # A file that was only touched, or given another remark, is no news.
        return News(book) if was or book.version != before else None
