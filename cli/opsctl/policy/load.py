"""The policy of a home: `policy.yml`, and what its database keeps."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from opsctl.errors import ConfigError
from opsctl.policy.grants import Policy
from opsctl.policy.read import NAME, read


def load(home: Path, kept: Mapping[str, Any] | None = None) -> Policy:
    """The policy of this home; an empty one when it has none. `kept`: instead of what its database has.

    Raises:
        ConfigError: it cannot be read or used, or others than the home's owner could have written it.
        StoreError: the database cannot be read.
    """
    if kept is None:
        from opsctl.policy.stored import data

        kept = data(home)
    return read(text(home), str(home / NAME), kept)


def text(home: Path) -> str:
    """What is in the file; nothing when there is none.

    Raises:
        ConfigError: it cannot be read, or others could have written it.
    """
    path = home / NAME
    try:
        _own(path, home)
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"Cannot read {path}: {getattr(error, 'strerror', None) or 'not UTF-8 text'}") from error


def _own(path: Path, home: Path) -> None:
    """What others can write is no policy."""
    found = path.stat()
    if found.st_uid not in (0, home.stat().st_uid):
        raise ConfigError(f"{path} belongs to uid {found.st_uid}, not to the owner of {home}; the owner must write it")
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise ConfigError(f"{path} can be written by others than its owner; run chmod go-w on it")
