"""The same queries find the same events in Elasticsearch as in the embedded index."""

from __future__ import annotations

import pytest

from opsctl.db.engine import opened
from opsctl.events.journal import Journal
from opsctl.events.ship.find import Remote
from opsctl.search.about import about
from opsctl.search.find import Embedded
from opsctl.search.index import Window
from opsctl.search.query import parse

from .conftest import Home
from .server import Node

_EVENTS = [
    {"host": "web1", "event": "host_ok", "task": "Start redis", "data": {"res": {"msg": "connection accepted"}}},
    {"host": "web2", "event": "host_failed", "task": "Start redis", "data": {"res": {"msg": "connection refused: no"}}},
    {"host": "db1", "event": "host_unreachable", "task": "Look around", "data": {"res": {"msg": "timed out"}}},
    {
        "host": "web1",
        "event": "host_ok",
        "task": "Copy it",
        "data": {"res": {"changed": True, "stderr": "Warnung: Größe"}},
    },
    {
        "host": "db1",
        "event": "host_output",
        "task": "Run",
        "stdout": "日本 out of memory\n",
        "data": {"res": {"stream": "stdout"}},
    },
]


@pytest.fixture
def both(home: Home, node: Node) -> tuple[Embedded, Remote]:
    run = home.run(2)
    journal = Journal(home.path / "journal" / f"{run}.ndjson")
    for number, event in enumerate(_EVENTS):
        journal.append({"time": f"2026-11-21T15:00:0{number}.000000Z", **event})
    journal.close()
    shipper = home.shipper()
    assert shipper.flush().trouble == ""
    node.call("POST", f"/logs-opsctl.*-{home.namespace}/_refresh")
    return Embedded(home.path, about(opened(home.path))), Remote(shipper.server, home.namespace)


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("connection", 2),
        ('"connection refused"', 1),
        ("conn* -refused", 1),
        ("status:failed", 1),
        ("host:web* redis", 2),
        ("refused OR timed", 2),
        ("task:redis status:ok", 1),
        ("event:host_output", 1),
        ("größe", 1),
        ("memory", 1),
        ("absent", 0),
        ("", 7),
    ],
)
def test_both_find_the_same(both: tuple[Embedded, Remote], query: str, count: int) -> None:
    here, there = (each.search(parse(query), Window(), 50) for each in both)
    assert len(there.hits) == count
    assert [(hit.seq, hit.host, hit.status, hit.task) for hit in there.hits] == [
        (hit.seq, hit.host, hit.status, hit.task) for hit in here.hits
    ]


def test_the_newest_come_first_and_the_rest_is_told(both: tuple[Embedded, Remote]) -> None:
    found = both[1].search(parse("host:*"), Window(), 2)
    assert [hit.seq for hit in found.hits] == [7, 6]
    assert found.more


def test_times_narrow_it_down(both: tuple[Embedded, Remote]) -> None:
    begin = 1_795_273_201_000_000
    found = both[1].search(parse(""), Window(begin, begin + 1_000_000), 50)
    assert [hit.host for hit in found.hits] == ["db1", "web2"]
