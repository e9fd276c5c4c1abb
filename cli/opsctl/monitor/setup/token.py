"""The API token opsctl uses, and the key that signs webhooks: made once, kept for the owner's eyes only."""

from __future__ import annotations

import os
import secrets
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from opsctl.errors import StoreError
from opsctl.monitor.setup.setup import Change
from opsctl.monitor.setup.wish import Wish
from opsctl.monitor.zabbix import Access, Auth, NotFound, Zabbix

_SOON = 14 * 86400
"""Seconds before its end in which a token is renewed."""


def key(path: Path) -> str:
    """The key that signs webhooks; empty when there is none yet.

    Raises:
        StoreError: it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"Cannot read {path}: {getattr(error, 'strerror', None) or 'not UTF-8 text'}") from None


def fresh() -> str:
    """A new key."""
    return secrets.token_hex(32)


def keep(path: Path, secret: str) -> None:
    """Write a secret where only its owner reads it; whole or not at all.

    Raises:
        StoreError: it cannot be written.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        number, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(number, "w", encoding="utf-8") as file:
            file.write(f"{secret}\n")
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except OSError as error:
        raise StoreError(f"Cannot write {path}: {error.strerror}") from None


def token(zabbix: Zabbix, wish: Wish, path: Path, days: int, *, renew: bool = False, check: bool = False) -> Change:
    """See to it that the file holds a token of the user that works. `days`: how long a new one does; 0 = for ever.

    A token that works is left alone until two weeks before its end, unless it is to be `renew`ed.

    Raises:
        ZabbixError: Zabbix refuses.
        StoreError: the file cannot be read or written.
    """
    users = zabbix.call("user.get", {"output": ["userid"], "filter": {"username": [wish.name]}})
    asked = {"output": ["tokenid", "expires_at", "status"], "filter": {"name": wish.name}}
    known = zabbix.call("token.get", {**asked, "userids": [users[0]["userid"]]}) if users else []
    had = key(path)
    if known and had and not renew and _lasts(known[0]) and _works(zabbix.access, had):
        return Change("token", str(path), "unchanged")
    if not check:
        expires = int(time.time()) + days * 86400 if days else 0
        wanted = {"name": wish.name, "expires_at": expires, "status": 0}
        if known:
            number = known[0]["tokenid"]
            zabbix.call("token.update", {"tokenid": number, **wanted})
        else:
            number = zabbix.call("token.create", {**wanted, "userid": users[0]["userid"]})["tokenids"][0]
        keep(path, str(zabbix.call("token.generate", [number])[0]["token"]))
    return Change("token", str(path), "update" if had else "create")


def _lasts(record: dict[str, str]) -> bool:
    end = int(record["expires_at"])
    return str(record["status"]) == "0" and (not end or end - _SOON > time.time())


def _works(access: Access, token: str) -> bool:
    """Whether it opens the API."""
    with Zabbix(replace(access, token=token, user="", password="")) as tried:
        try:
            tried.call("problem.get", {"output": ["eventid"], "limit": 1})
        except (Auth, NotFound):
            return False
    return True
