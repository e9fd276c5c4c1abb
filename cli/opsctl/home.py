"""OPSCTL_HOME: the one directory that holds all state of one installation."""

from __future__ import annotations

import os
from pathlib import Path

from opsctl.errors import StoreError


def home() -> Path:
    """The directory, made (0700) when missing: `$OPSCTL_HOME`, else the user's data directory.

    Raises:
        StoreError: it cannot be made or written.
    """
    path = locate()
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"Cannot make {path}: {error.strerror}; set OPSCTL_HOME to a directory you can write"
        ) from error
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        raise StoreError(f"Cannot write to {path}: no permission; set OPSCTL_HOME to a directory of your own")
    return path


def locate() -> Path:
    """Where the directory is or would be; touches nothing."""
    named = os.environ.get("OPSCTL_HOME")
    if named:
        return Path(named).expanduser().absolute()
    from platformdirs import user_data_path

    return user_data_path("opsctl", appauthor=False)
