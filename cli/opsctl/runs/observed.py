"""Runs of plain ansible-playbook that its callback plug-in recorded: taken into the journal, the runs and the ledger.

A file in `observed/` was written by no opsctl. It is believed what its owner may say of himself, and no more: he is the
requester, whatever it says; it is copied line by line through the journal's own door; how the run ended is worked out
from its events; and the record in the ledger says `observed`, not `finished`.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import pwd
import re
import stat
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from sqlalchemy import insert, select

from opsctl.clock import now, seconds
from opsctl.clouds import secrets
from opsctl.db.engine import Database, refused
from opsctl.db.schema import runs
from opsctl.errors import StoreError
from opsctl.events.journal import encode
from opsctl.events.redact import Redactor
from opsctl.ledger.anchor import sync_directory
from opsctl.ledger.book import Ledger
from opsctl.ledger.record import Entry
from opsctl.runs.process import Owner
from opsctl.runs.progress import Progress
from opsctl.runs.request import Requester, me

FOLDER = "observed"

_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_TOLD = """
playbook_start play_start task_start no_hosts no_hosts_left include notify stats diff
host_start host_ok host_failed host_skipped host_unreachable host_retry async_poll async_ok async_failed
item_ok item_failed item_skipped
"""
_EVENTS = frozenset(_TOLD.split())
_COUNTS = ("ok", "changed", "failures", "dark", "skipped", "rescued", "ignored")
_TEXTS = ("play", "task", "action", "path", "role", "host", "uuid", "stdout")
_LONGEST = 1000
"""Characters of what is said about a run as a whole."""

_EXIT = {"succeeded": 0, "failed": 3, "unreachable": 4, "error": 1, "lost": 1}


def adopt(home: Path, database: Database, ledger: Ledger) -> list[str]:
    """Take in the runs that have ended; their ids. Does nothing while another opsctl is at it.

    What cannot be taken in now, for instance since the disk is full, waits for the next time: whoever came to look at
    other runs, or to start one, is not kept from it.
    """
    folder = home / FOLDER
    taken: list[str] = []
    if folder.is_dir():
        with suppress(StoreError), _alone(folder) as alone:
            for path in sorted(folder.glob("*.ndjson")) if alone else ():
                if _adopt(path, home, database, ledger):
                    taken.append(path.stem)
    return taken


def _adopt(path: Path, home: Path, database: Database, ledger: Ledger) -> bool:
    if not _ID.fullmatch(path.stem) or _ahead(path.stem):
        return _put_aside(path)
    try:
        with _opened(path) as file:
            return _take(file, path, home, database, ledger)
    except FileNotFoundError:
        return False
    except OSError as error:
        # Somebody else's, or no file at all.
        return _put_aside(path) if error.errno in (None, errno.ELOOP) else False


def _take(file: IO[bytes], path: Path, home: Path, database: Database, ledger: Ledger) -> bool:
    header, owner = _header(file)
    if header is None:
        return _put_aside(path)
    if not _ended(file) and not _abandoned(owner, path):
        return False
    with database.read() as connection:
        row = connection.execute(select(runs.c.options).where(runs.c.id == path.stem)).first()
    if row is not None:
        # opsctl was killed after it was taken in and before it was removed; or it has the name of another run.
        if not json.loads(row[0]).get("observed"):
            return _put_aside(path)
        path.unlink()
        return False
    copy = _Copy(home / "journal" / f"{path.stem}.ndjson", header, _owner(file))
    copy.write(file)
    _record(path.stem, copy, owner, database, ledger)
    path.unlink()
    return True


class _Copy:
    """A journal made from such a file."""

    def __init__(self, path: Path, header: dict[str, Any], asker: Requester) -> None:
        self.path = path
        self.progress = Progress()
        self.header = header
        self.started = ""
        self.finished = ""
        self.left_out = 0
        self.status = "lost"
        self.message = ""
        self.digest = ""
        self.records = 0
        self.asker = asker
        self.redactor = Redactor(secrets(os.environ))

    def write(self, file: IO[bytes]) -> None:
        """Make it, durably, whole or not at all."""
        fresh = self.path.with_name(f".{self.path.name}.new")
        hashed = hashlib.sha256()
        try:
            self.path.parent.mkdir(mode=0o700, exist_ok=True)
            fresh.unlink(missing_ok=True)
            with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as target:
                for record in self._records(file):
                    self.records += 1
                    line = encode({"seq": self.records, **self.redactor.clean(record)})
                    hashed.update(line)
                    target.write(line)
                target.flush()
                os.fsync(target.fileno())
            fresh.replace(self.path)
            sync_directory(self.path.parent)
        except OSError as error:
            raise refused(error, self.path) from error
        self.digest = hashed.hexdigest()

    def _records(self, file: IO[bytes]) -> Iterator[dict[str, Any]]:
        complete = False
        file.seek(0)
        for line in file:
            said = _loaded(line)
            event = said.get("event")
            if event == "run_start" and not self.started:
                self.started = self.finished = _time(said)
                data = {**self.header, "requester": self.asker.plain(), "observed": True}
                yield {"time": self.started, "event": event, "data": data}
            elif event == "run_end":
                complete = True
                self.left_out += _count(said.get("data"), "dropped")
                self.finished = _time(said)
            else:
                record = _sound(said)
                if record is None or not self._applied(record):
                    self.left_out += 1
                    continue
                self.finished = record["time"]
                yield record
        self._judge(complete)
        end = {"status": self.status, "message": self.message, "left_out": self.left_out}
        yield {"time": self.finished or now(), "event": "run_end", "data": end}

    def _applied(self, record: dict[str, Any]) -> bool:
        try:
            self.progress.apply(record)
        except (TypeError, ValueError, AttributeError, KeyError):
            return False
        return True

    def _judge(self, complete: bool) -> None:
        progress = self.progress
        first = progress.failures[0] if progress.failures else None
        if not complete:
            self.message = "ansible-playbook was killed while it ran"
        elif not progress.complete:
            self.status, self.message = "error", "ansible-playbook ended before its recap"
        else:
            broken = "failed" if progress.count("failed") else "unreachable" if progress.count("unreachable") else ""
            self.status = broken or "succeeded"
            self.message = f"{first.host}: {first.task}: {first.message}" if broken and first else ""
        self.message = self.redactor.text(self.message)[:_LONGEST]


def _record(run: str, copy: _Copy, owner: Owner, database: Database, ledger: Ledger) -> None:
    header, recap = copy.header, copy.progress.plain()
    options = {**header["options"], "observed": True}
    finished = copy.status in _EXIT and copy.status != "lost"
    values = {
        "id": run,
        "kind": "playbook",
        "content": header["content"],
        "action": "",
        "cloud": "",
        "requester": copy.asker.plain(),
        "reason": "",
        "parameters": {},
        "targets": header["targets"],
        "options": options,
        "digest": "",
        "plan_hash": "",
        "status": copy.status,
        "created": copy.started,
        "started": copy.started,
        "finished": copy.finished if finished else now(),
        "exit_code": _EXIT[copy.status],
        "message": copy.message or None,
        "recap": recap,
        "result": copy.redactor.clean(copy.progress.result),
        "owner": owner.plain(),
    }
    row = {name: json.dumps(value) if isinstance(value, dict | list) else value for name, value in values.items()}
    row["result"] = json.dumps(values["result"], default=str)
    data = {
        "kind": "playbook",
        "content": header["content"],
        "status": copy.status,
        "message": copy.message,
        "hosts": recap["hosts"],
        "journal": {"sha256": copy.digest, "records": copy.records, "left_out": copy.left_out},
        "noticed_by": me().plain(),
    }
    with ledger.writing() as writing:
        writing.connection.execute(insert(runs).values(**row))
        writing.append(Entry("observed", run, copy.asker.plain(), os.uname().nodename, data))


def _header(file: IO[bytes]) -> tuple[dict[str, Any] | None, Owner]:
    """What the first line says of the run, each part in its own type; None when it says nothing."""
    said = _loaded(file.readline())
    data = said.get("data")
    nobody = Owner("", "", 0, 0)
    if said.get("event") != "run_start" or not isinstance(data, dict):
        return None, nobody
    targets, options = _mapping(data.get("targets")), _mapping(data.get("options"))
    header = {
        "kind": "playbook",
        "content": str(data.get("content") or "")[:_LONGEST],
        "targets": {"stack": "", "limit": str(targets.get("limit") or "")[:_LONGEST]},
        "options": {name: options.get(name) is True for name in ("check", "diff")},
    }
    claimed = _mapping(data.get("owner"))
    types = {"host": str, "boot": str, "pid": int, "start": int}
    fits = all(type(claimed.get(name)) is kind for name, kind in types.items())
    return header, Owner(**{name: claimed[name] for name in types}) if fits else nobody


def _ended(file: IO[bytes]) -> bool:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - 4096))
    tail = file.read()
    return tail.endswith(b"\n") and _loaded(tail.splitlines()[-1]).get("event") == "run_end"


def _abandoned(owner: Owner, path: Path) -> bool:
    """Whether the process that wrote it has gone. One of another machine is given a day from its last word."""
    if owner.host == os.uname().nodename and owner.boot:
        return owner.gone
    return time.time() - path.stat().st_mtime > 86400


def _sound(said: Mapping[str, Any]) -> dict[str, Any] | None:
    """A record with nothing in it but what belongs there; None when it is none."""
    if said.get("event") not in _EVENTS:
        return None
    record: dict[str, Any] = {"time": _time(said), "event": said["event"]}
    record |= {name: said[name] for name in _TEXTS if isinstance(said.get(name), str)}
    if isinstance(said.get("data"), dict):
        record["data"] = said["data"]
    if record["event"] == "stats" and not _counted(record.get("data", {})):
        return None
    return record


def _counted(data: Mapping[str, Any]) -> bool:
    """Whether a recap has numbers by host."""
    tables = [data.get(name) for name in ("processed", *_COUNTS)]
    return all(isinstance(table, dict) and all(type(n) is int for n in table.values()) for table in tables)


def _loaded(line: bytes) -> dict[str, Any]:
    try:
        return _mapping(json.loads(line)) if line.endswith((b"\n", b"}")) else {}
    except (ValueError, RecursionError):
        return {}


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _time(said: Mapping[str, Any]) -> str:
    try:
        text = str(said["time"])
        seconds(text)
    except (KeyError, ValueError):
        return now()
    return text


def _count(data: Any, name: str) -> int:
    found = _mapping(data).get(name)
    return found if type(found) is int and found > 0 else 0


def _owner(file: IO[bytes]) -> Requester:
    uid = os.fstat(file.fileno()).st_uid
    try:
        return Requester(pwd.getpwuid(uid).pw_name, uid)
    except KeyError:
        return Requester(str(uid), uid)


def _ahead(name: str) -> bool:
    """Whether it claims to be of a time to come: it would stay the newest run for ever."""
    return uuid.UUID(name).int >> 80 > (time.time() + 86400) * 1000


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """The file, if it is one and has no other name.

    Raises:
        OSError: without a number: it is something else.
    """
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
            raise OSError(None, "no regular file")
        yield file


def _put_aside(path: Path) -> bool:
    """Never looked at again, and not lost."""
    with suppress(OSError):
        path.rename(path.with_suffix(".refused"))
    return False


@contextmanager
def _alone(folder: Path) -> Iterator[bool]:
    try:
        file = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreError(f"Cannot write {folder}: {error.strerror}") from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield True
    except BlockingIOError:
        yield False
    finally:
        os.close(file)
