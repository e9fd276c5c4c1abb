"""The private directory of one execution: inputs with secrets, Ansible's temporary files. In memory, and gone after."""

from __future__ import annotations

import json
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from opsctl.errors import StoreError
from opsctl.runs.process import Owner, myself, sweep

_YOUNG = 60
"""Seconds in which a directory may still be waiting for its owner's name."""


@contextmanager
def workspace(run_id: str) -> Iterator[Path]:
    """A new directory (0700) that is wiped on leaving, in every case but kill -9; for that there is `wipe_stale`."""
    path = base() / run_id
    path.mkdir(mode=0o700)
    try:
        write(path / "owner", json.dumps(myself().plain()))
        for name in ("inventory", "env", "project", "tmp"):
            (path / name).mkdir(mode=0o700)
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def wipe_stale() -> list[str]:
    """Wipe what killed commands of this user left, with the processes that still use it; the ids."""
    wiped = []
    for path in sorted(base().iterdir()):
        if _abandoned(path):
            sweep(path.name)
            shutil.rmtree(path, ignore_errors=True)
            wiped.append(path.name)
    return wiped


def wipe(run_id: str) -> None:
    """Wipe the directory of a run that has surely ended."""
    shutil.rmtree(base() / run_id, ignore_errors=True)


def write(path: Path, text: str) -> None:
    """A new file only this user can read, from its first byte."""
    with os.fdopen(
        os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8", errors="surrogateescape"
    ) as file:
        file.write(text)


def base() -> Path:
    """Where these directories are: in memory where the machine offers that, and nobody else's."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and os.access(runtime, os.W_OK):
        path = Path(runtime, "opsctl")
    else:
        shared = Path("/dev/shm")  # noqa: S108 - checked below to be ours alone
        parent = shared if os.access(shared, os.W_OK) else Path(tempfile.gettempdir())
        path = parent / f"opsctl-{os.getuid()}"
    try:
        path.mkdir(mode=0o700, exist_ok=True)
        found = path.lstat()
    except OSError as error:
        raise StoreError(f"Cannot make {path}: {error.strerror}") from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise StoreError(f"Cannot use {path}: it must be a directory of yours with mode 0700; remove it")
    return path


def _abandoned(path: Path) -> bool:
    try:
        return Owner(**json.loads((path / "owner").read_text())).gone
    except FileNotFoundError:
        try:
            return time.time() - path.stat().st_mtime > _YOUNG
        except FileNotFoundError:
            return False
    except (ValueError, TypeError):
        return True
