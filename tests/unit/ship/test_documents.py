"""What is made of records: fields of the Elastic Common Schema, and nothing that an index would refuse."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsctl.events.ship import audit
from opsctl.events.ship.document import Origin, Translator
from opsctl.events.ship.shrink import TEXT, readable, result, text
from opsctl.ledger.record import GENESIS, Entry, seal

_PAIRS = {
    "configuration": {"access", "change", "creation", "deletion", "info"},
    "process": {"access", "change", "end", "info", "start"},
    "file": {"access", "change", "creation", "deletion", "info"},
    "api": {"access", "admin", "allowed", "change", "creation", "deletion", "denied", "end", "info", "start", "user"},
    "iam": {"admin", "change", "creation", "deletion", "group", "info", "user"},
    "host": {"access", "change", "end", "info", "start"},
    "package": {"access", "change", "deletion", "info", "installation", "start"},
}
"""What the schema allows: https://www.elastic.co/docs/reference/ecs/ecs-allowed-values-event-category"""

_TIME = "2026-11-21T15:00:40.127190Z"
_ORIGIN = Origin("prod", "bastion", "0.1.0", "an-agent", {"site": "here"})


def made(event: str, seq: int = 7, about: dict[str, str] | None = None, **record: Any) -> dict[str, Any]:
    raw = json.dumps({"seq": seq, "time": _TIME, "event": event, **record}).encode()
    action, document = Translator("run-1", _ORIGIN, about).line(raw, "an-id").split(b"\n")
    found: dict[str, Any] = json.loads(document)
    head = json.loads(action)["create"]
    assert head == {"_index": f"logs-{found['data_stream']['dataset']}-prod", "_id": "an-id"}
    assert found["event"]["dataset"] == found["data_stream"]["dataset"]
    for category in found["event"]["category"]:
        assert set(found["event"]["type"]) <= _PAIRS[category]
    assert found["event"].get("outcome", "unknown") in ("success", "failure", "unknown")
    return found


def test_a_task_that_changed_a_host() -> None:
    found = made(
        "host_ok",
        host="web1",
        task="Install",
        action="ansible.builtin.apt",
        data={"res": {"changed": True, "rc": 0, "msg": "done"}, "duration": 1.5, "task_uuid": "u-1"},
        about={"user": "ann"},
    )
    event = {"action": "task-changed", "outcome": "success", "duration": 1_500_000_000, "sequence": 7, "id": "an-id"}
    assert {name: found["event"][name] for name in event} == event
    assert (found["event"]["category"], found["event"]["type"]) == (["configuration", "package"], ["change"])
    assert (found["host"], found["span"], found["trace"]) == ({"name": "web1"}, {"id": "u-1"}, {"id": "run-1"})
    assert (found["process"], found["user"]) == ({"exit_code": 0}, {"name": "ann"})
    assert found["opsctl"]["status"] == "changed"
    assert found["opsctl"]["result"] == {"changed": True, "rc": 0, "msg": "done"}
    assert found["message"].startswith("done")
    assert (found["labels"], found["observer"]["name"], found["@timestamp"]) == ({"site": "here"}, "bastion", _TIME)


@pytest.mark.parametrize(
    ("event", "data", "action", "outcome"),
    [
        ("host_ok", {"res": {}}, "task-ok", "success"),
        ("host_failed", {"res": {"msg": "no"}}, "task-failed", "failure"),
        ("host_unreachable", {"res": {"msg": "no"}}, "task-unreachable", "failure"),
        ("host_skipped", {"res": {}}, "task-skipped", "unknown"),
        ("item_failed", {"res": {"msg": "no"}}, "item-failed", "failure"),
        ("host_retry", {"res": {"attempts": 2}}, "host-retry", None),
        ("task_start", {}, "task-start", None),
        ("run_start", {"kind": "playbook"}, "run-started", "unknown"),
        ("run_end", {"status": "succeeded"}, "run-finished", "success"),
        ("run_end", {"status": "failed", "message": "web1: no"}, "run-finished", "failure"),
        ("run_end", {"status": "canceled"}, "run-canceled", "unknown"),
        ("run_end", {"status": "lost"}, "run-lost", "failure"),
        ("run_end", {"status": "timeout"}, "run-timeout", "failure"),
        ("something_new", {}, "something-new", None),
    ],
)
def test_each_event_has_an_action(event: str, data: dict[str, Any], action: str, outcome: str | None) -> None:
    found = made(event, data=data)
    assert (found["event"]["action"], found["event"].get("outcome")) == (action, outcome)
    if outcome == "failure" and event != "run_end":
        assert found["error"]["message"] == "no"


def test_what_the_run_is_about_is_in_every_document() -> None:
    translator = Translator("run-1", _ORIGIN)
    start = {"kind": "playbook", "content": "site.yml", "cloud": "local", "targets": {"stack": "cache"}, "reason": ""}
    first = json.dumps({"seq": 1, "time": _TIME, "event": "run_start", "data": start}).encode()
    second = json.dumps({"seq": 2, "time": _TIME, "event": "play_start", "play": "Go"}).encode()
    lines = [json.loads(translator.line(raw, "x").split(b"\n")[1]) for raw in (first, second)]
    wanted = {"id": "run-1", "kind": "playbook", "content": "site.yml", "cloud": "local", "stack": "cache"}
    assert [line["opsctl"]["run"] for line in lines] == [wanted, wanted]


