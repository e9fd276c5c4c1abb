"""Makes Zabbix as it is wished, or says what would change."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from opsctl.monitor.setup.notices import action, macro, media_type
from opsctl.monitor.setup.part import Names, Part, Shape
from opsctl.monitor.setup.rights import host_groups, role, user, user_group
from opsctl.monitor.setup.wish import Wish
from opsctl.monitor.zabbix import NotFound, Zabbix, ZabbixError

What = Literal["create", "update", "unchanged"]
_PASSES = 2
"""What there is to be denied is known once a role exists: the first pass makes it, the second completes it."""


@dataclass(frozen=True, slots=True)
class Change:
    """What became of one object, or would."""

    kind: str
    name: str
    what: What
    before: Shape | None = None
    after: Shape | None = None

    def diff(self) -> str:
        """The difference, line by line."""
        before, after = (_lines(shape) for shape in (self.before, self.after))
        title = f"{self.kind} {self.name}"
        return "\n".join(difflib.unified_diff(before, after, f"before: {title}", f"after: {title}", lineterm=""))

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return {"kind": self.kind, "name": self.name, "change": self.what}


def prepare(zabbix: Zabbix, wish: Wish, *, check: bool = False) -> Iterator[Change]:
    """One change after the other, each as it is done. `check`: nothing is done.

    Raises:
        ZabbixError: Zabbix refuses; what was done before stays and is found the next time.
    """
    names = Names(zabbix)
    for part in _parts(zabbix, wish, names):
        try:
            yield _settle(zabbix, part, check=check)
        except NotFound as error:
            raise NotFound(f"Cannot set up {part.kind} {part.name}: {error} It takes a Super admin.") from None
        except ZabbixError as error:
            raise error.during(f"Cannot set up {part.kind} {part.name}") from None


def _parts(zabbix: Zabbix, wish: Wish, names: Names) -> list[Part]:
    told = [macro(wish), media_type(wish)] if wish.receiver else []
    said = [action(wish, names)] if wish.receiver else []
    access = [*host_groups(wish), role(zabbix, wish), user_group(zabbix, wish, names)]
    return [*access, *told, user(wish, names), *said]


def _settle(zabbix: Zabbix, part: Part, *, check: bool) -> Change:
    found = part.find(zabbix)
    before = found[1] if found else None
    after = part.wanted(before)
    if before == after:
        return Change(part.kind, part.name, "unchanged", before, after)
    for _ in range(_PASSES):
        if check:
            break
        part.write(zabbix, found[0] if found else "", after)
        found = part.find(zabbix)
        now = found[1] if found else None
        after = part.wanted(now)
        if now == after:
            break
    return Change(part.kind, part.name, "update" if before else "create", before, after)


def _lines(shape: Shape | None) -> list[str]:
    if shape is None:
        return []
    plain = {key: value for key, value in shape.items() if key != "script"}
    script = shape.get("script")
    text = json.dumps(plain, indent=2, ensure_ascii=False, sort_keys=True).splitlines()
    return [*text, *(f"script: {line}" for line in str(script or "").splitlines())]
