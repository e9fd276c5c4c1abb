"""Cloud Assistant: commands on hosts, as the agent on an instance runs them (facts: ecs-api, section 4).

A command is a transient unit of the host itself, so it neither dies with this service nor is forgotten by it: the
result waits in a file on the host and :meth:`Assistant.resume` asks for it again after a restart.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from dataclasses import replace
from typing import Any

from opsctl.localcloud.cloud import Cloud, iso
from opsctl.localcloud.errors import places
from opsctl.localcloud.hosts.boot import LIBRARY, QUOTA, STATE, pack
from opsctl.localcloud.hosts.engine import HostError
from opsctl.localcloud.hosts.fleet import container
from opsctl.localcloud.models import Command, Instance

log = logging.getLogger(__name__)
OPEN = ("Pending", "Running")
_SLICE = 5
_NAME = re.compile(r"\{\{\s*([^{}\s]+)\s*\}\}")
_REFUSALS = {
    "AccountNotExists": "the username for this command does not exist on the instance.",
    "DirectoryNotExists": "the working directory for this command does not exist on the instance.",
    "ClientNotRunning": "the aliyun service is not running on the instance",
}


class Assistant:
    """Starts commands and follows each on its own thread."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._changed = threading.Condition()

    def start(self, command: Command, targets: list[Instance]) -> Command:
        """Record the command as Pending on every target, then start it. Returns at once."""
        results = {target.instance_id: self._result("Pending") for target in targets}
        command = self._cloud.commands.put(replace(command, results=results))
        for target in targets:
            self._follow(command, target.instance_id)
        return command

    def resume(self) -> None:
        """Take up what was open when the service ended."""
        for command in self._cloud.commands:
            for instance_id, result in command.results.items():
                if result["InvocationStatus"] in OPEN:
                    self._follow(command, instance_id)

    def wait(self, invoke_id: str, timeout: float) -> Command:
        """The command once all its results are final, or as it is after ``timeout`` seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self._done(invoke_id), timeout)
        return self._cloud.commands[invoke_id]

    def _done(self, invoke_id: str) -> bool:
        results = self._cloud.commands[invoke_id].results.values()
        return all(result["InvocationStatus"] not in OPEN for result in results)

    def _follow(self, command: Command, instance_id: str) -> None:
        threading.Thread(
            target=self._run, args=(command, instance_id), name=f"assist-{command.invoke_id}", daemon=True
        ).start()

    def _run(self, command: Command, instance_id: str) -> None:
        instance = self._cloud.instances.get(instance_id)
        if instance is None or instance.status != "Running":
            code = "InstanceNotRunning" if instance else "InstanceNotExists"
            self._finish(command, instance_id, "Aborted", error=code, info="the instance is not running")
            return
        try:
            self._deliver(command, instance)
            self._poll(command, instance)
        except _Refused as refusal:
            reason = str(refusal)
            info = _REFUSALS.get(reason, reason)
            self._finish(command, instance_id, "Failed", error=reason if reason in _REFUSALS else "", info=info)
        except HostError as error:
            self._finish(command, instance_id, "Error", error="ClientNotResponse", info=str(error))
        except Exception as error:
            log.error("command %s:\n%s", command.invoke_id, places(error))
            info = "Server error; see the log of the local cloud"
            self._finish(command, instance_id, "Error", error="ExecutionException", info=info)

    def _deliver(self, command: Command, instance: Instance) -> None:
        docker, name, folder = self._cloud.docker, container(instance), f"{STATE}/assist"
        known, _ = docker.run(name, ["test", "-e", f"{folder}/{command.invoke_id}.begin"])
        if known != 0:
            text = _fill(command, self._builtin(command, instance))
            docker.put(name, pack({f"{folder}/{command.invoke_id}.sh": (0o700, text)}))
        argv = [f"{LIBRARY}/assist", "start", command.invoke_id, str(command.timeout)]
        code, output = docker.run(name, [*argv, command.username or "root", command.working_dir])
        if code:
            reason = output.strip().splitlines()[-1] if output.strip() else f"exit code {code}"
            raise _Refused(reason)
        self._update(command, instance.instance_id, self._result("Running", start=self._stamp()))

    def _poll(self, command: Command, instance: Instance) -> None:
        """Ask until there is a result; a host that is down or a daemon that restarts may answer later."""
        end = time.monotonic() + command.timeout + 60
        argv = [f"{LIBRARY}/assist", "wait", command.invoke_id, str(_SLICE)]
        while time.monotonic() < end:
            current = self._cloud.instances.get(instance.instance_id)
            if current is None or current.status == "Stopped":
                break
            try:
                code, output = self._cloud.docker.run(container(instance), argv)
            except HostError:
                code, output = -1, ""
            begin, finish, outcome, size, text = [*output.split("\n", 4), "", "", "", "", ""][:5]
            result, _, status = outcome.partition(" ")
            if code or not result:
                time.sleep(1)
            elif result == "interrupted":
                break
            elif result != "running":
                self._close(command, instance.instance_id, begin, finish, result, status, int(size or 0), text)
                return
        info = "the command was interrupted: the instance went down, or gave no result in time."
        self._finish(command, instance.instance_id, "Error", error="ExecutionInterrupted", info=info)

    def _close(self, command: Command, instance_id: str, begin: str, finish: str, *outcome: Any) -> None:
        result, status, size, text = outcome
        dropped = max(0, size - QUOTA)
        common = {"start": begin, "finish": finish, "output": text, "dropped": dropped}
        if result == "timeout":
            info = "the command execution has timed out."
            self._finish(command, instance_id, "Timeout", 1, error="ExecutionTimeout", info=info, **common)
        elif result == "success":
            self._finish(command, instance_id, "Success", 0, **common)
        else:
            code = int(status) if status.isdigit() else -1
            info = "the command execution exit code is not zero."
            self._finish(command, instance_id, "Failed", code, error="ExitCodeNonzero", info=info, **common)

    def _builtin(self, command: Command, instance: Instance) -> dict[str, str]:
        return {
            "ACS::RegionId": instance.region_id,
            "ACS::AccountId": self._cloud.account_id,
            "ACS::InstanceId": instance.instance_id,
            "ACS::InstanceName": instance.name,
            "ACS::InvokeId": command.invoke_id,
            "ACS::CommandId": command.command_id,
        }

    def _stamp(self) -> str:
        return iso(self._cloud.timestamp())

    def _finish(self, command: Command, instance_id: str, status: str, code: int | None = None, **rest: Any) -> None:
        self._update(command, instance_id, self._result(status, code, **{"finish": self._stamp(), **rest}))

    def _update(self, command: Command, instance_id: str, result: dict[str, Any]) -> None:
        table = self._cloud.commands
        with self._cloud.store.transaction():
            current = table.get(command.invoke_id)
            if current is not None:
                table.put(replace(current, results={**current.results, instance_id: result}))
        with self._changed:
            self._changed.notify_all()

    def _result(self, status: str, code: int | None = None, **rest: Any) -> dict[str, Any]:
        return {
            "InvocationStatus": status,
            "ExitCode": code,
            "Output": rest.get("output", ""),
            "Dropped": rest.get("dropped", 0),
            "ErrorCode": rest.get("error", ""),
            "ErrorInfo": rest.get("info", ""),
            "StartTime": rest.get("start", ""),
            "FinishTime": rest.get("finish", ""),
        }


class _Refused(HostError):
    """The host would not start the command: no such user, no such directory."""


def _fill(command: Command, builtin: dict[str, str]) -> str:
    if command.parameters is None:
        return command.content
    values = {key.lower(): value for key, value in {**command.parameters, **builtin}.items()}
    return _NAME.sub(lambda match: values.get(match[1].lower(), match[0]), command.content)


def record_status(status: str) -> str:
    """The older field: a command that ran and exited non-zero is Finished."""
    if status in OPEN:
        return "Running"
    return "Finished" if status in ("Success", "Failed") else "Failed"
