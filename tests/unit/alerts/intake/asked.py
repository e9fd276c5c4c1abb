"""A Zabbix that can be asked for the past."""

from __future__ import annotations

from typing import Any

from tests.unit.zabbix.wire import FakeZabbix


class Fake(FakeZabbix):
    """With the search of past events that a poller makes."""

    def do_event_get(self, params: Any) -> list[dict[str, Any]]:
        if "eventids" in params:
            rows = super().do_event_get(params)
            named = {one: self.table("host")[one] for one in self.table("host")}
            triggers = self.table("trigger")
            hosts = {one: [named[each] for each in triggers[one]["hosts"]] for one in triggers}
            return [{**row, "hosts": hosts.get(row["objectid"], [])} for row in rows]
        rows = [row for row in self.table("event").values() if row["value"] == str(params["value"])]
        rows = [row for row in rows if int(row["eventid"]) >= int(params.get("eventid_from", 0))]
        rows.sort(key=lambda row: int(row["eventid"]), reverse=params.get("sortorder") == "DESC")
        return rows[: params["limit"]]
