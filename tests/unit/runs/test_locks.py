"""Locks on hosts and stacks against a model, and between processes that are killed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, update

from opsctl.db.engine import Database, opened
from opsctl.db.schema import runs
from opsctl.runs.locks import Busy, Lock, acquire, held, of_hosts, of_stack, release, take

RUNS = [f"run-{n}" for n in range(4)]
NAMES = [f"host:{n}:22" for n in range(3)] + ["stack:here/a"]
WANTED = st.dictionaries(st.sampled_from(NAMES), st.booleans(), min_size=1)


def begin(database: Database, run_id: str, status: str = "running") -> None:
    row = dict.fromkeys(("kind", "content", "action", "cloud", "reason", "digest", "plan_hash", "created"), "x")
    row |= {"parameters": "{}", "targets": "{}", "options": "{}", "owner": "{}", "requester": '{"name": "ann"}'}
    with database.write() as connection:
        connection.execute(insert(runs).values(id=run_id, status=status, **row))


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return opened(tmp_path)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Database:
    made = opened(tmp_path_factory.mktemp("locks"))
    for run_id in RUNS:
        begin(made, run_id)
    return made


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(story=st.lists(st.tuples(st.sampled_from(RUNS), WANTED | st.none()), max_size=12))
def test_nobody_holds_what_another_has_alone(shared: Database, story: list[tuple[str, dict[str, bool] | None]]) -> None:
    model: dict[str, dict[str, bool]] = {}
    with shared.write() as connection:
        for run_id in RUNS:
            release(connection, run_id)
    for run_id, wanted in story:
        with shared.write() as connection:
            if wanted is None:
                release(connection, run_id)
                model.pop(run_id, None)
                continue
            blocking = take(connection, run_id, [Lock(name, alone) for name, alone in wanted.items()])
        others = [(name, alone) for other, of in model.items() if other != run_id for name, alone in of.items()]
        free = all(other != name or (a and b) for name, a in wanted.items() for other, b in others)
        assert free == (not blocking)
        if free:
            model[run_id] = wanted
    expected = {(name, run_id, alone) for run_id, of in model.items() for name, alone in of.items()}
    assert {(each.name, each.run_id, each.shared) for each in held(shared)} == expected


def test_locks_of_a_run_that_ended_hold_nothing(database: Database) -> None:
    for run_id in RUNS[:2]:
        begin(database, run_id)
    with database.write() as connection:
        assert take(connection, RUNS[0], [Lock("host:a:22")]) == []
        assert [each.run_id for each in take(connection, RUNS[1], [Lock("host:a:22")])] == [RUNS[0]]
        connection.execute(update(runs).where(runs.c.id == RUNS[0]).values(status="lost"))
        assert take(connection, RUNS[1], [Lock("host:a:22")]) == []
    assert [each.run_id for each in held(database)] == [RUNS[1]]


def test_a_refusal_names_host_and_run(database: Database) -> None:
    for run_id in RUNS[:2]:
        begin(database, run_id)
    wanted = [Lock(f"host:{n}:22", label=f"web{n}") for n in range(3)]
    acquire(database, RUNS[0], wanted, 0, reap=list, waiting=print)
    told: list[str] = []
    with pytest.raises(
        Busy, match=r"^Busy: web1 and 1 more held by run run-0 \(x x, by ann, since .*Z\); waited 0.3 s"
    ):
        acquire(database, RUNS[1], wanted[1:], 0.3, reap=list, waiting=told.append)
    assert len(told) == 1
    assert "web1 and 1 more held by run run-0" in told[0]


def test_what_waits_looks_for_killed_holders(database: Database) -> None:
    for run_id in RUNS[:2]:
        begin(database, run_id)
    acquire(database, RUNS[0], [Lock("host:a:22")], 0, reap=list, waiting=print)

    def reap() -> None:
        with database.write() as connection:
            connection.execute(update(runs).where(runs.c.id == RUNS[0]).values(status="lost"))

    acquire(database, RUNS[1], [Lock("host:a:22")], 0, reap=reap, waiting=print)


def test_many_names_are_one_answer(database: Database) -> None:
    for run_id in RUNS[:2]:
        begin(database, run_id)
    many = [Lock(f"host:{n}:22") for n in range(1700)]
    with database.write() as connection:
        assert take(connection, RUNS[0], many) == []
        assert len(take(connection, RUNS[1], many[300:])) == 1400


def test_names_say_where_a_host_is() -> None:
    variables: dict[str, dict[str, Any]] = {
        "web1": {"ansible_host": "10.0.0.1"},
        "web2": {"ansible_host": "10.0.0.1", "ansible_port": 2222, "stack_name": "shop"},
        "WEB3": {"stack_name": "shop"},
        "box": {"ansible_connection": "community.docker.docker"},
        "twin": {"ansible_host": "10.0.0.1", "ansible_connection": "ansible.builtin.ssh"},
    }
    assert [(lock.name, lock.shared) for lock in of_hosts(variables, "here")] == [
        ("host:10.0.0.1:22", False),
        ("host:10.0.0.1:2222", False),
        ("stack:here/shop", True),
        ("host:web3:22", False),
        ("host:docker:box", False),
    ]
    assert of_stack("here", "shop") == (Lock("stack:here/shop"),)


WORKER = """
import os, pathlib, sys, time
from sqlalchemy import update
from opsctl.db.engine import opened
from opsctl.db.schema import runs
from opsctl.runs.locks import Lock, acquire, release
home, name, log = pathlib.Path(sys.argv[1]), sys.argv[2], pathlib.Path(sys.argv[3])
database = opened(home)
def note(text):
    with log.open("a") as file:
        file.write(f"{name} {text}\\n")
for _ in range(int(sys.argv[4])):
    acquire(database, name, [Lock("host:a:22"), Lock("stack:b", shared=True)], 30, reap=list, waiting=lambda text: None)
    note("in")
    time.sleep(0.02)
    if len(sys.argv) > 5:
        os.kill(os.getpid(), 9)
    note("out")
    with database.write() as connection:
        release(connection, name)
"""


def test_processes_never_meet_even_when_one_is_killed(database: Database, tmp_path: Path) -> None:
    log = tmp_path / "log"
    for run_id in RUNS[:3]:
        begin(database, run_id)

    def start(name: str, *more: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", WORKER, str(tmp_path), name, str(log), *more])

    workers = [start(name, "6") for name in RUNS[:2]]
    killed = start(RUNS[2], "1", "kill")
    assert killed.wait(30) == -signal.SIGKILL
    with database.write() as connection:
        connection.execute(update(runs).where(runs.c.id == RUNS[2]).values(status="lost", owner=json.dumps({})))
    assert [worker.wait(30) for worker in workers] == [0, 0]
    inside = ""
    for line in log.read_text().splitlines():
        name, what = line.split()
        assert inside in ("", name, RUNS[2])
        inside = name if what == "in" else ""
    assert held(database) == []
