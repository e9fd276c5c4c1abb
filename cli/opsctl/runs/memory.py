"""What Ansible said of inventories that are nothing but files: while no byte it read has changed, it says it again.

Ansible takes half a second to read even one line. Its answer is kept under a hash of all it depends on; where that
cannot be known - plug-ins, scripts, templates of directories, secrets - nothing is kept and Ansible is asked.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

from opsctl.runs.workspace import write

_PLAIN = ("", ".ini", ".cfg", ".yml", ".yaml", ".json")
_BESIDE = ("group_vars", "host_vars")
_CONFIGS = ("ansible.cfg", "~/.ansible.cfg", "/etc/ansible/ansible.cfg")
_CODE = ("~/.ansible/plugins/vars", "/usr/share/ansible/plugins/vars", "vars_plugins")
"""Directories whose plug-ins give variables unasked."""
_UNSURE = re.compile(rb"^\s*plugin\s*:|_plugins|\$ANSIBLE_VAULT|!vault", re.MULTILINE)
_NOT_KEPT = re.compile(
    r'"[^"]*(?:pass|secret|token|credential|private_key(?!_file))[^"]*":|__ansible_vault|ansible_remote_tmp',
    re.IGNORECASE,
)
"""Answers with secrets in them, and with what is different for each question."""
_CONTEXT = re.compile(r"ANSIBLE_|HOME$|LANG$|LC_")
_PASSING = {"ANSIBLE_LOCAL_TEMP", "ANSIBLE_SSH_CONTROL_PATH_DIR", "ANSIBLE_TARGET_LOG_INFO"}
"""Different for each question, and without meaning for the answer."""
_LARGEST = 8 * 1024 * 1024
_FILES = 500
_MOST = 32


class _Unsure(Exception):
    """What the answer depends on cannot be known."""


def remembered(
    home: Path, sources: Sequence[Path], question: Sequence[str], environment: Mapping[str, str], ask: Callable[[], str]
) -> str:
    """The answer to a question about these files, kept or new. `environment`: what Ansible would be given."""
    try:
        name = _key(sources, question, environment)
    except (_Unsure, OSError):
        return ask()
    path = home / "cache" / "inventory" / f"{name}.json"
    with suppress(OSError, UnicodeDecodeError):
        return path.read_text(encoding="utf-8")
    answer = ask()
    if not _NOT_KEPT.search(answer):
        with suppress(OSError):
            _keep(path, answer)
    return answer


def _keep(path: Path, answer: str) -> None:
    folder = path.parent
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = folder / f"{path.stem}.{os.getpid()}"
    write(draft, answer)
    draft.replace(path)
    kept = sorted(folder.iterdir(), key=lambda file: file.stat().st_mtime)
    for file in kept[:-_MOST]:
        file.unlink(missing_ok=True)


def _key(sources: Sequence[Path], question: Sequence[str], environment: Mapping[str, str]) -> str:
    if any(name.startswith(("ANSIBLE_VARS_", "ANSIBLE_INVENTORY_", "ANSIBLE_VAULT_")) for name in environment):
        raise _Unsure
    if any(Path(name).expanduser().exists() for name in _CODE):
        raise _Unsure
    whole = hashlib.sha256()

    def add(*parts: str | bytes) -> None:
        for part in parts:
            data = part if isinstance(part, bytes) else part.encode("utf-8", "surrogateescape")
            whole.update(len(data).to_bytes(8, "big") + data)

    add(version("ansible-core"), json.dumps(list(question)), str(Path.cwd()))
    for name in sorted(environment):
        if _CONTEXT.match(name) and name not in _PASSING:
            add(name, environment[name])
    left = _FILES
    for path in _read(sources, environment):
        left -= 1
        data = _content(path) if left > 0 else None
        if data is None or _UNSURE.search(data):
            raise _Unsure
        add(str(path), data)
    return whole.hexdigest()


def _read(sources: Sequence[Path], environment: Mapping[str, str]) -> Iterator[Path]:
    """All that Ansible reads."""
    for path in sources:
        if path.suffix not in _PLAIN or not path.is_file() or os.access(path, os.X_OK):
            raise _Unsure
        yield path
    for folder in dict.fromkeys([*(path.parent for path in sources), Path.cwd()]):
        for name in _BESIDE:
            yield from (path for path in sorted((folder / name).rglob("*")) if not path.is_dir())
            yield from (path for path in sorted(folder.glob(f"{name}.*")) if path.is_file())
    named = environment.get("ANSIBLE_CONFIG", "")
    for name in (named, *_CONFIGS):
        if name and (path := Path(name).expanduser()).is_file():
            yield path


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.stat().st_size <= _LARGEST else None
