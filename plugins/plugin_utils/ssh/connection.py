# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a host's inventory variables to how it is reached. Pure.

Variables and their order: https://docs.ansible.com/ansible/latest/collections/ansible/builtin/ssh_connection.html
"""

from __future__ import annotations

import functools
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Checking = Literal["yes", "accept-new", "no"]

_CHECKING: dict[str, Checking] = {
    "yes": "yes",
    "true": "yes",
    "ask": "yes",
    "accept-new": "accept-new",
    "no": "no",
    "false": "no",
    "off": "no",
}
KNOWN_HOSTS = ("~/.ssh/known_hosts", "~/.ssh/known_hosts2")
"""Where OpenSSH looks."""

_TRUE = ("true", "yes", "1", "on", "y", "t")
_SSH = ("ssh", "smart", "ansible.builtin.ssh")
_HARMLESS = (
    "controlmaster",
    "controlpersist",
    "controlpath",
    "loglevel",
    "batchmode",
    "identitiesonly",
    "-C",
    "compression",
)
"""Options of ssh that say nothing about where and how safely it connects, to one who keeps his own connections."""


class Foreign(Exception):
    """The host needs Ansible's own way; the text says why."""


@dataclass(frozen=True, slots=True)
class Connection:
    """How to reach a host and become who is needed there."""

    name: str
    address: str
    port: int = 22
    user: str = ""
    key_file: str = ""
    password: str = field(default="", repr=False)
    alias: str = ""
    """The name its key is known by, when that is not the address."""
    known_hosts: tuple[str, ...] = KNOWN_HOSTS
    checking: Checking = "yes"
    jump: str = ""
    connect_timeout: float = 10
    become_user: str = ""
    """Empty = stay who logged in."""
    become_password: str = field(default="", repr=False)

    def plain(self) -> dict[str, Any]:
        """As JSON; a list for a tuple there. `dataclasses.asdict` copies deeply, which takes ten times as long."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True)
class Rest:
    """What holds where a host's variables say nothing."""

    checking: Checking = "yes"
    user: str = ""
    port: int = 22
    key_file: str = ""
    password: str = field(default="", repr=False)
    options: str = ""
    """Of ssh, as on its command line."""
    connect_timeout: int = 10
    become_user: str = "root"
    become_password: str = field(default="", repr=False)


def connection(name: str, variables: Mapping[str, Any], user: str, become: bool, rest: Rest) -> Connection:
    """The connection of a host; `user` and `become` win over its variables, and they over the rest.

    Raises:
        Foreign: something it needs is not spoken here.
    """
    first = _reader(variables)
    kind = first("ansible_connection") or "ssh"
    if kind not in _SSH:
        raise Foreign(f"its connection is {kind}")
    for option in ("ansible_ssh_executable", "ansible_ssh_args", "ansible_ssh_pkcs11_provider"):
        if variables.get(option):
            raise Foreign(f"it sets {option}")
    ssh = _options(f"{first('ansible_ssh_common_args')} {first('ansible_ssh_extra_args')} {rest.options}")
    becoming = become or first("ansible_become").lower() in _TRUE
    if becoming and (method := first("ansible_become_method") or "sudo") not in ("sudo", "ansible.builtin.sudo"):
        raise Foreign(f"it becomes by {method}")
    if becoming and (first("ansible_become_flags") or first("ansible_become_exe")):
        raise Foreign("it sets how sudo is called")
    known = ssh.get("userknownhostsfile", "")
    checking = rest.checking
    if told := first("ansible_ssh_host_key_checking", "ansible_host_key_checking"):
        checking = "yes" if told.lower() in _TRUE else "no"
    return Connection(
        name=name,
        address=first("ansible_ssh_host", "ansible_host") or name,
        port=_number(first("ansible_ssh_port", "ansible_port") or str(rest.port), "port"),
        user=user or first("ansible_ssh_user", "ansible_user") or rest.user,
        key_file=first("ansible_ssh_private_key_file", "ansible_private_key_file") or rest.key_file,
        password=first("ansible_ssh_password", "ansible_ssh_pass", "ansible_password") or rest.password,
        alias=ssh.get("hostkeyalias", ""),
        known_hosts=tuple(known.split()) if known else KNOWN_HOSTS,
        checking=_checked(ssh["stricthostkeychecking"]) if "stricthostkeychecking" in ssh else checking,
        jump=ssh.get("proxyjump", ""),
        connect_timeout=_number(
            ssh.get("connecttimeout") or first("ansible_ssh_timeout") or str(rest.connect_timeout), "timeout"
        ),
        become_user=(first("ansible_become_user") or rest.become_user) if becoming else "",
        become_password=_become_password(first, rest) if becoming else "",
    )


def _become_password(first: Any, rest: Rest) -> str:
    names = ("ansible_become_password", "ansible_become_pass", "ansible_sudo_pass")
    return first(*names) or rest.become_password


def _reader(variables: Mapping[str, Any]) -> Any:
    def first(*names: str) -> str:
        for name in names:
            value = variables.get(name)
            if value in (None, ""):
                continue
            if isinstance(value, Mapping | list):
                raise Foreign(f"{name} is a vault or no text")
            if "{{" in str(value):
                raise Foreign(f"{name} is a template")
            return str(value)
        return ""

    return first


@functools.cache
def _options(text: str) -> dict[str, str]:
    """`-o Name=Value`, `-J jump` and `-p` of ssh's command line, names in lower case; the first of a name counts."""
    found: dict[str, str] = {}
    try:
        words = iter(shlex.split(text))
    except ValueError as error:
        raise Foreign(f"its ssh options cannot be read: {error}") from None
    for option, value in _pairs(words):
        if option in ("hostkeyalias", "userknownhostsfile", "stricthostkeychecking", "proxyjump", "connecttimeout"):
            found.setdefault(option, value)
        elif option not in _HARMLESS:
            raise Foreign(f"its ssh options have {option}")
    if found.get("proxyjump", "").lower() == "none":
        del found["proxyjump"]
    return found


def _pairs(words: Iterator[str]) -> Iterator[tuple[str, str]]:
    for word in words:
        flag, rest = word[:2], word[2:]
        if flag not in ("-o", "-J"):
            yield word, ""
            continue
        value = rest or next(words, "")
        if flag == "-J":
            yield "proxyjump", value
        else:
            name, _equal, text = value.replace("=", " ", 1).strip().partition(" ")
            yield name.lower(), text.strip().strip('"')


def _checked(value: str) -> Checking:
    if value.lower() not in _CHECKING:
        raise Foreign(f"StrictHostKeyChecking is {value}")
    return _CHECKING[value.lower()]


def _number(text: str, what: str) -> int:
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise Foreign(f"its {what} is {text}")
    return int(text)
