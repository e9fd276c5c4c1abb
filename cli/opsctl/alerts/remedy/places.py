"""What the inventory says of hosts, asked for in the background: a decision never waits for it."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from opsctl.alerts.remedy.picture import Hosts
from opsctl.errors import OpsctlError
from opsctl.orders.ahead import places
from opsctl.orders.spec import Spec
from opsctl.settings import LOCAL, Settings
from opsctl.targets import Found, find

_EVERY = 60.0
"""Seconds between two questions."""


class Places:
    """The hosts of the default cloud, as they were a minute ago."""

    def __init__(self, home: Path, settings: Settings, tell: Callable[[str], None]) -> None:
        """Nothing is known yet."""
        self._home = home
        self._settings = settings
        self._tell = tell
        self._hosts = Hosts()
        self._complaint = ""
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="inventory", daemon=True)

    def __call__(self) -> Hosts:
        """What is known."""
        return self._hosts

    def start(self) -> None:
        """Begin to ask."""
        self._thread.start()

    def close(self) -> None:
        """Ask no more; a question that is on its way is not waited for."""
        self._over.set()

    def look(self) -> None:
        """Ask once. What was known stays when there is no answer, and that is said once."""
        if self._settings.cloud == LOCAL and not _local(self._home):
            # Asking would start it, and while it does not run there are no hosts.
            return
        try:
            spec = Spec(kind="playbook", content="", everything=True)
            found = find("all", places(spec, self._home, self._settings), everything=True)
        except OpsctlError as error:
            if str(error) != self._complaint and "No host matches" not in str(error):
                self._complaint = str(error)
                self._tell(f"The inventory cannot be asked, so shares of groups are not known: {error}")
            return
        self._complaint = ""
        self._hosts = hosts(found)

    def _watch(self) -> None:
        while True:
            self.look()
            if self._over.wait(_EVERY):
                return


def _local(home: Path) -> bool:
    """Whether the local cloud runs."""
    from opsctl.localcloud.service import status

    return status(home).pid is not None


def hosts(found: Found) -> Hosts:
    """An inventory as the guards see it."""
    members, zones = {}, {}
    for name, variables in found.variables.items():
        groups = set(found.groups.get(name, frozenset())) - {"all", "ungrouped"}
        if stack := variables.get("stack_name"):
            groups.add(str(stack))
        members[name] = frozenset(groups)
        if zone := variables.get("zone_id"):
            zones[name] = str(zone)
    sizes = Counter(group for groups in members.values() for group in groups)
    return Hosts(dict(sizes), members, zones)
