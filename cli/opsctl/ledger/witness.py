"""Anchors: copies of checkpoints where whoever can rewrite this home cannot. One ledger each.

Written `file:PATH` (a file on other storage), `git:REPOSITORY` (a commit in a repository with a work tree) or
`elasticsearch:INDEX`. A further kind is a class with these three methods and a line in `named`.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from opsctl.db.engine import refused
from opsctl.errors import ConfigError, StoreError
from opsctl.ledger.checkpoint import Checkpoint, append, lines, tail

if TYPE_CHECKING:
    from opsctl.events.ship.options import Elasticsearch

_PATIENCE = 60
"""Seconds git may take."""

_FILE = "ledger.checkpoints"
"""In a repository."""


class Witness(Protocol):
    """One anchor."""

    @property
    def name(self) -> str:
        """As in the settings."""

    def put(self, checkpoint: Checkpoint) -> bool:
        """Add it, durably; False when it is there already. Raises StoreError."""

    def lines(self) -> Callable[[], Iterable[str]]:
        """What can be read again and again: all that was put. Raises StoreError."""


class FileWitness:
    """A file that only grows."""

    def __init__(self, path: Path) -> None:
        """Its directory must exist: a mount that is missing must not be mistaken for an empty one."""
        self.path = path.expanduser().absolute()

    @property
    def name(self) -> str:
        """As in the settings."""
        return f"file:{self.path}"

    def put(self, checkpoint: Checkpoint) -> bool:
        """Append it."""
        try:
            if tail(self.path)[-1:] == [checkpoint.line]:
                return False
            append(self.path, checkpoint.line)
        except OSError as error:
            raise refused(error, self.path) from error
        return True

    def lines(self) -> Callable[[], Iterable[str]]:
        """The file's lines, read as they are wanted."""
        try:
            size = self.path.stat().st_size
        except OSError as error:
            raise _unread(self.name, error.strerror or "") from error
        return lambda: lines(self.path, size)


class GitWitness:
    """A file in a git repository, a commit for each checkpoint. What is verified is what was committed."""

    def __init__(self, repository: Path) -> None:
        """An existing repository; its settings say who commits, its remotes are pushed to by somebody else."""
        self.repository = repository.expanduser().absolute()

    @property
    def name(self) -> str:
        """As in the settings."""
        return f"git:{self.repository}"

    def put(self, checkpoint: Checkpoint) -> bool:
        """Commit it."""
        if self._git("rev-parse", "--is-inside-work-tree").strip() != "true":
            raise StoreError(f"Cannot anchor in {self.name}: it is a bare repository; name a clone of it")
        file = FileWitness(self.repository / _FILE)
        file.put(checkpoint)
        self._git("add", "--", _FILE)
        if not self._git("status", "--porcelain", "--", _FILE):
            return False
        self._git("commit", "--quiet", "-m", f"Anchor record {checkpoint.seq} of the ledger", "--", _FILE)
        return True

    def lines(self) -> Callable[[], Iterable[str]]:
        """The lines of the last commit."""
        try:
            held = self._git("show", f"HEAD:./{_FILE}").splitlines()
        except StoreError as error:
            raise _unread(self.name, "nothing is committed there") from error
        return lambda: held

    def _git(self, *arguments: str) -> str:
        # No prompt can be answered here, and messages are compared by nobody but people.
        environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
        for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
            environment.pop(name, None)
        try:
            done = subprocess.run(
                ["git", "-C", str(self.repository), *arguments],
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_PATIENCE,
                check=False,
            )
        except FileNotFoundError as error:
            raise StoreError(f"Cannot use {self.name}: there is no git; install it") from error
        except subprocess.TimeoutExpired as error:
            raise StoreError(f"Cannot use {self.name}: git took longer than {_PATIENCE} s") from error
        if done.returncode:
            said = (done.stderr.strip().splitlines() or ["git failed"])[-1]
            raise StoreError(f"Cannot use {self.name}: {said}")
        return done.stdout


def _unread(name: str, why: str) -> StoreError:
    return StoreError(f"Cannot read anchor {name}: {why}; is it mounted, was `opsctl audit anchor` ever run?")


def named(text: str, elasticsearch: Elasticsearch | None = None) -> Witness:
    """The anchor of a setting; `elasticsearch` says where that is.

    Raises:
        ConfigError: there is no such kind.
    """
    kind, _, place = text.partition(":")
    if kind == "file" and place:
        return FileWitness(Path(place))
    if kind == "git" and place:
        return GitWitness(Path(place))
    if kind == "elasticsearch" and elasticsearch is not None:
        from opsctl.ledger.remote import ElasticsearchWitness

        return ElasticsearchWitness(place, elasticsearch)
    raise ConfigError(f"audit_anchors: {text}: an anchor is file:PATH, git:REPOSITORY or elasticsearch:INDEX")
