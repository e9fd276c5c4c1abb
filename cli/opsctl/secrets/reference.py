"""How a secret is named: `secret:env:NAME`, `secret:file:PATH`, `secret:vault:MOUNT/PATH#KEY`, or its ciphertext. Pure.

In YAML the same is `{secret: "env:NAME"}`. A value of Ansible Vault (`!vault`) names itself: its ciphertext is what is
kept; a whole file of them is `{secret: "ansible-vault:PATH"}` under a name that begins with `@`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opsctl.errors import UsageError

PREFIX = "secret:"
LOCKED = "__ansible_vault"
"""What Ansible's own JSON calls an encrypted value."""
FILE = "@"
"""Begins the name under which a whole encrypted file of variables stands."""

KINDS = ("env", "file", "vault", "ansible-vault")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Reference:
    """One name of a secret."""

    kind: str
    place: str

    def __str__(self) -> str:
        """As it is written and kept."""
        return f"{PREFIX}{self.kind}:{self.place}"


def encrypted(text: str) -> bool:
    """Whether this is what Ansible Vault writes."""
    return text.lstrip().startswith("$ANSIBLE_VAULT;")


def named(value: Any, name: str) -> Reference | None:
    """The reference that a value is; None when it is a value.

    Raises:
        UsageError: it begins as one and is none.
    """
    if isinstance(value, str) and value.startswith(PREFIX):
        return _parsed(value.removeprefix(PREFIX), name)
    if isinstance(value, Mapping) and len(value) == 1:
        if isinstance(text := value.get("secret"), str):
            return _parsed(text, name) if text.partition(":")[0] in KINDS else None
        if isinstance(text := value.get(LOCKED), str):
            return Reference(LOCKED, text)
    return None


def whole(value: Any) -> Any:
    """The same with paths that mean the same from any directory: as it is kept."""
    if isinstance(value, Mapping):
        if len(value) == 1 and isinstance(text := value.get("secret"), str):
            return {"secret": _absolute(text)}
        return {key: whole(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [whole(item) for item in value]
    if isinstance(value, str) and value.startswith(PREFIX):
        return PREFIX + _absolute(value.removeprefix(PREFIX))
    return value


def _absolute(text: str) -> str:
    kind, _, place = text.partition(":")
    return f"{kind}:{Path(place).expanduser().absolute()}" if kind in ("file", "ansible-vault") else text


def _parsed(text: str, name: str) -> Reference:
    kind, _, place = text.partition(":")
    if kind not in KINDS or not place:
        raise UsageError(f"{name}: secret:{kind}: want secret:env:NAME, secret:file:PATH or secret:vault:PATH#KEY")
    if kind == "env" and not _VARIABLE.fullmatch(place):
        raise UsageError(f"{name}: {PREFIX}{text}: want the name of a variable of the environment")
    if kind == "vault":
        path, _, key = place.partition("#")
        if "/" not in path.strip("/") or not key or ".." in path.split("/"):
            raise UsageError(f"{name}: {PREFIX}{text}: want secret:vault:MOUNT/PATH#KEY")
    return Reference(kind, place)
