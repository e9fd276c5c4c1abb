"""`opsctl logs search`, `opsctl logs prune` and `opsctl runs logs -f`, as processes."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import HELLO, Cli, wait_for

SLOW = """
---
# Waits until a file is there.
- name: Wait
  hosts: localhost
  connection: local
  gather_facts: false
  vars:
    ansible_python_interpreter: "{{ ansible_playbook_python }}"
  tasks:
    - name: Say before
      ansible.builtin.debug:
        msg: "before the wait"
    - name: Wait for the file
      ansible.builtin.wait_for:
        path: FILE
        timeout: 60
    - name: Say after
      ansible.builtin.debug:
        msg: "after the wait"
"""

_START = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(scope="module")
def seed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which three runs were made."""
    folder = tmp_path_factory.mktemp("seed")
    made = Cli(folder / "home", folder / "scenarios")
    for path in (made.home, made.scenarios, folder / "runtime"):
        path.mkdir(mode=0o700)
    (folder / "hosts").write_text("")
    (made.home / "config.toml").write_text(
        f'cloud = "here"\n[clouds.here]\nkind = "hosts"\ninventory = "{folder / "hosts"}"\n'
    )
    made.environment = {
        "OPSCTL_HOME": str(made.home),
        "OPSCTL_SCENARIO_PATH": str(made.scenarios),
        "XDG_RUNTIME_DIR": str(folder / "runtime"),
        "HOME": str(folder),
    }
    made.scenario("greeting", deploy=HELLO)
    for name in ("anna", "boris", "clara"):
        assert made("run", "scenario", "greeting", "-e", f"stack_name={name}").code == 0
    return made.home


@pytest.fixture
def ran(cli: Cli, seed: Path) -> Cli:
    """opsctl with a copy of that home."""
    shutil.copytree(seed, cli.home, dirs_exist_ok=True)
    return cli


def test_events_are_found_and_their_json_keeps_its_shape(ran: Cli) -> None:
    found = ran("logs", "search", '"hello boris"', "--status", "ok", "-o", "json")
    assert found.code == 0, found.err
    (hit,) = found.json
    run = ran("runs", "list", "-o", "json").json[1]["id"]
    assert {name: hit[name] for name in hit if name not in ("time", "seq", "excerpt", "marks", "user")} == {
        "run": run,
        "event": "host_ok",
        "host": "localhost",
        "task": "Greet",
        "status": "ok",
        "kind": "scenario",
        "content": "greeting",
    }
    assert set(hit) == {
        *("time", "run", "seq", "event", "host", "task", "status", "kind", "content", "user", "excerpt", "marks")
    }
    assert hit["excerpt"][slice(*hit["marks"][0])] == "hello boris"
    assert not found.err


def test_options_narrow_the_search_down(ran: Cli) -> None:
    def count(*arguments: str) -> int:
        return len(ran("logs", "search", *arguments, "-n", "1000", "-o", "json").json)

    everything = count("--since", "1h", "--until", "today", "--kind", "scenario")
    assert everything > 10
    assert count("--since", "2020-01-01", "--until", "2020-01-02") == 0
    assert count("--run", "last", "--status", "ok", "--host", "localhost", "--host", "nobody", "hello") == 1
    assert count("--user", "nobody") == 0


def test_people_see_time_run_host_task_and_what(ran: Cli) -> None:
    found = ran("logs", "search", "hello", "clara", "task:greet", "-n", "1")
    line = next(line for line in found.out.splitlines() if "Greet" in line)
    assert ran.run_id() in line
    assert "localhost" in line
    assert "hello clara" in line


def test_hosts_of_a_run_are_compared_task_by_task(ran: Cli) -> None:
    assert ran("runs", "compare", "last", "--task", "greet", "--all", "-o", "json").json == [
        {
            "play": "Say hello",
            "task": "Greet",
            "same": True,
            "groups": [{"count": 1, "hosts": ["localhost"], "state": "ok", "text": "hello clara", "diff": []}],
        }
    ]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (['"open'], "a quote is not closed"),
        (["hots:web1"], "unknown field hots (did you mean host?)"),
        (["a", "OR"], "OR needs something on both sides"),
        (["--since", "the other day"], "Cannot understand the time the other day; give 30m, 2h"),
        (["--run", "nosuchrun"], "Unknown run nosuchrun"),
    ],
)
def test_what_cannot_be_searched_for_is_one_line(cli: Cli, arguments: list[str], says: str) -> None:
    refused = cli("logs", "search", *arguments)
    assert refused.code == 2
    assert says in refused.line


def test_a_home_without_runs_has_nothing_to_find(cli: Cli) -> None:
    assert cli("logs", "search", "x", "-o", "json").json == []


def test_a_damaged_index_is_made_again(ran: Cli) -> None:
    before = ran("logs", "search", "hello", "-o", "json")
    (ran.home / "search.db").write_bytes(b"no database" * 500)
    again = ran("logs", "search", "hello", "-o", "json")
    assert (again.code, again.json) == (0, before.json)


