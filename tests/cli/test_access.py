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
        "groups": None,
        "stack": None,
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
        "limits": [],
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
        "freezes": [],
        "windows": [],
        "in_database": 0,
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


def test_the_inventory_says_groups_and_stacks(governed: Cli) -> None:
    hosts = governed.home / "hosts.ini"
    hosts.write_text("[db]\na stack_name=live\n[web]\nb\n[data:children]\ndb\n")
    policy = governed.home / "policy.yml"
    policy.write_text(
        "grants:\n"
        "  - {name: no-data, who: everybody, where: {group: data}, effect: deny}\n"
        "  - {name: no-live, who: everybody, where: {stack: live}, effect: deny}\n"
    )
    where = ("-i", str(hosts), "-o", "json")
    shown = governed("access", "explain", ME, "a", "uptime", *where).json
    assert (shown["groups"], shown["stack"], shown["decision"]["rule"]) == (["data", "db"], "live", "no-data")
    assert governed("access", "explain", ME, "b", "uptime", *where).json["decision"]["rule"] == "owner"
    done = governed("access", "explain", ME, "nowhere", "uptime", *where)
    assert (done.json["decision"]["rule"], "are not known" in done.err) == ("no-data", True)
    denied = governed("run", "command", "-i", str(hosts), "-H", "a", "--", "uptime")
    assert (denied.code, "Denied by rule no-data" in denied.err) == (6, True)


def test_the_text_of_a_script_decides(governed: Cli) -> None:
    script = governed.home / "x.sh"
    script.write_text("#!/bin/sh\nsudo reboot\n")
    assert governed("access", "check", "web-1", f"script:{script}").code == 7
    script.write_text("#!/bin/sh\nuptime\n")
    assert governed("access", "check", "web-1", f"script:{script}").code == 0
    assert "Cannot read script" in governed("access", "check", "web-1", "script:/nowhere").line


MORE = """
groups: {night: [daemon]}
roles: {looker: {command: [uptime]}}
grants:
  - {name: lookers, who: "group:night", what: [looker, reader], where: {host: app-1}, effect: allow}
calendar:
  zone: Europe/Berlin
  freezes:
    - {name: long, from: 2020-01-01, to: 2020-02-29}
"""


def test_the_database_adds_to_the_file(governed: Cli) -> None:
    added = governed("access", "add", "-", "-o", "json", stdin=MORE)
    assert [(row["kind"], row["name"], row["change"]) for row in added.json] == [
        ("group", "night", "added"),
        ("role", "looker", "added"),
        ("grant", "lookers", "added"),
        ("freeze", "long", "added"),
    ]
    assert governed("access", "explain", "daemon", "app-1", "df -h", "-o", "json").json["decision"]["rule"] == "lookers"
    listed = governed("access", "list", "-o", "json").json
    assert [row["name"] for row in listed if row["source"] == "database"] == ["night", "looker", "lookers", "long"]
    assert [row["name"] for row in listed if row["source"] == "policy.yml"][:2] == ["reader", "readers"]
    assert governed("access", "lint", "-o", "json").json["in_database"] == 4
    again = governed("access", "add", "-", "-o", "json", stdin=governed("access", "export").out)
    assert {row["change"] for row in again.json} == {"unchanged"}

    assert governed("access", "remove", "grant", "lookers").code == 0
    assert governed("access", "explain", "daemon", "app-1", "df -h", "-o", "json").json["decision"]["rule"] == "default"
    records = governed("audit", "list", "-o", "json").json
    assert [record["data"]["change"] for record in records] == ["added"] * 4 + ["removed"]
    assert records[-1]["data"]["body"]["who"] == "group:night"
    assert records[-1]["requester"]["name"] == ME
    assert governed("audit", "verify").code == 0


