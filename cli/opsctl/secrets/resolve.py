"""From names of secrets to values, and back to what may be kept."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from opsctl.errors import UsageError
from opsctl.ledger.record import digest
from opsctl.secrets.reference import FILE, LOCKED, PREFIX, Reference, named, whole

_LARGEST = 1 << 20


@dataclass(frozen=True, slots=True)
class Resolved:
    """Values of parameters, or of variables of the environment."""

    values: dict[str, Any] = field(repr=False)
    kept: dict[str, Any]
    """By name: what is to be kept and shown instead of the value, where secrets were named in it."""
    hidden: frozenset[str] = field(default=frozenset(), repr=False)
    """The secrets themselves: to be masked wherever they appear."""
    opened: dict[str, str] = field(default_factory=dict)
    """By name, for values that came out of encrypted files: which file, and the digest of what it was."""

    @property
    def shown(self) -> dict[str, Any]:
        """By name: what may be recorded in place of the value."""
        return {**{name: value for name, value in self.kept.items() if not name.startswith(FILE)}, **self.opened}

    def less(self, secrets: frozenset[str]) -> Resolved:
        """Without what may not be kept: a parameter that is secret as a whole and has more in it than names."""
        return replace(
            self, kept={key: value for key, value in self.kept.items() if key not in secrets or _pure(value)}
        )

    def kept_in(self, spec: dict[str, Any], around: Resolved) -> dict[str, Any]:
        """A spec that keeps the names of secrets; `self` are its parameters, `around` its environment."""
        for part, found in (("parameters", self), ("environment", around)):
            if found.kept:
                values = {name: value for name, value in spec.get(part, {}).items() if name not in found.opened}
                spec = {**spec, part: {**values, **found.kept}}
        return spec


def resolved(given: Mapping[str, Any]) -> Resolved:
    """Find the secrets that are named in these values, at any depth.

    Raises:
        UsageError: one does not exist or cannot be read. No message has a secret in it.
        StoreError: the server that keeps it does not answer.
    """
    values: dict[str, Any] = {}
    kept: dict[str, Any] = {}
    hidden: set[str] = set()
    opened: dict[str, str] = {}
    for name, value in given.items():
        if name.startswith(FILE):
            kept[name] = value
            inside, where = _file(value, name, hidden)
            opened |= dict.fromkeys(inside, where)
            values |= inside
            continue
        opened.pop(name, None)
        found = _found(value, name, hidden)
        if found is not value:
            kept[name] = whole(value)
        values[name] = found
    return Resolved(values, kept, frozenset(hidden), opened)


def _pure(value: Any) -> bool:
    """Whether names of secrets are all there is in it."""
    if named(value, "") is not None:
        return True
    parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else (None,)
    return all(part is not None and _pure(part) for part in parts)


def _found(value: Any, name: str, hidden: set[str]) -> Any:
    """The value with its secrets; the very same when none is named in it."""
    reference = named(value, name)
    if reference is not None:
        secret = _secret(reference, name)
        hidden.add(secret)
        return secret
    if isinstance(value, Mapping):
        items = {key: _found(item, f"{name}.{key}", hidden) for key, item in value.items()}
        return items if any(items[key] is not value[key] for key in items) else value
    if isinstance(value, list | tuple):
        parts = [_found(item, f"{name}[{index}]", hidden) for index, item in enumerate(value)]
        return parts if any(part is not item for part, item in zip(parts, value, strict=True)) else value
    return value


def _secret(reference: Reference, name: str) -> str:
    if reference.kind == "env":
        found = os.environ.get(reference.place)
        if found is None:
            raise UsageError(f"{name}: {reference}: there is no such variable in the environment; export it")
    elif reference.kind == "file":
        found = _read(reference, name)
    elif reference.kind == "vault":
        from opsctl.secrets.hashicorp import read

        found = read(reference, name)
    elif reference.kind == LOCKED:
        from opsctl.secrets.locked import unlocked

        found = unlocked(reference.place, name)
    else:
        raise UsageError(f"{name}: {reference}: an encrypted file is given as -e @FILE")
    if not found:
        raise UsageError(f"{name}: {reference}: it is empty")
    return found


def _read(reference: Reference, name: str) -> str:
    path = Path(reference.place).expanduser()
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
        if len(data) > _LARGEST:
            raise UsageError(f"{name}: {reference}: the file is larger than 1 MB")
        # Editors end a file with a line's end, which belongs to no password; a key's own lines stay.
        text = data.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "not UTF-8 text"
        raise UsageError(f"{name}: {reference}: {why}") from None
    return text[:-1] if text.endswith("\n") and text.count("\n") == 1 else text


def _file(value: Any, name: str, hidden: set[str]) -> tuple[dict[str, Any], str]:
    from opsctl.parameters import mapping
    from opsctl.secrets.locked import leaves, unlocked

    reference = named(value, name)
    if reference is None:
        raise UsageError(f"{name}: want the name of an encrypted file")
    locked = reference.place if reference.kind == LOCKED else _read(reference, name)
    values = {key: _found(item, key, hidden) for key, item in mapping(unlocked(locked, name), name).items()}
    hidden |= leaves(values)
    # A change of the file is a change of the plan.
    return values, f"{PREFIX}{'-' if reference.kind == LOCKED else reference.place} sha256:{digest(locked)[:16]}"