def test_what_ansible_must_not_show_is_not_shown() -> None:
    censored = {"censored": "the output has been hidden", "_ansible_no_log": True, "changed": False}
    found = made("host_ok", host="a", data={"res": censored})
    assert found["opsctl"]["task"]["no_log"] is True
    assert "_ansible_no_log" not in found["opsctl"]["result"]


@pytest.mark.parametrize(
    ("kind", "data", "types", "outcome"),
    [
        ("asked", {"content": "x"}, ["info"], "unknown"),
        ("decided", {"verdict": "allow", "rule": "owner"}, ["admin", "allowed"], "success"),
        ("decided", {"verdict": "deny", "rule": "r"}, ["admin", "denied"], "success"),
        ("decided", {"verdict": "approve", "rule": "r"}, ["admin", "info"], "success"),
        ("started", {}, ["start"], "unknown"),
        ("finished", {"status": "succeeded"}, ["end"], "success"),
        ("finished", {"status": "failed"}, ["end"], "failure"),
        ("canceled", {}, ["end"], "unknown"),
        ("lost", {}, ["end"], "failure"),
        ("observed", {"status": "succeeded"}, ["end"], "success"),
        ("approved", {"comment": "fine"}, ["admin", "allowed"], "success"),
        ("refused", {"comment": "no"}, ["admin", "denied"], "success"),
        ("break_glass", {}, ["admin", "allowed"], "success"),
        ("policy", {"change": "added"}, ["change"], "success"),
        ("pruned", {}, ["deletion"], "success"),
        ("never_heard_of", {"comment": "why"}, ["admin", "info"], "success"),
    ],
)
def test_the_ledger(kind: str, data: dict[str, Any], types: list[str], outcome: str) -> None:
    record = seal(Entry(kind, "run-1", {"name": "ann", "uid": 7}, "bastion", data), 3, GENESIS, _TIME)
    name, line = audit.line(record, _ORIGIN)
    found = json.loads(line.split(b"\n")[1])
    assert (found["event"]["type"], found["event"]["outcome"]) == (types, outcome)
    for category in found["event"]["category"]:
        assert set(types) <= _PAIRS[category]
    assert (found["event"]["hash"], found["event"]["original"]) == (record.hash, record.body)
    assert (found["event"]["id"], found["user"]) == (name, {"name": "ann", "id": "7"})


@pytest.mark.parametrize(
    ("kind", "types", "outcome"),
    [
        ("alert-firing", ["info"], None),
        ("alert-resolved", ["info"], None),
        ("remediation-started", ["start"], "unknown"),
        ("remediation-verifying", ["change"], "unknown"),
        ("remediation-succeeded", ["end"], "success"),
        ("remediation-failed", ["end"], "failure"),
        ("remediation-escalated", ["end"], "failure"),
    ],
)
def test_the_loop_has_a_data_set_of_its_own(kind: str, types: list[str], outcome: str | None) -> None:
    told = {"host": "web-1", "name": "it is down", "severity": "high"}
    data = {"step": 4, "alert": "a1", "rule": "heal", "remediation": "r1", "attempt": 1, "firing": told}
    record = seal(Entry(kind, "run-1", {"name": "opsctl-alert", "uid": 7}, "bastion", data), 3, GENESIS, _TIME)
    head, body = map(json.loads, audit.line(record, _ORIGIN)[1].split(b"\n")[:2])
    assert head["create"]["_index"] == f"logs-opsctl.alert-{_ORIGIN.namespace}"
    assert body["event"]["dataset"] == body["data_stream"]["dataset"] == "opsctl.alert"
    assert (body["event"]["type"], body["event"].get("outcome")) == (types, outcome)
    for category in body["event"]["category"]:
        assert set(types) <= _PAIRS[category]
    assert (body["transaction"], body["rule"], body["host"]) == ({"id": "r1"}, {"name": "heal"}, {"name": "web-1"})
    assert (body["trace"], body["opsctl"]["alert"]["severity"]) == ({"id": "run-1"}, "high")


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=8), inner, max_size=5),
    max_leaves=40,
)


def depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(depth, inner), default=0)


@given(st.dictionaries(st.text(max_size=8), _JSON, max_size=6), st.integers(0, 40))
def test_a_result_is_never_too_deep_too_long_or_unfit(value: dict[str, Any], times: int) -> None:
    nested: Any = value
    for _ in range(times):
        nested = {"deeper": nested, "long": "x" * 3000}
    small = result({"it": nested})
    assert depth(small) <= 8
    assert len(json.dumps(small, allow_nan=False)) < 300_000
    for key in small:
        assert key
        assert "\0" not in key


@given(st.text(), st.integers(1, 10_000))
def test_a_text_keeps_its_beginning_and_end(value: str, times: int) -> None:
    found = text(f"begin {value * times} end")
    assert len(found) <= TEXT
    assert found.startswith("begin")
    assert found.endswith("end")


def test_a_text_has_no_colours_and_plain_line_ends() -> None:
    assert text("\x1b[0;32mok\x1b[0m\r\nmore\r\n") == "ok\nmore"


@given(st.text(st.characters(exclude_categories=())))
def test_whatever_a_text_has_in_it_can_be_sent(value: str) -> None:
    readable(value).encode()
    if value.isascii():
        assert readable(value) == value


def test_bytes_that_are_no_text_are_shown() -> None:
    broken = b"caf\xe9".decode("utf-8", "surrogateescape")
    assert readable(broken) == "caf\\xe9"
    found = made("host_ok", host=broken, task="t", stdout=broken, data={"res": {broken: broken}})
    assert found["host"]["name"] == "caf\\xe9"
    assert found["opsctl"]["result"] == {"caf\\xe9": "caf\\xe9"}
