"""What `opsctl monitor setup` is asked for, and the names things get in Zabbix."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

NAME = "opsctl"
"""What role, user group, user, token and media type are called unless somebody says otherwise."""

Rights = Literal["hosts", "methods"]

METHODS = (
    "alert.get",
    "event.acknowledge",
    "event.get",
    "host.create",
    "host.delete",
    "host.get",
    "host.update",
    "hostgroup.create",
    "hostgroup.get",
    "hostinterface.create",
    "hostinterface.update",
    "item.get",
    "maintenance.create",
    "maintenance.delete",
    "maintenance.get",
    "maintenance.update",
    "problem.get",
    "proxy.get",
    "task.create",
    "template.get",
    "trigger.get",
)
"""All that opsctl calls after it is set up."""
ACTIONS = frozenset(
    {
        "acknowledge_problems",
        "add_problem_comments",
        "change_severity",
        "close_problems",
        "edit_maintenance",
        "invoke_execute_now",
    }
)
"""What its role may do with problems and hosts, of what the version knows."""

PARAMETERS = {
    "acknowledged": "{EVENT.ACK.STATUS}",
    "address": "{HOST.IP}",
    "date": "{EVENT.DATE}",
    "eventid": "{EVENT.ID}",
    "groups": "{TRIGGER.HOSTGROUP.NAME}",
    "host": "{HOST.HOST}",
    "host_id": "{HOST.ID}",
    "name": "{EVENT.NAME}",
    "opdata": "{EVENT.OPDATA}",
    "r_date": "{EVENT.RECOVERY.DATE}",
    "r_eventid": "{EVENT.RECOVERY.ID}",
    "r_time": "{EVENT.RECOVERY.TIME}",
    "severity": "{EVENT.NSEVERITY}",
    "tags": "{EVENT.TAGSJSON}",
    "time": "{EVENT.TIME}",
    "trigger_id": "{TRIGGER.ID}",
    "update": "{EVENT.UPDATE.STATUS}",
    "value": "{EVENT.VALUE}",
}
"""What the webhook is given, besides its key and where to send it."""


@dataclass(frozen=True)
class Wish:
    """What is to be in Zabbix."""

    groups: Sequence[str] = (NAME,)
    """Host groups opsctl may change, with those below them; made when missing."""
    template_groups: Sequence[str] = ()
    """Groups of templates it may link; those which are not there do not matter."""
    rights: Rights = "hosts"
    """`hosts`: a role of type Admin, for these groups. `methods`: of type Super admin, for all hosts; in both cases
    only for the methods of the API that opsctl uses."""
    name: str = NAME
    receiver: str = ""
    """The URL webhooks go to; empty = none are wanted."""
    secret: str = field(default="", repr=False)
    """The key that signs them."""

    @cached_property
    def script(self) -> str:
        """What Zabbix runs for each notice."""
        return Path(__file__).with_name("webhook.js").read_text(encoding="utf-8")

    @property
    def macro(self) -> str:
        """The global macro that holds the key: two of different names do not share one."""
        word = re.sub(r"[^A-Z0-9_.]", "_", self.name.upper())
        return f"{{${word}.WEBHOOK.SECRET}}"

    @property
    def fingerprint(self) -> str:
        """Tells secrets apart, since Zabbix does not show the one it has. The key is random: this does not give it."""
        return hashlib.sha256(b"opsctl webhook " + self.secret.encode()).hexdigest()[:16]
