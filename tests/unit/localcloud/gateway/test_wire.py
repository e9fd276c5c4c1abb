"""Bytes over a socket: what no well-behaved SDK would send."""

from __future__ import annotations

import queue
import socket
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from opsctl.localcloud.gateway import serve
from opsctl.localcloud.gateway.app import API_BODY, Limits

from .conftest import KEY_ID, SECRET, Served, launched
from .signer import Reply, Signer, exchange, receive, stamp

signer = Signer(KEY_ID, SECRET)


def code(reply: Reply) -> tuple[int, str]:
    assert reply.headers["content-type"] == "application/json;charset=utf-8"
    assert reply.json["RequestId"] == reply.json["RequestId"].upper()
    return reply.status, reply.json["Code"]


@pytest.mark.parametrize("kind", ["acs3", "rpc"])
def test_a_recorded_call_cannot_be_played_again(gateway: Served, kind: str) -> None:
    data = bytes(getattr(signer, kind)("GetStack", {"StackId": "there"}))
    first = exchange(gateway.port, data)
    assert (first.status, first.json["StackName"]) == (200, "there")
    assert first.headers["x-acs-request-id"] == first.json["RequestId"]
    assert code(exchange(gateway.port, data)) == (400, "SignatureNonceUsed")


def test_a_refused_call_does_not_use_up_its_nonce(gateway: Served) -> None:
    headers = {"x-acs-signature-nonce": "once"}
    bad = Signer(KEY_ID, "wrong").acs3("GetStack", {"StackId": "there"}, headers=headers)
    assert code(exchange(gateway.port, bytes(bad))) == (400, "SignatureDoesNotMatch")
    good = signer.acs3("GetStack", {"StackId": "there"}, headers=headers)
    assert exchange(gateway.port, bytes(good)).status == 200


@pytest.mark.parametrize("minutes", [-16, 16, -5], ids=["old", "from the future", "from before the start"])
def test_a_call_of_another_time_is_refused(gateway: Served, minutes: int) -> None:
    date = stamp(datetime.now(UTC) + timedelta(minutes=minutes))
    wire = signer.acs3("GetStack", {"StackId": "there"}, headers={"x-acs-date": date})
    assert code(exchange(gateway.port, bytes(wire))) == (400, "InvalidTimeStamp.Expired")


def test_a_get_is_as_good_as_a_post(gateway: Served) -> None:
    assert exchange(gateway.port, bytes(signer.acs3("GetStack", {"StackId": "there"}, method="GET"))).status == 200
    assert exchange(gateway.port, bytes(signer.rpc("GetStack", {"StackId": "there"}, method="GET"))).status == 200


def test_an_unsigned_call_is_refused(gateway: Served) -> None:
    data = b"POST /?StackId=there HTTP/1.1\r\nhost: x\r\nx-acs-action: GetStack\r\nx-acs-version: 2019-09-10\r\n\r\n"
    assert code(exchange(gateway.port, data)) == (400, "MissingAccessKeyId")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("DELETE / HTTP/1.1", (403, "UnsupportedHTTPMethod")),
        ("POST /ros/ HTTP/1.1", (404, "InvalidAction.NotFound")),
        ("GET /latest/meta-data/ HTTP/1.1", (403, "Forbidden")),
        ("POST /waitcondition?signature=x HTTP/1.1", (403, "Forbidden")),
        ("GET /?A=%ff HTTP/1.1", (400, "InvalidParameter")),
        ("GET /?A=1&A=2 HTTP/1.1", (400, "InvalidParameter")),
        ("nonsense", (400, "InvalidRequest")),
    ],
)
def test_what_is_not_a_call_gets_a_clear_refusal(gateway: Served, line: str, expected: tuple[int, str]) -> None:
    assert code(exchange(gateway.port, f"{line}\r\nhost: 127.0.0.1\r\n\r\n".encode())) == expected


def test_the_metadata_host_is_closed_on_loopback(gateway: Served) -> None:
    reply = exchange(gateway.port, b"GET / HTTP/1.1\r\nhost: 100.100.100.200\r\nx-forwarded-for: 172.30.0.5\r\n\r\n")
    assert code(reply) == (403, "Forbidden")


def test_a_parameter_in_query_and_form_is_refused(gateway: Served) -> None:
    wire = signer.acs3("GetStack", {"StackId": "there"}, {"StackId": "other"})
    assert code(exchange(gateway.port, bytes(wire))) == (400, "InvalidParameter")


def test_a_body_that_is_too_large_is_refused_in_json(gateway: Served) -> None:
    wire = signer.acs3("CreateStack", {}, {"TemplateBody": "x" * (3 * API_BODY)})
    assert code(exchange(gateway.port, bytes(wire))) == (413, "RequestEntityTooLarge")


def test_a_request_line_that_is_too_long_is_refused_in_json(gateway: Served) -> None:
    wire = signer.acs3("GetTemplateSummary", {"TemplateBody": "x" * (serve.HEAD + 2**20)})
    assert code(exchange(gateway.port, bytes(wire))) == (413, "RequestEntityTooLarge")


def test_one_connection_serves_many_calls(gateway: Served) -> None:
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=5) as peer:
        for _ in range(3):
            peer.sendall(bytes(signer.acs3("GetStack", {"StackId": "there"}, {"A": "b"})))
            assert receive(peer).status == 200


def test_a_body_that_never_comes_is_given_up(hasty: Served) -> None:
    with socket.create_connection(("127.0.0.1", hasty.port), timeout=5) as peer:
        peer.sendall(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nabc")
        assert code(receive(peer)) == (408, "RequestTimeout")
        assert peer.recv(1) == b""


@pytest.mark.parametrize("earlier", [b"", b"DELETE / HTTP/1.1\r\nhost: x\r\n\r\n"], ids=["first", "second"])
def test_a_head_that_never_ends_is_cut_off(gateway: Served, monkeypatch: pytest.MonkeyPatch, earlier: bytes) -> None:
    monkeypatch.setattr(serve.Connection, "head_timeout", 0.2)
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=5) as peer:
        if earlier:
            peer.sendall(earlier)
            assert receive(peer).status == 403
        peer.sendall(b"GET / HTTP/1.1\r\nho")
        with pytest.raises(ConnectionError):
            _drip(peer)


def _drip(peer: socket.socket) -> None:
    for _ in range(100):
        peer.sendall(b"x")
        time.sleep(0.05)


def test_calls_beyond_the_queue_are_sent_away_at_once() -> None:
    with launched(Limits(workers=1, queue=2)) as served:
        found: queue.Queue[int] = queue.Queue()

        def call() -> None:
            found.put(exchange(served.port, bytes(signer.acs3("GetStack", {"StackId": "held"}))).status)

        threads = [threading.Thread(target=call) for _ in range(6)]
        for thread in threads:
            thread.start()
        # Two are inside and held; the others must be answered nevertheless.
        assert [found.get(timeout=5) for _ in range(4)] == [503] * 4
        served.release.set()
        assert [found.get(timeout=5) for _ in range(2)] == [404] * 2
        for thread in threads:
            thread.join(timeout=5)


def test_many_calls_at_once_all_get_their_own_answer(gateway: Served) -> None:
    found: dict[int, str] = {}

    def call(number: int) -> None:
        wire = signer.acs3("CreateStack", {"StackName": f"s{number}"})
        found[number] = exchange(gateway.port, bytes(wire)).json["StackId"]

    threads = [threading.Thread(target=call, args=(number,)) for number in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=10)
    assert found == {number: f"id-of-s{number}" for number in range(40)}
