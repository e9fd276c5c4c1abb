"""Shipping as people meet it: behind runs, by command, and with a server that is not there."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from opsctl.events.ship.state import State
from tests.unit.ship.contract import Contract

from .conftest import HELLO, Cli, processes_with, wait_for

CANARY = "Y2FuYXJ5LTdmMWE6ZXMtY2FuYXJ5LTAwOTk="
DOWN = "http://127.0.0.1:1"

FAILS = """
- name: Fail
  hosts: localhost
  gather_facts: false
  tasks:
    - name: Tell what only this process should know
      ansible.builtin.debug:
        msg: "{{ lookup('env', 'OPSCTL_ELASTICSEARCH_API_KEY') }}"
    - name: Fail
      ansible.builtin.fail:
        msg: nothing works
"""


@pytest.fixture
def contract(monkeypatch: pytest.MonkeyPatch) -> Iterator[Contract]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for name in ("OPSCTL_ELASTICSEARCH_API_KEY", "OPSCTL_ELASTICSEARCH_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    with Contract("dsl") as server:
        yield server


def configure(cli: Cli, url: str, more: str = "") -> None:
    path = cli.home / "config.toml"
    path.write_text(path.read_text() + f'\n[elasticsearch]\nurl = "{url}"\npatience = 1\n{more}\n')


def waiting(cli: Cli) -> int:
    found = cli("logs", "ship", "status", "-o", "json").json["waiting"]
    return int(found["bytes"]) + int(found["ledger"])


def senders(cli: Cli) -> list[int]:
    return [pid for pid in processes_with(str(cli.home)) if b"opsctl.events.ship" in _line(pid)]


def _line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def test_unset_it_costs_nothing(cli: Cli) -> None:
    cli.scenario("hello", deploy=HELLO)
    done = cli("run", "scenario", "hello", "-e", "stack_name=a", env={"PYTHONPROFILEIMPORTTIME": "1"})
    assert done.code == 0, done.err
    assert "opsctl.settings" in done.err
    assert not re.search(r"\| +(elasticsearch|elastic_transport)\b", done.err)
    assert not (cli.home / "spool").exists()


def test_what_a_run_said_is_shipped_behind_its_end(cli: Cli, contract: Contract) -> None:
    configure(cli, contract.url)
    cli.scenario("hello", deploy=HELLO)
    assert cli("run", "scenario", "hello", "-e", "stack_name=a").code == 0
    wait_for(lambda: waiting(cli) == 0 and not senders(cli))
    run = cli.run_id()
    journal = (cli.home / "journal" / f"{run}.ndjson").read_text().splitlines()
    found = [each for each in contract.documents.values() if each["trace"]["id"] == run]
    numbers = sorted(each["event"]["sequence"] for each in found if each["event"]["dataset"] != "opsctl.audit")
    assert numbers == list(range(1, len(journal) + 1))
    audit = {each["opsctl"]["audit"]["kind"] for each in found if each["event"]["dataset"] == "opsctl.audit"}
    assert {"asked", "decided", "started", "finished"} <= audit
    assert "/_component_template/opsctl" in contract.stored


def test_a_server_that_is_down_neither_slows_nor_fails_a_run_and_is_told_the_next_time(cli: Cli) -> None:
    cli.scenario("hello", deploy=HELLO)
    cli.scenario("fails", deploy=FAILS)
    configure(cli, DOWN)
    first = cli("run", "scenario", "hello", "-e", "stack_name=a")
    assert (first.code, "Elasticsearch" in first.err) == (0, False)
    state = State(cli.home / "spool" / "ship.db")
    wait_for(lambda: not senders(cli) and state.circuit.failures)
    # However slow this machine is: it must not have become time to try again.
    state.circuit = replace(state.circuit, until=time.time() + 600)
    second = cli("run", "scenario", "fails")
    assert second.code == 3
    (line,) = [line for line in second.err.splitlines() if "Elasticsearch" in line]
    assert line.startswith("Elasticsearch has not got everything since ")
    assert "Connection refused" in line
    # While the way is closed nobody is sent to try it again.
    assert senders(cli) == []
    assert waiting(cli) > 0


def test_the_end_of_a_run_waits_for_nothing(cli: Cli) -> None:
    """Measured by itself: what is around it takes longer and varies more."""
    from opsctl.events.ship.after import after_run
    from opsctl.settings import load

    configure(cli, DOWN)
    said: list[str] = []
    settings = load(cli.home)
    after_run(cli.home, settings, said.append)
    began = time.monotonic()
    after_run(cli.home, settings, said.append)
    assert time.monotonic() - began < 1
    assert said == []
    wait_for(lambda: not senders(cli))


def test_a_home_that_cannot_be_written_is_told_and_harms_no_run(cli: Cli) -> None:
    from opsctl.events.ship.after import after_run
    from opsctl.settings import load

    configure(cli, DOWN)
    (cli.home / "spool").write_text("in the way")
    said: list[str] = []
    after_run(cli.home, load(cli.home), said.append)
    assert len(said) == 1
    assert said[0].startswith("Nothing is copied to other places now: ")


def test_flush_sends_and_status_tells(cli: Cli, contract: Contract) -> None:
    cli.scenario("hello", deploy=HELLO)
    assert cli("run", "scenario", "hello", "-e", "stack_name=a").code == 0
    configure(cli, contract.url)
    before = cli("logs", "ship", "status", "-o", "json").json
    assert before["waiting"]["runs"] == 1
    assert before["waiting"]["ledger"] == 4
    sent = cli("logs", "ship", "flush", "-o", "json").json
    assert set(sent) == {"acked", "duplicate", "dead", "dropped", "retried", "trouble"}
    assert sent["acked"] == len(contract.documents) > 4
    after = cli("logs", "ship", "status", "-o", "json").json
    assert set(after) == {"url", "namespace", "sent", "waiting", "counts", "dead", "circuit"}
    assert after["waiting"] == {"runs": 0, "bytes": 0, "ledger": 0}
    assert (after["counts"]["acked"], after["circuit"]["open"]) == (sent["acked"], False)
    again = cli("logs", "ship", "replay", "--run", "last", "--since", "1h", "-o", "json").json
    assert (again["acked"], again["duplicate"]) == (0, sent["acked"])
    assert "taken" in cli("logs", "ship", "status").out


def test_flush_follows_until_it_is_stopped(cli: Cli, contract: Contract) -> None:
    configure(cli, contract.url, "flush_seconds = 0.2")
    following = cli.start("logs", "ship", "flush", "--follow")
    try:
        cli.scenario("hello", deploy=HELLO)
        assert cli("run", "scenario", "hello", "-e", "stack_name=a").code == 0
        wait_for(lambda: waiting(cli) == 0)
    finally:
        following.terminate()
        out, err = following.communicate(timeout=30)
    assert (following.returncode, out, err) == (0, "", "")


def test_setup_prepares_once_and_writes_what_kibana_imports(cli: Cli, contract: Contract, tmp_path: Path) -> None:
    configure(cli, contract.url)
    file = tmp_path / "opsctl.ndjson"
    first = cli("logs", "setup", "--kibana-url", contract.url, "--kibana-file", str(file), "-o", "json").json
    assert (first["lifecycle"], len(first["changed"]), first["kibana"]) == ("dsl", 5, 6)
    assert {json.loads(line)["type"] for line in file.read_text().splitlines()} == {
        "index-pattern",
        "search",
        "dashboard",
    }
    second = cli("logs", "setup", "-o", "json").json
    assert (second["changed"], len(second["unchanged"])) == ([], 5)


@pytest.mark.parametrize(
    ("command", "code", "says"),
    [
        ("logs ship flush", 1, "Elasticsearch at http://127.0.0.1:1: "),
        ("logs setup", 1, "Elasticsearch at http://127.0.0.1:1: "),
        ("logs search --in elasticsearch x", 1, "Elasticsearch at http://127.0.0.1:1: "),
        ("logs ship replay", 2, "Say what to send again: --run RUN, --since TIME or --dead"),
        ("logs ship replay --since yesteryear", 2, "Cannot understand the time yesteryear"),
        ("logs ship replay --run nothing-like-it", 2, "nothing-like-it"),
        ("logs setup --kibana-file /no/such/place", 1, "Cannot write /no/such/place"),
        ("audit anchor --elasticsearch UPPER", 2, "an index is named with a-z"),
    ],
)
def test_what_cannot_be_done_is_one_line(cli: Cli, command: str, code: int, says: str) -> None:
    cli.scenario("hello", deploy=HELLO)
    if command == "logs ship flush":
        assert cli("run", "scenario", "hello", "-e", "stack_name=a").code == 0
    configure(cli, DOWN)
    done = cli(*command.split())
    assert done.code == code, done.err
    assert says in done.line
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    "command", ["logs ship status", "logs ship flush", "logs setup", "audit anchor --elasticsearch x"]
)
def test_without_settings_they_say_what_to_set(cli: Cli, command: str) -> None:
    done = cli(*command.split())
    assert done.code == 2
    assert "add elasticsearch.url to config.toml" in done.line


def test_an_api_key_is_seen_by_nobody_but_the_server(cli: Cli, contract: Contract, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text(CANARY)
    configure(cli, contract.url, f'api_key_file = "{key}"')
    cli.scenario("fails", deploy=FAILS)
    secret = {"OPSCTL_ELASTICSEARCH_API_KEY": CANARY}
    said = []
    with watched() as seen:
        for command in (
            ("run", "scenario", "fails"),
            ("logs", "setup", "--kibana-url", contract.url),
            ("logs", "ship", "flush"),
        ):
            said.append(cli(*command, env=secret))
        said += [cli("logs", "ship", "replay", "--since", "1h"), cli("config", "show")]
        wait_for(lambda: not senders(cli))
        contract.status = 401
        said += [cli("logs", "setup"), cli("logs", "search", "--in", "elasticsearch", "x", env=secret)]
        said += [cli("logs", "ship", "replay", "--since", "1h"), cli("run", "scenario", "fails", env=secret)]
    assert {headers.get("authorization") for _m, _p, headers, _b in contract.requests} == {f"ApiKey {CANARY}"}
    for done in said:
        assert CANARY not in done.out + done.err
    assert not [line for line in seen if CANARY.encode() in line]
    for path in cli.home.rglob("*"):
        if path.is_file():
            assert CANARY.encode() not in path.read_bytes(), path
    assert CANARY not in json.dumps(list(contract.documents.values()))


@contextmanager
def watched() -> Iterator[set[bytes]]:
    """Command lines of all processes meanwhile."""
    seen: set[bytes] = set()
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.03):
            seen.update(_line(int(entry.name)) for entry in Path("/proc").iterdir() if entry.name.isdigit())

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def test_an_anchor_that_fails_is_told_with_the_next_run(cli: Cli) -> None:
    path = cli.home / "config.toml"
    anchors = f'audit_anchors = ["file:{cli.home.parent}/none/anchor"]\naudit_anchor_every = "run"\n'
    path.write_text(anchors + path.read_text())
    cli.scenario("hello", deploy=HELLO)
    first = cli("run", "scenario", "hello", "-e", "stack_name=a")
    assert (first.code, "Anchor" in first.err) == (0, False)
    wait_for(lambda: (cli.home / "spool" / "anchors.json").exists() and not senders(cli))
    second = cli("run", "scenario", "hello", "-e", "stack_name=a")
    assert second.code == 0
    assert f"Anchor file:{cli.home.parent}/none/anchor was not written: " in second.err
    (cli.home.parent / "none").mkdir()
    wait_for(lambda: not senders(cli))
    cli("run", "scenario", "hello", "-e", "stack_name=a")
    wait_for(lambda: (cli.home.parent / "none" / "anchor").exists() and not senders(cli))
    assert cli("audit", "verify", "-o", "json").json["sound"]


def test_the_process_behind_a_run_does_not_run_what_lies_in_the_current_directory(cli: Cli, contract: Contract) -> None:
    from opsctl.events.ship.after import start

    folder = cli.home.parent / "trap"
    folder.mkdir()
    (folder / "opsctl.py").write_text("import pathlib; pathlib.Path('sprung').write_text('x')")
    configure(cli, contract.url)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        start(cli.home)
        wait_for(lambda: (cli.home / "spool" / "ship.db").exists() and not senders(cli))
    assert not (folder / "sprung").exists()
