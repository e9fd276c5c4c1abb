"""What the fan-out is made of. The collection has it, for playbooks too; only the agent and this file take it there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ansible_collections.opsctl.cloud.plugins.plugin_utils.ssh.connection import Connection, Foreign, Rest, connection
from ansible_collections.opsctl.cloud.plugins.plugin_utils.ssh.limits import room
from ansible_collections.opsctl.cloud.plugins.plugin_utils.ssh.remote import Command, Mark
from ansible_collections.opsctl.cloud.plugins.plugin_utils.ssh.session import (
    Ending,
    Lost,
    Process,
    Refused,
    Session,
    Way,
)

if TYPE_CHECKING:
    from ansible_collections.opsctl.cloud.plugins.plugin_utils.ssh.direct import Direct

__all__ = [
    "Command",
    "Connection",
    "Ending",
    "Foreign",
    "Lost",
    "Mark",
    "Process",
    "Refused",
    "Rest",
    "Session",
    "Way",
    "connection",
    "direct",
    "room",
]


def direct() -> Direct:
    """Connections of this process. Only who needs them waits until the library is there."""
    from ansible_collections.opsctl.cloud.plugins.plugin_utils.ssh.direct import Direct

    return Direct()
