"""The whole of `opsctl monitor setup`: Zabbix, token, key, and a record of it."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from opsctl.errors import UsageError
from opsctl.ledger.book import Ledger
from opsctl.ledger.record import Entry
from opsctl.monitor.setup.setup import Change, prepare
from opsctl.monitor.setup.token import fresh, keep, key, token
from opsctl.monitor.setup.wish import Rights, Wish
from opsctl.monitor.zabbix import Access, Zabbix, told
from opsctl.runs.request import me

_SOURCE = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")


@dataclass(frozen=True)
class Job:
    """What was asked for."""

    access: Access = field(repr=False)
    receiver: str
    source: str
    groups: Sequence[str]
    template_groups: Sequence[str]
    rights: Rights
    name: str
    days: int
    rotate: bool
    check: bool
    token_file: Path
    key_file: Path

    @property
    def url(self) -> str:
        """Where webhooks go; empty when there are none.

        Raises:
            UsageError: it cannot be used.
        """
        if not self.receiver:
            return ""
        parts = urlsplit(self.receiver)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query:
            raise UsageError(f"--receiver must be like http://HOST:8470, not {self.receiver}")
        if not _SOURCE.fullmatch(self.source):
            raise UsageError(f"--source {self.source} is no name of a source: small letters, digits, - and _")
        return f"{self.receiver.rstrip('/')}/v1/alerts/{self.source}"


def run(job: Job, ledger: Ledger) -> list[Change]:
    """Do it. What has changed goes into the ledger, also when it ends halfway.

    Raises:
        OpsctlError: Zabbix refuses, or a file cannot be written.
    """
    changes: list[Change] = []
    url = job.url
    had = key(job.key_file) if url else ""
    secret = had if had and not job.rotate else fresh()
    wish = Wish(
        groups=job.groups,
        template_groups=job.template_groups,
        rights=job.rights,
        name=job.name,
        receiver=url,
        secret=secret,
    )
    try:
        with told(ours=False), Zabbix(job.access) as zabbix:
            if url and secret != had:
                # Before Zabbix signs with it: a key that is nowhere else would be lost if this ends now.
                changes.append(Change("key", str(job.key_file), "update" if had else "create"))
                if not job.check:
                    keep(job.key_file, secret)
            for change in prepare(zabbix, wish, check=job.check):
                changes.append(change)
            changes.append(token(zabbix, wish, job.token_file, job.days, renew=job.rotate, check=job.check))
    finally:
        done = [change.plain() for change in changes if change.what != "unchanged"]
        if done and not job.check:
            data = {"zabbix": job.access.page, "receiver": url, "changes": done}
            ledger.append(Entry("monitor-setup", "", me().plain(), os.uname().nodename, data))
    return changes
