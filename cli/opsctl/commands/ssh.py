"""`opsctl ssh`: log in to a host with the connection the inventory gives it."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from opsctl.commands.common import HELP, CloudName, complete_hosts, desk

app = typer.Typer(rich_markup_mode=None, add_completion=False, context_settings=HELP)


@app.command()
def ssh(
    host: Annotated[str, typer.Argument(help="A host of the inventory.", autocompletion=complete_hosts)],
    command: Annotated[
        list[str] | None,
        typer.Argument(metavar="[-- COMMAND...]", help="Run this instead of a shell.", show_default=False),
    ] = None,
    cloud: CloudName = None,
) -> None:
    """Log in to a host, or run a command there."""
    from opsctl.clouds import access
    from opsctl.errors import OpsctlError, UsageError, suggest
    from opsctl.runs.ask import hosts as listed

    state = desk()
    name, profile = state.settings.chosen(cloud)
    found = listed(access(name, profile, state.home))
    hosts: dict[str, dict[str, Any]] = found.get("_meta", {}).get("hostvars", {})
    known = hosts.keys() | {name for group in found.values() for name in group.get("hosts", ())}
    if host not in known:
        raise UsageError(f"Unknown host {host}{suggest(host, known)}; `opsctl inventory` shows them")
    arguments = argv(host, hosts.get(host, {}), command or [])
    try:
        os.execvp("ssh", arguments)  # noqa: S606 - no shell: the arguments are a list
    except OSError as error:
        raise OpsctlError(f"Cannot start ssh: {error.strerror}; install the OpenSSH client") from error


def argv(host: str, variables: Mapping[str, Any], command: list[str]) -> list[str]:
    """The command line of ssh for a host's connection variables; `command` is quoted for the shell there.

    Raises:
        UsageError: the host is not reached by SSH.
    """
    from opsctl.errors import UsageError

    connection = variables.get("ansible_connection", "ssh")
    if connection not in ("ssh", "smart", "paramiko", "ansible.builtin.ssh"):
        raise UsageError(f"Host {host} is not reached by SSH but by {connection}")

    def first(*names: str) -> str:
        return next((str(variables[name]) for name in names if variables.get(name)), "")

    user, port = first("ansible_ssh_user", "ansible_user"), first("ansible_ssh_port", "ansible_port")
    key = first("ansible_ssh_private_key_file", "ansible_private_key_file")
    arguments = ["ssh"]
    arguments += ["-l", user] if user else []
    arguments += ["-p", port] if port else []
    arguments += ["-i", os.path.expanduser(key), "-o", "IdentitiesOnly=yes"] if key else []  # noqa: PTH111 - text of Ansible's
    for name in ("ansible_ssh_common_args", "ansible_ssh_extra_args"):
        arguments += shlex.split(str(variables.get(name) or ""))
    arguments.append(first("ansible_ssh_host", "ansible_host") or host)
    return arguments + (["--", shlex.join(command)] if command else [])
