"""What stacks are at this moment: records, programs, what a template sees of resources, the events so far."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from opsctl.localcloud.cloud import REGION, ZONES, Cloud
from opsctl.localcloud.errors import ApiError
from opsctl.localcloud.hosts.assistant import Assistant
from opsctl.localcloud.hosts.fleet import Fleet
from opsctl.localcloud.models import Stack, StackResource
from opsctl.localcloud.resources import TYPES
from opsctl.localcloud.resources.base import Context
from opsctl.localcloud.ros import signals
from opsctl.localcloud.ros.parameters import bind
from opsctl.localcloud.ros.program import Program, compile
from opsctl.localcloud.ros.resolve import ZONES as ZONE_KEY
from opsctl.localcloud.ros.template import Template, parse


class Scope:
    """What functions of a template see of a stack's resources."""

    def __init__(self, state: State, stack_id: str) -> None:
        self._state = state
        self._stack_id = stack_id

    def _record(self, name: str) -> StackResource | None:
        rows = self._state.records(self._stack_id)
        return next((row for row in rows if row.logical_id == name and not row.stale), None)

    def ref(self, name: str) -> Any:
        record = self._record(name)
        if record is None:
            return None
        return TYPES[record.type]().ref(self._state.context(record))

    def attribute(self, resource: str, name: str) -> Any:
        record = self._record(resource)
        if record is None:
            return None
        if name not in TYPES[record.type].attributes:
            message = f"The Referenced Attribute ({resource} {name}) is incorrect."
            raise ApiError("InvalidTemplateAttribute", message)
        return TYPES[record.type]().attribute(self._state.context(record), name)


class State:
    """Stacks, their programs, resources and events; no operation runs here."""

    def __init__(self, cloud: Cloud, fleet: Fleet, assistant: Assistant) -> None:
        self.cloud = cloud
        self.fleet = fleet
        self.assistant = assistant
        self.stopping = False

    # --- programs ------------------------------------------------------------------------------------------------

    def pseudo(self, stack_id: str, name: str) -> dict[str, Any]:
        return {
            "ALIYUN::StackId": stack_id,
            "ALIYUN::StackName": name,
            "ALIYUN::Region": REGION,
            "ALIYUN::AccountId": self.cloud.account_id,
            "ALIYUN::TenantId": self.cloud.account_id,
            "ALIYUN::ResourceGroupId": "rg-default",
            ZONE_KEY: {REGION: list(ZONES)},
        }

    def program(self, stack: Stack) -> Program:
        return self.build(parse(stack.template_body), stack.parameters, stack.stack_id, stack.name)

    def build(self, template: Template, parameters: Mapping[str, str], stack_id: str, name: str) -> Program:
        values = bind(template.parameters, parameters)
        return compile(template, values, self.pseudo(stack_id, name), attributes_of)

    # --- records and events --------------------------------------------------------------------------------------

    def records(self, stack_id: str) -> list[StackResource]:
        return self.cloud.resources.find(lambda row: row.stack_id == stack_id)

    def attribute_names(self, record: StackResource) -> frozenset[str]:
        return TYPES[record.type].attributes

    def scope(self, stack_id: str) -> Scope:
        return Scope(self, stack_id)

    def context(self, record: StackResource, canceled: Callable[[], bool] = lambda: False) -> Context:
        table = self.cloud.resources
        stack = self.cloud.stacks[record.stack_id]

        def save(data: dict[str, Any]) -> None:
            table.put(replace(table[record.key], data=dict(data)))

        return Context(
            cloud=self.cloud,
            fleet=self.fleet,
            assistant=self.assistant,
            stack_id=record.stack_id,
            stack_name=stack.name,
            logical_id=record.logical_id,
            physical_id=record.physical_id,
            key=record.key,
            tags=stack.tags,
            data=dict(record.data),
            save=save,
            canceled=canceled,
        )

    def stack_event(self, stack: Stack) -> None:
        what = (stack.name, "ALIYUN::ROS::Stack", stack.stack_id)
        self._event(stack, what, stack.status, stack.status_reason)

    def event(self, record: StackResource, status: str, reason: str) -> None:
        stack = self.cloud.stacks[record.stack_id]
        shown = "" if record.type.startswith("ALIYUN::ROS::") else record.physical_id
        self._event(stack, (record.logical_id, record.type, shown), status, reason)

    def _event(self, stack: Stack, what: tuple[str, str, str], status: str, reason: str) -> None:
        logical, kind, physical = what
        self.cloud.store.add_event(
            stack.stack_id,
            {
                "EventId": str(uuid.uuid4()),
                "CreateTime": self.cloud.timestamp(),
                "StackId": stack.stack_id,
                "StackName": stack.name,
                "LogicalResourceId": logical,
                "PhysicalResourceId": physical,
                "ResourceType": kind,
                "Status": status,
                "StatusReason": reason,
            },
        )

    def signal(self, query: Mapping[str, str], body: bytes) -> None:
        """A host calls its wait condition's handle."""
        stack_id, logical_id, signal = signals.receive(self.cloud, query, body)
        self.signalled(stack_id, logical_id, signal.status, signal.reason)

    def signalled(self, stack_id: str, logical_id: str, status: str, reason: str) -> None:
        record = next(row for row in self.records(stack_id) if row.logical_id == logical_id)
        self.event(record, "SIGNAL_COMPLETE", f"Signal: status:{status} reason:{reason}")


def attributes_of(kind: str) -> frozenset[str] | None:
    cls = TYPES.get(kind)
    return cls.attributes if cls else None
