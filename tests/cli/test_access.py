"""`opsctl access`: which grant decides, and what is dangerous."""

from __future__ import annotations

import os
import pwd

import pytest

from .conftest import HELLO, Cli

ME = pwd.getpwuid(os.getuid()).pw_name
POLICY = """
roles:
  reader: {command: [uptime, "df *"]}
grants:
  - {name: readers, who: [daemon], what: reader, where: {host: "web-*"}, effect: allow}
  - {name: no-db, who: everybody, where: {host: "db-*"}, effect: deny}
  - {name: careful, who: everybody, what: {command: "*", risk: high}, effect: approve}
  - {name: no-hello, who: everybody, what: {scenario: hello, action: destroy}, effect: deny}
  - {name: ask-hello, who: everybody, what: {scenario: hello, action: inspect}, effect: approve}
"""


@pytest.fixture
def governed(cli: Cli) -> Cli:
    (cli.home / "policy.yml").write_text(POLICY)
    (cli.home / "policy.yml").chmod(0o600)
    return cli


def test_explain_has_a_shape(governed: Cli) -> None:
    done = governed("access", "explain", "daemon", "web-1", "sudo rm -rf /", "-o", "json")
    assert done.code == 0
    assert done.json == {
        "user": "daemon",
        "host": "web-1",
        "content": {"kind": "command", "name": "sudo rm -rf /", "action": ""},
        "decision": {"verdict": "approve", "rule": "careful", "text": "daemon may run this on web-1 after an approval"},
        "risk": "critical",
        "findings": [
            {
                "level": "critical",
                "category": "file",
                "reason": "removes / with all that is in it",
                "excerpt": "sudo rm -rf /",
            }
        ],
    }


def test_explain_names_the_grant(governed: Cli) -> None:
    def rule(*words: str) -> str:
        return str(governed("access", "explain", *words, "-o", "json").json["decision"]["rule"])

    assert rule("daemon", "web-1", "df -h") == "readers"
    assert rule("daemon", "db-1", "df -h") == "no-db"
    assert rule("daemon", "app-1", "df -h") == "default"
    assert rule(ME, "web-1", "scenario:hello/destroy") == "no-hello"


def test_check_ends_as_it_decides(governed: Cli) -> None:
    assert governed("access", "check", "web-1", "uptime").code == 0
    assert governed("access", "check", "db-1", "uptime").code == 6
    done = governed("access", "check", "web-1", "reboot")
    assert (done.code, "takes the host out of service" in done.out) == (7, True)


def test_a_run_obeys_the_policy(governed: Cli) -> None:
    policy = governed.home / "policy.yml"
    policy.write_text(
        policy.read_text().replace('  - {name: no-db, who: everybody, where: {host: "db-*"}, effect: deny}\n', "")
    )
    governed.scenario("hello", deploy=HELLO, destroy=HELLO, inspect=HELLO)
    assert governed("run", "scenario", "hello").code == 0
    denied = governed("run", "scenario", "hello", "-a", "destroy")
    assert (denied.code, "Denied by rule no-hello" in denied.err) == (6, True)
    assert governed("run", "scenario", "hello", "-a", "inspect").code == 7
    assert [run["status"] for run in governed("runs", "list", "-o", "json").json] == ["waiting", "denied", "succeeded"]


def test_lint(governed: Cli) -> None:
    assert governed("access", "lint", "-o", "json").json == {
        "path": str(governed.home / "policy.yml"),
        "exists": True,
        "grants": 5,
        "roles": ["reader"],
        "groups": [],
    }
    (governed.home / "policy.yml").write_text("grants:\n  - name: x\n    hwo: bob\n")
    done = governed("access", "lint")
    assert (done.code, done.out) == (2, "")
    assert "policy.yml, line 3: grants.0.hwo: unknown key (did you mean who?)" in done.line


def test_a_bad_policy_lets_nobody_run(governed: Cli) -> None:
    governed.scenario("hello", deploy=HELLO)
    (governed.home / "policy.yml").write_text("grants: [x]")
    done = governed("run", "scenario", "hello")
    assert (done.code, "policy.yml, line 1: grants.0" in done.line) == (2, True)
    assert governed("runs", "list", "-o", "json").json == []


def test_bad_input_is_one_line(governed: Cli) -> None:
    done = governed("access", "explain", "no-such-user", "web-1", "uptime")
    assert (done.code, done.line) == (2, "opsctl: Unknown user no-such-user: this machine has none of that name")
    assert "CONTENT is empty" in governed("access", "check", "web-1", " ").line
