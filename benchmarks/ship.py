#!/usr/bin/env python3
"""Shipping to Elasticsearch, against a bare bulk loop that sends the same documents to the same server.

    python benchmarks/ship.py [EVENTS]

The server is the one of the tests (scripts/test fetches it), started for this and stopped at the end. The bare loop has
all documents ready in memory and does nothing but send them, in requests of the same size, one at a time. Shipping
reads journals, makes the documents, sends them, checks each answer and writes down how far it came.
"""

from __future__ import annotations

import gc
import sys
import tempfile
from pathlib import Path

from common import ROOT, figure, header, row, timed

sys.path.insert(0, str(ROOT))

from tests.integration.elasticsearch.server import PASSWORD, USER, Node, archive

from opsctl.clock import stamp, uuid7
from opsctl.events.journal import Journal
from opsctl.events.ship import source
from opsctl.events.ship.client import Server
from opsctl.events.ship.options import Elasticsearch
from opsctl.events.ship.parcel import chunks
from opsctl.events.ship.secret import Credentials
from opsctl.events.ship.setup import prepare
from opsctl.events.ship.ship import Shipper
from opsctl.events.ship.state import Cursor

ROUNDS = 5
RUNS = 4


def journals(home: Path, events: int) -> None:
    """Runs as they are: a task on many hosts, each with a start and a result of some lines."""
    for _ in range(RUNS):
        journal = Journal(home / "journal" / f"{uuid7()}.ndjson")
        journal.append({"time": stamp(1_760_000_000), "event": "run_start", "data": {"kind": "playbook"}})
        for number in range(1, events // RUNS):
            about = {"play": "Configure", "task": f"Task {number // 1000}", "action": "ansible.builtin.command"}
            about |= {"host": f"web-{number % 500}", "path": "/srv/site.yml:12"}
            result = {"changed": True, "rc": 0, "cmd": ["uptime", "-p"], "stdout": f"up {number} days", "stderr": ""}
            data = {"res": result, "duration": 0.02, "task_uuid": "02fc0000-0001-3882-4941-000000000005"}
            more = {"event": "host_ok", "data": data} if number % 2 else {"event": "host_start"}
            journal.append({"time": stamp(1_760_000_000 + number / 1000), **about, **more})
        journal.close()


def bare(server: Server, groups: list[list[bytes]]) -> int:
    """The peer."""
    return sum(answer.status == 201 for lines in groups for answer in server.bulk(lines))


def main() -> None:
    events = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    zipped = archive(ROOT)
    if zipped is None:
        sys.exit("benchmarks/ship.py: no Elasticsearch in .opsctl/cache: scripts/test fetches it")
    node = Node(zipped)
    ours, peer = [], []
    try:
        node.start()
        with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
            home = Path(name)
            journals(home, events)
            for turn in range(-1, ROUNDS):
                # A namespace each time: every document is new to the server. The first turn warms it up.
                options = Elasticsearch(url=node.url, user=USER, namespace=f"ship{turn + 1}", chunk_bytes=900_000)
                server = Server(options, Credentials(user=USER, password=PASSWORD))
                prepare(server, options)
                shipper = Shipper(home, options)
                shipper._server = server
                origin = shipper.origin
                paths = sorted((home / "journal").iterdir())
                parcels = (each for path in paths for each in source.journal(path, Cursor(), origin))
                size = (options.chunk_documents, options.chunk_bytes)
                groups = [[parcel.line for parcel in group] for group in chunks(parcels, *size)]
                other = options.namespace.replace("ship", "bare")
                old, new = f"-{options.namespace}".encode(), f"-{other}".encode()
                groups = [[line.replace(old, new, 1) for line in lines] for lines in groups]
                shipper._prepare()
                shipper.rewind([path.stem for path in paths])
                gc.collect()
                pairs = [("peer", lambda g=groups, s=server: bare(s, g)), ("ours", shipper.flush)]
                for who, work in pairs if turn % 2 else pairs[::-1]:
                    seconds, result = timed(work)
                    if who == "peer":
                        assert result == events
                    else:
                        assert (result.trouble, result.counts["acked"]) == ("", events), result
                    if turn >= 0:
                        (ours if who == "ours" else peer).append(seconds)
        header("ship", "bulk")
        row(f"{events:,} events", ours, peer, "<= 1.25 x (80 % of the rate)")
        rates = [f"{events / sorted(each)[len(each) // 2]:,.0f} /s" for each in (ours, peer)]
        figure("rate, bare rate", ", ".join(rates), ">= 80 %")
    finally:
        node.remove()


if __name__ == "__main__":
    main()
