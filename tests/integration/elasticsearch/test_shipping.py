"""Each event of every run arrives once, whatever happens on the way."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress

import pytest

from opsctl.events.ship.answer import Item, Trouble
from opsctl.events.ship.client import Server
from opsctl.events.ship.secret import Credentials
from opsctl.events.ship.setup import prepare
from opsctl.events.ship.template import mappings

from .conftest import Home
from .proxy import Proxy
from .server import NOBODY, PASSWORD, USER, WRITER, Node


def arrived(node: Node, home: Home) -> Counter[tuple[str, int]]:
    """How often each event is there, by run and number."""
    found = node.documents(home.namespace)
    return Counter((each["trace"]["id"], each["event"]["sequence"]) for each in found if "audit" not in each["_index"])


def exactly_once(node: Node, home: Home) -> None:
    found = arrived(node, home)
    assert set(found.values()) == {1}
    runs = {run for run, _number in found}
    for path in (home.path / "journal").glob("*.ndjson"):
        count = path.read_bytes().count(b"\n")
        assert sorted(number for run, number in found if run == path.stem) == list(range(1, count + 1))
        runs.discard(path.stem)
    assert not runs


def test_journals_and_ledger_arrive_and_a_second_time_there_is_nothing_to_send(home: Home, node: Node) -> None:
    home.run(450)
    home.run(3)
    home.ledger(5)
    shipper = home.shipper()
    first = shipper.flush()
    assert (first.trouble, first.counts["acked"]) == ("", 458)
    exactly_once(node, home)
    audit = node.documents(home.namespace, "audit")
    assert sorted(each["event"]["sequence"] for each in audit) == [1, 2, 3, 4, 5]
    assert {each["user"]["name"] for each in audit} == {"ann"}
    assert shipper.flush().counts.total() == 0
    assert shipper.status()["waiting"] == {"runs": 0, "bytes": 0, "ledger": 0}


def test_only_what_was_appended_is_sent_the_next_time(home: Home, node: Node) -> None:
    from opsctl.events.journal import Journal

    run = home.run(10)
    shipper = home.shipper()
    shipper.flush()
    journal = Journal(home.path / "journal" / f"{run}.ndjson")
    journal.append({"time": "2026-01-01T00:00:00Z", "event": "run_end", "data": {"status": "succeeded"}})
    journal.close()
    assert shipper.flush().counts["acked"] == 1
    exactly_once(node, home)
    (end,) = [each for each in node.documents(home.namespace) if each["event"]["action"] == "run-finished"]
    assert (end["event"]["outcome"], end["opsctl"]["status"]) == ("success", "succeeded")


def test_a_lost_answer_doubles_nothing(home: Home, node: Node) -> None:
    home.run(900)
    with Proxy(node.port) as proxy:
        home.url = proxy.url
        proxy.lose = 2
        report = home.shipper().flush()
        assert proxy.lost == 2
    # Two answers of one chunk, or of two chunks: they are on the way side by side.
    assert (report.trouble, report.counts["duplicate"] in (200, 400)) == ("", True)
    assert report.counts["duplicate"] + report.counts["acked"] == 900
    exactly_once(node, home)


def test_a_sender_killed_at_any_moment_loses_and_doubles_nothing(home: Home, node: Node) -> None:
    for _ in range(4):
        home.run(1000)
    home.ledger(50)
    killed, chance = 0, random.Random(4)  # noqa: S311 - chance, not secrecy
    with Proxy(node.port) as proxy:
        home.url = proxy.url
        proxy.delay = 0.03
        home.configure()
        environment = {**os.environ, "OPSCTL_HOME": str(home.path)}
        for _ in range(4):
            sender = subprocess.Popen([sys.executable, "-m", "opsctl.events.ship"], env=environment)
            state = home.path / "spool" / "ship.db"
            limit = time.monotonic() + 20
            while not state.exists() and time.monotonic() < limit:
                time.sleep(0.02)
            time.sleep(chance.uniform(0.1, 1.5))
            if sender.poll() is None:
                sender.send_signal(signal.SIGKILL)
                killed += 1
            sender.wait()
        proxy.delay = 0
        assert home.shipper().flush().trouble == ""
    assert killed
    exactly_once(node, home)
    assert Counter(each["event"]["sequence"] for each in node.documents(home.namespace, "audit")) == Counter(
        range(1, 51)
    )


def test_two_senders_do_not_meet(home: Home, node: Node) -> None:
    home.run(2000)
    with Proxy(node.port) as proxy:
        home.url = proxy.url
        proxy.delay = 0.05
        home.configure()
        environment = {**os.environ, "OPSCTL_HOME": str(home.path)}
        senders = [subprocess.Popen([sys.executable, "-m", "opsctl.events.ship"], env=environment) for _ in range(2)]
        assert [sender.wait(timeout=60) for sender in senders] == [0, 0]
    exactly_once(node, home)
    counts = home.shipper().status()["counts"]
    assert (counts["acked"], counts["duplicate"]) == (2000, 0)


def test_a_server_that_stands_still_is_given_up_and_then_gets_all(home: Home, node: Node) -> None:
    home.run(300)
    shipper = home.shipper(timeout=0.5, patience=1)
    prepare(shipper.server, shipper.options)
    node.pause()
    try:
        began = time.monotonic()
        report = shipper.flush()
        assert time.monotonic() - began < 6
    finally:
        node.go_on()
    assert "no answer in time" in report.trouble
    assert shipper.state.circuit.open()
    assert home.shipper().flush().trouble == ""
    exactly_once(node, home)
    assert not shipper.state.circuit.failures


def test_a_server_that_was_killed_gets_all_when_it_is_back(home: Home, node: Node) -> None:
    home.run(600)
    assert home.shipper().flush().trouble == ""
    home.run(600)
    node.stop()
    report = home.shipper(patience=1).flush()
    assert "Connection refused" in report.trouble
    waiting = home.shipper().status()["waiting"]
    assert (waiting["runs"], waiting["bytes"] > 0) == (1, True)
    node.start()
    assert home.shipper().flush().trouble == ""
    exactly_once(node, home)


def test_a_busy_server_is_asked_again(home: Home, node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server's queue is short: with others at work it answers 429, until they have gone."""
    home.run(2000)
    shipper = home.shipper(patience=60, chunk_documents=50)
    prepare(shipper.server, shipper.options)
    over, refused = threading.Event(), []
    bulk = shipper.server.bulk

    def watched(lines: Sequence[bytes]) -> list[Item]:
        try:
            answers = bulk(lines)
        except Trouble as trouble:
            answers = []
            refused.append(trouble.status)
            raise
        finally:
            refused.extend(answer.status for answer in answers if answer.status >= 400)
            if refused:
                over.set()
        return answers

    monkeypatch.setattr(shipper.server, "bulk", watched)
    line = f'{{"index":{{"_index":"noise-{home.namespace}"}}}}\n{{"text":"{"x " * 400}"}}'.encode()

    def crowd() -> None:
        server = Server(home.options(timeout=20), Credentials(user=USER, password=PASSWORD))
        while not over.wait(0):
            with suppress(Trouble):
                server.call("POST", "/_bulk", [line] * 200)

    crowds = [threading.Thread(target=crowd) for _ in range(8)]
    for thread in crowds:
        thread.start()
    try:
        report = shipper.flush()
    finally:
        over.set()
        for thread in crowds:
            thread.join()
    assert report.trouble == ""
    assert set(refused) == {429}
    assert report.counts["retried"] >= len(refused)
    exactly_once(node, home)


