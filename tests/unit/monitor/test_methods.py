"""The role that setup makes allows what is called, and no more."""

from __future__ import annotations

import re
from pathlib import Path

from opsctl.monitor.setup.wish import METHODS

_ROOT = Path(__file__).resolve().parents[3]
_CALL = re.compile(r'"([a-z]+\.(?:get|create|update|delete|acknowledge|push|mass[a-z]+|generate)[a-z]*)"')
_BY_SETUP = _ROOT / "cli/opsctl/monitor/setup"
_FOR_ADMINISTRATORS = {"mediatype.get"}
"""Shows passwords of mail servers to whoever may call it before 7.0: looked up by name only, which nobody has to."""


def test_the_role_allows_every_call_that_is_made() -> None:
    files = [*(_ROOT / "plugins").rglob("*zabbix*/*.py"), *(_ROOT / "plugins/modules").glob("zabbix_*.py")]
    files += [path for path in (_ROOT / "cli/opsctl").rglob("*.py") if _BY_SETUP not in path.parents]
    called = {name for path in files for name in _CALL.findall(path.read_text(encoding="utf-8"))}
    assert {"problem.get", "host.create", "task.create"} <= called
    assert called - {"history.push"} - set(METHODS) <= _FOR_ADMINISTRATORS
    # Some are put together from a kind and `.get`.
    assert set(METHODS) - called <= {"template.get", "hostgroup.get", "trigger.get"}
