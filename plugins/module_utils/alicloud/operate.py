# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carry out a change of a stack, wait for its end, and tell in one line why it failed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from ansible_collections.opsctl.cloud.plugins.module_utils.alicloud import plan, records
from ansible_collections.opsctl.cloud.plugins.module_utils.alicloud.stacks import Stacks, tag_list
from ansible_collections.opsctl.cloud.plugins.module_utils.change import Change
from ansible_collections.opsctl.cloud.plugins.module_utils.errors import CloudError, Failed, Invalid, Timeout
from ansible_collections.opsctl.cloud.plugins.module_utils.wait import wait_until

ENDS = {
    "create": ("CREATE_COMPLETE", "CREATE_FAILED", "CREATE_ROLLBACK_COMPLETE", "CREATE_ROLLBACK_FAILED"),
    "update": ("UPDATE_COMPLETE", "UPDATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED"),
    "delete": ("DELETE_COMPLETE", "DELETE_FAILED"),
}
EVENTS = 200  # the most that a failure looks at and carries

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Options:
    """How an operation runs; none of it is compared."""

    wait: bool = True
    wait_timeout: float = 3600
    timeout_in_minutes: int | None = None
    disable_rollback: bool | None = None
    replacement: str | None = None
    retain_resources: Sequence[str] = ()
    retain_all_resources: bool = False


def options(given: Mapping[str, Any]) -> Options:
    """The options of an operation out of a module's."""
    return Options(**{one.name: given[one.name] for one in fields(Options)})