def test_what_is_too_much_at_once_is_split(home: Home, node: Node) -> None:
    home.run(120, stdout="x" * 20_000)
    report = home.shipper(chunk_bytes=20_000_000, chunk_documents=1000).flush()
    assert (report.trouble, report.counts["dead"]) == ("", 0)
    assert report.counts["split"] > 0
    exactly_once(node, home)


@pytest.fixture
def strict(home: Home, node: Node) -> Home:
    """A namespace whose stream takes `process.exit_code` for an address."""
    mapping = mappings()
    mapping["properties"]["process"] = {"properties": {"exit_code": {"type": "ip"}}}
    prepare(home.shipper().server, home.options())
    body = {
        "index_patterns": [f"logs-opsctl.task-{home.namespace}"],
        "data_stream": {},
        "priority": 900,
        "template": {"mappings": mapping},
    }
    node.call("PUT", f"/_index_template/strict-{home.namespace}", body)
    return home


def test_what_can_never_be_taken_becomes_a_dead_letter_and_the_rest_arrives(strict: Home, node: Node) -> None:
    home = strict
    good, bad = home.run(20, data={"res": {"msg": "fine"}}), home.run(4)
    shipper = home.shipper()
    report = shipper.flush()
    assert report.trouble == ""
    assert report.counts["dead"] == 3
    letters = list(shipper.dead.letters())
    assert {letter.source for letter in letters} == {bad}
    assert {letter.status for letter in letters} == {400}
    assert all("exit_code" in letter.reason for letter in letters)
    assert {run: sum(1 for each, _ in arrived(node, home) if each == run) for run in (good, bad)} == {good: 20, bad: 1}
    # Somebody mends the mapping; they are sent again.
    node.call("DELETE", f"/_index_template/strict-{home.namespace}")
    node.call("POST", f"/logs-opsctl.task-{home.namespace}/_rollover")
    again = shipper.resend()
    assert (again.trouble, again.counts["acked"], again.counts["dead"]) == ("", 3, 0)
    assert list(shipper.dead.letters()) == []
    exactly_once(node, home)


def test_dead_letters_that_are_refused_again_stay(strict: Home) -> None:
    strict.run(4)
    shipper = strict.shipper()
    shipper.flush()
    report = shipper.resend()
    assert report.counts["dead"] == 3
    assert len(list(shipper.dead.letters())) == 3


def test_wrong_credentials_close_the_way_with_one_line(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.run(5)
    monkeypatch.setenv("OPSCTL_ELASTICSEARCH_API_KEY", "Y2FuYXJ5LWtleTpjYW5hcnktc2VjcmV0")
    shipper = home.shipper()
    report = shipper.flush()
    assert "(status 401)" in report.trouble
    assert len(report.trouble.splitlines()) == 1
    assert "Y2FuYXJ5" not in report.trouble
    assert shipper.state.circuit.left > 200
    monkeypatch.delenv("OPSCTL_ELASTICSEARCH_API_KEY")
    assert home.shipper().flush().counts["acked"] == 5


def test_who_may_not_write_is_told_so(home: Home) -> None:
    home.run(5)
    report = home.shipper(user=NOBODY).flush()
    assert "403" in report.trouble
    assert home.shipper().status()["dead"] == 0


def test_who_may_only_write_needs_no_more(home: Home, node: Node) -> None:
    prepare(home.shipper().server, home.options())
    home.run(30)
    report = home.shipper(user=WRITER).flush()
    assert (report.trouble, report.counts["acked"]) == ("", 30)
    exactly_once(node, home)
