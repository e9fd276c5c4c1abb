"""What a small Zabbix does when hosts, groups and maintenance windows are written."""

from __future__ import annotations

from typing import Any

from tests.unit.zabbix.model import NOBODY, Model, Trouble

_PLAIN = ("host", "name", "status", "tags", "tls_connect", "tls_accept", "proxy_hostid", "proxyid", "monitored_by")


class Writes(Model):
    """``bad``: names of hosts that are refused; ``race``: what happens right before the next host.create."""

    def __init__(self, version: str) -> None:
        super().__init__(version)
        self.bad: set[str] = set()
        self.race: Any = None
        self.taken: set[str] = set()

    def add_template(self, name: str) -> str:
        return self.add("template", "templateid", host=name, name=name)

    def do_template_get(self, params: Any) -> list[dict[str, Any]]:
        return self.named("template", params)

    def do_proxy_get(self, params: Any) -> list[dict[str, Any]]:
        field = "name" if self.version >= (7, 0) else "host"
        if set(params["output"]) != {"proxyid", field}:
            raise Trouble(f'Invalid parameter "/output/2": value must be one of "proxyid", "{field}".')
        return self.named("proxy", params)

    def do_hostgroup_create(self, params: Any) -> dict[str, Any]:
        known = {row["name"] for row in self.table("hostgroup").values()}
        for one in params:
            if one["name"] in known:
                raise Trouble(f'Host group "{one["name"]}" already exists.')
        return {"groupids": [self.add_group(one["name"]) for one in params]}

    def do_host_create(self, params: Any) -> dict[str, Any]:
        assert len(params) <= 100
        race, self.race = self.race, None
        for one in params:
            self._check(one)
            if one["name"] in self.taken:
                raise Trouble(f'Host with the same visible name "{one["name"]}" already exists.')
            if any(row["host"] == one["host"] for row in self.table("host").values()):
                raise Trouble(f'Host with the same name "{one["host"]}" already exists.')
        if race:
            race()
        made = []
        for one in params:
            faces = [{**face, "interfaceid": self.number()} for face in one["interfaces"]]
            made.append(self.add_host(one["host"], interfaces=faces))
            self._write(self.table("host")[made[-1]], one)
        return {"hostids": made}

    def do_host_update(self, params: Any) -> dict[str, Any]:
        for one in params:
            self._check(self.row("host", one["hostid"]) | one)
        for one in params:
            self._write(self.row("host", one["hostid"]), one)
        return {"hostids": [one["hostid"] for one in params]}

    def do_host_delete(self, params: Any) -> dict[str, Any]:
        doomed = {self.row("host", one)["hostid"] for one in params}
        for window in self.table("maintenance").values():
            if {one["hostid"] for one in window["hosts"]} <= doomed and not window["groups"]:
                raise Trouble("Cannot delete host because maintenance must contain at least one host.")
        for one in doomed:
            del self.table("host")[one]
        return {"hostids": sorted(doomed)}

    def do_hostinterface_update(self, params: Any) -> dict[str, Any]:
        for one in params:
            faces = [face for host in self.table("host").values() for face in host["interfaces"]]
            found = [face for face in faces if face["interfaceid"] == one["interfaceid"]]
            if not found:
                raise Trouble(NOBODY, -32500, "Application error.")
            found[0].update({key: str(value) for key, value in one.items()})
        return {"interfaceids": [one["interfaceid"] for one in params]}

    def do_hostinterface_create(self, params: Any) -> dict[str, Any]:
        for one in params:
            face = {key: str(value) for key, value in one.items() if key != "hostid"}
            self.row("host", one["hostid"])["interfaces"].append({**face, "interfaceid": self.number()})
        return {"interfaceids": []}

    def _check(self, call: dict[str, Any]) -> None:
        if call["host"] in self.bad:
            text = f'Cannot find host interface on "{call["host"]}" for item key "agent.ping".'
            raise Trouble(text, -32500, "Application error.")
        new = {"monitored_by", "proxyid"} & set(call)
        if (new and self.version < (7, 0)) or ("proxy_hostid" in call and self.version >= (7, 0)):
            raise Trouble('Invalid parameter "/1": unexpected parameter.')

    def _write(self, row: dict[str, Any], call: dict[str, Any]) -> None:
        row |= {key: call[key] if key == "tags" else str(call[key]) for key in _PLAIN if key in call}
        if "groups" in call:
            row["groups"] = [one["groupid"] for one in call["groups"]]
        if "templates" in call:
            row["templates"] = [one["templateid"] for one in call["templates"]]
        if "macros" in call:
            kept = {macro["hostmacroid"]: macro for macro in row["macros"]}
            row["macros"] = [
                {"hostmacroid": self.number(), **kept.get(one.get("hostmacroid", ""), {}), **one}
                for one in call["macros"]
            ]
        if "tls_psk" in call:
            row["psk"] = call["tls_psk"]

    # Maintenance

    def do_maintenance_get(self, params: Any) -> list[dict[str, Any]]:
        found = list(self.table("maintenance").values())
        for field, values in (params.get("filter") or {}).items():
            found = [row for row in found if row[field] in values]
        if "hostids" in params:
            found = [row for row in found if {one["hostid"] for one in row["hosts"]} & set(params["hostids"])]
        told = []
        for row in found:
            shown = {key: value for key, value in row.items() if key != "groups"}
            told.append({**shown, "hostgroups" if self.version >= (6, 2) else "groups": row["groups"]})
        return told

    def do_maintenance_create(self, params: Any) -> dict[str, Any]:
        if any(row["name"] == params["name"] for row in self.table("maintenance").values()):
            raise Trouble(f'Maintenance "{params["name"]}" already exists.')
        return {"maintenanceids": [self.add("maintenance", "maintenanceid", **params)]}

    def do_maintenance_update(self, params: Any) -> dict[str, Any]:
        self.row("maintenance", params["maintenanceid"]).update(params)
        return {"maintenanceids": [params["maintenanceid"]]}

    def do_maintenance_delete(self, params: Any) -> dict[str, Any]:
        for one in params:
            self.row("maintenance", one)
            del self.table("maintenance")[one]
        return {"maintenanceids": params}

    # Messages

    def do_mediatype_get(self, params: Any) -> list[dict[str, Any]]:
        return self.named("mediatype", params)

    def do_alert_get(self, params: Any) -> list[dict[str, Any]]:
        found = self.named("alert", {"filter": {key: str(value) for key, value in params["filter"].items()}}, flat=True)
        if "eventids" in params:
            found = [row for row in found if row["eventid"] in params["eventids"]]
        if "mediatypeids" in params:
            found = [row for row in found if row["mediatypes"][0]["mediatypeid"] in params["mediatypeids"]]
        if "time_from" in params:
            found = [row for row in found if int(row["clock"]) >= params["time_from"]]
        return sorted(found, key=lambda row: -int(row["alertid"]))[: params.get("limit")]
