"""What the writing actions of ROS are given: checked, in the shapes the engine wants."""

from __future__ import annotations

import re

from opsctl.localcloud.errors import ApiError, invalid_parameter, missing_parameter
from opsctl.localcloud.gateway.params import Params
from opsctl.localcloud.models import Stack
from opsctl.localcloud.ros.template import Template

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,254}")
# Accepted silently they would promise what nothing here does.
_IDLE = {"CreateOptions", "StackPolicyBody", "StackPolicyURL", "TaintResources"}
_IDLE |= {"StackPolicyDuringUpdateBody", "StackPolicyDuringUpdateURL"}


def name(params: Params) -> str:
    name = params.required("StackName")
    if not _NAME.fullmatch(name):
        raise invalid_parameter("StackName", "it must begin with a letter, then letters, digits, - and _")
    return name


def no_idle(params: Params) -> None:
    option = params.text("CreateOption", "KeepStackOnCreationComplete")
    idle = [] if option == "KeepStackOnCreationComplete" else [f"CreateOption {option}"]
    idle += sorted(_IDLE.intersection(name.partition(".")[0] for name in params))
    if idle:
        raise ApiError("NotSupported", f"{idle[0]} is not supported by the local cloud.")


def next_parameters(stack: Stack, template: Template, params: Params) -> dict[str, str]:
    """What an update passes; previous values only of parameters that the new template still has."""
    previous = stack.parameters if params.boolean("UsePreviousParameters") else {}
    kept = {name: value for name, value in previous.items() if name in template.parameters}
    return {**kept, **parameters(params)}


def parameters(params: Params) -> dict[str, str]:
    """Parameters.N; one with a key and no value counts as not passed (facts, section 1.2)."""
    found: dict[str, str] = {}
    for row in params.objects("Parameters"):
        if not row.get("ParameterKey"):
            raise missing_parameter("Parameters.N.ParameterKey")
        if "ParameterValue" in row:
            found[row["ParameterKey"]] = row["ParameterValue"]
    return found


def tags(params: Params) -> dict[str, str]:
    rows = params.objects("Tags")
    if len(rows) > 20:
        raise invalid_parameter("Tags", "at most 20 tags")
    return {row["Key"]: row.get("Value", "") for row in rows if row.get("Key")}


def urls(params: Params) -> list[str]:
    urls = params.names("NotificationURLs")
    if len(urls) > 5 or any(len(url) > 1024 or not re.match(r"https?://", url) for url in urls):
        raise invalid_parameter("NotificationURLs", "at most 5 addresses of http or https, 1024 bytes each")
    return urls
