# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts between the words of :mod:`~.hostplan` and those of the API."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.opsctl.cloud.plugins.module_utils.zabbix import dialect
from ansible_collections.opsctl.cloud.plugins.module_utils.zabbix.client import Zabbix
from ansible_collections.opsctl.cloud.plugins.module_utils.zabbix.errors import Duplicate, NotFound
from ansible_collections.opsctl.cloud.plugins.module_utils.zabbix.hostplan import (
    MARK,
    Present,
    Tag,
    Update,
    Wanted,
    view,
)

_SECRET_MACRO = "1"  # noqa: S105
_AGENT = "1"
_ENCRYPTION = {"1": "none", "2": "psk", "4": "certificate"}
_PSK = 2


def read(zabbix: Zabbix, *, owner: Tag | None = None, names: Iterable[str] = ()) -> list[Present]:
    """The hosts with this tag, and those with these names."""
    wanted = sorted(set(names))
    rows: dict[str, Mapping[str, Any]] = {}
    if owner is not None:
        tag = {"tag": owner[0], "value": owner[1], "operator": 1}
        rows |= {str(row["hostid"]): row for row in _get(zabbix, {"tags": [tag]})}
    missing = sorted(set(wanted) - {str(row["host"]) for row in rows.values()}) if owner else wanted
    if wanted and (missing or owner):
        # Also names that were found: another host of the same name may have lost the tag.
        rows |= {str(row["hostid"]): row for row in _get(zabbix, {"filter": {"host": wanted}})}
    proxies = _proxies(zabbix, {_proxy_id(row) for row in rows.values()} - {"0", ""})
    return [_present(row, proxies) for row in rows.values()]


class Names:
    """Ids by name, for everything that a host refers to."""

    def __init__(self, zabbix: Zabbix, wanted: Sequence[Wanted]) -> None:
        self._zabbix = zabbix
        self.groups = self._find("hostgroup", "groupid", "name", {group for one in wanted for group in one.groups})
        self.templates = self._find(
            "template", "templateid", "host", {name for one in wanted for name in one.templates}
        )
        name = dialect.proxy_name(zabbix.version)
        self.proxies = self._find("proxy", "proxyid", name, {one.proxy for one in wanted if one.proxy})
        self._need("template", {name for one in wanted for name in one.templates}, self.templates)
        self._need("proxy", {one.proxy for one in wanted if one.proxy}, self.proxies)
        for name in sorted({group for one in wanted for group in one.groups} - set(self.groups)):
            self.groups |= self._group(name)

    def _group(self, name: str) -> dict[str, str]:
        try:
            made = self._zabbix.call("hostgroup.create", [{"name": name}])
        except Duplicate:  # somebody else was faster
            return self._find("hostgroup", "groupid", "name", {name})
        return {name: str(made["groupids"][0])}

    def _find(self, kind: str, key: str, name: str, wanted: set[str]) -> dict[str, str]:
        if not wanted:
            return {}
        rows = self._zabbix.call(f"{kind}.get", {"output": [key, name], "filter": {name: sorted(wanted)}})
        # Zabbix 6.0 may have two of one name; all who look take the older one.
        return {str(row[name]): str(row[key]) for row in sorted(rows, key=lambda row: -int(row[key]))}

    def _need(self, kind: str, wanted: set[str], found: Mapping[str, str]) -> None:
        missing = sorted(wanted - set(found))
        if missing:
            raise NotFound(f"Zabbix has no {kind} {', '.join(missing)}, or does not show it to us")


def creation(wanted: Wanted, names: Names, owner: Tag, version: dialect.Version) -> dict[str, Any]:
    """What ``host.create`` takes."""
    call: dict[str, Any] = {
        "host": wanted.host,
        "name": wanted.name or wanted.host,
        "groups": dialect.objects("groupid", (names.groups[group] for group in wanted.groups)),
        "templates": dialect.objects("templateid", (names.templates[name] for name in wanted.templates)),
        "tags": _tags(view(wanted, None, owner, purge=True)["tags"]),
        "status": 0 if wanted.enabled else 1,
        "interfaces": [{"type": 1, "main": 1, **_interface(wanted)}] if wanted.address else [],
        "macros": _macros(wanted, owner),
        **_encryption(wanted),
    }
    if wanted.proxy:
        call |= dialect.proxy(version, names.proxies[wanted.proxy])
    return call


def alteration(one: Update, names: Names, owner: Tag, version: dialect.Version) -> dict[str, Any]:
    """What ``host.update`` takes: only what differs."""
    wanted, present, after = one.wanted, one.present, one.change.after or {}
    differs = one.change.differs
    call: dict[str, Any] = {"hostid": present.host_id}
    secrets_differ = after.get("macros", {}).get(MARK) != present.macros.get(MARK)
    if "name" in differs:
        call["name"] = wanted.name
    if "groups" in differs:
        ids = {**present.groups, **names.groups}
        call["groups"] = dialect.objects("groupid", (ids[group] for group in after["groups"]))
    if "templates" in differs:
        ids = {**present.templates, **names.templates}
        call["templates"] = dialect.objects("templateid", (ids[name] for name in after["templates"]))
        gone = sorted(set(present.templates) - set(after["templates"]))
        if gone:
            call["templates_clear"] = dialect.objects("templateid", (present.templates[name] for name in gone))
    if "tags" in differs:
        call["tags"] = _tags(after["tags"])
    if "enabled" in differs:
        call["status"] = 0 if wanted.enabled else 1
    if "proxy" in differs:
        call |= dialect.proxy(version, names.proxies[wanted.proxy])
    if differs & {"macros", "secret macros"}:
        call["macros"] = _macros(wanted, owner, present)
    if "encryption" in differs or secrets_differ:
        call |= _encryption(wanted)
    return call


