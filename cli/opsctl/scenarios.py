"""Finds scenarios, their actions, and what each of them takes."""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from opsctl.errors import ContentError, UsageError, suggest
from opsctl.parameters import Parameter, from_role, from_template

COLLECTION = "opsctl.cloud"
_NOT_ACTIONS = re.compile(r"\.ros\.ya?ml$|\.cfn\.ya?ml$|\.heat\.ya?ml$|^rules\.ya?ml$")
_NOT_SCENARIOS = frozenset({"heal", "ops", "roles"})
"""Folders of playbooks that take hosts and no stack."""
_ROLE_ACTIONS = {f"{prefix}{name}" for prefix in ("", "ansible.builtin.") for name in ("import_role", "include_role")}
_BLOCKS = ("tasks", "pre_tasks", "post_tasks", "handlers", "block", "rescue", "always")


@dataclass(frozen=True)
class Use:
    """A role as a playbook uses it: its name, its entry point, the variables the playbook itself gives it."""

    role: str
    entry: str
    fixed: frozenset[str]


@dataclass(frozen=True)
class Scenario:
    """A folder of playbooks; `deploy` is the default action."""

    name: str
    path: Path
    collected: bool
    """Whether it is part of the collection, so that Ansible finds it by name."""

    @cached_property
    def actions(self) -> dict[str, Path]:
        """Playbooks by action, `deploy` first."""
        found = {
            file.stem.replace("_", "-"): file
            for file in sorted(self.path.iterdir())
            if file.suffix in (".yml", ".yaml") and file.is_file() and not _NOT_ACTIONS.search(file.name)
        }
        return dict(sorted(found.items(), key=lambda item: (item[0] != "deploy", item[0])))

    @property
    def template(self) -> Path | None:
        """The ROS template, if it has one."""
        path = self.path / "stack.ros.yml"
        return path if path.is_file() else None

    def playbook(self, action: str) -> str:
        """What ansible-playbook is given for this action.

        Raises:
            UsageError: there is no such action.
        """
        if action not in self.actions:
            known = ", ".join(self.actions)
            raise UsageError(f"Unknown action {action} of {self.name}{suggest(action, self.actions)}; it has: {known}")
        file = self.actions[action]
        return f"{COLLECTION}.{self.path.name}.{file.stem}" if self.collected else str(file)

    def summary(self) -> str:
        """The name of the first play of `deploy`'s comment, or nothing: what the scenario is for, in one line."""
        for file in self.actions.values():
            for line in file.read_text(encoding="utf-8").splitlines():
                if line.startswith("# ") and "SPDX" not in line and "Copyright" not in line and "GNU" not in line:
                    return line[2:].strip()
                if line and not line.startswith(("#", "---")):
                    break
        return ""

    def uses(self, action: str) -> list[Use]:
        """The roles an action's playbook names, in order."""
        plays = load(self.actions[action])
        if not isinstance(plays, list):
            raise ContentError(f"{self.actions[action]}: want a list of plays")
        return list(_uses(plays))

    def parameters(self, action: str | None = None) -> dict[str, Parameter]:
        """What an action takes, or all actions together: by name, those of roles before those of the template."""
        found = {"stack_name": self._stack_name}
        for name in [action] if action else self.actions:
            for use in self.uses(name):
                folder = self._role(use.role)
                for parameter in _role_parameters(folder, use) if folder else ():
                    found.setdefault(parameter.name, parameter)
        if self.template is not None and (action in (None, "deploy")):
            template = load(self.template)
            for parameter in from_template(self.template.name, (template or {}).get("Parameters") or {}):
                found.setdefault(parameter.name, parameter)
        return found

    @property
    def _stack_name(self) -> Parameter:
        """Every action takes it, and it has a default that no role can know."""
        return Parameter(
            name="stack_name",
            type="str",
            source="role",
            origin=self.name,
            default=self.name,
            help={
                "en": "The name of the stack; its hosts are in the groups named after it.",
                "zh": "资源栈名称；其主机在以它命名的组中。",
            },
        )

    def environment(self) -> dict[str, str]:
        """What Ansible must know to find the roles of a scenario that is not part of the collection."""
        if self.collected:
            return {}
        rest = os.environ.get("ANSIBLE_ROLES_PATH") or "~/.ansible/roles:/usr/share/ansible/roles:/etc/ansible/roles"
        return {"ANSIBLE_ROLES_PATH": f"{self.path.parent / 'roles'}:{rest}"}

    def digest(self, action: str) -> str:
        """SHA-256 over all files of the scenario and of the roles the action uses: same digest, same content."""
        folders = [self.path, *(folder for use in self.uses(action) if (folder := self._role(use.role)))]
        sha = hashlib.sha256()
        for folder in sorted(set(folders)):
            for file in sorted(
                path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts
            ):
                sha.update(
                    f"{folder.name}/{file.relative_to(folder)}\0{file.stat().st_size}\0".encode(
                        "utf-8", "surrogateescape"
                    )
                )
                sha.update(file.read_bytes())
        return sha.hexdigest()

    def _role(self, name: str) -> Path | None:
        """The role's folder; None when it belongs to another collection, whose parameters are not ours to check."""
        parts = name.split(".")
        if len(parts) == 3 and name.startswith(f"{COLLECTION}."):
            folder = collection() / "roles" / parts[2]
            if not folder.is_dir():
                raise ContentError(f"{self.path}: role {name} is not in the collection")
            return folder
        places = (self.path / "roles" / name, self.path.parent / "roles" / name, collection() / "roles" / name)
        return next((place for place in places if place.is_dir()), None)


