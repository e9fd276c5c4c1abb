# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring back the instances of a stack that are down, and count those that are there. Pure, but for ``Power``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.opsctl.cloud.plugins.module_utils.alicloud.client import Client
from ansible_collections.opsctl.cloud.plugins.module_utils.alicloud.hosts import describe
from ansible_collections.opsctl.cloud.plugins.module_utils.errors import CloudError, Timeout
from ansible_collections.opsctl.cloud.plugins.module_utils.wait import wait_until

Records = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Orders:
    """Ids of instances to start, and to reboot by force."""

    start: tuple[str, ...] = ()
    reboot: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.start or self.reboot)


def orders(records: Records, unresponsive: Collection[str]) -> Orders:
    """What brings these instances back: ``records`` are the API's, by id."""
    down = [one for one, row in records.items() if row.get("Status") == "Stopped"]
    hung = [one for one, row in records.items() if row.get("Status") == "Running" and one in unresponsive]
    return Orders(tuple(down), tuple(hung))


def name(records: Records, instance_id: str) -> str:
    """How people know an instance."""
    return str((records.get(instance_id) or {}).get("InstanceName") or instance_id)


def counted(logical: Mapping[str, str], records: Records) -> dict[str, int]:
    """How many instances each resource has that are there; ``logical``: instance id -> logical id."""
    there = Counter(logical[one] for one in records if one in logical)
    return {one: there[one] for one in dict.fromkeys(logical.values())}


class Power:
    """The switch of the instances of one stack."""

    def __init__(self, client: Client, ids: Sequence[str], timeout: float) -> None:
        self._client = client
        self._ids = ids
        self._timeout = timeout

    def look(self) -> dict[str, dict[str, Any]]:
        """The records of those that are there. An answer without some of them is asked for twice.

        A service of many servers may miss one for a moment, and what is missing might be made again.
        """
        first = describe(self._client, self._ids)
        return first if len(first) == len(self._ids) else {**first, **describe(self._client, self._ids)}

    def carry_out(self, wanted: Orders) -> dict[str, str]:
        """Start and reboot, each by itself and wait for the end; why it went wrong, by id."""
        wrong: dict[str, str] = {}
        for action, ids, more in (
            ("StartInstances", wanted.start, {}),
            ("RebootInstances", wanted.reboot, {"ForceReboot": True}),
        ):
            for one in ids:
                try:
                    self._client.ecs(action, InstanceId=[one], **more)
                except CloudError as error:
                    wrong[one] = str(error)
        left = {*wanted.start, *wanted.reboot} - set(wrong)
        try:
            wait_until(self.look, lambda now: _settled(now, left), "the instances to run", self._timeout)
        except Timeout as error:
            now = self.look()
            wrong.update((one, str(error)) for one in left if not _settled(now, {one}))
        return wrong


def _settled(records: Records, ids: Collection[str]) -> bool:
    """One that vanishes meanwhile has come to its end too."""
    return all(records[one].get("Status") == "Running" for one in ids if one in records)