class Operator:
    """Runs operations on one stack; ``clock`` and ``sleep`` are what waiting uses."""

    def __init__(
        self,
        stacks: Stacks,
        options: Options,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._stacks = stacks
        self._options = options
        self._clock = clock
        self._sleep = sleep

    def settled(self, name: str) -> Record | None:
        """The stack of this name when no operation runs on it, which is waited for."""
        found = self._stacks.find(name)
        if found is None or not _busy(found):
            return found
        if not self._options.wait:
            raise Invalid(f"Stack {name} is {found['Status']}: try again when it has ended, or set wait=true")
        return self._watch(
            found, f"stack {name}, which is {found['Status']}, to come to rest", lambda now: not _busy(now)
        )

    def preview(self, change: Change, wanted: plan.Wanted, found: Record | None) -> list[dict[str, Any]]:
        """What the change would do with each resource, as the service tells; writes nothing."""
        if change.after is None:
            rows = self._stacks.resources(str(found["StackId"])) if found else []
            return [records.action({**row, "Action": "Remove"}) for row in rows]
        again = found is not None and plan.broken(str(found["Status"]))
        template = wanted.source
        if found is not None and not again:
            rows = self._stacks.preview(template, wanted.parameters, stack_id=str(found["StackId"]))
        else:
            # the name of a stack that is to be deleted first is still in use, and previews of it are refused
            name = f"{wanted.name[:240]}-again" if again else wanted.name
            rows = self._stacks.preview(template, wanted.parameters, name=name)
        return [records.action(row) for row in rows]

    def apply(self, change: Change, wanted: plan.Wanted, found: Record | None) -> bool:
        """Carry out the steps of a change. Returns whether anything was really changed; raises :class:`Failed`."""
        changed = False
        steps = plan.steps(change, wanted)
        for step in steps:
            try:
                started = self._start(step, wanted, found or {})
                # a step that another one follows is waited for in any case
                if started and step in ENDS and (self._options.wait or step is not steps[-1]):
                    self._end(started, step)
            except CloudError as error:
                raise error.during(f"Cannot {step} stack {wanted.name}") from None
            changed = changed or started is not None
        return changed

    def _start(self, step: str, wanted: plan.Wanted, found: Record) -> Record | None:
        """Begin a step and return the stack it is done to, or ``None`` when the service finds nothing to do."""
        if step == "create":
            return {"StackId": self._create(wanted), "StackName": wanted.name}
        stack_id, options = str(found["StackId"]), self._options
        if step == "update":
            return found if self._update(stack_id, wanted, found) else None
        if step == "delete":
            self._stacks.delete(stack_id, options.retain_resources, options.retain_all_resources)
        elif step == "untag":
            self._stacks.untag(stack_id, list(records.tags(found)))
        else:
            self._stacks.protect(stack_id, step == "protect")
        return found

    def _create(self, wanted: plan.Wanted) -> str:
        options = self._options
        return self._stacks.create(
            wanted.name,
            wanted.source,
            wanted.parameters,
            Tags=tag_list(wanted.tags or {}) or None,
            TimeoutInMinutes=options.timeout_in_minutes,
            DisableRollback=options.disable_rollback,
            DeletionProtection="Enabled" if wanted.deletion_protection else None,
        )

    def _update(self, stack_id: str, wanted: plan.Wanted, found: Record) -> bool:
        tags = wanted.tags if wanted.purge_tags else {**records.tags(found), **(wanted.tags or {})}
        return self._stacks.update(
            stack_id,
            wanted.source,
            wanted.parameters,
            Tags=None if wanted.tags is None else tag_list(tags or {}),
            TimeoutInMinutes=self._options.timeout_in_minutes,
            ReplacementOption=self._options.replacement,
        )

    def _end(self, found: Record, action: str) -> None:
        """Wait for the end of an operation that was accepted, and see that it is a good one."""
        name, ends = found["StackName"], ENDS[action]
        now = self._watch(found, f"stack {name} to be {action}d", lambda seen: seen.get("Status") in ends)
        if now is None:
            if action != "delete":
                raise Failed(f"Cannot {action} stack {name}: it was deleted meanwhile")
        elif now["Status"] != ends[0]:
            raise self._failure(now, action)

    def _watch(self, found: Record, what: str, done: Callable[[Record], bool]) -> Record | None:
        stack_id = str(found["StackId"])
        try:
            return wait_until(
                lambda: self._stacks.get(stack_id, outputs=False),
                lambda seen: seen is None or done(seen),
                what,
                self._options.wait_timeout,
                clock=self._clock,
                sleep=self._sleep,
            )
        except Timeout as error:
            rows = [records.resource(one) for one in self._stacks.resources(stack_id)]
            busy = [one for one in rows if one["status"].endswith(plan.BUSY)]
            names = ", ".join(f"{one['logical_id']} ({one['status']})" for one in busy) or "none"
            raise Timeout(f"{error}; resources in progress: {names}", stack_id=stack_id, resources=rows) from None

    def _failure(self, now: Record, action: str) -> Failed:
        name, status = str(now["StackName"]), str(now["Status"])
        events = self._stacks.events(str(now["StackId"]), EVENTS)
        mine = operation(events, name)
        culprit = next((one for one in mine if failed_resource(one, name)), None)
        if culprit:
            reason = f"resource {culprit['LogicalResourceId']} ({culprit['ResourceType']}) {culprit['Status']}: "
            reason += str(culprit.get("StatusReason") or "no reason given")
        else:
            reason = str(now.get("StatusReason") or "no reason given")
        return Failed(
            f"Cannot {action} stack {name}: {reason.rstrip('.')}. The stack is now {status}",
            stack=records.stack(now),
            events=[records.event(one) for one in mine],
        )


def operation(events: Iterable[Record], name: str) -> list[Record]:
    """The events of the last operation in the order they happened; ``events`` come newest first."""
    last = []
    for one in events:
        last.append(one)
        status = str(one.get("Status"))
        if _itself(one, name) and status.endswith(plan.BUSY) and "ROLLBACK" not in status:
            break
    return last[::-1]


def failed_resource(event: Record, name: str) -> bool:
    """Whether the event tells of a failed resource, not of the stack itself or of one that was only stopped."""
    stopped = "abort" in str(event.get("StatusReason")).lower()
    return str(event.get("Status")).endswith("_FAILED") and not _itself(event, name) and not stopped


def _itself(event: Record, name: str) -> bool:
    return event.get("ResourceType") == "ALIYUN::ROS::Stack" and event.get("LogicalResourceId") == name


def _busy(found: Record) -> bool:
    status = str(found.get("Status"))
    return status.endswith(plan.BUSY) and status != plan.REVIEW
