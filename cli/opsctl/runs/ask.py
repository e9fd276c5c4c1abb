"""Asks one module something, outside of any run: for commands that only look."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from opsctl.clock import uuid7
from opsctl.clouds import Access
from opsctl.errors import Canceled, ContentError, OpsctlError, RunTimedOut
from opsctl.home import home
from opsctl.runs.execute import Execution, Job, environment, task
from opsctl.runs.memory import remembered
from opsctl.runs.progress import message
from opsctl.runs.workspace import workspace
from opsctl.secrets.locked import unlocked
from opsctl.secrets.reference import LOCKED

_TIMEOUT = 120
"""Seconds for one answer."""

_UNSAFE = "__ansible_unsafe"

Stopping = Callable[[Execution], AbstractContextManager[None]]


def ask(module: str, arguments: Mapping[str, Any], access: Access, stopping: Stopping) -> dict[str, Any]:
    """What a module returns on this machine.

    Raises:
        OpsctlError: the module failed, with its message.
    """
    answers: list[Mapping[str, Any]] = []
    said: list[str] = []

    def take(event: dict[str, Any]) -> None:
        result = (event.get("event_data") or {}).get("res")
        if event.get("event") in ("runner_on_ok", "runner_on_failed") and isinstance(result, Mapping):
            answers.append(result)
        elif event.get("event") in ("error", "verbose") and event.get("stdout"):
            said.append(str(event["stdout"]))

    with workspace(uuid7()) as space:
        job = Job(
            id=space.name,
            space=space,
            playbook=task(space, f"Ask {module}", module, arguments),
            environment=access.environment,
            timeout=_TIMEOUT,
        )
        execution = Execution(job)
        with stopping(execution):
            outcome = execution.run(take)
    if outcome.why == "canceled":
        raise Canceled("canceled")
    if outcome.why == "timeout":
        raise RunTimedOut(f"Cloud {access.name} did not answer within {_TIMEOUT} s")
    if not answers:
        raise ContentError(
            f"Cannot ask cloud {access.name}: {' '.join(' '.join(said).split()) or f'status {outcome.status}'}"
        )
    if outcome.status != 0:
        raise OpsctlError(message(answers[-1]))
    return dict(answers[-1])


def hosts(access: Access, pattern: str = "") -> dict[str, Any]:
    """What `ansible-inventory --list` says of a cloud: groups with their hosts, and `_meta.hostvars`.

    `pattern`: only of the hosts it means.

    Raises:
        OpsctlError: it failed.
    """
    found: dict[str, Any] = _bare(
        json.loads(inventory(("--list", *([f"--limit={pattern}"] if pattern else ())), access))
    )
    for host, variables in found.get("_meta", {}).get("hostvars", {}).items():
        for name, value in variables.items():
            # Others may stay as they are: only the way to the host is taken from here.
            if name.startswith("ansible_") and isinstance(value, dict) and value.keys() == {LOCKED}:
                variables[name] = unlocked(str(value[LOCKED]), f"{host}: {name}")
    return found


def _bare(value: Any) -> Any:
    """Values without the mark Ansible puts on text from outside: it means something to templates only."""
    if isinstance(value, dict):
        return _bare(value[_UNSAFE]) if value.keys() == {_UNSAFE} else {key: _bare(item) for key, item in value.items()}
    return [_bare(item) for item in value] if isinstance(value, list) else value


def inventory(arguments: Sequence[str], access: Access) -> str:
    """What `ansible-inventory` prints about the hosts of a cloud.

    Raises:
        OpsctlError: it failed.
    """
    if not access.plain:
        return _inventory(arguments, access)
    return remembered(
        home(), access.plain, arguments, {**os.environ, **access.environment}, lambda: _inventory(arguments, access)
    )


def _inventory(arguments: Sequence[str], access: Access) -> str:
    with workspace(uuid7()) as space:
        job = Job(id=space.name, space=space, environment=access.environment)
        sources = [part for path in access.inventories(space) for part in ("-i", str(path))]
        program = Path(sys.executable).with_name("ansible-inventory")
        # Without this Ansible shows hosts where it should say that the cloud cannot be asked.
        strict = {"ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "True"}
        try:
            done = subprocess.run(
                [str(program), *sources, *arguments],
                env={**os.environ, **environment(job), **strict},
                capture_output=True,
                text=True,
                timeout=_TIMEOUT,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise RunTimedOut(f"Cloud {access.name} did not answer within {_TIMEOUT} s") from None
        except OSError as error:
            raise ContentError(f"Cannot run {program}: {error.strerror}; `opsctl doctor` says more") from error
    if done.returncode != 0:
        raise OpsctlError(f"Cannot read the inventory of cloud {access.name}: {_complaint(done.stderr)}")
    return done.stdout


def _complaint(text: str) -> str:
    """The line of Ansible's output that says most."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if "ERROR" in line or "Failed to parse" in line or "failed" in line.lower()]
    return (errors or lines or ["no reason given"])[0]
