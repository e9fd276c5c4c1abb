# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which hosts to create, change and delete so that Zabbix watches what is wanted. Nothing here talks to anybody."""

from __future__ import annotations

import functools
import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.opsctl.cloud.plugins.module_utils.change import Change
from ansible_collections.opsctl.cloud.plugins.module_utils.errors import Invalid

Tag = tuple[str, str]

MARK = "{$OPSCTL.SECRETS}"
"""A macro that tells whether a host has the wanted secrets, as Zabbix never shows secrets again."""

_NAME = re.compile(r"[0-9A-Za-z_. \-]+")
_MACRO = re.compile(r"\{\$[A-Z0-9_.]+(:.+)?\}")
_PSK = re.compile(r"(?:[0-9a-fA-F]{2}){16,256}")


@dataclass(frozen=True)
class Wanted:
    """A host as it shall be. What is empty is left as it is, or as Zabbix makes it.

    ``address``: an IP address or a name, of the agent. ``secrets``: macros whose values nobody may read.
    ``psk``: 32 to 512 hexadecimal digits, with an ``psk_identity`` that is no secret. ``proxy``: the name of one.
    Raises :class:`~..errors.Invalid`.
    """

    host: str
    groups: tuple[str, ...]
    name: str = ""
    address: str = ""
    port: int = 10050
    templates: tuple[str, ...] = ()
    tags: tuple[Tag, ...] = ()
    macros: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    psk_identity: str = ""
    psk: str = field(default="", repr=False)
    proxy: str = ""
    enabled: bool = True

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.host) or self.host != self.host.strip():
            raise Invalid(f"{self.host!r} is no name of a host: letters, digits, blanks, dots, dashes and underscores")
        if not self.groups:
            raise Invalid(f"The host {self.host} needs at least one group")
        for macro in [*self.macros, *self.secrets]:
            if not _MACRO.fullmatch(macro) or macro == MARK:
                raise Invalid(
                    f"{macro} of the host {self.host} is no macro that can be set; macros look like {{$NAME}}"
                )
        if bool(self.psk) != bool(self.psk_identity):
            raise Invalid(f"The host {self.host} needs a key and its identity, not only one of them")
        if self.psk and not _PSK.fullmatch(self.psk):
            raise Invalid(f"The key of the host {self.host} is not 32 to 512 hexadecimal digits")


@dataclass(frozen=True)
class Present:
    """A host as Zabbix shows it. ``groups``, ``templates``: ids by name. ``secrets``: macros whose value is not shown.

    ``encryption``: ``none``, ``psk``, ``certificate`` or ``mixed``.
    """

    host_id: str
    host: str
    name: str
    groups: Mapping[str, str]
    templates: Mapping[str, str]
    tags: tuple[Tag, ...]
    macros: Mapping[str, str]
    secrets: tuple[str, ...]
    macro_ids: Mapping[str, str]
    address: str
    port: str
    interface_id: str
    encryption: str
    proxy: str
    enabled: bool


@dataclass(frozen=True)
class Update:
    """A host that is another than wanted: ``change`` holds what differs, without secrets."""

    present: Present
    wanted: Wanted
    change: Change


@dataclass(frozen=True)
class Changes:
    """What is to be done. ``extra``: hosts of ours whose name an older host of ours has too."""

    create: tuple[Wanted, ...] = ()
    update: tuple[Update, ...] = ()
    delete: tuple[Present, ...] = ()
    unchanged: tuple[str, ...] = ()
    extra: tuple[Present, ...] = ()
    owner: Tag = ("", "")
    purge: bool = True

    def __bool__(self) -> bool:
        return bool(self.create or self.update or self.delete or self.extra)

    @property
    def diff(self) -> dict[str, Any]:
        """In the shape of Ansible's ``--diff``: by host, only what differs."""
        before: dict[str, Any] = {one.present.host: one.change.diff["before"] for one in self.update}
        after: dict[str, Any] = {one.present.host: one.change.diff["after"] for one in self.update}
        before |= {one.host: _shown(one) for one in self.delete}
        before |= {f"{one.host} ({one.host_id})": _shown(one) for one in self.extra}
        after |= {one.host: view(one, None, self.owner, self.purge) for one in self.create}
        return {"before": dict(sorted(before.items())), "after": dict(sorted(after.items()))}


