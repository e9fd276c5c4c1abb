"""What people type to search: words, "phrases", begin*, -without, one OR other, field:value. Pure.

    redis timeout              both words
    "connection refused"       next to each other
    conn*                      words that begin so
    -debug                     without it
    oom OR killed              one of them (in capitals)
    host:web* status:failed    fields; `*` stands for anything

Marks between letters and digits do not count, as in most search engines: `/etc/redis.conf` is looked for as the words
`etc`, `redis`, `conf` in a row.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from opsctl.errors import UsageError, suggest

FIELDS = ("host", "task", "status", "user", "kind", "event", "run", "content")
"""What can be named before a colon."""

EXACT = tuple(field for field in FIELDS if field != "task")
"""Fields compared as a whole, with `*` for anything; a task is found by the words of its name."""

_PIECE = re.compile(
    r'(?P<minus>-?)(?:(?P<field>[A-Za-z_]+):(?!//))?(?:"(?P<phrase>[^"]*)"|(?P<word>[^\s"]*))(?P<star>\*?)'
)
_SCRIPTS = r"\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
_WIDE = re.compile(f"([{_SCRIPTS}])")
"""Scripts written without spaces: each character counts as a word."""
_LETTER = rf"[^\W_{_SCRIPTS}]"


@dataclass(frozen=True, slots=True)
class Term:
    """One thing that is looked for."""

    text: str
    field: str = ""
    """Empty: anywhere in what was said and in the task's name."""
    begins: bool = False
    """The last word may go on."""


@dataclass(frozen=True, slots=True)
class Query:
    """Of each group one term must be there, none of the excluded."""

    groups: tuple[tuple[Term, ...], ...] = ()
    excluded: tuple[Term, ...] = ()

    def narrowed(self, field: str, values: Iterable[str]) -> Query:
        """The same, where a field has one of these values; all, when there are none."""
        terms = tuple(Term(value, field) for value in values)
        return Query((*self.groups, terms), self.excluded) if terms else self

    @property
    def words(self) -> list[Term]:
        """What can be highlighted."""
        return [term for group in self.groups for term in group if not term.field]


def parse(text: str) -> Query:
    """What was typed, understood.

    Raises:
        UsageError: a quote is open, an OR has a side missing, a field is unknown or empty, nothing can be looked for.
    """
    groups: list[list[Term]] = []
    excluded: list[Term] = []
    joining = False
    for piece in _pieces(text):
        if piece.group() == "OR":
            if joining or not groups:
                raise UsageError("Cannot search: OR needs something on both sides; quote it to look for the word")
            joining = True
            continue
        term = _term(piece)
        if piece["minus"]:
            if joining:
                raise UsageError(f"Cannot search: {piece.group()} cannot follow OR")
            excluded.append(term)
        elif joining:
            groups[-1].append(term)
        else:
            groups.append([term])
        joining = False
    if joining:
        raise UsageError("Cannot search: OR needs something on both sides; quote it to look for the word")
    return Query(tuple(map(tuple, groups)), tuple(excluded))


def spread(text: str) -> str:
    """Text as words that the index can tell apart; nothing but valid Unicode."""
    if text.isascii():
        return text
    return _WIDE.sub(r" \1 ", text.encode("utf-8", "replace").decode("utf-8"))


def pattern(terms: Iterable[Term]) -> re.Pattern[str] | None:
    """What finds these terms in a text as the index does; None when there are none."""
    sides = []
    for term in terms:
        words = re.findall(r"[^\W_]+", spread(term.text))
        if words:
            wide = [bool(_WIDE.match(word)) for word in words]
            # Between two words is anything that belongs to none; or nothing, where no space is written.
            gaps = ["" if not n else r"[\W_]*" if wide[n - 1] or wide[n] else r"[\W_]+" for n in range(len(words))]
            body = "".join(gap + re.escape(word) for gap, word in zip(gaps, words, strict=True))
            ahead = "" if wide[0] else f"(?<!{_LETTER})"
            behind = f"{_LETTER}*" if term.begins else "" if wide[-1] else f"(?!{_LETTER})"
            sides.append(ahead + body + behind)
    return re.compile("|".join(sides), re.IGNORECASE) if sides else None


def _pieces(text: str) -> Iterator[re.Match[str]]:
    if "\0" in text:
        raise UsageError("Cannot search: the query has a NUL character in it")
    if text.count('"') % 2:
        raise UsageError(f"Cannot search: a quote is not closed in {text.strip()}")
    position = 0
    while position < len(text):
        if text[position].isspace():
            position += 1
            continue
        found = _PIECE.match(text, position)
        if found is None or found.end() == position:
            raise UsageError(f"Cannot search: cannot understand {text[position:].strip()}")
        yield found
        position = found.end()


def _term(piece: re.Match[str]) -> Term:
    field, phrase, word = piece["field"] or "", piece["phrase"], piece["word"]
    value = phrase if phrase is not None else word
    begins = bool(piece["star"]) or (phrase is None and value.endswith("*"))
    name = field.lower()
    if field and name not in FIELDS:
        close = suggest(name, FIELDS)
        if close:
            known = ", ".join(FIELDS)
            raise UsageError(
                f'Cannot search: unknown field {field}{close}; known: {known}; "{piece.group()}" is a text'
            )
        # Not one of ours, and not like one: `redis:6379` is a text with a colon in it.
        return _words(f"{field}:{value}", "", begins)
    if name in EXACT:
        if not value.strip():
            raise UsageError(f"Cannot search: {field}: has no value")
        return Term(value + "*" * bool(piece["star"]), name)
    return _words(value, name, begins)


def _words(value: str, field: str, begins: bool) -> Term:
    if not any(letter.isalnum() for letter in value):
        what = f"{field}: has no value" if field and not value else f"{value or 'an empty text'} has no letter or digit"
        raise UsageError(f"Cannot search: {what}")
    return Term(value.rstrip("*") if begins else value, field, begins)
