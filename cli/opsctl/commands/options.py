"""Options of everything that can be run or planned, in groups."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from opsctl.commands.common import CloudName

Inventories = Annotated[
    list[Path] | None,
    typer.Option("--inventory", "-i", metavar="FILE", help="An inventory; without --cloud, instead of the cloud's."),
]
Everything = Annotated[bool, typer.Option("--yes-all", help="All hosts are meant.")]
Variables = Annotated[
    list[str] | None,
    typer.Option(
        "--extra-vars", "-e", metavar="NAME=VALUE|@FILE", help="A parameter, or a YAML file of them (@- reads stdin)."
    ),
]


@dataclass(frozen=True, slots=True)
class Where:
    """On which hosts."""

    hosts: Annotated[
        str, typer.Option("--hosts", "-H", metavar="PATTERN", help="Which hosts: a pattern as Ansible knows them.")
    ] = ""
    inventory: Inventories = None
    cloud: CloudName = None
    everything: Everything = False

    def plain(self) -> dict[str, Any]:
        """As parts of a spec."""
        files = tuple(str(path.expanduser().absolute()) for path in self.inventory or ())
        return {"pattern": self.hosts, "files": files, "cloud": self.cloud or "", "everything": self.everything}


@dataclass(frozen=True, slots=True)
class Part(Where):
    """On which hosts of those that a playbook means."""

    hosts: Annotated[
        str, typer.Option("--hosts", "-H", "--limit", "-l", metavar="PATTERN", help="Only these of its hosts.")
    ] = ""


@dataclass(frozen=True, slots=True)
class As:
    """As whom, how long, in which surroundings."""

    user: Annotated[str, typer.Option("--user", "-u", help="Log in as this user.")] = ""
    become: Annotated[bool, typer.Option("--become", "-b", help="Do it as root, by sudo.")] = False
    timeout: Annotated[
        float, typer.Option("--timeout", metavar="SECONDS", min=0.1, help="How long one host may take.")
    ] = 600
    env: Annotated[
        list[str] | None, typer.Option("--env", metavar="NAME=VALUE", help="A variable of the environment there.")
    ] = None
    chdir: Annotated[str, typer.Option("--chdir", metavar="PATH", help="The directory to do it in.")] = ""
    stdin: Annotated[
        str, typer.Option("--stdin", metavar="FILE", help="What it reads on each host (-: what opsctl is given).")
    ] = ""
    ask_pass: Annotated[
        bool, typer.Option("--ask-pass", "-k", help="Ask for the SSH password (else: OPSCTL_SSH_PASSWORD).")
    ] = False
    ask_become_pass: Annotated[
        bool, typer.Option("--ask-become-pass", "-K", help="Ask for sudo's password (else: OPSCTL_BECOME_PASSWORD).")
    ] = False

    def plain(self) -> dict[str, Any]:
        """As parts of a spec."""
        return {
            "user": self.user,
            "become": self.become,
            "host_timeout": self.timeout,
            "environment": environment(self.env),
            "directory": self.chdir,
            "stdin": self.stdin if self.stdin in ("", "-") else str(Path(self.stdin).expanduser().absolute()),
            "ask_pass": self.ask_pass,
            "ask_become_pass": self.ask_become_pass,
        }


@dataclass(frozen=True, slots=True)
class Try:
    """Whether it changes anything."""

    check: Annotated[bool, typer.Option("--check", help="Change nothing, say what would change.")] = False
    diff: Annotated[bool, typer.Option("--diff", help="Record differences of what changes.")] = False

    def plain(self) -> dict[str, Any]:
        """As parts of a spec."""
        return {"check": self.check, "diff": self.diff}


@dataclass(frozen=True, slots=True)
class How:
    """What all runs have."""

    forks: Annotated[
        int | None,
        typer.Option(
            "--forks", "-f", min=1, max=1000, help="Hosts at the same time (default: 20).", show_default=False
        ),
    ] = None
    reason: Annotated[str, typer.Option("--reason", help="Why: goes into the ledger.")] = ""
    break_glass: Annotated[
        str,
        typer.Option(
            "--break-glass",
            metavar="REASON",
            help="An emergency: run without the approval it needs. Everybody is told, and somebody must review it.",
        ),
    ] = ""

    vault_password_file: Annotated[
        Path | None,
        typer.Option(
            "--vault-password-file",
            metavar="FILE",
            help="Opens what Ansible Vault encrypted (else: ANSIBLE_VAULT_PASSWORD_FILE, OPSCTL_VAULT_PASSWORD).",
            show_default=False,
        ),
    ] = None
    ask_vault_pass: Annotated[bool, typer.Option("--ask-vault-pass", "-J", help="Ask for the vault password.")] = False

    def plain(self) -> dict[str, Any]:
        """As parts of a spec."""
        file = self.vault_password_file
        return {
            "forks": self.forks or 0,
            "reason": self.reason,
            "emergency": self.break_glass,
            "vault_password_file": "" if file is None else str(file.expanduser().absolute()),
            "ask_vault_pass": self.ask_vault_pass,
        }


def environment(pairs: list[str] | None) -> dict[str, str]:
    """Variables from NAME=VALUE.

    Raises:
        UsageError: one is not of this form.
    """
    from opsctl.errors import UsageError

    found = {}
    for pair in pairs or ():
        name, equal, value = pair.partition("=")
        if not equal or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            raise UsageError(f"--env {name if equal else pair}: give NAME=VALUE")
        found[name] = value
    return found


def variables(given: list[str] | None) -> dict[str, Any]:
    """Parameters from NAME=VALUE and @FILE.

    Raises:
        UsageError: one cannot be read.
    """
    from opsctl.parameters import given as parsed

    return dict(parsed(given or (), _read))


def _read(path: str) -> str:
    import sys

    from opsctl.errors import UsageError

    try:
        return sys.stdin.read() if path == "-" else Path(path).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"Cannot read {path}: {getattr(error, 'strerror', None) or 'not UTF-8 text'}") from error
