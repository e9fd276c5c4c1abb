# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small cloud for unit tests: the wire shapes of the real one, state that moves on as it is polled, and faults.

It exists for what a real endpoint cannot be made to do at will: lose an answer after the work is done, throttle the
third call, fail one resource. The modules reach it by HTTP through the official SDK.
"""

from __future__ import annotations

import json
import threading
import uuid
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import yaml


class Refused(Exception):
    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


@dataclass
class Stack:
    id: str
    name: str
    template: str
    parameters: dict[str, str]
    tags: dict[str, str]
    protected: bool
    status: str
    next: list[str]  # statuses to come, one a poll
    token: str = ""
    instances: dict[str, list[str]] = field(default_factory=dict)
    events: list[dict[str, str]] = field(default_factory=list)

    @property
    def data(self) -> dict[str, Any]:
        return dict(yaml.safe_load(self.template))


@dataclass
class Cloud:
    """State, a log of calls, and faults: ``faults`` are (action, kind), used up one a call of that action.

    Kinds: throttle, error (500), busy (503), html (502, not JSON), unsigned (the whole request is repeated),
    lost (nothing done, no answer), late (done, no
    answer). ``broken`` names a resource that fails when it is created, with the reason.
    """

    stacks: dict[str, Stack] = field(default_factory=dict)
    hosts: dict[str, dict[str, Any]] = field(default_factory=dict)
    faults: deque[tuple[str, str]] = field(default_factory=deque)
    broken: dict[str, str] = field(default_factory=dict)
    polls: int = 1
    forgets_tokens: bool = False
    knows_instance_ids: bool = True
    calls: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def actions(self) -> list[str]:
        return [action for action, _query in self.calls]

    def count(self, action: str) -> int:
        return self.actions().count(action)

    def writes(self) -> list[str]:
        return [one for one in self.actions() if not one.startswith(("Get", "List", "Describe", "Validate", "Preview"))]

    def add(self, name: str, template: Any, status: str = "CREATE_COMPLETE", **more: Any) -> Stack:
        text = template if isinstance(template, str) else json.dumps(template)
        stack = Stack(
            str(uuid.uuid4()), name, text, more.pop("parameters", {}), more.pop("tags", {}), False, status, []
        )
        for key, value in more.items():
            setattr(stack, key, value)
        self.stacks[stack.id] = stack
        return stack

    def host(self, number: int, **more: Any) -> str:
        """Make one running instance and return its id."""
        instance_id = f"i-{number:04d}"
        self.hosts[instance_id] = {
            "InstanceId": instance_id,
            "InstanceName": f"node-{number:03d}",
            "Status": "Running",
            "ZoneId": "cn-hangzhou-h",
            "RegionId": "cn-hangzhou",
            "OSType": "linux",
            "Cpu": 2,
            "Memory": 4096,
            "CreationTime": "2026-01-01T04:04Z",
            "InstanceType": "ecs.g6.large",
            "PublicIpAddress": {"IpAddress": []},
            "EipAddress": {"IpAddress": "", "AllocationId": ""},
            "VpcAttributes": {
                "VpcId": "vpc-1",
                "VSwitchId": "vsw-1",
                "PrivateIpAddress": {"IpAddress": [f"192.168.{number // 250}.{number % 250 + 1}"]},
            },
            "SecurityGroupIds": {"SecurityGroupId": ["sg-1"]},
            "Tags": {"Tag": []},
            **more,
        }
        return instance_id

    # -- the actions ---------------------------------------------------------------------------------------------

    def ListStacks(self, q: dict[str, str]) -> dict[str, Any]:  # noqa: N802
        names = _list(q, "StackName")
        rows = [
            self._row(one)
            for one in self.stacks.values()
            if one.status != "DELETE_COMPLETE" and (not names or any(_match(one.name, name) for name in names))
        ]
        return _page(rows, q, "Stacks")

    def GetStack(self, q: dict[str, str]) -> dict[str, Any]:  # noqa: N802
        stack = self._stack(q)
        if stack.next:
            stack.status = stack.next.pop(0)
        masked = {name for name, one in (stack.data.get("Parameters") or {}).items() if one.get("NoEcho")}
        parameters = {**stack.parameters, "ALIYUN::StackName": stack.name, "ALIYUN::NoValue": "None"}
        return {
            **self._row(stack),
            "Parameters": [
                {"ParameterKey": key, "ParameterValue": "******" if key in masked else value}
                for key, value in parameters.items()
            ],
            "Outputs": [
                {"OutputKey": key, "OutputValue": one.get("Value")}
                for key, one in (stack.data.get("Outputs") or {}).items()
            ],
        }

    def GetTemplate(self, q: dict[str, str]) -> dict[str, Any]:  # noqa: N802
        return {"TemplateBody": self._stack(q).template}

    def ValidateTemplate(self, q: dict[str, str]) -> dict[str, Any]:  # noqa: N802
        data = _template(q)
        return {
            "Parameters": [
                {"ParameterKey": key, "Type": one.get("Type"), "NoEcho": str(bool(one.get("NoEcho"))).lower()}
                for key, one in (data.get("Parameters") or {}).items()
            ]
        }

    def PreviewStack(self, q: dict[str, str]) -> dict[str, Any]:  # noqa: N802
        new = _template(q)["Resources"]
        stack = self._stack(q) if q.get("StackId") else None
        if stack is None and any(one.name == q["StackName"] and one.status != "DELETE_COMPLETE" for one in self._all()):
            raise Refused(409, "StackExists", f"The Stack ({q['StackName']}) already exists.")
        old = stack.data["Resources"] if stack else {}
        changed = stack is not None and {**stack.parameters, **_parameters(q)} != stack.parameters
        rows = []
        for name in {**old, **new}:
            action = "Add" if name not in old else "Remove" if name not in new else "None"
            if action == "None" and (old[name] != new[name] or changed):
                action = "Modify"
            kind = {**old, **new}[name]["Type"]
            rows.append({"LogicalResourceId": name, "ResourceType": kind, "Action": action, "Replacement": "False"})
        return {"Stack": {"Resources": rows}}

    def CreateStack(self, q: dict[str, str]) -> dict[str, Any]:  # noqa: N802
        _template(q)
        for one in self._all():
            if one.token and one.token == q.get("ClientToken") and not self.forgets_tokens:
                return {"StackId": one.id}
            if one.name == q["StackName"] and one.status != "DELETE_COMPLETE":
                raise Refused(409, "StackExists", f"The Stack ({one.name}) already exists.")
        stack = self.add(q["StackName"], q["TemplateBody"], "CREATE_IN_PROGRESS", parameters=_parameters(q))
        stack.token, stack.protected = q.get("ClientToken", ""), q.get("DeletionProtection") == "Enabled"
        stack.tags = _tags(q)
        keep = q.get("DisableRollback", "").lower() == "true"
        self._start(stack, "CREATE", "CREATE_FAILED" if keep else "CREATE_ROLLBACK_COMPLETE")
        return {"StackId": stack.id}

    def UpdateStack(self, q: dict[str, str]) -> dict[str, Any]:  # noqa: N802
        stack, data = self._stack(q), _template(q)
        self._idle(stack)
        parameters, tags = {**stack.parameters, **_parameters(q)}, _tags(q) or stack.tags
        if (stack.data, stack.parameters, stack.tags) == (data, parameters, tags) and stack.status != "UPDATE_FAILED":
            raise Refused(400, "NotSupported", "Update the completely same stack is not supported.")
        stack.template, stack.parameters, stack.tags = q["TemplateBody"], parameters, tags
        self._start(stack, "UPDATE", "ROLLBACK_COMPLETE")
        return {"StackId": stack.id}

    def DeleteStack(self, q: dict[str, str]) -> dict[str, Any]:  # noqa: N802
        stack = self._stack(q)
        self._idle(stack)
        if stack.protected:
            raise Refused(400, "NotSupported", "Delete protected stack is not supported.")
        self._start(stack, "DELETE", "DELETE_FAILED")
        return {}

    def SetDeletionProtection(self, q: dict[str, str]) -> dict[str, Any]:  # noqa: N802
        self._stack(q).protected = q["DeletionProtection"] == "Enabled"
        return {}

    def UntagResources(self, q: dict[str, str]) -> dict[str, Any]:  # noqa: N802
        stack = self.stacks[_list(q, "ResourceId")[0]]
        stack.tags = {key: value for key, value in stack.tags.items() if key not in _list(q, "TagKey")}
        return {}

    def ListStackResources(self, q: dict[str, str]) -> dict[str, Any]:  # noqa: N802
        stack = self._stack(q)
        return {
            "Resources": [
                {
                    "LogicalResourceId": name,
                    "PhysicalResourceId": (stack.instances.get(name) or [f"{name.lower()}-1"])[0],
                    "ResourceType": one["Type"],
                    "Status": stack.status,
                }
                for name, one in stack.data["Resources"].items()
            ]
        }

    def GetStackResource(self, q: dict[str, str]) -> dict[str, Any]:  # noqa: N802
        if not self.knows_instance_ids:
            raise Refused(400, "NotSupported", "ResourceAttributes is not supported.")
        ids = self._stack(q).instances.get(q["LogicalResourceId"], [])
        return {"ResourceAttributes": [{"ResourceAttributeKey": "InstanceIds", "ResourceAttributeValue": ids}]}

    def ListStackEvents(self, q: dict[str, str]) -> dict[str, Any]:  # noqa: N802
        return _page(self._stack(q).events[::-1], q, "Events")

    def DescribeInstances(self, q: dict[str, str]) -> dict[str, Any]:  # noqa: N802
        ids = json.loads(q["InstanceIds"])
        if len(ids) > 100:
            raise Refused(400, "InvalidParameter", "InstanceIds")
        rows = [self.hosts[one] for one in ids if one in self.hosts]
        start, most = int(q.get("NextToken") or 0), int(q.get("MaxResults", 10))
        rest = str(start + most) if start + most < len(rows) else ""
        return {"Instances": {"Instance": rows[start : start + most]}, "NextToken": rest}

    # -- behind them ---------------------------------------------------------------------------------------------

    def _start(self, stack: Stack, verb: str, bad: str) -> None:
        stack.status = f"{verb}_IN_PROGRESS"
        culprit = next((name for name in stack.data["Resources"] if name in self.broken), None)
        stack.next = [f"{verb}_IN_PROGRESS"] * self.polls + [bad if culprit else f"{verb}_COMPLETE"]
        kind = "ALIYUN::ROS::Stack"
        self._tell(stack, stack.name, kind, f"{verb}_IN_PROGRESS", f"Stack {verb} started")
        for name, one in stack.data["Resources"].items():
            self._tell(stack, name, one["Type"], f"{verb}_IN_PROGRESS", "state changed")
            failed = name == culprit
            reason = self.broken.get(name, "") if failed else "state changed"
            self._tell(stack, name, one["Type"], f"{verb}_FAILED" if failed else f"{verb}_COMPLETE", reason)
        reason = f"Resource {verb} failed: {self.broken[culprit]}" if culprit else "done"
        self._tell(stack, stack.name, kind, bad if culprit else f"{verb}_COMPLETE", reason)

    @staticmethod
    def _tell(stack: Stack, name: str, kind: str, status: str, reason: str) -> None:
        stack.events.append({"LogicalResourceId": name, "ResourceType": kind, "Status": status, "StatusReason": reason})

    def _all(self) -> list[Stack]:
        return list(self.stacks.values())

    def _stack(self, q: dict[str, str]) -> Stack:
        if q["StackId"] not in self.stacks:
            raise Refused(404, "StackNotFound", f"The Stack ({q['StackId']}) could not be found.")
        return self.stacks[q["StackId"]]

    @staticmethod
    def _idle(stack: Stack) -> None:
        if stack.status.endswith("_IN_PROGRESS"):
            raise Refused(409, "ActionInProgress", f"Stack {stack.name} already has an action in progress.")

    @staticmethod
    def _row(stack: Stack) -> dict[str, Any]:
        return {
            "StackId": stack.id,
            "StackName": stack.name,
            "RegionId": "cn-hangzhou",
            "Status": stack.status,
            "StatusReason": "",
            "CreateTime": "2026-01-01T00:00:00",
            "DeletionProtection": "Enabled" if stack.protected else "Disabled",
            "DisableRollback": False,
            "TimeoutInMinutes": 60,
            "Tags": [{"Key": key, "Value": value} for key, value in stack.tags.items()],
        }


def _match(name: str, pattern: str) -> bool:
    return name == pattern or (pattern.endswith("*") and name.startswith(pattern[:-1]))


def _list(q: dict[str, str], name: str) -> list[str]:
    return [value for key, value in q.items() if key.startswith(f"{name}.") and key.count(".") == 1]


def _pairs(q: dict[str, str], name: str, key: str, value: str) -> dict[str, str]:
    return {
        found: q.get(where.replace(f".{key}", f".{value}"), "")
        for where, found in q.items()
        if where.startswith(f"{name}.") and where.endswith(f".{key}")
    }


def _parameters(q: dict[str, str]) -> dict[str, str]:
    return _pairs(q, "Parameters", "ParameterKey", "ParameterValue")


def _tags(q: dict[str, str]) -> dict[str, str]:
    return _pairs(q, "Tags", "Key", "Value")


def _template(q: dict[str, str]) -> dict[str, Any]:
    try:
        data = yaml.safe_load(q["TemplateBody"])
    except yaml.YAMLError as error:
        raise Refused(400, "InvalidTemplate", str(error)) from None
    if not isinstance(data, dict) or "Resources" not in data:
        raise Refused(400, "InvalidTemplate", "Resources section is required.")
    return data


def _page(rows: list[dict[str, Any]], q: dict[str, str], key: str) -> dict[str, Any]:
    number, size = int(q.get("PageNumber", 1)), int(q.get("PageSize", 10))
    found = rows[(number - 1) * size : number * size]
    return {key: found, "TotalCount": len(rows), "PageNumber": number, "PageSize": size}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else each answer waits 40 ms for the peer's acknowledgement
    wbufsize = -1
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        query = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))
        query.update(parse_qsl(body, keep_blank_values=True))
        action, cloud = self.headers["x-acs-action"], self.server.cloud
        with cloud.lock:
            cloud.calls.append((action, query))
            fault = ""
            if cloud.faults and cloud.faults[0][0] == action:
                fault = cloud.faults.popleft()[1]
            if fault == "lost":
                self._cut()
                return
            status, answer = self._answer(cloud, action, query, fault)
        if fault == "late":
            self._cut()
            return
        content = b"<html>bad gateway</html>" if fault == "html" else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _cut(self) -> None:
        self.close_connection = True

    @staticmethod
    def _answer(cloud: Cloud, action: str, query: dict[str, str], fault: str) -> tuple[int, dict[str, Any]]:
        canned = {
            "throttle": Refused(400, "Throttling.User", "Request was denied due to user flow control."),
            "error": Refused(500, "InternalError", "Server error."),
            "busy": Refused(503, "ServiceUnavailable", "The request has failed due to a temporary failure."),
            "html": Refused(502, "BadGateway", ""),
        }
        canned["unsigned"] = Refused(400, "SignatureDoesNotMatch", f"server CanonicalRequest is [{json.dumps(query)}]")
        try:
            if fault in canned:
                raise canned[fault]
            return 200, {"RequestId": str(uuid.uuid4()).upper(), **getattr(cloud, action)(query)}
        except Refused as error:
            body = {"Code": error.code, "Message": str(error), "RequestId": str(uuid.uuid4()).upper()}
            return error.status, body

    def log_message(self, *_args: Any) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.cloud = cloud

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"
