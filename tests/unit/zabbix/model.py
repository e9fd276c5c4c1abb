"""What a small Zabbix knows, and what it refuses in each version: enough of the API for the calls we make."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

TOKEN = "c0ffee" * 10 + "beef"
USER, PASSWORD = "opsctl", "the-password-of-opsctl"
_OPEN = {"apiinfo.version", "user.login", "user.checkAuthentication"}
NOBODY = "No permissions to referred object or it does not exist!"


class Trouble(Exception):
    """An error of the API."""

    def __init__(self, data: str, code: int = -32602, message: str = "Invalid params.") -> None:
        super().__init__(data)
        self.record = {"code": code, "message": message, "data": data}


class Model:
    def __init__(self, version: str) -> None:
        self.text = version
        self.version = tuple(int(part) for part in version.split("rc", maxsplit=1)[0].split(".")[:2])
        self.tokens = {TOKEN}
        self.sessions: set[str] = set()
        self.logins = 0
        self.tables: dict[str, dict[str, dict[str, Any]]] = {}
        self.denied: set[str] = set()
        self.before: dict[str, Callable[[], Any]] = {}
        self._ids = itertools.count(10001)

    # Who may call

    def admit(self, call: dict[str, Any], header: str) -> None:
        method, body = call["method"], call.get("auth")
        if self.version >= (7, 2) and "auth" in call:
            raise Trouble('Invalid parameter "/": unexpected parameter "auth".', -32600, "Invalid request.")
        given = body or (header.removeprefix("Bearer ") if header and self.version >= (6, 4) else None)
        if method in _OPEN:
            if given:
                raise Trouble(f'The "{method}" method must be called without authorization header.')
            return
        if given is None:
            raise Trouble("Not authorized.")
        if given in self.tokens or given in self.sessions:
            return
        if len(given) == 64:
            raise Trouble("Not authorized.")
        raise Trouble("Session terminated, re-login, please.")

    def do(self, method: str, params: Any) -> Any:
        if method in self.before:
            self.before.pop(method)()
        if method in self.denied:
            raise Trouble(f'No permissions to call "{method}".', -32500, "Application error.")
        known = getattr(self, "do_" + method.replace(".", "_"), None)
        if known is None:
            raise Trouble(f'Incorrect API "{method.split(".", maxsplit=1)[0]}".', -32601, "Method not found.")
        return known(params)

    def do_apiinfo_version(self, _params: Any) -> str:
        return self.text

    def do_user_login(self, params: Any) -> str:
        self.logins += 1
        if params != {"username": USER, "password": PASSWORD}:
            text = "Incorrect user name or password or account is temporarily blocked."
            raise Trouble(text, -32500, "Application error.")
        session = f"{self.logins:032x}"
        self.sessions.add(session)
        return session

    def do_user_logout(self, _params: Any) -> bool:
        self.sessions.clear()
        return True

    # What is there

    def table(self, kind: str) -> dict[str, dict[str, Any]]:
        return self.tables.setdefault(kind, {})

    def number(self) -> str:
        return str(next(self._ids))

    def row(self, kind: str, one: str) -> dict[str, Any]:
        if one not in self.table(kind):
            raise Trouble(NOBODY, -32500, "Application error.")
        return self.table(kind)[one]

    def add(self, kind: str, key: str, **fields: Any) -> str:
        one = self.number()
        self.table(kind)[one] = {key: one, **fields}
        return one

    def add_group(self, name: str) -> str:
        return self.add("hostgroup", "groupid", name=name)

    def add_host(self, host: str, *groups: str, address: str = "10.0.0.1", **fields: Any) -> str:
        interface = {
            "interfaceid": self.number(),
            "ip": address,
            "dns": "",
            "useip": "1",
            "main": "1",
            "type": "1",
            "port": "10050",
        }
        base: dict[str, Any] = {
            "maintenance_status": "0",
            "maintenanceid": "0",
            "host": host,
            "name": host,
            "status": "0",
            "tags": [],
            "macros": [],
            "templates": [],
            "tls_connect": "1",
        }
        return self.add("host", "hostid", **{**base, "interfaces": [interface], "groups": list(groups), **fields})

    def add_trigger(self, name: str, *hosts: str, items: tuple[str, ...] = (), close: bool = True) -> str:
        return self.add("trigger", "triggerid", description=name, hosts=list(hosts), items=list(items), close=close)

    def add_item(self, type_: int, host: str, master: str = "0") -> str:
        return self.add("item", "itemid", type=str(type_), master_itemid=master, hostid=host)

    def add_problem(self, trigger: str, severity: int = 3, clock: int = 1_700_000_000, **fields: Any) -> str:
        base = {
            "objectid": trigger,
            "clock": str(clock),
            "ns": "500000000",
            "name": self.table("trigger")[trigger]["description"],
            "severity": str(severity),
            "acknowledged": "0",
            "suppressed": "0",
            "opdata": "",
            "r_eventid": "0",
            "r_clock": "0",
            "r_ns": "0",
            "tags": [],
            "acknowledges": [],
            "value": "1",
        }
        return self.add("event", "eventid", **{**base, **fields})

    def recover(self, event: str, clock: int = 1_700_000_060) -> None:
        recovery = self.add("event", "eventid", clock=str(clock), ns="0", value="0", r_eventid="0", objectid="0")
        self.table("event")[event] |= {"r_eventid": recovery, "r_clock": str(clock)}

    # Reading

    def do_problem_get(self, params: Any) -> list[dict[str, Any]]:
        found = [row for row in self.table("event").values() if row["value"] == "1" and row["r_eventid"] == "0"]
        triggers = self.table("trigger")
        hosts = self.table("host")
        if "eventids" in params:
            found = [row for row in found if row["eventid"] in params["eventids"]]
        if "eventid_from" in params:
            found = [row for row in found if int(row["eventid"]) >= int(params["eventid_from"])]
        if "hostids" in params:
            wanted = set(params["hostids"])
            found = [row for row in found if wanted & set(triggers[row["objectid"]]["hosts"])]
        if "groupids" in params:
            wanted = {one for one, row in hosts.items() if set(row["groups"]) & set(params["groupids"])}
            found = [row for row in found if wanted & set(triggers[row["objectid"]]["hosts"])]
        if "severities" in params:
            found = [row for row in found if int(row["severity"]) in params["severities"]]
        if "time_from" in params:
            found = [row for row in found if int(row["clock"]) >= params["time_from"]]
        if "suppressed" in params:
            found = [row for row in found if (row["suppressed"] == "1") == params["suppressed"]]
        for tag in params.get("tags", []):
            found = [row for row in found if any(_meets(tag, one) for one in row["tags"])]
        found.sort(key=lambda row: int(row["eventid"]), reverse=True)
        return found[: params.get("limit") or None]

    def do_event_get(self, params: Any) -> list[dict[str, Any]]:
        old, new = "select_acknowledges", "selectAcknowledges"
        self._only_known(params, old if self.version >= (7, 2) else "")
        rows = [row for row in self.table("event").values() if row["eventid"] in params["eventids"]]
        asks = new in params if self.version >= (7, 0) else old in params
        return [row if asks else {key: row[key] for key in row if key != "acknowledges"} for row in rows]

    def do_trigger_get(self, params: Any) -> list[dict[str, Any]]:
        rows = [row for row in self.table("trigger").values() if row["triggerid"] in params["triggerids"]]
        return [{**row, "hosts": [{"hostid": one} for one in row["hosts"]]} for row in rows]

    def do_item_get(self, params: Any) -> list[dict[str, Any]]:
        wanted = set(params.get("itemids", []))
        for trigger in params.get("triggerids", []):
            wanted |= set(self.table("trigger")[trigger]["items"])
        return [row for one, row in self.table("item").items() if one in wanted]

    def do_hostgroup_get(self, params: Any) -> list[dict[str, Any]]:
        return self.named("hostgroup", params)

    def do_host_get(self, params: Any) -> list[dict[str, Any]]:
        self._only_known(params, "selectGroups" if self.version >= (7, 2) else "")
        found = self.named("host", params)
        for tag in params.get("tags", []):
            found = [row for row in found if any(_meets(tag, one) for one in row["tags"])]
        told = []
        for row in found:
            groups = [self.table("hostgroup")[one] for one in row["groups"]]
            shown = {key: value for key, value in row.items() if key not in {"groups", "templates", "psk", "macros"}}
            if "selectParentTemplates" in params:
                shown["parentTemplates"] = [self.table("template")[one] for one in row["templates"]]
            if "selectMacros" in params:
                shown["macros"] = [_unsaid(macro) for macro in row["macros"]]
            if "selectHostGroups" in params and self.version >= (6, 2):
                shown["hostgroups"] = groups
            if "selectGroups" in params:
                shown["groups"] = groups
            told.append(shown)
        return told

    def named(self, kind: str, params: Any, flat: bool = False) -> list[dict[str, Any]]:
        keys = {"host": "hostid", "hostgroup": "groupid", "template": "templateid", "proxy": "proxyid"}
        key = "" if flat else keys.get(kind, f"{kind}id")
        found = list(self.table(kind).values())
        if key and f"{key}s" in params:
            found = [row for row in found if row[key] in params[f"{key}s"]]
        for field, values in (params.get("filter") or {}).items():
            found = [row for row in found if row[field] in values]
        return found

    def _only_known(self, params: Any, removed: str) -> None:
        if removed and removed in params:
            raise Trouble(f'Invalid parameter "/": unexpected parameter "{removed}".')

    # Writing

    def do_event_acknowledge(self, params: Any) -> dict[str, Any]:
        action, rows = params["action"], []
        for one in params["eventids"]:
            rows.append(self.row("event", one))
        for row in rows:
            if action & 1 and not self.table("trigger")[row["objectid"]]["close"]:
                text = "Cannot close problem: trigger does not allow manual closing."
                raise Trouble(text, -32500, "Application error.")
        for row in rows:
            row["acknowledges"].append({"message": params.get("message", ""), "action": str(action)})
            if action & 2:
                row["acknowledged"] = "1"
            if action & 8:
                row["severity"] = str(params["severity"])
            if action & 1:
                self.recover(row["eventid"])
        return {"eventids": params["eventids"]}

    def do_task_create(self, params: Any) -> dict[str, Any]:
        for one in params:
            assert one["type"] == 6
            if self.table("item")[one["request"]["itemid"]]["type"] in {"2", "7", "18"}:
                raise Trouble("Cannot send request: wrong item type.", -32500, "Application error.")
        return {"taskids": [self.add("task", "taskid", item=one["request"]["itemid"]) for one in params]}


def _unsaid(macro: dict[str, Any]) -> dict[str, Any]:
    told = {**macro, "type": str(macro.get("type", 0))}
    if told["type"] == "1":
        del told["value"]
    return told


def _meets(condition: dict[str, Any], tag: dict[str, Any]) -> bool:
    if condition["tag"] != tag["tag"]:
        return False
    return condition["operator"] == 4 or condition["value"] == tag["value"]