def plan(
    wanted: Sequence[Wanted],
    present: Iterable[Present],
    owner: Tag,
    *,
    purge: bool = True,
    prune: bool = True,
    adopt: bool = False,
) -> Changes:
    """What turns ``present`` into ``wanted``.

    ``present``: hosts with the tag ``owner``, and hosts with a wanted name. ``purge``: groups, templates and tags
    become exactly the wanted ones; else what others added stays. ``prune``: hosts of the owner that are not wanted go.
    ``adopt``: take hosts of a wanted name that are not the owner's; without it they raise :class:`~..errors.Invalid`.
    """
    twice = sorted(name for name, times in Counter(one.host for one in wanted).items() if times > 1)
    if twice:
        raise Invalid(f"Wanted twice under one name: {', '.join(twice)}")
    names = {one.host for one in wanted}
    by_name: dict[str, list[Present]] = {}
    for one in sorted(present, key=lambda one: int(one.host_id)):
        by_name.setdefault(one.host, []).append(one)
    foreign = sorted(name for name in names for one in by_name.get(name, []) if owner not in one.tags)
    if foreign and not adopt:
        text = "exists in Zabbix without" if len(foreign) == 1 else "exist in Zabbix without"
        raise Invalid(f"{', '.join(foreign)} {text} the tag {owner[0]}={owner[1]}; say adopt to take it over")
    several = sorted({name for name in foreign if len(by_name[name]) > 1})
    if several:
        raise Invalid(f"Zabbix has more than one host called {', '.join(several)}; delete all but one")
    updates = [_update(one, by_name[one.host][0], owner, purge) for one in wanted if one.host in by_name]
    ours = [one for name in names for one in by_name.get(name, [])[1:]]
    rest = [one for name, all_ in by_name.items() if name not in names for one in all_ if owner in one.tags]
    return Changes(
        create=tuple(one for one in wanted if one.host not in by_name),
        update=tuple(one for one in updates if one.change),
        delete=tuple(rest) if prune else (),
        unchanged=tuple(one.present.host for one in updates if not one.change),
        extra=tuple(sorted(ours, key=lambda one: int(one.host_id))),
        owner=owner,
        purge=purge,
    )


def view(wanted: Wanted, present: Present | None, owner: Tag, purge: bool) -> dict[str, Any]:
    """What the host shall look like, as :func:`plan` compares it: keys that are left alone are missing."""
    keep = None if purge else present
    shown: dict[str, Any] = {
        "groups": sorted({*wanted.groups, *(keep.groups if keep else ())}),
        "tags": sorted({owner, *wanted.tags, *(keep.tags if keep else ())}),
        "enabled": wanted.enabled,
    }
    if wanted.templates or purge:
        shown["templates"] = sorted({*wanted.templates, *(keep.templates if keep else ())})
    if wanted.name:
        shown["name"] = wanted.name
    if wanted.address:
        shown["address"], shown["port"] = wanted.address, str(wanted.port)
    if wanted.proxy:
        shown["proxy"] = wanted.proxy
    if wanted.psk:
        shown["encryption"] = "psk"
    macros = dict(wanted.macros)
    if wanted.secrets or wanted.psk:
        shown["secret macros"] = sorted(wanted.secrets)
        macros[MARK] = fingerprint(wanted)
    if macros:
        shown["macros"] = dict(sorted(macros.items()))
    return shown


def fingerprint(wanted: Wanted) -> str:
    """Tells one set of secrets from another, and nothing about them: what people choose is hashed slowly."""
    key = hashlib.sha256(f"{wanted.psk_identity}\n{wanted.psk}".encode()).hexdigest()[:16] if wanted.psk else "0"
    chosen = tuple(sorted(wanted.secrets.items()))
    return f"{key}-{_slow(chosen)}" if chosen else f"{key}-0"


@functools.cache
def _slow(secrets: tuple[Tag, ...]) -> str:
    text = "\n".join(f"{name}={value}" for name, value in secrets).encode()
    return hashlib.scrypt(text, salt=b"opsctl zabbix macros", n=1 << 14, r=8, p=1, dklen=8).hex()


def _update(wanted: Wanted, present: Present, owner: Tag, purge: bool) -> Update:
    after = view(wanted, present, owner, purge)
    before = {key: value for key, value in _shown(present).items() if key in after}
    if "macros" in after:
        before["macros"] = {name: before["macros"][name] for name in after["macros"] if name in before["macros"]}
    if "secret macros" in after:
        before["secret macros"] = [name for name in after["secret macros"] if name in before["secret macros"]]
    return Update(present, wanted, Change(before, after))


def _shown(present: Present) -> dict[str, Any]:
    return {
        "groups": sorted(present.groups),
        "tags": sorted(present.tags),
        "enabled": present.enabled,
        "templates": sorted(present.templates),
        "name": present.name,
        "address": present.address,
        "port": present.port,
        "proxy": present.proxy,
        "encryption": present.encryption,
        "macros": dict(sorted(present.macros.items())),
        "secret macros": sorted(present.secrets),
    }
