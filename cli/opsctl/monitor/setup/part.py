"""One object in Zabbix: how it should be, how it is, how it is written.

All of it in names instead of ids, and in the texts the API answers with, so that both sides can be compared and shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from opsctl.monitor.zabbix import NotFound, Zabbix

Shape = dict[str, Any]


@dataclass
class Part:
    """One object in Zabbix."""

    kind: str
    api: str
    key: str
    """The field with its name."""
    id: str
    """The field with its id."""
    name: str
    wanted: Callable[[Shape | None], Shape]
    """From how it is to how it should be: some depends on what the version knows."""
    read: Callable[[Shape], Shape]
    """From the API's record."""
    params: Callable[[Shape], Shape]
    """To the API's parameters."""
    more: Shape = field(default_factory=dict)
    """What is to be asked besides its own fields."""
    suffix: str = ""
    """Ends the names of the methods that write it."""
    first: Shape = field(default_factory=dict)
    """What is sent besides when it is made."""

    def find(self, zabbix: Zabbix) -> tuple[str, Shape] | None:
        """Its id and how it is; None when it is not there."""
        asked = {"output": "extend", "filter": {self.key: [self.name]}, **self.more}
        found = zabbix.call(f"{self.api}.get", asked)
        return (str(found[0][self.id]), texts(self.read(found[0]))) if found else None

    def write(self, zabbix: Zabbix, known: str, shape: Shape) -> None:
        """Make it, or change the one with that id."""
        params = self.params(shape)
        if known:
            zabbix.call(f"{self.api}.update{self.suffix}", {self.id: known, **params})
        else:
            zabbix.call(f"{self.api}.create{self.suffix}", {**params, **self.first})


def texts(value: Any) -> Any:
    """As the API answers: every number is a text."""
    if isinstance(value, Mapping):
        return {key: texts(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [texts(item) for item in value]
    return value if isinstance(value, str) else str(value)


class Names:
    """Ids for names and names for ids, asked once each."""

    def __init__(self, zabbix: Zabbix) -> None:
        self._zabbix = zabbix
        self._known: dict[str, dict[str, str]] = {}

    def ids(self, api: str, names: Iterable[str]) -> list[str]:
        """The ids of these.

        Raises:
            NotFound: one does not exist.
        """
        table = self._table(api)
        wanted = list(names)
        if any(name not in table for name in wanted):
            self._known.pop(api)
            table = self._table(api)
        if missing := [name for name in wanted if name not in table]:
            raise NotFound(f"Zabbix has no {api} {missing[0]}")
        return [table[name] for name in wanted]

    def names(self, api: str, ids: Iterable[Any]) -> list[str]:
        """Their names; the id itself for one that cannot be seen."""
        wanted = [str(number) for number in ids]
        if not set(wanted) <= set(self._table(api).values()):
            self._known.pop(api)
        back = {number: name for name, number in self._table(api).items()}
        return sorted(back.get(number, f"#{number}") for number in wanted)

    def below(self, api: str, names: Sequence[str]) -> list[str]:
        """Those of these that exist, and all that are nested in them."""
        return sorted(
            known for known in self._table(api) if any(known == name or known.startswith(f"{name}/") for name in names)
        )

    def _table(self, api: str) -> dict[str, str]:
        if api not in self._known:
            key, number = _FIELDS[api]
            rows = self._zabbix.call(f"{api}.get", {"output": [number, key]})
            self._known[api] = {row[key]: str(row[number]) for row in rows}
        return self._known[api]


_FIELDS = {
    "hostgroup": ("name", "groupid"),
    "templategroup": ("name", "groupid"),
    "role": ("name", "roleid"),
    "usergroup": ("name", "usrgrpid"),
    "user": ("username", "userid"),
    "mediatype": ("name", "mediatypeid"),
}
