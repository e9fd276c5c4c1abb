"""opsctl.db: opening, migrating, and its errors in words."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool, Pool, QueuePool

from opsctl.db.schema import HEAD
from opsctl.errors import DiskFull, StoreError

BUSY_MS = 20_000
"""How long a writer waits for another opsctl; longer than any transaction of ours."""


class Database:
    """One opsctl.db. Open it with `opened`; each `read` or `write` is one transaction."""

    def __init__(self, path: Path, *, lasting: bool = False) -> None:
        """Nothing is opened before the first transaction. `lasting`: connections are kept for the next ones, by
        services that have many a second; to be closed at the end, and never used by a forked process."""
        self.path = path
        self._engine = _engine(path, QueuePool if lasting else NullPool)

    def close(self) -> None:
        """Close connections that were kept."""
        self._engine.dispose()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that sees one state of the database throughout."""
        with spoken(self.path), self._engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that holds the write lock from its first moment; commits on leaving, rolls back on an error."""
        with spoken(self.path), self._engine.connect() as plain:
            connection = plain.execution_options(opsctl_write=True)
            with connection.begin():
                yield connection


def opened(home: Path) -> Database:
    """The database of this home, made or migrated when needed.

    Raises:
        StoreError: it cannot be opened, or a newer opsctl wrote it.
    """
    path = home / "opsctl.db"
    database = Database(path)
    if _version(database) != HEAD:
        _migrate(database)
    return database


@contextmanager
def spoken(path: Path) -> Iterator[None]:
    """Turns what SQLite and the file system say into one line."""
    try:
        yield
    except DBAPIError as error:
        text = str(error.orig)
        if "full" in text:
            raise DiskFull(
                f"Cannot write {path}: no space left on the device; free some and run the command again"
            ) from error
        if "locked" in text or "busy" in text:
            raise StoreError(
                f"Cannot write {path}: another opsctl holds it for more than {BUSY_MS // 1000} s"
            ) from error
        raise StoreError(f"Cannot use {path}: {text}; `opsctl doctor` says more") from error
    except OSError as error:
        raise refused(error, path) from error


def refused(error: OSError, path: Path) -> StoreError:
    """The error of ours for a file that cannot be written."""
    where = error.filename or path
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull(f"Cannot write {where}: no space left on the device; free some and run the command again")
    return StoreError(f"Cannot use {where}: {error.strerror}")


def _engine(path: Path, pool: type[Pool]) -> Engine:
    engine = create_engine(f"sqlite:///{path}", poolclass=pool, connect_args={"timeout": BUSY_MS / 1000})
    event.listen(engine, "connect", _on_connect)
    event.listen(engine, "begin", _on_begin)
    return engine


def _on_connect(connection: Any, _record: object) -> None:
    # The driver must not begin transactions by itself: it would begin them late and without the write lock.
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute(f"PRAGMA busy_timeout={BUSY_MS}")


def _on_begin(connection: Connection) -> None:
    write = connection.get_execution_options().get("opsctl_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def _version(database: Database) -> str | None:
    if not database.path.exists():
        return None
    with database.read() as connection:
        present = connection.exec_driver_sql("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").first()
        row = connection.exec_driver_sql("SELECT version_num FROM alembic_version").first() if present else None
    version = None if row is None else str(row[0])
    if version is not None and version > HEAD:
        raise StoreError(f"Cannot use {database.path}: a newer opsctl wrote it (schema {version}); update this one")
    return version


def _migrate(database: Database) -> None:
    # Imported here: alembic takes longer to import than most commands take to run.
    from alembic import command
    from alembic.config import Config

    lock = database.path.with_suffix(".lock")
    with spoken(lock), lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if _version(database) == HEAD:
            return
        config = Config(attributes={})
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
        with database.write() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
        os.chmod(database.path, 0o600)  # noqa: PTH101
