"""Commands of Cloud Assistant against a Docker that answers as a test says: what each answer is made into."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from opsctl.localcloud.cloud import Cloud, Options
from opsctl.localcloud.hosts import assistant as module
from opsctl.localcloud.hosts.assistant import Assistant
from opsctl.localcloud.hosts.boot import QUOTA
from opsctl.localcloud.hosts.engine import HostError
from opsctl.localcloud.hosts.firewall import Wiring
from opsctl.localcloud.models import Command, Instance
from opsctl.localcloud.store import Store

Answer = tuple[int, str] | Exception
HOST = Instance(
    "i-1", "web", "web", "cn-hangzhou", "cn-hangzhou-h", "v", "s", ["g"], "10.0.0.1", "", "", "", "Running", ""
)
COMMAND = Command(
    "t-1", "c-1", "", "", "RunShellScript", "echo {{ name }} {{acs::instanceid}}", 60, "", "", None, "2026"
)


class Docker:
    """Answers to ``assist wait`` in turn, then for ever the last one."""

    def __init__(self) -> None:
        self.waits: list[Answer] = [(0, done("success", "0"))]
        self.begin: Answer = (0, "")
        self.put_files: list[bytes] = []
        self.known = False

    def run(self, name: str, argv: list[str]) -> tuple[int, str]:
        if argv[0] == "test":
            return (0 if self.known else 1), ""
        answer = self.begin if argv[1] == "start" else self.waits.pop(0) if len(self.waits) > 1 else self.waits[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def put(self, name: str, data: bytes) -> None:
        self.put_files.append(data)


def done(result: str, status: str, text: str = "", size: int | None = None) -> str:
    length = len(text.encode()) if size is None else size
    return f"2026-01-01T00:00:00Z\n2026-01-01T00:00:01Z\n{result} {status}\n{length}\n{text}"


@pytest.fixture
def docker() -> Docker:
    return Docker()


@pytest.fixture
def cloud(tmp_path: Path, docker: Docker) -> Iterator[Cloud]:
    store = Store(tmp_path / "state.db")
    wiring = Wiring("100.80.0.0/20", "100.80.0.1", 8460)
    made = Cloud(store, docker, Options(tmp_path, 8460), wiring, "")  # type: ignore[arg-type]
    made.instances.put(HOST)
    yield made
    store.close()


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    sleep: Callable[[float], None] = time.sleep
    monkeypatch.setattr(module.time, "sleep", lambda seconds: sleep(0.001))


def result(cloud: Cloud, command: Command = COMMAND) -> dict[str, Any]:
    assistant = Assistant(cloud)
    assistant.start(command, [HOST])
    return assistant.wait(command.invoke_id, timeout=10).results["i-1"]


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        (done("success", "0", "hi\n"), ("Success", 0, "", "hi\n")),
        (done("exit-code", "3"), ("Failed", 3, "ExitCodeNonzero", "")),
        (done("signal", "KILL"), ("Failed", -1, "ExitCodeNonzero", "")),
        (done("timeout", "KILL"), ("Timeout", 1, "ExecutionTimeout", "")),
        ("-\n-\ninterrupted -\n0\n", ("Error", None, "ExecutionInterrupted", "")),
    ],
)
def test_each_end_of_a_command_has_its_words(
    cloud: Cloud, docker: Docker, answer: str, wanted: tuple[Any, ...]
) -> None:
    docker.waits = [(0, answer)]
    found = result(cloud)
    assert (found["InvocationStatus"], found["ExitCode"], found["ErrorCode"], found["Output"]) == wanted


@pytest.mark.parametrize("noise", [(137, ""), (0, ""), (126, "container is restarting"), HostError("is not running")])
def test_a_host_that_is_away_for_a_while_is_asked_again(cloud: Cloud, docker: Docker, noise: Answer) -> None:
    docker.waits = [noise, (0, "x\n-\nrunning -\n0\n"), (0, done("success", "0"))]
    assert result(cloud)["InvocationStatus"] == "Success"


def test_a_host_that_was_stopped_ends_its_commands(cloud: Cloud, docker: Docker) -> None:
    docker.waits = [HostError("is not running")]
    cloud.instances.put(replace(HOST, status="Stopped"))
    assistant = Assistant(cloud)
    cloud.instances.put(HOST)
    assistant.start(COMMAND, [HOST])
    cloud.instances.put(replace(HOST, status="Stopped"))
    found = assistant.wait("t-1", timeout=10).results["i-1"]
    assert found["InvocationStatus"] in ("Error", "Aborted")
    assert found["ErrorCode"] in ("ExecutionInterrupted", "InstanceNotRunning")


@pytest.mark.parametrize("refusal", ["AccountNotExists", "DirectoryNotExists", "ClientNotRunning"])
def test_what_the_host_refuses_is_named(cloud: Cloud, docker: Docker, refusal: str) -> None:
    docker.begin = (3, f"{refusal}\n")
    found = result(cloud)
    assert (found["InvocationStatus"], found["ErrorCode"], found["ExitCode"]) == ("Failed", refusal, None)
    assert found["ErrorInfo"]


def test_a_surprise_ends_the_command_and_is_not_quoted(
    cloud: Cloud, docker: Docker, caplog: pytest.LogCaptureFixture
) -> None:
    docker.begin = ValueError("-".join(["canary", "value"]))
    found = result(cloud)
    assert (found["InvocationStatus"], found["ErrorCode"]) == ("Error", "ExecutionException")
    assert "ValueError" in caplog.text
    assert "canary-value" not in f"{caplog.text} {found}"


def test_bytes_cut_off_are_counted_whatever_they_were(cloud: Cloud, docker: Docker) -> None:
    docker.waits = [(0, done("success", "0", "\ufffd" * QUOTA, size=QUOTA + 5))]
    assert result(cloud)["Dropped"] == 5


def test_output_with_line_breaks_of_its_own_is_whole(cloud: Cloud, docker: Docker) -> None:
    docker.waits = [(0, done("success", "0", "\n\na\nrunning -\n"))]
    assert result(cloud)["Output"] == "\n\na\nrunning -\n"


@pytest.mark.parametrize(
    ("parameters", "wanted"),
    [
        (None, "echo {{ name }} {{acs::instanceid}}"),
        ({}, "echo {{ name }} i-1"),
        ({"Name": "x"}, "echo x i-1"),
        ({"name": "{{name}}", "ACS::InstanceId": "forged"}, "echo {{name}} i-1"),
    ],
)
def test_parameters_are_filled_in(cloud: Cloud, docker: Docker, parameters: dict[str, str] | None, wanted: str) -> None:
    result(cloud, replace(COMMAND, parameters=parameters))
    assert wanted.encode() in docker.put_files[0]


def test_a_command_that_is_there_already_is_not_delivered_twice(cloud: Cloud, docker: Docker) -> None:
    docker.known = True
    assert result(cloud)["InvocationStatus"] == "Success"
    assert docker.put_files == []


def test_what_was_open_is_taken_up_after_a_restart(cloud: Cloud, docker: Docker) -> None:
    docker.waits = [(0, "x\n-\nrunning -\n0\n")]
    Assistant(cloud).start(COMMAND, [HOST])
    again = Assistant(cloud)
    again.resume()
    docker.waits = [(0, done("success", "0", "late"))]
    assert again.wait("t-1", timeout=10).results["i-1"]["Output"] == "late"
