"""A local cloud of its own for the tests, and the hands they reach into it with: official SDK clients, SSH, Docker."""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncssh
from alibabacloud_ecs20140526 import models as ecs_models
from alibabacloud_ecs20140526.client import Client as Ecs
from alibabacloud_ros20190910 import models as ros_models
from alibabacloud_ros20190910.client import Client as Ros
from alibabacloud_tea_openapi.exceptions import AlibabaCloudException
from alibabacloud_tea_openapi.models import Config
from alibabacloud_vpc20160428 import models as vpc_models
from alibabacloud_vpc20160428.client import Client as Vpc

from opsctl.localcloud import service

REGION = "cn-hangzhou"
PATIENCE = 60.0
_SDKS: dict[str, tuple[Any, Any]] = {"ros": (Ros, ros_models), "ecs": (Ecs, ecs_models), "vpc": (Vpc, vpc_models)}
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Refusal:
    """What the SDK says of a call that was refused."""

    status: int
    code: str
    message: str


def until(what: str, poll: Callable[[], Any], timeout: float = PATIENCE, pause: float = 0.1) -> Any:
    """The first true answer of ``poll``."""
    end = time.monotonic() + timeout
    while not (found := poll()):
        assert time.monotonic() < end, f"waited {timeout:g} s for {what}"
        time.sleep(pause)
    return found


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@dataclass
class Lab:
    """One installation under ``home``. Every call goes through the official SDK over HTTP."""

    home: Path
    choice: service.Choice
    _clients: dict[str, Any] = field(default_factory=dict)

    # --- the service ---------------------------------------------------------------------------------------------

    def up(self) -> None:
        endpoint = service.up(self.home, self.choice, lambda text: None)
        config = {
            "access_key_id": endpoint.access_key_id,
            "access_key_secret": endpoint.access_key_secret,
            "region_id": endpoint.region_id,
            "endpoint": endpoint.url.removeprefix("http://"),
            "protocol": "http",
        }
        self._clients = {name: kind(Config(**config)) for name, (kind, _) in _SDKS.items()}

    def kill(self) -> None:
        """``kill -9`` of the service, and of nothing else."""
        pid = service.status(self.home).pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        until("the service to be gone", lambda: service.status(self.home).pid is None, pause=0.01)

    def log(self) -> str:
        return (service.folder(self.home) / "service.log").read_text(errors="replace")

    # --- the API -------------------------------------------------------------------------------------------------

    def ask(self, product: str, action: str, **fields: Any) -> dict[str, Any]:
        """Call an action with the names of the API; the answer's body as a map."""
        models = _SDKS[product][1]
        request = getattr(models, f"{action}Request")().from_map({"RegionId": REGION, **fields})
        method = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", action).lower()
        body: dict[str, Any] = getattr(self._clients[product], method)(request).body.to_map()
        return body

    def ros(self, action: str, **fields: Any) -> dict[str, Any]:
        return self.ask("ros", action, **fields)

    def ecs(self, action: str, **fields: Any) -> dict[str, Any]:
        return self.ask("ecs", action, **fields)

    def refused(self, product: str, action: str, **fields: Any) -> Refusal:
        try:
            answer = self.ask(product, action, **fields)
        except AlibabaCloudException as error:
            return Refusal(int(error.status_code), str(error.code), str(error.message))
        raise AssertionError(f"{action} was not refused: {answer}")

    # --- stacks --------------------------------------------------------------------------------------------------

    def begin(self, template: str, options: dict[str, Any] | None = None, /, **parameters: Any) -> Stack:
        """CreateStack, answered at once."""
        name = (options or {}).pop("StackName", f"test-{next(_numbers)}")
        fields = {"TemplateBody": template, "Parameters": _parameters(parameters), **(options or {})}
        return Stack(self, name, self.ros("CreateStack", StackName=name, **fields)["StackId"])

    def create(self, template: str, options: dict[str, Any] | None = None, /, **parameters: Any) -> Stack:
        """CreateStack and wait for its end, whatever that is."""
        return self.begin(template, options, **parameters).ended()

    # --- hosts ---------------------------------------------------------------------------------------------------

    def instances(self, **wanted: Any) -> list[dict[str, Any]]:
        answer = self.ecs("DescribeInstances", PageSize=100, **wanted)
        found: list[dict[str, Any]] = answer["Instances"]["Instance"]
        return found

    def instance(self, instance_id: str) -> dict[str, Any]:
        (found,) = self.instances(InstanceIds=f'["{instance_id}"]')
        return found

    def start(self, instance_id: str, script: str, **options: Any) -> str:
        """RunCommand; returns the InvokeId."""
        fields = {"Type": "RunShellScript", "CommandContent": script, "InstanceId": [instance_id], **options}
        return str(self.ecs("RunCommand", **fields)["InvokeId"])

    def result(self, invoke_id: str, timeout: float = PATIENCE) -> dict[str, Any]:
        """The one result of a command, once it is final; its Output as plain text."""

        def poll() -> dict[str, Any] | None:
            answer = self.ecs("DescribeInvocationResults", InvokeId=invoke_id, ContentEncoding="PlainText")
            (row,) = answer["Invocation"]["InvocationResults"]["InvocationResult"]
            found: dict[str, Any] = row
            return None if row["InvocationStatus"] in ("Pending", "Running") else found

        found: dict[str, Any] = until(f"command {invoke_id}", poll, timeout)
        return found

    def run(self, instance_id: str, script: str, **options: Any) -> tuple[int | None, str]:
        """(exit code, output) of a command on a host."""
        row = self.result(self.start(instance_id, script, **options))
        return row.get("ExitCode"), row["Output"]

    def connects(self, instance_id: str, *targets: tuple[str, int]) -> list[bool]:
        """Which TCP ports a host reaches, all tried at once; a filter that drops shows as silence."""
        return self.connected(self.connecting(instance_id, *targets))

    def connecting(self, instance_id: str, *targets: tuple[str, int]) -> str:
        """Begin :meth:`connects`; returns the InvokeId."""
        tries = [
            f"(timeout 2 bash -c '</dev/tcp/{address}/{port}' 2>/dev/null && echo {number}) &"
            for number, (address, port) in enumerate(targets)
        ]
        return self.start(instance_id, "\n".join([*tries, "wait", f"echo of {len(tries)}"]))

    def connected(self, invoke_id: str) -> list[bool]:
        *reached, last = self.result(invoke_id)["Output"].splitlines()
        return [str(number) in reached for number in range(int(last.removeprefix("of ")))]

    def listen(self, instance_id: str, port: int) -> None:
        """A little server on a host, for as long as the host runs."""
        answer = f"exec python3 -m http.server --directory /usr/share/misc {port}"
        unit = f"systemd-run --quiet --unit=listen-{port} sh -c '{answer}'"
        ready = f"until timeout 1 bash -c '</dev/tcp/127.0.0.1/{port}'; do sleep 0.1; done"
        assert self.run(instance_id, f"{unit} && {ready}")[0] == 0

    # --- Docker --------------------------------------------------------------------------------------------------

    def containers(self) -> set[str]:
        """Names of all containers of this installation, running or not."""
        wanted = f"label=opsctl.cloud={service.cloud_id(self.home)}"
        return set(docker("ps", "--all", "--filter", wanted, "--format", "{{.Names}}").split())

    def container(self, instance_id: str) -> str:
        (found,) = [name for name in self.containers() if name.endswith(instance_id)]
        return found


