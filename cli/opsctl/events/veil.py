"""A redactor that learns: what Ansible decrypts while it runs is told in a file of the run's private directory."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from opsctl.events.redact import Redactor

VARIABLE = "OPSCTL_VEIL"
"""In Ansible's environment: the file."""


class Veil(Redactor):
    """Looks whether there are more secrets each time it is used: they are told before anything can show them."""

    def __init__(self, secrets: Iterable[str], path: Path) -> None:
        """`path` need not exist yet."""
        self._all = set(secrets)
        self._path = path
        self._read = 0
        super().__init__(self._all)

    def line(self, value: Any) -> tuple[Any, str]:
        """As that of a redactor that has known them all along."""
        self._learn()
        return super().line(value)

    def record(self, record: dict[str, Any]) -> tuple[dict[str, Any], str]:
        """As that of a redactor that has known them all along."""
        self._learn()
        return super().record(record)

    def text(self, text: str) -> str:
        """As that of a redactor that has known them all along."""
        self._learn()
        return super().text(text)

    def _learn(self) -> None:
        try:
            if self._path.stat().st_size == self._read:
                return
            with self._path.open("rb") as file:
                file.seek(self._read)
                *lines, _ = file.read().split(b"\n")
        except OSError:
            return
        self._read += sum(len(line) + 1 for line in lines)
        found = {secret for line in lines for secret in json.loads(line)}
        if found - self._all:
            self._all |= found
            super().__init__(self._all)
