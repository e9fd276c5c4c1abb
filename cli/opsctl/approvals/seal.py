"""Keyed hashes of secret parameters: those given at the start must be those that were there when it was asked for."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from opsctl.db.engine import refused
from opsctl.ledger.record import canonical
from opsctl.runs.request import RunRequest


def seals(home: Path, request: RunRequest) -> dict[str, str]:
    """Name -> hash, of each secret parameter. Without the key, which never leaves the home, it tells nothing.

    Raises:
        StoreError: the key cannot be made or read.
    """
    named = {name: request.parameters[name] for name in sorted(request.secrets) if name in request.parameters}
    if not named:
        return {}
    key = _key(home / "keys" / "approvals")
    return {
        name: hmac.new(key, canonical([name, value]).encode(), hashlib.sha256).hexdigest()
        for name, value in named.items()
    }


def broken(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """Names of secrets that are others now."""
    return [name for name in sorted({*before, *after}) if before.get(name) != after.get(name)]


def _key(path: Path) -> bytes:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = path.with_name(f"{path.name}.{os.getpid()}")
        if not path.exists():
            with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(secrets.token_bytes(32))
                file.flush()
                os.fsync(file.fileno())
            try:
                # Not replaced: another opsctl may have been first, and has used its key.
                os.link(fresh, path)
            except FileExistsError:
                pass
            finally:
                fresh.unlink()
        return path.read_bytes()
    except OSError as error:
        raise refused(error, path) from error
