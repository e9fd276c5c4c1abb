"""What a RunCommand resource says of its command."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from opsctl.localcloud.models import Command
from opsctl.localcloud.resources.ecs import RunCommand


@pytest.mark.parametrize(
    ("status", "told"), [("Running", "Running"), ("Success", "Finished"), ("Failed", "Finished"), ("Timeout", "Failed")]
)
def test_results_tell_how_the_command_stands(status: str, told: str) -> None:
    results: dict[str, dict[str, Any]] = {"i-1": {"InvocationStatus": status, "Output": "out", "ExitCode": 1}}
    command = Command("t-1", "c-1", "", "", "RunShellScript", "true", 60, "", "root", None, "", results)
    context = cast(Any, SimpleNamespace(cloud=SimpleNamespace(commands={"t-1": command}), physical_id="t-1"))
    assert RunCommand().attribute(context, "InvokeResults")[0]["InvokeRecordStatus"] == told
