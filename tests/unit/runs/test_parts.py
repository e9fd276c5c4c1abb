"""Ids, owners, private directories, the guard: each by itself."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

from opsctl.clock import now, seconds, uuid7
from opsctl.errors import StoreError
from opsctl.runs import guard, workspace
from opsctl.runs.execute import Job, environment
from opsctl.runs.process import RUN_VARIABLE, Owner, members, myself, sweep
from opsctl.runs.request import MASK, Requester, RunRequest


def test_ids_sort_by_time_and_are_version_7() -> None:
    ids = [uuid7() for _ in range(5000)]
    assert ids == sorted(ids)
    assert len(set(ids)) == 5000
    assert {uuid.UUID(text).version for text in ids} == {7}
    assert {uuid.UUID(text).variant for text in ids} == {uuid.RFC_4122}
    assert abs((uuid.UUID(ids[0]).int >> 80) / 1000 - time.time()) < 10


def test_time_survives_being_text() -> None:
    assert abs(seconds(now()) - time.time()) < 5
    assert now().endswith("Z")


def test_this_process_is_there_and_an_ended_one_is_gone() -> None:
    assert not myself().gone
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        start = int(Path(f"/proc/{other.pid}/stat").read_text().rpartition(")")[2].split()[19])
        owner = Owner(myself().host, myself().boot, other.pid, start)
        assert not owner.gone
        other.kill()
        # Not yet waited for: a zombie runs nothing.
        os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)
        assert owner.gone
    assert owner.gone


def test_a_sweep_ends_what_carries_the_run_s_id_and_nothing_else() -> None:
    command = [sys.executable, "-c", "input()"]
    ours, theirs = (
        subprocess.Popen(
            command,
            env={**os.environ, RUN_VARIABLE: name},
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        for name in ("sweep-test", "sweep-test-2")
    )
    try:
        while ours.pid not in members("sweep-test"):
            time.sleep(0.01)
        assert sweep("sweep-test") == [ours.pid]
        assert ours.wait(10) == -signal.SIGKILL
        assert theirs.poll() is None
    finally:
        for process in (ours, theirs):
            process.kill()
            process.communicate()


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path / "opsctl"


def test_a_private_directory_is_private_and_goes(runtime: Path) -> None:
    with workspace.workspace("one") as space:
        assert space == runtime / "one"
        assert space.stat().st_mode & 0o777 == 0o700
        workspace.write(space / "env" / "secret", "x")
        assert (space / "env" / "secret").stat().st_mode & 0o777 == 0o600
        assert workspace.wipe_stale() == []
        assert space.exists()
    assert not space.exists()


def test_a_private_directory_goes_after_an_error(runtime: Path) -> None:
    with pytest.raises(RuntimeError), workspace.workspace("one"):
        raise RuntimeError
    assert list(runtime.iterdir()) == []


def test_what_a_killed_process_left_is_wiped(runtime: Path) -> None:
    with workspace.workspace("mine"):
        for name, owner in (("dead", {"pid": 2**22 + 1}), ("boot", {"boot": "another"})):
            (runtime / name).mkdir()
            (runtime / name / "owner").write_text(json.dumps(myself().plain() | owner))
        (runtime / "young").mkdir()
        assert workspace.wipe_stale() == ["boot", "dead"]
        assert sorted(path.name for path in runtime.iterdir()) == ["mine", "young"]


def test_a_base_directory_that_others_can_enter_is_refused(runtime: Path) -> None:
    runtime.mkdir(mode=0o755)
    runtime.chmod(0o755)
    with pytest.raises(StoreError, match="mode 0700"):
        workspace.base()


def test_a_base_directory_that_is_a_link_is_refused(runtime: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    runtime.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreError):
        workspace.base()


def guarded(tmp_path: Path, program: str, grace: float = 5) -> tuple[subprocess.Popen[str], int]:
    leash = tmp_path / "leash"
    os.mkfifo(leash)
    held = os.open(leash, os.O_RDWR | os.O_NONBLOCK)
    command = [sys.executable, "-I", "-S", guard.__file__, str(leash), str(grace), "--", sys.executable, "-c", program]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True), held


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


ORPHAN = (
    "import os, subprocess, sys, time\n"
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], start_new_session=True, "
    "stdout=subprocess.DEVNULL)\n"
    "print(child.pid, flush=True)\n"
)


@pytest.mark.parametrize(
    ("program", "status"), [("raise SystemExit(4)", 4), ("import os; os.kill(os.getpid(), 9)", 137)]
)
def test_the_guard_passes_the_exit_status_on(tmp_path: Path, program: str, status: int) -> None:
    process, held = guarded(tmp_path, program)
    process.communicate(timeout=20)
    os.close(held)
    assert process.returncode == status


def test_the_guard_lets_the_command_end_by_itself_when_asked(tmp_path: Path) -> None:
    program = (
        "import time\ntry:\n print('up', flush=True)\n time.sleep(600)\nexcept KeyboardInterrupt: raise SystemExit(7)"
    )
    process, held = guarded(tmp_path, program)
    first_line(process)
    os.write(held, b"i")
    process.communicate(timeout=20)
    os.close(held)
    assert process.returncode == 7


@pytest.mark.parametrize("how", ["asked", "forced", "leash"])
def test_nothing_of_the_tree_outlives_a_command_that_was_stopped(tmp_path: Path, how: str) -> None:
    ignore = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
    process, held = guarded(tmp_path, ignore + ORPHAN + "time.sleep(600)", grace=600 if how == "forced" else 0.3)
    orphan = int(first_line(process))
    assert alive(orphan)
    if how == "leash":
        os.close(held)
    else:
        os.write(held, b"i" if how == "asked" else b"k")
    process.communicate(timeout=20)
    assert not alive(orphan)


def test_what_a_command_that_ended_by_itself_started_stays(tmp_path: Path) -> None:
    process, held = guarded(tmp_path, ORPHAN)
    orphan = int(first_line(process))
    process.communicate(timeout=20)
    os.close(held)
    assert process.returncode == 0
    assert alive(orphan)
    os.kill(orphan, signal.SIGKILL)


def test_a_request_shows_no_secret() -> None:
    request = RunRequest(
        id="r", kind="scenario", content="c", action="a", playbook="p", cloud="l", requester=Requester("ann", 7),
        created="", parameters={"password": "hunter2", "count": 2}, secrets=frozenset({"password"}),
    )  # fmt: skip
    assert request.masked == {"password": MASK, "count": 2}
    assert "hunter2" not in repr(request) + json.dumps(request.plain())


def test_the_plan_follows_what_is_asked() -> None:
    def plan(**other: object) -> str:
        values = {
            "id": "r", "kind": "scenario", "content": "c", "action": "a", "playbook": "p", "cloud": "l",
            "requester": Requester("ann", 7), "created": "", "digest": "d", "parameters": {"count": 2},
        }  # fmt: skip
        return RunRequest(**{**values, **other}).plan_hash  # type: ignore[arg-type]

    assert plan() == plan(id="other", created="later", requester=Requester("bob", 8), reason="x")
    assert len({plan(), plan(digest="e"), plan(parameters={"count": 3}), plan(cloud="m"), plan(check=True)}) == 5


@pytest.mark.parametrize("mark", [True, False])
def test_hosts_are_told_of_the_run_where_that_is_wanted(tmp_path: Path, mark: bool) -> None:
    told = environment(Job(id="0001", space=tmp_path, mark=mark))
    assert told["OPSCTL_RUN_ID"] == "0001"
    assert ("OPSCTL_MARK" in told, "ANSIBLE_TARGET_LOG_INFO" in told) == (mark, mark)
