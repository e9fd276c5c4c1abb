"""All commands that are known to be dangerous."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from opsctl.policy.finding import Finding
from opsctl.policy.rules import data, files, host, service
from opsctl.policy.rules.call import Call
from opsctl.policy.shell import Word

_TABLE = {
    name: judge
    for part in (files, host, service, data)
    for names, judge in part.TABLE.items()
    for name in names.split()
}


def command_risk(name: str, arguments: Sequence[Word], excerpt: str = "") -> Iterator[Finding]:
    """What one command does."""
    judge = _TABLE.get("mkfs" if name.startswith(("mkfs", "mke2fs")) else name)
    for level, category, reason in judge(Call(name, tuple(arguments))) if judge else ():
        yield Finding(level, category, reason, excerpt)
