"""Which door opens where: the same application seen from loopback and from the hosts' side."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest

from opsctl.localcloud.errors import ApiError
from opsctl.localcloud.gateway.answer import Answer
from opsctl.localcloud.gateway.app import create_app
from opsctl.localcloud.gateway.signature import Key

from .signer import Signer, Wire

GATEWAY, HOST = "172.30.0.1", "172.30.0.5"
signals: list[tuple[dict[str, str], bytes, str]] = []


class Told:
    """A metadata service that repeats what it was asked."""

    def answer(self, source: str, method: str, path: str, headers: Mapping[str, str]) -> Answer:
        return Answer(200, json.dumps([source, method, path, headers.get("x-token")]).encode())


def _signal(query: dict[str, str], body: bytes, content_type: str) -> None:
    if query.get("signature") != "good":
        raise ApiError("InvalidSignature", "The signature is invalid.", 403)
    signals.append((query, body, content_type))


app = create_app(
    {("2019-09-10", "GetStack"): lambda request: {"StackId": request.params.required("StackId")}},
    {"ak": Key("ak", "sk")}.get,
    metadata=Told(),
    signals=_signal,
)


def ask(wire: Wire, source: str = HOST, server: str = GATEWAY) -> tuple[int, Any]:
    sent: list[dict[str, Any]] = []
    bodies = iter([{"type": "http.request", "body": wire.body, "more_body": False}])

    async def receive() -> dict[str, Any]:
        return next(bodies)

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(name.lower().encode(), value.encode()) for name, value in wire.headers.items()]
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": wire.method, "scheme": "http",
        "path": wire.path, "raw_path": wire.path.encode(), "root_path": "", "query_string": wire.query.encode(),
        "headers": headers, "client": (source, 40000), "server": (server, 8460),
    }  # fmt: skip
    asyncio.run(app(scope, receive, send))
    return sent[0]["status"], json.loads(sent[1]["body"])


@pytest.mark.parametrize(("source", "server"), [("127.0.0.1", "127.0.0.1"), (HOST, GATEWAY)])
def test_signed_calls_are_taken_on_both_sides(source: str, server: str) -> None:
    status, body = ask(Signer("ak", "sk").acs3("GetStack", {"StackId": "x"}), source, server)
    assert (status, body["StackId"]) == (200, "x")
    status, body = ask(Wire("POST", "StackId=x", {"x-acs-action": "GetStack"}), source, server)
    assert (status, body["Code"]) == (400, "MissingAccessKeyId")


@pytest.mark.parametrize(
    ("host", "path"),
    [
        ("100.100.100.200", "/"),
        ("100.100.100.200:80", "/anything"),
        ("172.30.0.1", "/latest/meta-data/instance-id"),
        ("172.30.0.1", "/2016-01-01/meta-data/"),
    ],
)
def test_a_host_reaches_its_metadata_and_is_known_by_its_address(host: str, path: str) -> None:
    headers = {"host": host, "x-token": "t", "x-forwarded-for": "172.30.0.99"}
    assert ask(Wire("GET", "", headers, path=path)) == (200, [HOST, "GET", path, "t"])
    for source, server in (("127.0.0.1", "127.0.0.1"), ("127.0.0.1", GATEWAY), ("", GATEWAY), ("::1", "::1")):
        status, body = ask(Wire("GET", "", headers, path=path), source, server)
        assert (status, body["Code"]) == (403, "Forbidden")


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_a_host_signals_with_the_signature_in_the_url(method: str) -> None:
    signals.clear()
    query = "stackname=S&resource=H&signature=good"
    wire = Wire(method, query, {"content-type": "application/json"}, b'{"status":"SUCCESS"}', "/waitcondition")
    status, body = ask(wire)
    assert (status, set(body)) == (200, {"RequestId"})
    wanted = {"stackname": "S", "resource": "H", "signature": "good"}
    assert signals == [(wanted, b'{"status":"SUCCESS"}', "application/json")]
    assert ask(wire, "127.0.0.1", "127.0.0.1")[0] == 403
    assert len(signals) == 1


def test_a_refused_signal_is_told_why() -> None:
    status, body = ask(Wire("POST", "signature=bad", {}, path="/waitcondition"))
    assert (status, body["Code"], body["Message"]) == (403, "InvalidSignature", "The signature is invalid.")
    assert ask(Wire("GET", "signature=good", {}, path="/waitcondition"))[0] == 403


def test_a_signal_is_small() -> None:
    status, body = ask(Wire("POST", "signature=good", {}, b"x" * 70_000, "/waitcondition"))
    assert (status, body["Code"]) == (413, "RequestEntityTooLarge")