def interface(one: Update) -> dict[str, Any] | None:
    """What ``hostinterface.update`` takes, or ``.create`` if there is no ``interfaceid``; ``None`` if all is well."""
    if not one.change.differs & {"address", "port"}:
        return None
    if one.present.interface_id:
        return {"interfaceid": one.present.interface_id, **_interface(one.wanted)}
    return {"hostid": one.present.host_id, "type": 1, "main": 1, **_interface(one.wanted)}


def _get(zabbix: Zabbix, conditions: Mapping[str, Any]) -> list[dict[str, Any]]:
    asked = {
        "output": "extend",
        "selectInterfaces": "extend",
        "selectParentTemplates": ["templateid", "host"],
        "selectTags": ["tag", "value"],
        "selectMacros": "extend",
        dialect.host_groups(zabbix.version): ["groupid", "name"],
    }
    found: list[dict[str, Any]] = zabbix.call("host.get", {**asked, **conditions})
    return found


def _present(row: Mapping[str, Any], proxies: Mapping[str, str]) -> Present:
    macros = row.get("macros") or []
    agent = next((one for one in row["interfaces"] if str(one["type"]) == _AGENT and str(one["main"]) == "1"), None)
    modes = {str(row.get("tls_connect", "1")), str(row.get("tls_accept", "1"))}
    return Present(
        host_id=str(row["hostid"]),
        host=str(row["host"]),
        name=str(row["name"]),
        groups={str(group["name"]): str(group["groupid"]) for group in dialect.groups_of(row)},
        templates={str(one["host"]): str(one["templateid"]) for one in row.get("parentTemplates") or []},
        tags=tuple((str(tag["tag"]), str(tag["value"])) for tag in row["tags"]),
        macros={str(one["macro"]): str(one["value"]) for one in macros if str(one.get("type", "0")) != _SECRET_MACRO},
        secrets=tuple(str(one["macro"]) for one in macros if str(one.get("type", "0")) == _SECRET_MACRO),
        macro_ids={str(one["macro"]): str(one["hostmacroid"]) for one in macros},
        address="" if agent is None else str(agent["ip"] if str(agent["useip"]) == "1" else agent["dns"]),
        port="" if agent is None else str(agent["port"]),
        interface_id="" if agent is None else str(agent["interfaceid"]),
        encryption=_ENCRYPTION.get(modes.pop(), "mixed") if len(modes) == 1 else "mixed",
        proxy=proxies.get(_proxy_id(row), ""),
        enabled=str(row["status"]) == "0",
    )


def _proxy_id(row: Mapping[str, Any]) -> str:
    return str(row.get("proxyid", row.get("proxy_hostid", "0")) or "0")


def _proxies(zabbix: Zabbix, ids: set[str]) -> dict[str, str]:
    if not ids:
        return {}
    name = dialect.proxy_name(zabbix.version)
    rows = zabbix.call("proxy.get", {"output": ["proxyid", name], "proxyids": sorted(ids)})
    return {str(row["proxyid"]): str(row[name]) for row in rows}


def _interface(wanted: Wanted) -> dict[str, Any]:
    try:
        ipaddress.ip_address(wanted.address)
    except ValueError:
        return {"useip": 0, "ip": "", "dns": wanted.address, "port": str(wanted.port)}
    return {"useip": 1, "ip": wanted.address, "dns": "", "port": str(wanted.port)}


def _tags(tags: Iterable[Tag]) -> list[dict[str, str]]:
    return [{"tag": tag, "value": value} for tag, value in tags]


def _macros(wanted: Wanted, owner: Tag, present: Present | None = None) -> list[dict[str, Any]]:
    """All macros of the host: those that are not in the list go, so those of others are named by their ids."""
    ids = present.macro_ids if present else {}
    plain = view(wanted, None, owner, purge=True).get("macros", {})
    rows: dict[str, dict[str, Any]] = {macro: {"hostmacroid": one} for macro, one in ids.items()}
    for macro, value, kind in [*((*one, 0) for one in plain.items()), *((*one, 1) for one in wanted.secrets.items())]:
        rows[macro] = {**rows.get(macro, {}), "macro": macro, "value": value, "type": kind}
    return list(rows.values())


def _encryption(wanted: Wanted) -> dict[str, Any]:
    if not wanted.psk:
        return {}
    return {
        "tls_connect": _PSK,
        "tls_accept": _PSK,
        "tls_psk_identity": wanted.psk_identity,
        "tls_psk": wanted.psk,
    }
