"""Cloud Assistant over the API: RunCommand and its results (facts: ecs-api, section 4)."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any

from opsctl.localcloud.cloud import Cloud, iso
from opsctl.localcloud.errors import ApiError, missing_parameter
from opsctl.localcloud.gateway.app import Request
from opsctl.localcloud.gateway.params import Params
from opsctl.localcloud.hosts.assistant import OPEN, Assistant, record_status
from opsctl.localcloud.ids import new_hex
from opsctl.localcloud.models import Command, Instance
from opsctl.localcloud.paging import page, tagged
from opsctl.localcloud.resources.base import ResourceError
from opsctl.localcloud.resources.ecs import decode

VERSION = "2014-05-26"
CONTENT_LIMIT = 24 * 1024
_BAD = ("Invalid", "Aborted", "Failed", "Timeout", "Error")
Answer = Mapping[str, Any]


class CommandApi:
    def __init__(self, cloud: Cloud, assistant: Assistant) -> None:
        self._cloud = cloud
        self._assistant = assistant

    def actions(self) -> dict[tuple[str, str], Callable[[Request], Answer]]:
        return {
            (VERSION, "RunCommand"): self.run_command,
            (VERSION, "DescribeInvocations"): self.describe_invocations,
            (VERSION, "DescribeInvocationResults"): self.describe_invocation_results,
        }

    def run_command(self, request: Request) -> Answer:
        params = request.params
        if params.required("Type") != "RunShellScript":
            raise ApiError("InvalidInstance.NotMatch", "Hosts of the local cloud take RunShellScript only.", 403)
        encoded = params.required("CommandContent")
        if len(encoded) > CONTENT_LIMIT * 4 // 3:
            raise ApiError("CmdContent.ExceedLimit", "The length of the command content exceeds 24 KB.", 403)
        if params.text("RepeatMode", "Once") != "Once" or params.text("Frequency"):
            raise ApiError("NotSupported", "Periodic commands are not supported by the local cloud.")
        targets = self._targets(params)
        command = self._assistant.start(
            Command(
                invoke_id=new_hex("t"),
                command_id=new_hex("c"),
                name=params.text("Name"),
                description=params.text("Description"),
                type="RunShellScript",
                content=_content(encoded, params.text("ContentEncoding")),
                timeout=params.integer("Timeout", 10, 86400, 60),
                working_dir=params.text("WorkingDir"),
                username=params.text("Username", "root"),
                parameters=_parameters(params) if params.boolean("EnableParameter") else None,
                create_time=self._cloud.timestamp(),
                tags={each["Key"]: each.get("Value", "") for each in params.objects("Tag")},
            ),
            targets,
        )
        return {"CommandId": command.command_id, "InvokeId": command.invoke_id}

    def _targets(self, params: Params) -> list[Instance]:
        """One bad instance fails the call before anything runs."""
        ids = params.names("InstanceId")
        if len(ids) > 100:
            raise ApiError("InstanceIds.ExceedLimit", "The number of instance IDs exceeds the limit of 100.", 403)
        wanted = {each["Key"]: each.get("Value", "") for each in params.objects("ResourceTag")}
        if ids:
            rows = [self._cloud.instances.get(each) for each in ids]
        elif wanted:
            rows = [
                row
                for row in self._cloud.instances
                if all(key in row.tags and value in ("", row.tags[key]) for key, value in wanted.items())
            ]
        else:
            raise missing_parameter("InstanceId")
        found = [row for row in rows if row is not None]
        if len(found) != len(rows) or not found:
            raise ApiError("InvalidInstance.NotFound", "The specified instance does not exist.", 404)
        if stopped := [row.instance_id for row in found if row.status != "Running"]:
            raise ApiError("InstanceNotRunning", f"Instance {stopped[0]} is not running.", 403)
        return found

    def describe_invocations(self, request: Request) -> Answer:
        params = request.params
        with_output = params.boolean("IncludeOutput")
        rows = [self._invocation(row, params, with_output) for row in self._found(params)]
        return page(params, "Invocations", "Invocation", rows, limit=50)

    def describe_invocation_results(self, request: Request) -> Answer:
        params = request.params
        plain, wanted = _plain(params), params.text("InstanceId")
        rows = [
            {
                "InvokeId": command.invoke_id,
                "CommandId": command.command_id,
                "InstanceId": instance_id,
                "InvokeRecordStatus": record_status(result["InvocationStatus"]),
                "FinishedTime": result["FinishTime"],
                "Username": command.username,
                "Tags": {"Tag": []},
                **_common(result),
                "Output": _encoded(result["Output"], plain),
            }
            for command in self._found(params)
            for instance_id, result in command.results.items()
            if wanted in ("", instance_id)
        ]
        # Here, unlike elsewhere, the paging fields are inside.
        return {"Invocation": page(params, "InvocationResults", "InvocationResult", rows, limit=50)}

    def _found(self, params: Params) -> list[Command]:
        wanted = {"invoke_id": "InvokeId", "command_id": "CommandId", "name": "CommandName", "type": "CommandType"}
        instance = params.text("InstanceId")
        rows = [
            row
            for row in self._cloud.commands
            if all(params.text(key) in ("", getattr(row, field)) for field, key in wanted.items())
            and (not instance or instance in row.results)
            and tagged(params, row.tags)
        ]
        return sorted(rows, key=lambda row: row.create_time, reverse=True)

    def _invocation(self, command: Command, params: Params, with_output: bool) -> dict[str, Any]:
        plain = _plain(params)
        states = [result["InvocationStatus"] for result in command.results.values()]
        return {
            "InvokeId": command.invoke_id,
            "CommandId": command.command_id,
            "CommandName": command.name,
            "CommandDescription": command.description,
            "CommandType": command.type,
            "CommandContent": _encoded(command.content, plain),
            "Parameters": json.dumps(command.parameters or {}),
            "RepeatMode": "Once",
            "Frequency": "",
            "Timed": False,
            "Timeout": command.timeout,
            "Username": command.username,
            "WorkingDir": command.working_dir,
            "CreationTime": iso(command.create_time),
            "InvokeStatus": overall_record(states),
            "InvocationStatus": overall(states),
            "Tags": {"Tag": [{"TagKey": key, "TagValue": value} for key, value in command.tags.items()]},
            "InvokeInstances": {
                "InvokeInstance": [
                    {
                        "InstanceId": instance_id,
                        "InstanceInvokeStatus": record_status(result["InvocationStatus"]),
                        "CreationTime": iso(command.create_time),
                        "FinishTime": result["FinishTime"],
                        "Timed": False,
                        **_common(result),
                        "Output": _encoded(result["Output"], plain) if with_output else "",
                    }
                    for instance_id, result in command.results.items()
                ]
            },
        }


def overall(states: list[str]) -> str:
    """InvocationStatus of the whole (facts: status model)."""
    for state in OPEN:
        if state in states:
            return state
    if all(state in _BAD for state in states):
        return "Failed"
    return "PartialFailed" if any(state in _BAD for state in states) else "Success"


def overall_record(states: list[str]) -> str:
    rows = {record_status(state) for state in states}
    if "Running" in rows:
        return "Running"
    if rows == {"Failed"}:
        return "Failed"
    return "PartialFailed" if "Failed" in rows else "Finished"


def _common(result: dict[str, Any]) -> dict[str, Any]:
    shown = {key: result[key] for key in ("InvocationStatus", "Dropped", "ErrorCode", "ErrorInfo", "StartTime")}
    if result["ExitCode"] is not None:
        shown["ExitCode"] = result["ExitCode"]
    return {**shown, "Repeats": 0 if result["InvocationStatus"] == "Pending" else 1, "StopTime": ""}


def _plain(params: Params) -> bool:
    """Output is base64 unless PlainText is asked for: the opposite of RunCommand's own default."""
    return params.text("ContentEncoding", "Base64").lower() == "plaintext"


def _encoded(text: str, plain: bool) -> str:
    return text if plain else base64.b64encode(text.encode()).decode()


def _content(text: str, encoding: str) -> str:
    try:
        return decode(text, encoding)
    except ResourceError as error:
        raise ApiError(error.exception, str(error)) from error


def _parameters(params: Params) -> dict[str, str]:
    try:
        found = json.loads(params.text("Parameters") or "{}")
    except ValueError:
        found = None
    if not isinstance(found, dict) or len(found) > 10:
        raise ApiError("CmdParam.InvalidParamName", "Parameters must be a JSON object of at most 10 entries.", 403)
    return {str(key): str(value) for key, value in found.items()}
