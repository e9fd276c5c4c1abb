# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""API records as results show them: snake_case keys, lists of pairs as mappings. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.opsctl.cloud.plugins.module_utils.alicloud.template import PSEUDO


def pairs(items: Iterable[Mapping[str, Any]] | None, key: str, value: str) -> dict[str, Any]:
    """``[{key: k, value: v}]`` as ``{k: v}``."""
    return {str(item[key]): item.get(value) for item in items or () if item.get(key) is not None}


def tags(record: Mapping[str, Any]) -> dict[str, str]:
    """The tags of a stack."""
    return {key: value or "" for key, value in pairs(record.get("Tags"), "Key", "Value").items()}


def parameters(record: Mapping[str, Any]) -> dict[str, str]:
    """The parameters of a stack without the pseudo parameters; secret ones are masked by the service."""
    found = pairs(record.get("Parameters"), "ParameterKey", "ParameterValue")
    return {key: "" if value is None else str(value) for key, value in found.items() if not key.startswith(PSEUDO)}


def outputs(record: Mapping[str, Any]) -> dict[str, Any]:
    """The outputs of a stack; a value is any JSON."""
    return pairs(record.get("Outputs"), "OutputKey", "OutputValue")


def protected(record: Mapping[str, Any]) -> bool:
    return str(record.get("DeletionProtection")) == "Enabled"


def stack(record: Mapping[str, Any]) -> dict[str, Any]:
    """A stack of GetStack or ListStacks (which knows no parameters and no outputs)."""
    return {
        "stack_id": record.get("StackId") or "",
        "stack_name": record.get("StackName") or "",
        "region_id": record.get("RegionId") or "",
        "status": record.get("Status") or "",
        "status_reason": record.get("StatusReason") or "",
        "description": record.get("Description") or "",
        "create_time": record.get("CreateTime") or "",
        "update_time": record.get("UpdateTime") or "",
        "deletion_protection": protected(record),
        "disable_rollback": bool(record.get("DisableRollback")),
        "timeout_in_minutes": record.get("TimeoutInMinutes"),
        "parent_stack_id": record.get("ParentStackId") or "",
        "tags": tags(record),
        "parameters": parameters(record),
        "outputs": outputs(record),
    }


def resource(record: Mapping[str, Any]) -> dict[str, Any]:
    """A resource of ListStackResources."""
    return {
        "logical_id": record.get("LogicalResourceId") or "",
        "physical_id": record.get("PhysicalResourceId") or "",
        "type": record.get("ResourceType") or "",
        "status": record.get("Status") or "",
        "status_reason": record.get("StatusReason") or "",
        "create_time": record.get("CreateTime") or "",
        "update_time": record.get("UpdateTime") or "",
    }


def event(record: Mapping[str, Any]) -> dict[str, Any]:
    """An event of ListStackEvents."""
    return {
        "time": record.get("CreateTime") or "",
        "logical_id": record.get("LogicalResourceId") or "",
        "physical_id": record.get("PhysicalResourceId") or "",
        "type": record.get("ResourceType") or "",
        "status": record.get("Status") or "",
        "reason": record.get("StatusReason") or "",
    }


def action(record: Mapping[str, Any]) -> dict[str, Any]:
    """A resource of PreviewStack: what would be done with it."""
    return {
        "logical_id": record.get("LogicalResourceId") or "",
        "physical_id": record.get("PhysicalResourceId") or "",
        "type": record.get("ResourceType") or "",
        "action": record.get("Action") or "",
        "replacement": record.get("Replacement") or "False",
    }
