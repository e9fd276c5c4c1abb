from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.opsctl.cloud.plugins.module_utils.redis_health import Health, Said, health
from ansible_collections.opsctl.cloud.plugins.module_utils.redis_plan import plan
from ansible_collections.opsctl.cloud.plugins.module_utils.redis_view import Node

from tests.unit.redis.model import Paper, node

SIX = [node(f"a{number}", "a") for number in range(3)] + [node(f"b{number}", "b") for number in range(3)]
INFO = {
    "used_memory": "1048576",
    "maxmemory": "104857600",
    "master_repl_offset": "5000",
    "aof_enabled": "1",
    "aof_last_write_status": "ok",
    "rdb_last_bgsave_status": "ok",
    "uptime_in_seconds": "90",
    "redis_version": "7.0.15",
}


def cluster() -> Paper:
    paper = Paper(SIX)
    paper.apply(plan(paper.views(SIX), 3, 1))
    return paper


def said(paper: Paper, nodes: list[Node] = SIX) -> list[Said]:
    found = []
    for view in paper.views(nodes):
        replica = {"slave_repl_offset": "5000", "master_link_status": "up"} if view.me.master else {}
        found.append(Said(view.node, view, {**INFO, **replica}, "ok"))
    return found


def change(all_said: list[Said], name: str, **infos: str) -> list[Said]:
    return [replace(one, info={**one.info, **infos}) if one.node.name == name else one for one in all_said]


def first(seen: Health, role: str) -> str:
    return str(next(row["name"] for row in seen.rows if row["role"] == role))


def test_a_good_cluster_has_nothing_wrong() -> None:
    seen = health(said(cluster()), 3, 1)
    assert seen.findings == []
    assert seen.plain() | {"nodes": 0} == {
        "nodes": 0,
        "findings": [],
        "healthy": True,
        "slots": 16384,
        "masters": 3,
        "replicas": 3,
    }


def test_the_table_has_a_line_for_every_node() -> None:
    table = health(said(cluster()), 3, 1).table()
    assert len(table) == 7
    assert table[1].split() == ["a0", "a", "master", "0-5460", "0", "1/100", "MiB", "aof", "90", "s", "7.0.15"]


def test_lag_is_what_the_replica_has_not_read() -> None:
    everyone = said(cluster())
    name = first(health(everyone, 3, 1), "replica")
    seen = health(change(everyone, name, slave_repl_offset="4000"), 3, 1)
    assert next(row["lag_bytes"] for row in seen.rows if row["name"] == name) == 1000
    assert seen.findings == []


@pytest.mark.parametrize(
    ("role", "infos", "finding"),
    [
        ("replica", {"slave_repl_offset": "-9000000"}, "is 9005000 bytes behind its master"),
        ("master", {"aof_last_write_status": "err"}, "cannot save its data to disk"),
        ("replica", {"rdb_last_bgsave_status": "err"}, "cannot save its data to disk"),
        ("master", {"used_memory": "99614720"}, "uses 95 % of its memory"),
    ],
)
def test_what_is_wrong_with_one_node_is_one_finding(role: str, infos: dict[str, str], finding: str) -> None:
    everyone = said(cluster())
    name = first(health(everyone, 3, 1), role)
    findings = health(change(everyone, name, **infos), 3, 1).findings
    assert len(findings) == 1
    assert findings[0].startswith(f"{name} {finding}")


def test_a_replica_without_its_master_is_found() -> None:
    everyone = said(cluster())
    name = first(health(everyone, 3, 1), "replica")
    findings = health(change(everyone, name, master_link_status="down"), 3, 1).findings
    assert any(finding.startswith(f"{name} has lost its master") for finding in findings)
    assert any("has 0 replicas in step; 1 wanted" in finding for finding in findings)


def test_a_node_that_says_nothing_is_a_finding() -> None:
    everyone = said(cluster())
    everyone[0] = Said(SIX[0], error="Cannot reach Redis at a0:6379: Connection refused")
    seen = health(everyone, 3, 1)
    assert "a0 does not answer: Cannot reach Redis at a0:6379: Connection refused" in seen.findings
    assert seen.rows[0]["role"] == "unreachable"
    assert "unreachable" in seen.table()[1]


def test_slots_of_a_failed_member_are_served_by_nobody() -> None:
    paper = cluster()
    paper.servers["a0"].failed = True
    everyone = [one for one in said(paper) if one.node.name != "a0"]
    findings = health(everyone, 3, 1).findings
    assert "5461 slots are served by no node: 0-5460" in findings
    assert "The cluster counts a0:6379 as failed" in findings


def test_a_node_that_has_not_joined_is_one_finding() -> None:
    paper = cluster()
    new = node("c0", "c")
    paper.servers["c0"] = type(paper.servers["a0"])(new, knows={"id-c0"})
    findings = health(said(paper, [*SIX, new]), 3, 1).findings
    assert findings == ["c0 is in no cluster", "c0 is a master without slots"]


def test_different_versions_and_zones_are_found() -> None:
    paper = cluster()
    replica = next(server for server in paper.servers.values() if server.master)
    master = next(server for server in paper.servers.values() if server.id == replica.master)
    replica.node = node(replica.node.name, master.node.zone)
    nodes = [server.node for server in paper.servers.values()]
    findings = health(change(said(paper, nodes), "a0", redis_version="7.2.4"), 3, 1).findings
    assert "The nodes run different versions: 7.0.15, 7.2.4" in findings
    assert f"{master.node.name} has no replica outside its zone {master.node.zone}" in findings


def test_another_number_of_masters_is_found() -> None:
    assert health(said(cluster()), 5, 1).findings == ["3 masters serve slots; 5 wanted"]
