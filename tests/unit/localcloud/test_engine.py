"""Operations and their threads, with resources that need no host."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from opsctl.localcloud.cloud import Cloud, Options
from opsctl.localcloud.hosts.firewall import Wiring
from opsctl.localcloud.models import Stack
from opsctl.localcloud.resources import TYPES
from opsctl.localcloud.resources.base import Context, Properties
from opsctl.localcloud.ros.engine import Engine
from opsctl.localcloud.store import Store


def until(done: Callable[[], Any]) -> None:
    end = time.monotonic() + 10
    while not done():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    store = Store(tmp_path / "state.db")
    wiring = Wiring("100.80.0.0/20", "100.80.0.1", 8460)
    # No resource of these tests has a host, so no Docker is asked.
    cloud = Cloud(store, None, Options(tmp_path, 8460), wiring, "")  # type: ignore[arg-type]
    engine = Engine(cloud, None, None)  # type: ignore[arg-type]
    yield engine
    engine.stop(timeout=10)
    store.close()


def stack(**resources: dict[str, Any]) -> Stack:
    wanted = resources or {"Pause": {"Type": "ALIYUN::ROS::Sleep"}}
    body = json.dumps({"ROSTemplateFormatVersion": "2015-09-01", "Resources": wanted})
    return Stack("id", "name", "cn-hangzhou", "", "", body, {}, {}, "2026-01-01T00:00:00")


def statuses(engine: Engine, name: str = "name") -> list[str]:
    rows = engine.cloud.store.events("id")
    return [row["Status"] for row in reversed(rows) if row["LogicalResourceId"] == name]


def test_what_begins_the_moment_something_ended_is_worked_on_once(engine: Engine) -> None:
    workers: list[str] = []
    end, step = engine._end, engine._step

    def and_delete(stack: Stack, status: str, reason: str) -> None:
        end(stack, status, reason)
        if status == "CREATE_COMPLETE":
            engine.begin(engine.cloud.stacks["id"], "DELETE")
            time.sleep(0.2)  # what the first thread does next, it does while the second works

    def counted(stack: Stack) -> bool:
        workers.append(f"{threading.current_thread().ident} {stack.status}")
        return step(stack)

    engine._end, engine._step = and_delete, counted  # type: ignore[method-assign]
    engine.begin(stack(), "CREATE")
    until(lambda: engine.cloud.stacks["id"].status == "DELETE_COMPLETE" and not engine._threads)
    assert len(workers) == 2
    assert statuses(engine, "Pause") == [
        "CREATE_IN_PROGRESS",
        "CREATE_COMPLETE",
        "DELETE_IN_PROGRESS",
        "DELETE_COMPLETE",
    ]


def test_nothing_begins_of_a_transaction_that_fails(engine: Engine) -> None:
    with pytest.raises(KeyError), engine.cloud.store.transaction():
        _begin_and_fail(engine)
    assert not engine._threads
    assert engine.cloud.stacks.get("id") is None
    assert engine.cloud.store.events("id") == []


def _begin_and_fail(engine: Engine) -> None:
    engine.begin(stack(), "CREATE")
    raise KeyError


def test_protection_set_while_a_creation_fails_is_kept(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def protect_and_fail(self: object, context: Context, properties: Properties) -> None:
        known = context.cloud.stacks["id"]
        context.cloud.stacks.put(replace(known, deletion_protection="Enabled"))
        raise ValueError("-".join(["canary", "value"]))

    monkeypatch.setattr(TYPES["ALIYUN::ROS::Sleep"], "create", protect_and_fail)
    engine.begin(stack(), "CREATE")
    until(lambda: engine.cloud.stacks["id"].operation is None)
    assert engine.cloud.stacks["id"].deletion_protection == "Enabled"


def test_an_unexpected_error_fails_the_resource_and_rolls_back_without_its_words(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(self: object, context: Context, properties: Properties) -> None:
        raise ValueError("-".join(["canary", "value"]))

    monkeypatch.setattr(TYPES["ALIYUN::ROS::Sleep"], "create", fail)
    engine.begin(stack(), "CREATE")
    until(lambda: engine.cloud.stacks["id"].operation is None)
    ended = engine.cloud.stacks["id"]
    assert ended.status == "CREATE_ROLLBACK_COMPLETE"
    assert ended.status_reason.startswith("Resource CREATE failed: InternalError: resources.Pause: Server error")
    assert "ValueError" in caplog.text
    assert "canary-value" not in caplog.text


def test_an_interrupted_operation_is_taken_up_and_ended(engine: Engine) -> None:
    engine.begin(stack(Long={"Type": "ALIYUN::ROS::Sleep", "Properties": {"CreateDuration": 60}}), "CREATE")
    until(lambda: "CREATE_IN_PROGRESS" in statuses(engine, "Long"))
    engine.stop(timeout=5)
    assert engine.cloud.stacks["id"].status == "CREATE_IN_PROGRESS"
    record = engine.records("id")[0]
    assert record.status == "CREATE_IN_PROGRESS"
    again = Engine(engine.cloud, None, None)  # type: ignore[arg-type]
    again.cloud.resources.put(replace(record, properties={}))
    again.resume()
    until(lambda: again.cloud.stacks["id"].status == "CREATE_COMPLETE")
    again.stop(timeout=5)


def test_what_takes_too_long_is_rolled_back(engine: Engine) -> None:
    wanted = stack(Long={"Type": "ALIYUN::ROS::Sleep", "Properties": {"CreateDuration": 60}})
    engine.begin(wanted, "CREATE", deadline=time.time() + 0.3)
    until(lambda: engine.cloud.stacks["id"].operation is None)
    ended = engine.cloud.stacks["id"]
    assert (ended.status, ended.status_reason) == ("CREATE_ROLLBACK_COMPLETE", "Create timed out")
    assert engine.records("id") == []
