"""`opsctl approvals`: asked by one, answered by others, started once, and only as approved."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from opsctl.approvals.gate import Gate
from opsctl.approvals.people import Person
from opsctl.db.engine import opened
from opsctl.ledger.book import Ledger
from opsctl.policy.read import read
from opsctl.settings import load

from ..unit.notify.servers import Hook, hook
from .conftest import HELLO, PATIENCE, Cli, Result, wait_for

POLICY = """
grants:
  - {name: two, who: everybody, what: {scenario: hello}, effect: approve, approvers: [daemon, bin], needed: 2}
  - {name: not-sys, who: sys, effect: deny}
  - {name: nobody, who: everybody, what: {scenario: lone}, effect: approve}
"""

WRITE = """
---
# Writes a file on this machine.
- name: Write a file
  hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - name: Write
      ansible.builtin.copy:
        content: "{{ stack_name }}\\n"
        dest: TARGET
        mode: "0600"
"""

ME = pwd.getpwuid(os.getuid()).pw_name
others = pytest.mark.skipif(os.getuid() != 0, reason="other users vote here: needs root")


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A directory that other users can reach; pytest's own is closed to them."""
    made = Path(tempfile.mkdtemp(prefix="opsctl-approvals-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture
def server() -> Iterator[Hook]:
    with hook() as found:
        yield found


@pytest.fixture
def office(cli: Cli, server: Hook) -> Cli:
    (cli.home / "policy.yml").write_text(POLICY)
    (cli.home / "policy.yml").chmod(0o644)
    cli.home.chmod(0o777)
    with (cli.home / "config.toml").open("a") as file:
        file.write('[notify]\nattempts = 1\n[[notify.channels]]\nname = "ops"\nkind = "webhook"\nurl_env = "HOOK"\n')
    cli.environment |= {"HOOK": server.url(), "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    cli.scenario("hello", deploy=HELLO)
    cli.scenario("lone", deploy=HELLO)
    return cli


def by(office: Cli, user: str, *arguments: str) -> Result:
    """opsctl as another user. Only the real user changes: that is who opsctl asks for, files open as before."""
    uid = pwd.getpwnam(user).pw_uid
    runtime = office.home.parent / f"runtime-{user}"
    for folder in (runtime, runtime / "opsctl"):
        folder.mkdir(exist_ok=True, mode=0o700)
        os.chown(folder, uid, -1)
    done = subprocess.run(
        office.command(*arguments),
        env=office.environ({"XDG_RUNTIME_DIR": str(runtime)}),
        preexec_fn=lambda: os.setresuid(uid, 0, 0),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    return Result(done.returncode, done.stdout, done.stderr)


def gate(office: Cli) -> Gate:
    """The same in this process: quicker where it is not what is tested."""
    database, policy = opened(office.home), read((office.home / "policy.yml").read_text())
    return Gate(office.home, Ledger(database, office.home / "ledger.head"), load(office.home), lambda: policy)


def asked(office: Cli, *more: str, stdin: str = "") -> str:
    done = office("run", "scenario", "hello", "-e", "stack_name=one", *more, stdin=stdin)
    assert done.code == 7, done.err
    return gate(office).listed()[0].run_id


def approved(office: Cli, monkeypatch: pytest.MonkeyPatch, *more: str, stdin: str = "") -> str:
    run = asked(office, *more, stdin=stdin)
    for person in (Person("daemon", 1), Person("bin", 2)):
        monkeypatch.setattr("opsctl.approvals.gate.present", lambda person=person: person)
        gate(office).vote(run, "approve", "")
    return run


def kinds(office: Cli, run: str) -> list[str]:
    return [record.kind for record in gate(office).ledger.records(run)]


def events(server: Hook) -> list[str]:
    return [got.headers["X-Opsctl-Event"] for got in server.got]


@others
def test_two_approve_and_the_requester_starts(office: Cli, server: Hook) -> None:
    run = asked(office, "--reason", "because")
    waiting = office("approvals", "list", "-o", "json").json
    assert [(row["run"], row["status"], row["missing"]) for row in waiting] == [
        (run, "open", "2 of daemon, bin (rule two)")
    ]
    assert set(waiting[0]) == {
        *("run", "status", "what", "cloud", "targets", "by", "reason", "risk", "created", "expires", "decided"),
        *("missing", "overdue", "plan_hash"),
    }
    own = office("approvals", "approve", run)
    assert (own.code, own.line) == (6, f"opsctl: Run {run}: {ME} asked for this run; somebody else must decide")
    assert office("approvals", "start", run).code == 6
    first = by(office, "daemon", "approvals", "approve", run, "--comment", "fine")
    assert (first.code, first.out.strip()) == (0, f"open  run {run}; still needs 1 of daemon, bin (rule two)")
    assert by(office, "daemon", "approvals", "approve", run).code == 6
    second = by(office, "bin", "approvals", "approve", run, "-o", "json")
    assert second.json["status"] == "approved"
    third = by(office, "sys", "approvals", "start", run)
    assert (third.code, "denied by rule not-sys" in third.line) == (6, True)
    done = office("approvals", "start", run, "-o", "json")
    assert (done.code, done.json["id"], done.json["result"]) == (0, run, {"greeted": "one"})
    again = office("approvals", "start", run)
    assert (again.code, again.line) == (2, f"opsctl: Run {run} does not wait for a start: it is succeeded")
    assert kinds(office, run) == [
        *("asked", "decided", "held", "approved", "approved", "claimed", "started", "finished")
    ]
    assert office("audit", "verify").code == 0
    assert events(server) == ["approval", "approved"]
    assert json.loads(server.got[0].body)["data"]["reason"] == "because"


@others
def test_show_has_a_shape(office: Cli) -> None:
    run = asked(office)
    by(office, "daemon", "approvals", "approve", run, "-m", "looks good")
    shown = office("approvals", "show", run, "-o", "json").json
    assert set(shown) == {
        *("run", "status", "what", "cloud", "targets", "by", "reason", "risk", "created", "expires", "decided"),
        *(
            "missing",
            "overdue",
            "plan_hash",
            "asks",
            "votes",
            "events",
            "plan",
            "findings",
            "check",
            "notices",
            "stuck",
        ),
    }
    assert shown["asks"] == [{"rule": "two", "approvers": ["daemon", "bin"], "needed": 2, "have": 1}]
    assert shown["plan"]["parameters"] == {"stack_name": "one"}
    assert [(vote["by"]["name"], vote["comment"]) for vote in shown["votes"]] == [("daemon", "looks good")]
    assert [notice["status"] for notice in shown["notices"]] == ["delivered"]
    text = office("approvals", "show", run).out
    assert all(part in text for part in (shown["plan_hash"], "looks good", "1 of 2", "stack_name"))


def test_what_changed_since_does_not_start(office: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    run = approved(office, monkeypatch)
    playbook = office.scenarios / "hello" / "deploy.yml"
    playbook.write_text(playbook.read_text().replace("Say hello", "Say more"))
    done = office("approvals", "start", run)
    assert done.code == 6
    assert "changed since it was asked for: the content of playbooks, roles or templates" in done.line
    playbook.write_text(playbook.read_text().replace("Say more", "Say hello"))
    assert office("approvals", "start", run).code == 0


@others
def test_a_no_ends_it(office: Cli, monkeypatch: pytest.MonkeyPatch, server: Hook) -> None:
    run = approved(office, monkeypatch)
    assert by(office, "bin", "approvals", "deny", run, "-m", "not today").code == 0
    shown = office("runs", "show", run, "-o", "json").json
    assert (shown["status"], shown["message"]) == ("denied", "refused by bin: not today")
    assert office("approvals", "start", run).code == 2
    assert events(server)[-1] == "refused"


def test_two_at_once_start_it_once(office: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    run = approved(office, monkeypatch)
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(lambda _: office("approvals", "start", run), range(2)))
    assert sorted(result.code for result in done)[0] == 0
    assert [result.code for result in done].count(0) == 1
    assert kinds(office, run).count("started") == 1


def test_a_start_that_was_killed_is_not_started_again(
    office: Cli, background: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    office.scenario(
        "hello", deploy=HELLO.replace("ansible.builtin.debug:", "ansible.builtin.pause: {seconds: 60}\n      vars:")
    )
    run = approved(office, monkeypatch)
    process = background("approvals", "start", run)
    wait_for(lambda: kinds(office, run)[-1] == "started")
    process.send_signal(signal.SIGKILL)
    process.wait()
    again = office("approvals", "start", run)
    assert (again.code, "it is lost" in again.err) == (2, True)
    assert kinds(office, run).count("claimed") == 1


def test_secrets_are_given_again_and_must_be_the_same(office: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = office.scenario("hello", deploy=HELLO)
    (folder / "stack.ros.yml").write_text(
        "ROSTemplateFormatVersion: '2015-09-01'\nParameters:\n  AdminPassword: {Type: String, NoEcho: true}\n"
    )
    run = approved(office, monkeypatch, "-e", "@-", stdin="AdminPassword: canary-first")
    missing = office("approvals", "start", run)
    assert (missing.code, "give AdminPassword again" in missing.line) == (2, True)
    typed = office("approvals", "start", run, "-e", "AdminPassword=canary-first")
    assert (typed.code, "Secrets do not belong on a command line" in typed.line) == (2, True)
    other = office("approvals", "start", run, "-e", "@-", stdin="AdminPassword: canary-other")
    assert (other.code, "secret AdminPassword is not the one" in other.line) == (6, True)
    more = office("approvals", "start", run, "-e", "@-", stdin="{AdminPassword: canary-first, stack_name: two}")
    assert (more.code, "stack_name: not a secret of this run" in more.line) == (2, True)
    assert office("approvals", "start", run, "-e", "@-", stdin="AdminPassword: canary-first").code == 0
    for path in office.home.rglob("*"):
        assert not path.is_file() or b"canary-" not in path.read_bytes(), path


@others
def test_break_glass_runs_at_once_and_leaves_a_review(office: Cli, server: Hook) -> None:
    done = office("run", "scenario", "hello", "--break-glass", "site is down", "-o", "json")
    assert (done.code, done.json["status"]) == (0, "succeeded")
    run = done.json["id"]
    assert kinds(office, run) == ["asked", "decided", "break_glass", "started", "finished"]
    assert events(server) == ["break_glass"]
    assert [row["run"] for row in office("approvals", "list", "--reviews", "-o", "json").json] == [run]
    assert office("approvals", "review", run, "-m", "I was right").code == 6
    assert by(office, "daemon", "approvals", "review", run).code == 2
    assert by(office, "daemon", "approvals", "review", run, "-m", "was right").code == 0
    assert office("approvals", "list", "-o", "json").json == []


@others
def test_an_edit_is_a_new_plan(office: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    old = approved(office, monkeypatch)
    assert (office("approvals", "edit", old).code, by(office, "bin", "approvals", "edit", old).code) == (2, 6)
    assert office("approvals", "edit", old, "-e", "stack_name=two").code == 7
    first, second = gate(office).listed()
    assert (first.plan["parameters"], first.approval.status) == ({"stack_name": "two"}, "open")
    assert (second.run_id, second.approval.status) == (old, "withdrawn")
    assert office("approvals", "start", old).code == 2


def test_a_plan_says_what_would_run_and_runs_nothing(office: Cli) -> None:
    done = office("plan", "scenario", "hello", "-e", "stack_name=one", "-o", "json")
    assert done.code == 0
    assert set(done.json) == {
        *("kind", "content", "action", "cloud", "targets", "parameters", "options", "reason", "digest", "plan_hash"),
        *("risk", "findings", "decision", "check"),
    }
    assert done.json["decision"] == {
        "verdict": "approve",
        "rule": "two",
        "text": f"{ME} may run this after an approval",
        "asks": [{"rule": "two", "approvers": ["daemon", "bin"], "needed": 2}],
    }
    assert office("runs", "list", "-o", "json").json == []
    asked(office)
    assert gate(office).listed()[0].plan["plan_hash"] == done.json["plan_hash"]


def test_what_the_check_said_is_approved_too(office: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    (office.home / "policy.yml").write_text(POLICY.replace("needed: 2", "needed: 2, checks: free"))
    target = office.home.parent / "written"
    office.scenario("hello", deploy=WRITE.replace("TARGET", str(target)))
    done = office("plan", "scenario", "hello", "--check", "-e", "stack_name=one", "-o", "json")
    assert (done.code, done.json["check"]["status"], target.exists()) == (0, "succeeded", False)
    (change,) = done.json["check"]["changes"]
    assert (change["host"], change["task"], "+one" in change["diff"]) == ("localhost", "Write", True)
    run = approved(office, monkeypatch)
    assert office("approvals", "show", run, "-o", "json").json["check"] == done.json["check"]
    target.write_text("somebody else was here\n")
    other = office("approvals", "start", run)
    assert (other.code, target.read_text()) == (6, "somebody else was here\n")
    assert "--check --diff says something else now (1 changes then, 1 now, first: localhost: Write)" in other.err
    target.unlink()
    assert (office("approvals", "start", run).code, target.read_text()) == (0, "one\n")


def test_an_owner_alone_is_told_that_nobody_can_approve(office: Cli) -> None:
    assert office("run", "scenario", "lone").code == 7
    assert "only the owner may approve" in office("approvals", "show", "last").out


def test_a_channel_that_is_down_delays_no_more_than_two_seconds(office: Cli, server: Hook) -> None:
    server.delay = 20
    begun = time.monotonic()
    run = asked(office)
    slow = time.monotonic() - begun
    server.delay = 0
    assert slow < PATIENCE / 4
    done = office("notify", "status", "-o", "json")
    (notice,) = done.json["notices"]
    assert (done.code, notice["run"], notice["status"]) == (1, run, "failed")
    assert notice["error"] == "no answer within 2 s"
    assert office("notify", "retry", "-o", "json").json == {"tried": 1, "left": []}
    assert office("notify", "status").code == 0
    assert "canary" not in office("notify", "status").out + office("config", "show").out


def test_a_channel_can_be_tested(office: Cli, server: Hook) -> None:
    assert office("notify", "test", "ops").out == "Channel ops (webhook) works.\n"
    server.answers = [(403, b"canary-query-0123456789")]
    done = office("notify", "test", "ops")
    assert (done.code, done.line) == (
        1,
        "opsctl: Channel ops (webhook) does not work: it answered HTTP 403: ******",
    )
    assert "Unknown channel opz (did you mean ops?)" in office("notify", "test", "opz").line


def test_bad_settings_are_one_line(office: Cli) -> None:
    config = office.home / "config.toml"
    config.write_text(config.read_text() + 'sercet_env = "X"\n')
    assert "notify.channels.0.sercet_env: unknown key (did you mean secret_env?)" in office("notify", "status").line
    config.write_text('[approvals]\nexpires = "soon"\n')
    assert 'approvals.expires: want a length of time as "30m"' in office("approvals", "list").line


def test_deleting_a_stack_can_be_approved_too(office: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    with (office.home / "policy.yml").open("a") as file:
        file.write(
            "  - {name: gone, who: everybody, what: {module: '*.ros_stack'}, effect: approve, approvers: [bin]}\n"
        )
    assert office("stack", "delete", "one", "--yes").code == 7
    run = gate(office).listed()[0].run_id
    monkeypatch.setattr("opsctl.approvals.gate.present", lambda: Person("bin", 2))
    gate(office).vote(run, "approve", "")
    done = office("approvals", "start", run)
    # It began; that a list of machines has no stacks is found out then.
    assert (done.code, kinds(office, run)[-1]) == (3, "finished")
    assert "claimed" in kinds(office, run)


def test_unknown_runs_are_one_line(office: Cli) -> None:
    assert office("approvals", "approve", "0000-nope").code == 2
    office.scenario("free", deploy=HELLO)
    assert office("run", "scenario", "free").code == 0
    assert "never needed an approval" in office("approvals", "show", "last").line


def test_listing_needs_no_heavy_imports(office: Cli) -> None:
    text = "import sys, opsctl.commands.approvals, opsctl.commands.notify; print('sqlalchemy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@others
def test_whoever_looks_at_runs_sees_that_an_approval_has_expired(office: Cli) -> None:
    with (office.home / "config.toml").open("a") as file:
        file.write('[approvals]\nexpires = "1s"\n')
    run = asked(office)
    time.sleep(1.2)
    assert office("runs", "show", run, "-o", "json").json["status"] == "denied"
    assert gate(office).get(run).approval.status == "expired"