def find(paths: Sequence[Path]) -> dict[str, Scenario]:
    """All scenarios by name; those of earlier paths hide those of later ones, the collection's come last.

    Raises:
        UsageError: a path is not a directory.
    """
    own = collection() / "playbooks"
    found = _in(own, collected=True) if own.is_dir() else {}
    for path in reversed(paths):
        if not path.is_dir():
            raise UsageError(
                f"Scenario path {path} is not a directory; it comes from OPSCTL_SCENARIO_PATH or scenario_path"
            )
        found |= _in(path, collected=False)
    return dict(sorted(found.items()))


def get(name: str, paths: Sequence[Path]) -> Scenario:
    """One scenario; dashes and underscores are the same.

    Raises:
        UsageError: there is none of this name.
    """
    known = find(paths)
    wanted = name.replace("_", "-")
    if wanted not in known:
        listed = ", ".join(known) or "none found"
        raise UsageError(f"Unknown scenario {name}{suggest(wanted, known)}; known: {listed}")
    return known[wanted]


def collection() -> Path:
    """The folder of the collection that came with this opsctl."""
    for place in collection_roots():
        folder = place / "opsctl" / "cloud"
        if (folder / "galaxy.yml").is_file():
            return folder
    raise ContentError("The collection opsctl.cloud is missing from this installation; install opsctl again")


def collection_roots() -> Iterator[Path]:
    """Directories `ansible_collections` that Python can see, ours first."""
    own = Path(__file__).resolve().parents[1]
    for place in (own, own.parent / "collections", *map(Path, sys.path)):
        if (place / "ansible_collections").is_dir():
            yield place / "ansible_collections"


def collections_path() -> str:
    """ANSIBLE_COLLECTIONS_PATH with our own collection before any copy of it elsewhere."""
    own = str(collection().parents[2])
    rest = os.environ.get("ANSIBLE_COLLECTIONS_PATH") or "~/.ansible/collections:/usr/share/ansible/collections"
    return ":".join([own, *(part for part in rest.split(":") if part and part != own)])


def _in(path: Path, *, collected: bool) -> dict[str, Scenario]:
    found = {}
    for folder in sorted(path.iterdir()):
        if folder.is_dir() and folder.name not in _NOT_SCENARIOS and not folder.name.startswith((".", "_")):
            scenario = Scenario(folder.name.replace("_", "-"), folder, collected)
            if scenario.actions:
                found[scenario.name] = scenario
    return found


def _role_parameters(folder: Path, use: Use) -> Iterator[Parameter]:
    for name in ("argument_specs.yml", "argument_specs.yaml"):
        file = folder / "meta" / name
        if file.is_file():
            specs = (load(file) or {}).get("argument_specs") or {}
            options = (specs.get(use.entry) or {}).get("options") or {}
            yield from (p for p in from_role(use.role, options) if p.name not in use.fixed)


def _uses(blocks: Iterable[Any], outer: frozenset[str] = frozenset()) -> Iterator[Use]:
    for block in blocks:
        if not isinstance(block, Mapping):
            continue
        fixed = outer | frozenset(block.get("vars") or {})
        for role in block.get("roles") or ():
            yield _used(role, fixed)
        for action in _ROLE_ACTIONS & set(block):
            arguments = block[action]
            name = arguments.get("name", "") if isinstance(arguments, Mapping) else ""
            if name and "{{" not in name:
                yield Use(name, str(arguments.get("tasks_from", "main")).removesuffix(".yml"), fixed)
        for key in _BLOCKS:
            if isinstance(block.get(key), list):
                yield from _uses(block[key], fixed)


def _used(role: Any, fixed: frozenset[str]) -> Use:
    if isinstance(role, str):
        return Use(role, "main", fixed)
    name = str(role.get("role") or role.get("name"))
    entry = str(role.get("tasks_from", "main")).removesuffix(".yml")
    return Use(name, entry, fixed | frozenset(role.get("vars") or {}) | frozenset(role))


def load(path: Path) -> Any:
    """A YAML file of content.

    Raises:
        ContentError: it cannot be read or parsed.
    """
    import yaml

    # The one in C is ten times as fast, and a scenario has dozens of files.
    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
        """Knows no tag and minds none: !vault, !unsafe and the template's !Ref are of no interest here."""

    Loader.add_multi_constructor("!", lambda *_: None)
    try:
        # A safe loader with fewer refusals, not more powers.
        return yaml.load(path.read_text(encoding="utf-8"), Loader)  # noqa: S506
    except OSError as error:
        raise ContentError(f"Cannot read {path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f":{mark.line + 1}" if mark else ""
        raise ContentError(f"{path}{place}: not YAML: {getattr(error, 'problem', error)}") from error