@dataclass
class Stack:
    """A stack that a test made."""

    lab: Lab
    name: str
    id: str

    def get(self) -> dict[str, Any]:
        return self.lab.ros("GetStack", StackId=self.id)

    def ended(self, timeout: float = PATIENCE) -> Stack:
        until(f"the end of {self.name}", lambda: not self.status.endswith("IN_PROGRESS"), timeout)
        return self

    @property
    def status(self) -> str:
        return str(self.get()["Status"])

    @property
    def reason(self) -> str:
        return str(self.get()["StatusReason"])

    @property
    def outputs(self) -> dict[str, Any]:
        return {row["OutputKey"]: row["OutputValue"] for row in self.get()["Outputs"]}

    def output(self, name: str) -> Any:
        return self.outputs[name]

    @property
    def resources(self) -> dict[str, dict[str, Any]]:
        rows = self.lab.ros("ListStackResources", StackId=self.id)["Resources"]
        return {row["LogicalResourceId"]: row for row in rows}

    def physical(self, name: str) -> str:
        return str(self.resources[name]["PhysicalResourceId"])

    @property
    def events(self) -> list[tuple[str, str, str]]:
        """(logical id, status, reason), oldest first."""
        rows = self.lab.ros("ListStackEvents", StackId=self.id, PageSize=50)["Events"]
        return [(row["LogicalResourceId"], row["Status"], row["StatusReason"]) for row in reversed(rows)]

    def change(self, template: str, options: dict[str, Any] | None = None, /, **parameters: Any) -> Stack:
        """UpdateStack, answered at once."""
        fields = {"TemplateBody": template, "Parameters": _parameters(parameters), **(options or {})}
        self.lab.ros("UpdateStack", StackId=self.id, **fields)
        return self

    def update(self, template: str, options: dict[str, Any] | None = None, /, **parameters: Any) -> Stack:
        """UpdateStack and wait for its end, whatever that is."""
        return self.change(template, options, **parameters).ended()

    def delete(self, **options: Any) -> Stack:
        self.lab.ros("DeleteStack", StackId=self.id, **options)
        return self.ended()


def _parameters(values: dict[str, Any]) -> list[dict[str, str]]:
    return [{"ParameterKey": key, "ParameterValue": str(value)} for key, value in values.items()]


def docker(*words: str) -> str:
    done = subprocess.run(["docker", *words], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout


def reaches(address: str, port: int, timeout: float = 2.0) -> bool:
    """Whether the operator reaches a TCP port."""
    try:
        socket.create_connection((address, port), timeout).close()
    except OSError:
        return False
    return True


def ssh(address: str, command: str = "true", *, keys: Sequence[Path] = (), password: str | None = None) -> str:
    """The output of a command over SSH as root; asyncssh's own errors when it cannot log in."""
    until(f"sshd of {address}", lambda: reaches(address, 22, 1))

    async def run() -> str:
        async with asyncssh.connect(
            address,
            username="root",
            known_hosts=None,
            config=None,
            agent_path=None,
            client_keys=[str(key) for key in keys] or None,
            password=password,
            preferred_auth="password" if password else "publickey",
            connect_timeout=20,
        ) as connection:
            done = await connection.run(command, check=True, timeout=20)
            return str(done.stdout)

    return asyncio.run(run())
