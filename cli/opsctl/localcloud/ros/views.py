"""Records as ROS answers them: names, order and words of the wire (facts: ros-api, sections 2 and 3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opsctl.localcloud.errors import ApiError
from opsctl.localcloud.models import Stack, StackResource
from opsctl.localcloud.ros.parameters import MASK, masked
from opsctl.localcloud.ros.program import Program
from opsctl.localcloud.ros.state import State
from opsctl.localcloud.ros.veil import Veil


def tags(stack: Stack) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in stack.tags.items()]


def summary(stack: Stack) -> dict[str, Any]:
    """One row of ListStacks."""
    return {
        "StackId": stack.stack_id,
        "StackName": stack.name,
        "Status": stack.status,
        "StatusReason": stack.status_reason,
        "RegionId": stack.region_id,
        "CreateTime": stack.create_time,
        "UpdateTime": stack.update_time,
        "TimeoutInMinutes": stack.timeout_in_minutes,
        "DisableRollback": stack.disable_rollback,
        "DeletionProtection": stack.deletion_protection,
        "StackDriftStatus": "NOT_CHECKED",
        "StackType": "ROS",
        "ResourceGroupId": "rg-default",
        "ParentStackId": "",
        "ServiceManaged": False,
        "Tags": tags(stack),
        "OperationInfo": [],
    }


def detail(state: State, stack: Stack, *, with_outputs: bool) -> dict[str, Any]:
    """GetStack."""
    return {
        **{key: value for key, value in summary(stack).items() if key != "OperationInfo"},
        "Description": stack.description,
        "TemplateDescription": stack.description,
        "Parameters": parameters(state, state.program(stack), stack.stack_id, stack.name),
        "Outputs": outputs(state, stack) if with_outputs else [],
        "NotificationURLs": stack.notification_urls,
        "RootStackId": "",
        "Interface": "",
        "ResourceProgress": progress(state, stack),
    }


def parameters(state: State, program: Program, stack_id: str, name: str) -> list[dict[str, str]]:
    """The template's parameters, secrets masked, and the pseudo parameters, as GetStack and PreviewStack show them."""
    shown = masked(program.template.parameters, program.values)
    pseudo = {key: str(value) for key, value in state.pseudo(stack_id, name).items() if key.startswith("ALIYUN::")}
    pairs = {**shown, **pseudo, "ALIYUN::NoValue": "None"}
    return [{"ParameterKey": key, "ParameterValue": value} for key, value in pairs.items()]


def outputs(state: State, stack: Stack) -> list[dict[str, Any]]:
    """Computed when asked for; one that cannot be resolved (yet) reads None, with the reason as its description."""
    program, scope = state.program(stack), state.scope(stack.stack_id)
    rows = []
    for name, node in program.outputs.items():
        description = node.description
        try:
            value = MASK if node.no_echo else program.resolve_output(node, scope)
        except (ApiError, KeyError) as error:
            value, description = None, Veil(program).text(f"{error}")
        rows.append({"OutputKey": name, "OutputValue": value, "Description": description or "No description given"})
    return rows


def progress(state: State, stack: Stack) -> dict[str, int]:
    rows = state.records(stack.stack_id)
    done = sum(row.status.endswith("_COMPLETE") for row in rows)
    failed = sum(row.status.endswith("_FAILED") for row in rows)
    return {
        "TotalResourceCount": len(state.program(stack).resources),
        "SuccessResourceCount": done,
        "FailedResourceCount": failed,
        "InProgressResourceCount": len(rows) - done - failed,
    }


def resource(stack: Stack, row: StackResource) -> dict[str, Any]:
    """One row of ListStackResources."""
    return {
        "StackId": stack.stack_id,
        "StackName": stack.name,
        "LogicalResourceId": row.logical_id,
        "PhysicalResourceId": "" if row.type.startswith("ALIYUN::ROS::") else row.physical_id,
        "ResourceType": row.type,
        "Status": row.status,
        "StatusReason": row.reason,
        "CreateTime": row.create_time,
        "UpdateTime": row.update_time or row.create_time,
        "ResourceDriftStatus": "NOT_CHECKED",
    }


def text_of(description: Any) -> str:
    """A description may be a map of languages; the wire carries one text."""
    if isinstance(description, Mapping):
        return str(description.get("en") or next(iter(description.values()), ""))
    return str(description or "")
