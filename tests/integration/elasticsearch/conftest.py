"""One real server for all tests of this folder, a namespace of its own for each test."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from opsctl.clock import stamp, uuid7
from opsctl.db.engine import opened
from opsctl.events.journal import Journal
from opsctl.events.ship.options import Elasticsearch
from opsctl.events.ship.ship import Shipper
from opsctl.ledger.book import Ledger
from opsctl.ledger.record import Entry

from .server import PASSWORD, USER, Node, archive, java

_NUMBERS = itertools.count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.elasticsearch)


def _absent(what: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(what, pytrace=False)
    pytest.skip(what)


@pytest.fixture(scope="session")
def node(root: Path) -> Iterator[Node]:
    zipped = archive(root)
    if zipped is None:
        _absent("no Elasticsearch in .opsctl/cache: scripts/test fetches it")
    if java() is None or shutil.which("setpriv") is None:
        _absent("no Java runtime 17 or newer, or no setpriv")
    assert zipped is not None
    made = Node(zipped)
    try:
        made.start()
        yield made
    finally:
        made.remove()


@dataclass
class Home:
    """A home with journals and a ledger, shipped to a namespace of its own."""

    path: Path
    url: str
    namespace: str
    more: dict[str, Any] = field(default_factory=dict)

    def options(self, **changes: Any) -> Elasticsearch:
        base = {"url": [self.url], "namespace": self.namespace, "user": USER, "patience": 90, "timeout": 20}
        return Elasticsearch(**{**base, "chunk_documents": 200, "chunk_bytes": 900_000, **self.more, **changes})

    def shipper(self, **changes: Any) -> Shipper:
        return Shipper(self.path, self.options(**changes))

    def run(self, events: int, **record: Any) -> str:
        """The journal of a run with this many events."""
        run_id = uuid7()
        journal = Journal(self.path / "journal" / f"{run_id}.ndjson")
        journal.append({"time": stamp(1_760_000_000), "event": "run_start", "data": {"kind": "playbook"}})
        for number in range(events - 1):
            journal.append({**_event(number), **record})
        journal.close()
        return run_id

    def ledger(self, records: int) -> Ledger:
        book = Ledger(opened(self.path), self.path / "ledger.head")
        book.append(*(Entry("asked", "r", {"name": "ann", "uid": 7}, "here", {"n": n}) for n in range(records - 1)))
        book.append(Entry("finished", "r", {"name": "ann", "uid": 7}, "here", {"status": "succeeded"}))
        return book

    def events(self) -> int:
        """How many there are in the journals."""
        return sum(path.read_bytes().count(b"\n") for path in (self.path / "journal").glob("*.ndjson"))

    def configure(self, **changes: Any) -> None:
        """As config.toml, for opsctl as a process."""
        options = self.options(**changes).model_dump(exclude_defaults=True, mode="json")
        lines = [f"{name} = {value!r}" for name, value in options.items()]
        (self.path / "config.toml").write_text("\n".join(["[elasticsearch]", *lines, ""]))


def _event(number: int) -> dict[str, Any]:
    return {
        "time": stamp(1_760_000_000 + number / 1000),
        "event": "host_ok",
        "play": "Configure",
        "task": "Install the package",
        "action": "ansible.builtin.apt",
        "host": f"web-{number % 7}",
        "data": {"res": {"changed": number % 3 == 0, "msg": f"package {number} is there", "rc": 0}, "duration": 0.25},
    }


@pytest.fixture
def home(tmp_path: Path, node: Node, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("OPSCTL_ELASTICSEARCH_PASSWORD", PASSWORD)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    path = tmp_path / "home"
    path.mkdir(mode=0o700)
    return Home(path, node.url, f"t{next(_NUMBERS)}_{os.getpid()}")