def test_entries_are_replaced_and_removed_only_where_nothing_needs_them(governed: Cli) -> None:
    assert governed("access", "add", "-", stdin=MORE).code == 0
    changed = MORE.replace("app-1", "app-2")
    assert "--replace takes its place" in governed("access", "add", "-", stdin=changed).line
    replaced = governed("access", "add", "-", "--replace", "-o", "json", stdin=changed).json
    assert [row["name"] for row in replaced if row["change"] == "replaced"] == ["lookers"]
    assert "unknown role looker" in governed("access", "remove", "role", "looker").line
    assert "no grant looker (did you mean lookers?)" in governed("access", "remove", "grant", "looker").line
    assert "Unknown kind grnat (did you mean grant?)" in governed("access", "remove", "grnat", "x").line
    policy = governed.home / "policy.yml"
    policy.write_text(policy.read_text() + "  - {name: lookers, who: bob, effect: deny}\n")
    assert "the name lookers is taken" in governed("access", "lint").line
    assert governed("access", "remove", "grant", "lookers").code == 0
    assert governed("access", "lint").code == 0


def test_the_calendar_holds_for_runs(governed: Cli) -> None:
    governed.scenario("hello", deploy=HELLO, inspect=HELLO)
    policy = governed.home / "policy.yml"
    policy.write_text(
        "calendar:\n  zone: Europe/Berlin\n  freezes:\n"
        "    - {name: quiet, from: 2020-01-01 08:00, to: 2999-12-31, reason: quarter, where: {cloud: here}}\n"
        "  windows:\n    - {name: never, hours: '10:00-11:00', to: 2020-01-01, where: {cloud: other}}\n"
    )
    denied = governed("run", "scenario", "hello")
    assert (denied.code, "Denied by rule freeze:quiet: nothing is changed" in denied.err) == (6, True)
    assert "(quarter)" in denied.err
    assert governed("run", "scenario", "hello", "--check").code == 0
    assert governed("run", "scenario", "hello", "-a", "inspect").code == 0
    rows = governed("access", "calendar", "-o", "json").json
    assert rows[0] == {
        "kind": "freeze",
        "name": "quiet",
        "state": "holds",
        "forbids": True,
        "until": "3000-01-01 00:00 Europe/Berlin",
        "changes": "2999-12-31T23:00:00Z",
        "where": {"cloud": ["here"]},
        "except": [{"action": ["inspect"]}],
        "reason": "quarter",
    }
    assert (rows[1]["name"], rows[1]["state"], rows[1]["until"]) == ("never", "closed", None)
    assert "quiet" in governed("access", "calendar").out


BOOK = """
- hosts: nodes
  gather_facts: false
  tasks:
    - name: Harmless
      ansible.builtin.command: "true"
    - name: Dangerous
      ansible.builtin.shell: "{{ what }} {{ inventory_hostname }} > made-{{ inventory_hostname }}"
      args: {chdir: "{{ playbook_dir }}"}
"""


def test_a_task_is_judged_when_it_runs(governed: Cli) -> None:
    (governed.home / "policy.yml").write_text(
        "grants:\n  - {name: calm, who: everybody, what: {risk: high}, effect: deny, where: {host: node-1}}\n"
    )
    folder = governed.home.parent / "book"
    (folder / "callback_plugins").mkdir(parents=True)
    # A file beside the playbook, a configuration and the environment try to switch it off.
    (folder / "callback_plugins" / "opsctl_risk.py").write_text("class CallbackModule: ...\n")
    (folder / "ansible.cfg").write_text("[defaults]\ncallback_plugins = /nowhere\n")
    book = folder / "site.yml"
    book.write_text(BOOK)
    hosts = folder / "hosts.ini"
    local = "ansible_connection=local ansible_python_interpreter='{{ ansible_playbook_python }}'"
    hosts.write_text(f"[nodes]\nnode-1 {local}\nnode-2 {local}\n")
    off = {"ANSIBLE_CONFIG": str(folder / "ansible.cfg"), "OPSCTL_RISK": "/dev/null"}
    arguments = ("run", "playbook", str(book), "-i", str(hosts), "--yes-all")

    done = governed(*arguments, "-e", "what=reboot --help #", env=off)
    assert done.code == 3, done.err
    assert "Denied by policy: calm: high risk: takes the host out of service" in done.err
    assert not (folder / "made-node-1").exists()
    recap = governed("runs", "show", "last", "-o", "json").json["hosts"]
    assert (recap["node-1"]["failed"], recap["node-2"]["failed"]) == (1, 0)
    assert "Denied by policy: calm" in governed("runs", "logs", "last").out

    assert governed(*arguments, "-e", "what=echo", env=off).code == 0
    assert (folder / "made-node-1").read_text() == "node-1\n"
