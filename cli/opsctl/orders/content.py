"""What a playbook is: where its file is, and a digest of all that belongs to it."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

from opsctl.errors import ContentError, UsageError
from opsctl.scenarios import collections_path

_NAME = re.compile(r"\w+\.\w+(\.\w+)+")
_BESIDE = ("roles", "tasks", "handlers", "templates", "files", "vars", "group_vars", "host_vars", "library")
_MOST = 20_000
"""Files of one playbook; more is no playbook but somebody's home."""


def located(name: str) -> tuple[str, Path | None]:
    """What ansible-playbook is given, and the file where it can be found.

    Raises:
        UsageError: it is a file that cannot be read.
    """
    path = Path(name).expanduser()
    if path.exists() or not _NAME.fullmatch(name):
        whole = path.absolute()
        if not whole.is_file():
            raise UsageError(f"Playbook {name} is not a file, and not a name such as opsctl.cloud.redis_cluster.deploy")
        return str(whole), whole
    return name, _collected(name)


def digest(path: Path) -> str:
    """SHA-256 over the playbook, the other playbooks beside it, and the folders Ansible looks into.

    Raises:
        ContentError: a part cannot be read, or there is no end to it.
    """
    sha = hashlib.sha256()
    try:
        for number, file in enumerate(_parts(path)):
            if number > _MOST:
                raise ContentError(
                    f"{path.parent} has more than {_MOST} files; move the playbook to a folder of its own"
                )
            name = os.path.relpath(file, path.parent).encode("utf-8", "surrogateescape")
            sha.update(b"%s\0%d\0" % (name, file.stat().st_size))
            sha.update(file.read_bytes())
    except OSError as error:
        raise ContentError(f"Cannot read {error.filename}: {error.strerror}") from error
    return sha.hexdigest()


def _parts(path: Path) -> Iterator[Path]:
    yield path
    folder = path.parent
    yield from sorted(file for file in folder.glob("*.y*ml") if file != path and file.is_file())
    for name in _BESIDE:
        yield from _files(folder / name)
    if folder.name == "playbooks" or folder.parent.name == "playbooks":
        base = folder.parent if folder.name == "playbooks" else folder.parent.parent
        yield from _files(base / "roles")


def _files(folder: Path) -> Iterator[Path]:
    for file in sorted(folder.rglob("*")):
        if file.is_file() and "__pycache__" not in file.parts:
            yield file


def _collected(name: str) -> Path | None:
    space, collection, *rest = name.split(".")
    for place in collections_path().split(":"):
        base = Path(place).expanduser() / "ansible_collections" / space / collection / "playbooks"
        for suffix in (".yml", ".yaml"):
            file = base.joinpath(*rest[:-1], rest[-1] + suffix)
            if file.is_file():
                return file
    return None
