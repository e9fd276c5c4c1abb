"""What Zabbix is asked: as little as possible each time, whole problems only where something is new."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from opsctl.alerts.alert import SEVERITIES
from opsctl.alerts.config import Source

if TYPE_CHECKING:
    from opsctl.monitor.problems import Problem
    from opsctl.monitor.zabbix import Zabbix

_PAGE = 1000
"""Problems whose details are asked for at once."""
_EVENTS = 5000
"""Events of the past that are looked at in one go."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What can change about an open problem."""

    name: str
    severity: int
    acknowledged: bool
    suppressed: bool


class Asker:
    """One Zabbix, asked for the problems of one source. All may raise ZabbixError."""

    def __init__(self, zabbix: Zabbix, source: Source) -> None:
        """Nothing is asked yet."""
        self._zabbix = zabbix
        self._conditions: dict[str, Any] = {"source": 0, "object": 0}
        if lowest := SEVERITIES.index(source.min_severity):
            self._conditions["severities"] = list(range(lowest, len(SEVERITIES)))
        if source.tags:
            tags = [{"tag": tag, "value": value, "operator": 1 if value else 4} for tag, value in source.tags.items()]
            self._conditions |= {"tags": tags, "evaltype": 0}

    def close(self) -> None:
        """Leave it."""
        self._zabbix.close()

    def open(self) -> dict[str, Mark]:
        """All open problems, by the id of their event."""
        output = ["eventid", "name", "severity", "acknowledged", "suppressed"]
        rows = self._zabbix.call("problem.get", {"output": output, **self._conditions})
        return {str(row["eventid"]): _mark(row) for row in rows}

    def details(self, ids: Iterable[str]) -> list[Problem]:
        """Open problems, whole. Those that ended meanwhile are left out."""
        from opsctl.monitor.problems import problems

        wanted = list(ids)
        pages = (wanted[first : first + _PAGE] for first in range(0, len(wanted), _PAGE))
        return [problem for page in pages for problem in problems(self._zabbix, event_ids=page)]

    def gone(self, ids: Iterable[str]) -> dict[str, float]:
        """When problems ended, by id; 0.0 = they are not shown any more; those that go on are left out."""
        from opsctl.monitor.problems import gone

        wanted = list(ids)
        pages = (wanted[first : first + _PAGE] for first in range(0, len(wanted), _PAGE))
        return {event: when for page in pages for event, when in gone(self._zabbix, page).items()}

    def newest(self) -> int:
        """The id of the newest problem there ever was; 0 = none."""
        asked = {"output": ["eventid"], **self._conditions, "value": 1, "sortfield": ["eventid"], "sortorder": "DESC"}
        rows = self._zabbix.call("event.get", {**asked, "limit": 1})
        return int(rows[0]["eventid"]) if rows else 0

    def past(self, after: int, unknown: Callable[[Sequence[str]], set[str]]) -> tuple[list[Problem], int]:
        """The next problems with a higher id than this: those that are over already, of those that are `unknown`; and
        the highest id that was looked at."""
        output = ["eventid", "r_eventid"]
        asked = {"output": output, **self._conditions, "value": 1, "eventid_from": str(after + 1)}
        rows = self._zabbix.call("event.get", {**asked, "sortfield": ["eventid"], "limit": _EVENTS})
        last = max((int(row["eventid"]) for row in rows), default=after)
        ended = [str(row["eventid"]) for row in rows if str(row.get("r_eventid") or "0") != "0"]
        missed = sorted(unknown(ended), key=int)
        pages = (missed[first : first + _PAGE] for first in range(0, len(missed), _PAGE))
        return [problem for page in pages for problem in self._events(page)], last

    def _events(self, ids: list[str]) -> list[Problem]:
        from opsctl.monitor.problems import HostRef, Problem

        asked = {"output": "extend", "eventids": ids, "selectTags": ["tag", "value"]}
        rows = self._zabbix.call("event.get", {**asked, "selectHosts": ["hostid", "host", "name"]})
        ends = self.gone(ids)
        return [
            Problem(
                event_id=str(row["eventid"]),
                trigger_id=str(row["objectid"]),
                name=str(row["name"]),
                severity=int(row["severity"]),
                started=int(row["clock"]) + int(row.get("ns") or 0) / 1e9,
                resolved=ends.get(str(row["eventid"]), 0.0),
                acknowledged=str(row["acknowledged"]) == "1",
                suppressed=False,
                tags=tuple((str(tag["tag"]), str(tag["value"])) for tag in row.get("tags") or []),
                opdata=str(row.get("opdata", "")),
                hosts=tuple(
                    HostRef(str(host["hostid"]), str(host["host"]), str(host["name"]), (), "")
                    for host in row.get("hosts") or []
                ),
            )
            for row in rows
        ]


def _mark(row: Mapping[str, Any]) -> Mark:
    return Mark(
        name=str(row["name"]),
        severity=int(row["severity"]),
        acknowledged=str(row["acknowledged"]) == "1",
        suppressed=str(row.get("suppressed", "0")) == "1",
    )
