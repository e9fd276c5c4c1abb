"""Takes secrets out of what is to be recorded or shown: at the journal's door, before anything is written."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

MASK = "******"

_SHORTEST = 4
"""Characters: a shorter value would be found in innocent words and give itself away by what it leaves of them."""

BLOCKS = re.compile(
    r"\$ANSIBLE_VAULT;[\d.]+;\w+(?:;\w+)?(?:\s+[0-9a-f]{32,})+"
    r"|-----BEGIN (?P<kind>[A-Z ]*PRIVATE KEY)-----.*?-----END (?P=kind)-----"
    r"|\bLTAI[0-9A-Za-z]{12,28}\b",
    re.DOTALL,
)
_NAMES = re.compile(
    r"(?:^|[_\-.])(?:password|passwd|passphrase|secret|token|private_?key|secret_?key|access_?key_?secret|api_?key)$",
    re.IGNORECASE,
)
_CAMEL = re.compile(r"(?:Password|Passphrase|Secret|Token|PrivateKey)$")
_TRIGGERS = ("PRIVATE KEY-----", "$ANSIBLE_VAULT;", "LTAI")
_HINTS = ('password"', 'passwd"', 'passphrase"', 'secret"', 'token"', "\\u017f", "\\u212a")
"""In JSON, in small letters: how names of secrets end; letters beyond ASCII that a pattern takes for an s and a k."""
_KEYS = re.compile(r'(?:private|secret|api)_?key"')


class Redactor:
    """Masks given values wherever they stand, what is known by its name, and what is known by its look."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        """`secrets`: values, of any length; very short ones are masked only where they stand alone."""
        values = {value for value in secrets if value}
        self._whole = frozenset(values)
        self.forms = {form for value in values for form in _forms(value) if len(form) >= _SHORTEST}
        """All that is masked wherever it stands."""
        # The longest first: a value may begin with another.
        ordered = sorted(self.forms, key=len, reverse=True)
        self.values = re.compile("|".join(map(re.escape, ordered))) if ordered else None
        self._present = _fewest(self.forms)
        alone = {json.dumps(value) for value in values if len(value) < _SHORTEST}
        numbers = {value for value in values if len(value) < _SHORTEST and not value.isalpha()}
        self._needles = _fewest({*map(_inner, self.forms), *alone, *numbers, *_TRIGGERS})

    def text(self, text: str) -> str:
        """A text without the secrets."""
        if self.values is not None and any(form in text for form in self._present):
            text = self.values.sub(MASK, text)
        if any(trigger in text for trigger in _TRIGGERS):
            text = BLOCKS.sub(MASK, text)
        return text

    def value(self, value: Any) -> Any:
        """A JSON value without the secrets; keys are cleaned too."""
        if isinstance(value, str):
            return MASK if value in self._whole else self.text(value)
        if isinstance(value, Mapping):
            return {self.text(str(key)): self._named(str(key), item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(item) for item in value]
        if self._whole and not isinstance(value, bool | None) and str(value) in self._whole:
            return MASK
        return value

    def clean(self, value: Any) -> Any:
        """As `value`, but quick when there is nothing to hide, which is nearly always."""
        return self.line(value)[0]

    def line(self, value: Any) -> tuple[Any, str]:
        """A JSON value without the secrets, and its JSON: ASCII, on one line."""
        text = dumped(value)
        if not self._suspicious(text):
            return value, text
        cleaned = self.value(value)
        return cleaned, dumped(cleaned)

    def _suspicious(self, text: str) -> bool:
        """Whether a JSON text may have something to hide. JSON writes character by character: what a string has in
        it, its JSON has in it too, in the form JSON gives it."""
        # A loop, because it is run for every event and costs half of what any() does.
        for needle in self._needles:
            if needle in text:
                return True
        small = text.lower()
        for hint in _HINTS:
            if hint in small:
                return True
        return 'key"' in small and _KEYS.search(small) is not None

    def _named(self, key: str, item: Any) -> Any:
        if isinstance(item, str) and item and (_NAMES.search(key) or _CAMEL.search(key)):
            return MASK
        return self.value(item)


_ENCODER = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"), default=str)


def dumped(value: Any) -> str:
    """JSON on one line, ASCII only. Text that is not valid Unicode survives as escapes."""
    return _ENCODER.encode(value)


def _inner(text: str) -> str:
    """A text as it stands between the quotes of JSON."""
    return json.dumps(text)[1:-1]


def _fewest(texts: Iterable[str]) -> list[str]:
    """Those that must be looked for to find out whether any is there: not those that have another in them."""
    found: list[str] = []
    for text in sorted(set(texts), key=len):
        if not any(shorter in text for shorter in found):
            found.append(text)
    return found


def _forms(value: str) -> set[str]:
    """How a value looks where tools print it: as it is, in JSON once and twice, in an URL, in base64, line by line."""
    once = json.dumps(value)[1:-1]
    unicode = json.dumps(value, ensure_ascii=False)[1:-1]
    forms = {value, once, unicode, json.dumps(once)[1:-1], quote(value, safe=""), quote(value)}
    encoded = base64.b64encode(value.encode("utf-8", "surrogateescape")).decode()
    forms |= {encoded, encoded.rstrip("=")} if len(value) >= 6 else set()
    lines = [line.strip() for line in value.splitlines()]
    if len(lines) > 1:
        forms |= {line for line in lines if len(line) >= 12}
    return forms
