"""Groups, roles, grants, freezes and windows of the database: added, taken away; all recorded."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from sqlalchemy import delete, func, insert, select

from opsctl.clock import now
from opsctl.db.schema import policy
from opsctl.errors import ConfigError, Denied, UsageError, suggest
from opsctl.ledger.book import Ledger, Writing
from opsctl.ledger.record import Entry
from opsctl.policy.load import load, text
from opsctl.policy.read import KINDS, NAME, Named, entries, parsed, shaped
from opsctl.policy.stored import listed, rows, shape
from opsctl.runs.request import me


def add(home: Path, ledger: Ledger, given: str, source: str, *, replace: bool) -> list[dict[str, str]]:
    """Keep what this text, in the shape of the file, has; all of it or nothing. Rows: kind, name, change.

    Raises:
        Denied: another than the home's owner asks.
        ConfigError: it cannot be used, or not with what is there.
        UsageError: something of that name is there and is another.
    """
    _owned(home)
    new = _entries(given, source)
    with ledger.writing() as writing:
        before = {(row["kind"], row["name"]): row["body"] for row in rows(writing.connection)}
        changes = []
        for kind, name, body in new:
            old = before.get((kind, name))
            change = "added" if old is None else "unchanged" if old == body else "replaced"
            if change == "replaced" and not replace:
                raise UsageError(f"The database has another {kind} {name}; --replace takes its place")
            changes.append({"kind": kind, "name": name, "change": change})
            if change != "unchanged":
                _put(writing, (kind, name, body), change)
        load(home, shape(writing.connection))
    return changes


def remove(home: Path, ledger: Ledger, kind: str, name: str) -> None:
    """Take one away.

    Raises:
        Denied: another than the home's owner asks.
        UsageError: there is none.
        ConfigError: something else needs it.
    """
    _owned(home)
    if kind not in KINDS:
        raise UsageError(f"Unknown kind {kind}{suggest(kind, KINDS)}; want {', '.join(KINDS)}")
    sound = _sound(home)
    with ledger.writing() as writing:
        names = [row["name"] for row in rows(writing.connection) if row["kind"] == kind]
        if name not in names:
            raise UsageError(f"The database has no {kind} {name}{suggest(name, names)}; {NAME} is yours to edit")
        body = next(row["body"] for row in rows(writing.connection) if (row["kind"], row["name"]) == (kind, name))
        writing.connection.execute(delete(policy).where(policy.c.kind == kind, policy.c.name == name))
        writing.append(_record("removed", (kind, name, body)))
        # Where all is broken already, taking something away may be what mends it.
        if sound:
            load(home, shape(writing.connection))


def _entries(given: str, source: str) -> list[Named]:
    found = shaped(given, source)
    zone = (found.get("calendar") or {}).get("zone")
    new = [
        (kind, name, {"zone": zone, **body} if zone and kind in ("freeze", "window") else body)
        for kind, name, body in entries(found)
    ]
    if not new:
        raise ConfigError(f"{source}: has no group, role, grant, freeze or window")
    seen: set[tuple[str, str]] = set()
    for kind, name, _body in new:
        if (kind, name) in seen:
            raise ConfigError(f"{source}: two {kind}s are called {name}")
        seen.add((kind, name))
    return new


def _put(writing: Writing, named: Named, change: str) -> None:
    kind, name, body = named
    connection = writing.connection
    same = (policy.c.kind == kind, policy.c.name == name)
    position = connection.execute(select(policy.c.position).where(*same)).scalar()
    if position is None:
        position = connection.execute(select(func.coalesce(func.max(policy.c.position), 0))).scalar_one() + 1
    connection.execute(delete(policy).where(*same))
    connection.execute(
        insert(policy).values(
            kind=kind,
            name=name,
            body=json.dumps(body),
            position=position,
            author=json.dumps(me().plain()),
            time=now(),
        )
    )
    writing.append(_record(change, named))


def _record(change: str, named: Named) -> Entry:
    kind, name, body = named
    content = {"change": change, "kind": kind, "name": name, "body": body}
    return Entry("policy", "", me().plain(), os.uname().nodename, content)


def _sound(home: Path) -> bool:
    try:
        load(home)
    except ConfigError:
        return False
    return True


def _owned(home: Path) -> None:
    if os.getuid() != home.stat().st_uid:
        raise Denied(f"Only the owner of {home} (uid {home.stat().st_uid}) changes who may do what")


def everything(home: Path) -> list[dict[str, Any]]:
    """What the file and the database have: kind, name, source, body; author and time where they are known.

    Raises:
        ConfigError: the file cannot be read.
    """
    load(home)
    _tree, found = parsed(text(home), str(home / NAME))
    own = [{"kind": kind, "name": name, "source": NAME, "body": body} for kind, name, body in entries(found)]
    return own + [{**row, "source": "database"} for row in listed(home)]
