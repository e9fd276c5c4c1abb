"""The ledger anchored in Elasticsearch: nothing can be put over what was, and what was rewritten is found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from opsctl.errors import StoreError
from opsctl.events.ship.answer import Trouble
from opsctl.ledger.audit import audit
from opsctl.ledger.automatic import Automatic
from opsctl.ledger.remote import ElasticsearchWitness
from opsctl.settings import Settings

from .conftest import Home
from .server import ANCHORER, WRITER, Node


def witness(home: Home, **changes: Any) -> ElasticsearchWitness:
    return ElasticsearchWitness("", home.options(**changes))


def test_a_checkpoint_is_anchored_once_and_verified(home: Home, node: Node) -> None:
    book = home.ledger(4)
    newest = book.checkpoint()
    assert newest is not None
    one = witness(home)
    assert [one.put(newest), one.put(newest)] == [True, False]
    home.ledger(3)
    second = book.checkpoint()
    assert second is not None
    assert one.put(second)
    report = audit(book, [one])
    assert (report.sound, report.findings, report.anchors) == (True, (), (f"elasticsearch:{one.name[14:]}",))
    found = node.call("GET", f"/{one.name[14:]}/_doc/{newest.number:012d}")["_source"]
    assert (found["seq"], found["hash"], found["line"]) == (newest.seq, newest.hash, newest.line)


def test_a_ledger_that_was_rewritten_is_found(home: Home, tmp_path: Path) -> None:
    book = home.ledger(4)
    newest = book.checkpoint()
    assert newest is not None
    witness(home).put(newest)
    other = Home(tmp_path / "other", home.url, home.namespace)
    other.path.mkdir()
    forged = other.ledger(4)
    report = audit(forged, [witness(home)])
    assert not report.sound
    again = forged.checkpoint()
    assert again is not None
    with pytest.raises(StoreError, match="it has another checkpoint 1"):
        witness(home).put(again)


def test_an_anchor_that_is_not_there_is_said(home: Home) -> None:
    report = audit(home.ledger(2), [witness(home)])
    assert [finding.what for finding in report.findings] == ["unreadable"]
    assert "nothing is anchored there" in report.findings[0].text


def test_who_may_only_create_and_read_needs_no_more_and_can_change_nothing(home: Home) -> None:
    book = home.ledger(2)
    newest = book.checkpoint()
    assert newest is not None
    one = witness(home, user=ANCHORER)
    assert [one.put(newest), one.put(newest)] == [True, False]
    assert audit(book, [one]).sound
    path = f"/{one.name[14:]}/_doc/{newest.number:012d}"
    for method, body in (("PUT", {"line": "other"}), ("DELETE", None)):
        with pytest.raises(Trouble) as raised:
            one._server.call(method, path, body)
        assert raised.value.status in (403, 409)
    assert audit(book, [one]).sound


def test_who_may_not_anchor_is_told_so(home: Home) -> None:
    newest = home.ledger(2).checkpoint()
    assert newest is not None
    with pytest.raises(StoreError, match=r"Cannot anchor in elasticsearch:opsctl-anchors-\S+: .*status 403"):
        witness(home, user=WRITER).put(newest)


def test_anchors_are_written_by_themselves_and_failures_are_kept(home: Home) -> None:
    book = home.ledger(3)
    good = Settings(
        audit_anchors=["elasticsearch:", "file:/nowhere/at/all"], elasticsearch=home.options(), audit_anchor_every="1h"
    )
    automatic = Automatic(home.path, good)
    assert automatic.due()
    automatic.run()
    (line,) = automatic.complaints()
    assert line.startswith("Anchor file:/nowhere/at/all was not written: ")
    assert audit(book, [witness(home)]).sound
    only = Automatic(home.path, good.model_copy(update={"audit_anchors": ["elasticsearch:"]}))
    assert not only.due()
    each = Automatic(home.path, good.model_copy(update={"audit_anchor_every": "run"}))
    assert each.due()
    assert not Automatic(home.path, good.model_copy(update={"audit_anchor_every": "never"})).due()
