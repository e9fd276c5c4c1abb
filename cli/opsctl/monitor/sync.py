"""Tells Zabbix which hosts the stacks of a cloud have now."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.opsctl.cloud.plugins.module_utils.zabbix.hosts import Result, sync
from ansible_collections.opsctl.cloud.plugins.module_utils.zabbix.records import read

from opsctl.clouds import Access
from opsctl.errors import OpsctlError, UsageError, suggest
from opsctl.ledger.book import Ledger
from opsctl.ledger.record import Entry
from opsctl.monitor.hosts import STACK, stacks, wanted
from opsctl.monitor.zabbix import NotFound, Zabbix, told
from opsctl.runs import ask
from opsctl.runs.request import me

_EXISTS = 4


class Everything(Access):
    """An access whose inventory has stopped hosts, too: they are down, not gone."""

    def inventories(self, space: Path) -> list[Path]:
        """As of an access."""
        found = super().inventories(space)
        if self.cloud.kind != "hosts":
            path = found[0] / "clouds.opsctl.yml"
            path.write_text(json.dumps({**json.loads(path.read_text()), "include_stopped": True}))
        return found


@dataclass(frozen=True, slots=True)
class Synced:
    """What became of one stack's hosts, or would."""

    stack: str
    result: Result

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        result = self.result
        return {
            "stack": self.stack,
            "changed": result.changed,
            **{name: list(getattr(result, name)) for name in ("created", "updated", "deleted", "unchanged")},
            "duplicates": {host: list(ids) for host, ids in result.duplicates.items()},
            "failed": dict(result.failed),
        }


def known(zabbix: Zabbix) -> dict[str, list[str]]:
    """Stack -> its hosts, as Zabbix has them.

    Raises:
        ZabbixError: Zabbix cannot be asked.
    """
    asked = {
        "output": ["host"],
        "selectTags": ["tag", "value"],
        "tags": [{"tag": STACK, "value": "", "operator": _EXISTS}],
        "sortfield": "host",
    }
    found: dict[str, list[str]] = {}
    for row in zabbix.call("host.get", asked):
        for tag in row["tags"]:
            if tag["tag"] == STACK:
                found.setdefault(tag["value"], []).append(row["host"])
    return dict(sorted(found.items()))


def chosen(
    named: Sequence[str], here: Mapping[str, Mapping[str, Any]], there: Mapping[str, Any], cloud: str, *, remove: bool
) -> list[str]:
    """The stacks to work on: those named, else those of the cloud that Zabbix watches already. Pure.

    Raises:
        UsageError: one does not exist on the cloud, and is not to be removed from Zabbix.
    """
    if not named and remove:
        raise UsageError("--remove takes the names of stacks: what another cloud has must not be removed by mistake")
    for stack in named:
        if stack in here or (remove and stack in there):
            continue
        if stack in there:
            raise UsageError(
                f"Cloud {cloud} has no stack {stack}; --remove takes its {len(there[stack])} hosts out of Zabbix"
            )
        raise UsageError(f"Cloud {cloud} has no stack {stack}{suggest(stack, [*here, *there])}")
    return list(dict.fromkeys(named)) or [stack for stack in there if stack in here]


def hosts_of(access: Access) -> dict[str, dict[str, Mapping[str, Any]]]:
    """Stack -> its hosts with their variables, as the cloud has them.

    Raises:
        OpsctlError: the cloud cannot be asked.
    """
    return stacks(ask.hosts(Everything(access.name, access.cloud, access.environment)))


def run(
    zabbix: Zabbix,
    names: Sequence[str],
    here: Mapping[str, Mapping[str, Mapping[str, Any]]],
    ledger: Ledger,
    *,
    check: bool,
    remove: bool,
) -> Iterator[Synced]:
    """One stack after the other, each recorded when it has changed.

    Raises:
        OpsctlError: Zabbix refuses.
    """
    for stack in names:
        hosts = {} if remove else here[stack]
        with told():
            try:
                present = {each.host: each for each in read(zabbix, owner=(STACK, stack), names=hosts)}
                done = Synced(stack, sync(zabbix, wanted(stack, hosts, present), (STACK, stack), check))
            except NotFound as error:
                raise OpsctlError(f"Stack {stack}: {_hint(str(error))}") from None
        if done.result.changed and not check:
            data = {"zabbix": zabbix.access.page, **done.plain()}
            ledger.append(Entry("monitor-sync", "", me().plain(), os.uname().nodename, data))
        yield done


def _hint(text: str) -> str:
    if "hostgroup.create" in text:
        return f"{text} Making host groups takes `opsctl monitor setup --rights methods`."
    if "template" in text:
        return f"{text}; bring the templates with `opsctl run scenario zabbix --action content`"
    return text
