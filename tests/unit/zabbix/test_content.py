"""What comes to Zabbix: the templates say of themselves what the documents say, and the script for Redis asks it."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

REPLICA = """\
# Replication
role:slave
master_link_status:{link}
connected_slaves:0
loading:0
connected_clients:7
instantaneous_ops_per_sec:120
used_memory:2097152
maxmemory:{maxmemory}
cluster_enabled:{cluster}
"""
CLUSTER = "cluster_state:{state}\ncluster_slots_ok:{slots}\ncluster_known_nodes:6\n"
ALONE = "ERR This instance has cluster support disabled\n"


@pytest.fixture(scope="module")
def templates(root: Path) -> list[dict[str, Any]]:
    paths = sorted((root / "roles/zabbix/files/templates").glob("*.yaml"))
    found = [yaml.safe_load(path.read_text(encoding="utf-8"))["zabbix_export"] for path in paths]
    assert [one["templates"][0]["template"] for one in found] == ["opsctl Linux", "opsctl Redis"]
    return found


def _walk(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _walk(child)


def _triggers(templates: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [node for node in _walk(templates) if "expression" in node and "uuid" in node]


def _tag(node: dict[str, Any], name: str) -> str:
    (value,) = (tag["value"] for tag in node["tags"] if tag["tag"] == name)
    return str(value)


def test_everything_has_an_identity_of_its_own(templates: list[dict[str, Any]]) -> None:
    rows = [(node["uuid"], node["name"]) for node in _walk(templates) if "uuid" in node]
    # The host group is that of both.
    assert len({uuid for uuid, _ in rows}) == len(rows) - 1
    assert all(re.fullmatch(r"[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}", uuid) for uuid, _ in rows)


def test_each_problem_is_in_the_documents_with_its_severity(root: Path, templates: list[dict[str, Any]]) -> None:
    text = (root / "docs/monitoring.md").read_text(encoding="utf-8")
    told = dict(re.findall(r"^\| `([a-z-]+)` \| (\w+) \|", text.split("## Problems")[1], flags=re.MULTILINE))
    severity = {"INFO": "information"}
    found = {
        _tag(one, "opsctl_problem"): severity.get(one["priority"], one["priority"].lower())
        for one in _triggers(templates)
    }
    assert found == told


def test_each_problem_can_be_closed_by_hand(templates: list[dict[str, Any]]) -> None:
    assert {one["manual_close"] for one in _triggers(templates)} == {"YES"}


def test_what_fails_fast_is_looked_at_each_second(templates: list[dict[str, Any]]) -> None:
    items = {item["key"]: item for item in templates[1]["templates"][0]["items"]}
    asked = [item for item in items.values() if item.get("type") != "DEPENDENT"]
    assert {item["delay"] for item in asked} == {"1s"}
    assert items["opsctl.redis.ping"]["master_item"]["key"] in items


def _ask(root: Path, folder: Path, answer: str, port: str = "6379") -> dict[str, Any]:
    """What the script says when `redis-cli` answers this."""
    program = folder / "redis-cli"
    program.write_text(f"#!/bin/sh\ncat > {folder}/asked\ncat <<'EOF'\n{answer}EOF\n")
    program.chmod(0o755)
    script = root / "roles/zabbix_agent/files/redis-status"
    done = subprocess.run(
        ["sh", str(script), port],
        env={"PATH": f"{folder}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _replica(link: str = "up", maxmemory: int = 4194304, cluster: int = 1) -> str:
    return REPLICA.format(link=link, maxmemory=maxmemory, cluster=cluster)


def test_the_script_tells_the_state_of_a_replica(root: Path, tmp_path: Path) -> None:
    answer = "PONG\n" + _replica() + CLUSTER.format(state="ok", slots=16384)
    assert _ask(root, tmp_path, answer.replace("\n", "\r\n")) == {
        "ping": 1,
        "loading": 0,
        "role": "slave",
        "link": 1,
        "replicas": 0,
        "clients": 7,
        "commands": 120,
        "used_memory": 2097152,
        "used_percent": 50.0,
        "cluster_ok": 1,
        "slots_ok": 16384,
        "known_nodes": 6,
    }
    assert (tmp_path / "asked").read_text() == "PING\nINFO\nCLUSTER INFO\n"


def test_the_script_tells_a_broken_replica_of_a_broken_cluster(root: Path, tmp_path: Path) -> None:
    said = _ask(root, tmp_path, "PONG\n" + _replica(link="down") + CLUSTER.format(state="fail", slots=10923))
    assert (said["link"], said["cluster_ok"], said["slots_ok"]) == (0, 0, 10923)


def test_the_script_takes_a_server_that_is_no_cluster_as_well(root: Path, tmp_path: Path) -> None:
    said = _ask(root, tmp_path, "PONG\n" + _replica(maxmemory=0, cluster=0) + ALONE)
    assert (said["cluster_ok"], said["slots_ok"], said["used_percent"]) == (1, 16384, 0)


@pytest.mark.parametrize(
    "answer",
    ["", "Could not connect to Redis at 127.0.0.1:6379: Connection refused\n", "NOAUTH Authentication required.\n"],
)
def test_the_script_says_no_more_than_it_knows(root: Path, tmp_path: Path, answer: str) -> None:
    assert _ask(root, tmp_path, answer) == {"ping": 0}


@pytest.mark.parametrize("port", ["", "x", "6379;id", "-1"])
def test_the_script_takes_a_port_and_nothing_else(root: Path, tmp_path: Path, port: str) -> None:
    assert _ask(root, tmp_path, "PONG\n", port) == {"ping": 0}
    assert not (tmp_path / "asked").exists()