def test_old_journals_are_pruned_recorded_and_told_of(ran: Cli) -> None:
    runs = [row["id"] for row in ran("runs", "list", "-o", "json").json]
    ledger = ran("audit", "list", "-o", "json").json
    would = ran("logs", "prune", "--keep", "1", "--dry-run", "-o", "json").json
    assert {row["run"] for row in would["removed"]} == set(runs[1:])
    assert ran("audit", "list", "-o", "json").json == ledger
    assert ran("logs", "search", "boris").out
    did = ran("logs", "prune", "--keep", "1", "-o", "json")
    assert did.json == would | {"dry_run": False}
    assert did.json["bytes"] > 1000
    assert did.json["kept"] == {"active": 0, "unshipped": 0}
    assert [path.stem for path in (ran.home / "journal").glob("*.ndjson")] == runs[:1]
    shown = ran("runs", "logs", runs[1])
    assert shown.code == 2
    assert f"The journal of run {runs[1]} was pruned on 20" in shown.line
    assert ran("runs", "show", runs[1], "-o", "json").json["status"] == "succeeded"
    assert ran("logs", "search", "boris", "-o", "json").json == []
    last = ran("audit", "list", "-o", "json").json[-1]
    assert last["kind"] == "pruned"
    assert set(last["data"]["runs"]) == set(runs[1:])
    assert ran("audit", "verify").code == 0
    assert ran("logs", "prune", "--keep", "1", "-o", "json").json["removed"] == []


def test_pruning_goes_by_the_settings_and_needs_to_be_told(ran: Cli) -> None:
    refused = ran("logs", "prune")
    assert refused.code == 2
    assert "--older-than 90d or --keep N, or set retention in config.toml" in refused.line
    days = ran("logs", "prune", "-o", "json", env={"OPSCTL_RETENTION": '{"days": 1}'}).json
    assert days["removed"] == []
    size = ran("logs", "prune", "-o", "json", env={"OPSCTL_RETENTION": '{"size": "1KB"}'}).json
    assert len(size["removed"]) == 3
    wrong = ran("logs", "prune", env={"OPSCTL_RETENTION": '{"weeks": 1}'})
    assert wrong.code == 2
    assert "retention.weeks: unknown key" in wrong.line


def test_what_elasticsearch_does_not_have_yet_is_not_pruned(ran: Cli) -> None:
    with (ran.home / "config.toml").open("a") as file:
        file.write('[elasticsearch]\nurl = "http://127.0.0.1:1"\n')
    kept = ran("logs", "prune", "--keep", "0", "-o", "json")
    assert kept.json["removed"] == []
    assert kept.json["kept"]["unshipped"] == 3
    assert "3 old journals stay until they are in Elasticsearch" in kept.err


@pytest.fixture
def running(cli: Cli, background: _START, tmp_path: Path) -> tuple[subprocess.Popen[str], Path, str]:
    """A run that waits for a file, the file, its id."""
    file = tmp_path / "go"
    cli.scenario("slow", deploy=SLOW.replace("FILE", str(file)))
    process = background("run", "scenario", "slow")

    def id_of() -> str:
        found = cli("runs", "list", "-o", "json").json
        return str(found[0]["id"]) if found and found[0]["status"] == "running" else ""

    wait_for(lambda: bool(id_of()))
    return process, file, id_of()


def test_a_run_of_another_process_is_followed_to_its_end(
    cli: Cli, background: _START, running: tuple[subprocess.Popen[str], Path, str]
) -> None:
    process, file, run = running
    follower = background("runs", "logs", "-f", run)
    assert follower.stdout is not None
    for line in follower.stdout:
        if "before the wait" in line:
            break
    assert process.poll() is None
    refused = cli("logs", "prune", "--keep", "0", "-o", "json").json
    assert refused["removed"] == []
    assert refused["kept"]["active"] == 1
    assert cli("logs", "search", '"before the wait"', "-o", "json").json
    file.touch()
    rest = follower.stdout.read()
    assert "after the wait" in rest
    assert follower.wait(20) == 0
    assert process.wait(20) == 0


def test_who_stops_following_does_not_stop_the_run(
    background: _START, running: tuple[subprocess.Popen[str], Path, str]
) -> None:
    process, file, run = running
    follower = background("runs", "logs", "-f", run)
    assert follower.stdout is not None
    follower.stdout.readline()
    follower.send_signal(signal.SIGINT)
    assert follower.wait(20) == 130
    assert follower.stderr is not None
    assert "Traceback" not in follower.stderr.read()
    assert process.poll() is None
    file.touch()
    assert process.wait(30) == 0


def test_following_a_run_that_is_killed_ends(
    cli: Cli, background: _START, running: tuple[subprocess.Popen[str], Path, str]
) -> None:
    process, _, run = running
    follower = background("runs", "logs", "-f", "--events", run)
    assert follower.stdout is not None
    follower.stdout.readline()
    process.kill()
    process.wait(20)
    *_, last = follower.stdout.read().splitlines()
    assert json.loads(last)["event"] == "run_end"
    assert json.loads(last)["data"]["status"] == "lost"
    assert follower.wait(20) == 0
    assert cli("runs", "show", run, "-o", "json").json["status"] == "lost"


def test_following_begins_before_the_journal_does(cli: Cli, background: _START) -> None:
    from opsctl.errors import StoreError
    from opsctl.events.journal import Journal, follow

    path = cli.home / "journal" / "x.ndjson"
    began = time.monotonic()

    def over() -> bool:
        if time.monotonic() - began > 0.1 and not path.exists():
            journal = Journal(path)
            journal.append({"event": "text", "stdout": "late"})
            journal.close()
        return time.monotonic() - began > 0.3

    assert [record["stdout"] for record in follow(path, over, 0.01)] == ["late"]
    with pytest.raises(StoreError, match="the journal is gone"):
        list(follow(path.with_name("none.ndjson"), lambda: True, 0.01))
