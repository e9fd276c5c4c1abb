"""A gateway on loopback with echoing actions, and the official clients that talk to it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from alibabacloud_ros20190910.client import Client as Ros
from alibabacloud_tea_openapi.models import Config

from opsctl.localcloud.errors import ApiError
from opsctl.localcloud.gateway.answer import ThrottledError
from opsctl.localcloud.gateway.app import Handler, Limits, Request, create_app
from opsctl.localcloud.gateway.serve import Server
from opsctl.localcloud.gateway.signature import Key

KEY_ID, SECRET = "LTAItest", "CANARY-access-key-secret"
STS = Key("STS.temp", "CANARY-sts-secret", security_token="CANARY-token")
OLD = Key("STS.old", "old", security_token="old-token", expires=datetime(2020, 1, 1, tzinfo=UTC))
KEYS = {key.access_key_id: key for key in (Key(KEY_ID, SECRET), STS, OLD)}


@dataclass
class Served:
    """A running gateway and the requests its actions saw."""

    port: int
    server: Server
    seen: list[Request]
    release: threading.Event
    """Lets go the calls that are held."""

    def client(self, kind: Callable[[Config], Any] = Ros, **options: Any) -> Any:
        wanted = {"access_key_id": KEY_ID, "access_key_secret": SECRET, "region_id": "cn-hangzhou", "protocol": "http"}
        return kind(Config(**{**wanted, "endpoint": f"127.0.0.1:{self.port}", **options}))


def _actions(seen: list[Request], release: threading.Event) -> dict[tuple[str, str], Handler]:
    def create(request: Request) -> dict[str, Any]:
        seen.append(request)
        return {"StackId": f"id-of-{request.params.required('StackName')}"}

    def get(request: Request) -> dict[str, Any]:
        name = request.params.required("StackId")
        if name == "busy":
            raise ThrottledError("Throttling.User", "Request was denied due to user flow control.", retry_after=30)
        if name == "bug":
            raise RuntimeError(SECRET)
        if name == "slow":
            time.sleep(0.5)
        if name == "held":
            release.wait(10)
        if name == "odd":
            return {"StackName": object()}
        if name != "there":
            raise ApiError("StackNotFound", f"The Stack ({name}) could not be found.", 404)
        return {"StackName": "there", "Outputs": [{"OutputKey": "k", "OutputValue": "中\ud800"}], "RequestId": "forged"}

    def echo(request: Request) -> dict[str, Any]:
        seen.append(request)
        return {"Description": str(len(request.params.get("TemplateBody", "")))}

    return {
        ("2019-09-10", "CreateStack"): create,
        ("2019-09-10", "GetStack"): get,
        ("2019-09-10", "GetTemplateSummary"): echo,
        ("2014-05-26", "DescribeInstances"): echo,
        ("2014-05-26", "RunCommand"): echo,
        ("2016-04-28", "DescribeVpcs"): echo,
    }


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDKs would send even loopback calls to a proxy."""
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)


@contextmanager
def launched(limits: Limits) -> Iterator[Served]:
    seen: list[Request] = []
    release = threading.Event()
    app = create_app(_actions(seen, release), KEYS.get, limits=limits)
    listener = socket.create_server(("127.0.0.1", 0))
    server = Server(app, grace=2)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    deadline = time.monotonic() + 10
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.005)
    yield Served(listener.getsockname()[1], server, seen, release)
    server.stop()
    thread.join(timeout=10)
    assert not thread.is_alive()


@pytest.fixture(scope="session")
def gateway() -> Iterator[Served]:
    with launched(Limits(workers=8)) as served:
        yield served


@pytest.fixture(scope="session")
def hasty() -> Iterator[Served]:
    """A gateway of little patience."""
    with launched(Limits(body_timeout=0.2, call_timeout=0.2)) as served:
        yield served
