"""Redacts a text that comes in pieces, so that a secret lying across two of them is masked as well."""

from __future__ import annotations

from opsctl.events.redact import BLOCKS, Redactor

_PEM = "-----BEGIN "
_END = "-----END "
_KEY_ID = "LTAI"
_LONGEST_KEY_ID = 32
_LONGEST_LINE = 4096
"""Characters of a line, or of one word, that are waited for."""
_WORDS = (
    *("://", "uthorization", "cookie", "bearer", "pass", "secret", "token", "key", "credential", "identified"),
    *("masterauth", "login"),
)
"""In small letters: what may be followed by a secret."""
_LARGEST_BLOCK = 64 * 1024
"""Characters of a private key that is waited for to its end."""


class Seam:
    """One stream. What may be the beginning of a secret is held back until it is known what follows."""

    def __init__(self, redactor: Redactor) -> None:
        """Nothing is held yet."""
        self._redactor = redactor
        self._held = ""

    def take(self, piece: str) -> str:
        """What of this piece, and of what was held, can be told now."""
        text = self._held + piece
        cut = self._safe(text)
        ready, self._held = text[:cut], text[cut:]
        return self._redactor.text(ready) if ready else ""

    def rest(self) -> str:
        """What is left at the end."""
        ready, self._held = self._held, ""
        return self._redactor.text(ready) if ready else ""

    def _safe(self, text: str) -> int:
        """Where to cut: no secret begins before it and ends, or may yet end, behind it."""
        cut = min(_begun(text, self._redactor.forms), _block(text), _unfinished(text))
        if cut == len(text):
            return cut
        found = [match.span() for match in BLOCKS.finditer(text)]
        if self._redactor.values is not None:
            found += [match.span() for match in self._redactor.values.finditer(text)]
        for begin, end in sorted(found, reverse=True):
            if begin < cut < end:
                cut = begin
        return cut


def _unfinished(text: str) -> int:
    """Where the last word begins that may go on; the line, when a secret may come behind one of its words."""
    size = len(text)
    line = max(text.rfind("\n"), text.rfind("\r")) + 1
    if size == line:
        return size
    if size - line < _LONGEST_LINE and any(word in text[line:].lower() for word in _WORDS):
        return line
    word = size
    while word > line and not text[word - 1].isspace() and size - word < _LONGEST_LINE:
        word -= 1
    return word if size - word < _LONGEST_LINE else size


def _begun(text: str, forms: set[str]) -> int:
    """Where the longest beginning of a secret is that the text ends with; its end when there is none."""
    size = cut = len(text)
    for form in (*forms, _PEM, _KEY_ID):
        start = max(0, size - len(form) + 1)
        if start >= cut:
            continue
        # At most one or two places have the first characters of it: few are compared.
        head, at = form[: min(2, size)], start
        while (at := text.find(head, at)) >= 0 and at < cut:
            if form.startswith(text[at:]):
                cut = at
                break
            at += 1
        if cut == size and text[-1:] == form[:1] and len(form) > 1:
            cut = size - 1
    return cut


def _block(text: str) -> int:
    """Where a private key, or the id of an access key, begins that has not ended; the end when there is none."""
    size = len(text)
    begin = text.rfind(_PEM)
    if begin >= 0 and size - begin < _LARGEST_BLOCK and not _ended(text, begin):
        return begin
    begin = text.rfind(_KEY_ID)
    if begin >= 0 and size - begin < _LONGEST_KEY_ID and text[begin:].isalnum():
        return begin
    return size


def _ended(text: str, begin: int) -> bool:
    end = text.find(_END, begin)
    return end >= 0 and "-----" in text[end + len(_END) : end + 80]
