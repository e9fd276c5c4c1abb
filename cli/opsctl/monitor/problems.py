"""Problems of Zabbix, as the collection has them; of the command line only this package takes it there."""

from __future__ import annotations

from ansible_collections.opsctl.cloud.plugins.module_utils.zabbix.problems import (
    HostRef,
    Problem,
    check_now,
    gone,
    page,
    problems,
    update,
    wait,
)

__all__ = ["HostRef", "Problem", "check_now", "gone", "page", "problems", "update", "wait"]
