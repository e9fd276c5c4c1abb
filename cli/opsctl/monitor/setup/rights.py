"""Who opsctl is in Zabbix, and what it may do there."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from opsctl.monitor.setup.part import Names, Part, Shape
from opsctl.monitor.setup.wish import ACTIONS, METHODS, Wish
from opsctl.monitor.zabbix import Zabbix

_TYPES = {"hosts": "2", "methods": "3"}
_OWN_GROUPS = (6, 2, 0)
"""Templates have groups of their own since then."""


def host_groups(wish: Wish) -> list[Part]:
    """Made when missing, never changed."""
    return [_host_group(name) for name in wish.groups]


def _host_group(name: str) -> Part:
    return Part(
        "host group",
        "hostgroup",
        "name",
        "groupid",
        name,
        wanted=lambda _present: {"name": name},
        read=lambda row: {"name": row["name"]},
        params=dict,
    )


def role(zabbix: Zabbix, wish: Wish) -> Part:
    """Only the methods and actions opsctl needs. Which others there are to be denied, the version says itself."""
    methods = [*METHODS, *(["history.push"] if zabbix.version >= (7, 0, 0) else [])]

    def wanted(present: Shape | None) -> Shape:
        # Each type of role knows others: those of a new type are told once it has that type.
        same = present is not None and present["type"] == _TYPES[wish.rights]
        known = present if present and same else {"actions": {}, "ui": {}}
        return {
            "name": wish.name,
            "type": _TYPES[wish.rights],
            "methods": sorted(methods),
            "deny": "others",
            "actions": {name: str(int(name in ACTIONS)) for name in known["actions"]},
            "ui": {name: str(int(name == "monitoring.problems")) for name in known["ui"]},
            "defaults": {
                "actions.default_access": "0",
                "modules.default_access": "0",
                "services.read.mode": "0",
                "services.write.mode": "0",
                "ui.default_access": "0",
            },
        }

    def read(row: Shape) -> Shape:
        rules = row["rules"]
        limited = str(rules["api.access"]) == "1" and str(rules["api.mode"]) == "1"
        return {
            "name": row["name"],
            "type": row["type"],
            "methods": sorted(rules["api"]),
            "deny": "others" if limited else "these",
            "actions": {each["name"]: each["status"] for each in rules["actions"]},
            "ui": {each["name"]: each["status"] for each in rules["ui"]},
            "defaults": {name: rules[name] for name in wanted(None)["defaults"]},
        }

    def params(shape: Shape) -> Shape:
        listed = {
            name: [{"name": each, "status": status} for each, status in shape[name].items()]
            for name in ("actions", "ui")
        }
        # One page must be allowed, though the user group lets nobody see pages.
        ui = listed["ui"] or [{"name": "monitoring.problems", "status": "1"}]
        api = {"api.access": "1", "api.mode": "1", "api": shape["methods"]}
        return {
            "name": shape["name"],
            "type": shape["type"],
            "rules": {**shape["defaults"], **api, "actions": listed["actions"], "ui": ui},
        }

    return Part("role", "role", "name", "roleid", wish.name, wanted, read, params, more={"selectRules": "extend"})


def user_group(zabbix: Zabbix, wish: Wish, names: Names) -> Part:
    """May change hosts of the groups, link templates, see no page."""
    new = zabbix.version >= _OWN_GROUPS
    templates = "templategroup" if new else "hostgroup"

    def wanted(_present: Shape | None) -> Shape:
        rights = dict.fromkeys(names.below(templates, wish.template_groups), "read")
        rights |= dict.fromkeys([*wish.groups, *names.below("hostgroup", wish.groups)], "write")
        return {"name": wish.name, "gui_access": "3", "users_status": "0", "rights": dict(sorted(rights.items()))}

    def read(row: Shape) -> Shape:
        lists = {"hostgroup": "hostgroup_rights", "templategroup": "templategroup_rights"} if new else {}
        rights = {}
        for api, key in (lists or {"hostgroup": "rights"}).items():
            for each in row.get(key, ()):
                word = {"0": "deny", "2": "read", "3": "write"}.get(str(each["permission"]), "")
                rights[names.names(api, [each["id"]])[0]] = word
        return {
            "name": row["name"],
            "gui_access": row["gui_access"],
            "users_status": row["users_status"],
            "rights": dict(sorted(rights.items())),
        }

    def params(shape: Shape) -> Shape:
        found: dict[str, list[Shape]] = {"read": [], "write": []}
        for name, word in shape["rights"].items():
            api = templates if word == "read" else "hostgroup"
            found[word].append({"id": names.ids(api, [name])[0], "permission": {"read": 2, "write": 3}[word]})
        plain = {key: shape[key] for key in ("name", "gui_access", "users_status")}
        if new:
            return {**plain, "hostgroup_rights": found["write"], "templategroup_rights": found["read"]}
        return {**plain, "rights": [*found["write"], *found["read"]]}

    asked = {"selectHostGroupRights": "extend", "selectTemplateGroupRights": "extend"} if new else {}
    more = asked or {"selectRights": "extend"}
    return Part("user group", "usergroup", "name", "usrgrpid", wish.name, wanted, read, params, more=more)


def user(wish: Wish, names: Names) -> Part:
    """Who opsctl is in Zabbix. Nobody knows its password: it is there because Zabbix wants one."""
    media = {"0": wish.name} if wish.receiver else {}

    def wanted(present: Shape | None) -> Shape:
        return {
            "username": wish.name,
            "role": wish.name,
            "groups": [wish.name],
            # The webhook reads the times of events; it takes them for UTC.
            "timezone": "UTC",
            "media": sorted(media.values()) if wish.receiver else (present or {}).get("media", []),
        }

    def read(row: Shape) -> Shape:
        return {
            "username": row["username"],
            "role": names.names("role", [row["roleid"]])[0],
            "groups": names.names("usergroup", [each["usrgrpid"] for each in row["usrgrps"]]),
            "timezone": row["timezone"],
            "media": names.names("mediatype", [each["mediatypeid"] for each in row["medias"] if _loud(each)]),
        }

    def params(shape: Shape) -> Shape:
        medias = [
            {"mediatypeid": number, "sendto": "opsctl", "active": "0", "severity": "63", "period": "1-7,00:00-24:00"}
            for number in names.ids("mediatype", shape["media"])
        ]
        return {
            "username": shape["username"],
            "roleid": names.ids("role", [shape["role"]])[0],
            "usrgrps": [{"usrgrpid": number} for number in names.ids("usergroup", shape["groups"])],
            "timezone": shape["timezone"],
            "medias": medias,
        }

    more = {"selectUsrgrps": ["usrgrpid"], "selectMedias": "extend"}
    first = {"passwd": f"{secrets.token_urlsafe(36)}-aA1"}
    return Part("user", "user", "username", "userid", wish.name, wanted, read, params, more=more, first=first)


def _loud(media: Mapping[str, Any]) -> bool:
    """Whether it is told of everything at any time."""
    return str(media["active"]) == "0" and str(media["severity"]) == "63" and media["period"] == "1-7,00:00-24:00"
