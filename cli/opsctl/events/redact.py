"""Takes secrets out of what is to be recorded or shown: at the journal's door, before anything is written."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from opsctl.runs.request import MASK

_SHORTEST = 4
"""Characters: a shorter value would be found in innocent words and give itself away by what it leaves of them."""

_BLOCKS = re.compile(
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
_HINTS = re.compile(r'(?:pass(?:word|wd|phrase)|secret|token|(?:private|secret|api)_?key)"', re.IGNORECASE)


class Redactor:
    """Masks given values wherever they stand, what is known by its name, and what is known by its look."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        """`secrets`: values, of any length; very short ones are masked only where they stand alone."""
        values = {value for value in secrets if value}
        self._whole = frozenset(values)
        forms = {form for value in values for form in _forms(value) if len(form) >= _SHORTEST}
        # The longest first: a value may begin with another.
        ordered = sorted(forms, key=len, reverse=True)
        self._values = re.compile("|".join(map(re.escape, ordered))) if ordered else None

    def text(self, text: str) -> str:
        """A text without the secrets."""
        if self._values is not None:
            text = self._values.sub(MASK, text)
        if any(trigger in text for trigger in _TRIGGERS):
            text = _BLOCKS.sub(MASK, text)
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
        text = json.dumps(value, ensure_ascii=False, default=str)
        if self._suspicious(text):
            return self.value(value)
        return value

    def _suspicious(self, text: str) -> bool:
        if self._whole and (
            self._values is None or self._values.search(text) or any(len(v) < _SHORTEST for v in self._whole)
        ):
            return True
        return _HINTS.search(text) is not None or any(trigger in text for trigger in _TRIGGERS)

    def _named(self, key: str, item: Any) -> Any:
        if isinstance(item, str) and item and (_NAMES.search(key) or _CAMEL.search(key)):
            return MASK
        return self.value(item)


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
