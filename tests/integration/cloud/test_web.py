"""What the local cloud fetches and calls: templates by address, notifications."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.integration.cloud.lab import Lab, until
from tests.integration.cloud.parts import ref, sleep, template, vpc

pytestmark = pytest.mark.docker

BODY = template({"Vpc": vpc()}, {"Id": ref("Vpc")})


class Site(ThreadingHTTPServer):
    """A web server with a template on it that takes calls too."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.told: list[dict[str, Any]] = []
        self.slowly = threading.Event()


class _Answer(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        if self.path == "/slow":
            self.server.slowly.set()
            time.sleep(3)
        text = b"x" * 600_000 if self.path == "/large" else BODY.encode()
        self.send_response(404 if self.path == "/none" else 200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_POST(self) -> None:
        self.server.told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(500)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    server = Site()
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_a_template_is_fetched_from_where_it_is(cloud: Lab, site: Site) -> None:
    stack_id = cloud.ros("CreateStack", StackName="fetched", TemplateURL=f"{site.url}/stack.yml")["StackId"]
    until("the end", lambda: cloud.ros("GetStack", StackId=stack_id)["Status"] == "CREATE_COMPLETE")
    assert cloud.ros("GetTemplate", StackId=stack_id)["TemplateBody"] == BODY


@pytest.mark.parametrize(
    ("url", "word"),
    [("/none", "404"), ("/large", "524288"), ("file:///etc/passwd", "http"), ("http://127.0.0.1:1/", "refused")],
)
def test_a_template_that_cannot_be_fetched_says_why(cloud: Lab, site: Site, url: str, word: str) -> None:
    address = site.url + url if url.startswith("/") else url
    refusal = cloud.refused("ros", "ValidateTemplate", TemplateURL=address)
    assert (refusal.status, refusal.code) == (400, "InvalidParameter")
    assert "TemplateURL" in refusal.message
    assert word in refusal.message


def test_one_source_of_a_template_and_no_more(cloud: Lab, site: Site) -> None:
    both = {"TemplateBody": BODY, "TemplateURL": f"{site.url}/stack.yml"}
    assert cloud.refused("ros", "CreateStack", StackName="both", **both).code == "MultipleParameter"
    assert cloud.refused("ros", "CreateStack", StackName="none").code == "MissingParameter"


def test_nobody_waits_while_a_slow_template_is_fetched(cloud: Lab, site: Site) -> None:
    fields = {"StackName": "slowly", "TemplateURL": f"{site.url}/slow", "ClientToken": "slowly"}
    slow = threading.Thread(target=lambda: cloud.ros("CreateStack", **fields))
    slow.start()
    assert site.slowly.wait(10)
    begun = time.monotonic()
    assert cloud.create(template({"Pause": sleep()})).status == "CREATE_COMPLETE"
    assert slow.is_alive(), f"it took {time.monotonic() - begun:.1f} s"
    slow.join(20)


def test_the_end_of_an_operation_is_told_to_who_asked_for_it(cloud: Lab, site: Site) -> None:
    stack = cloud.create(BODY, {"NotificationURLs": [f"{site.url}/told"]})
    stack.delete()
    until("two calls", lambda: len(site.told) == 2)
    first, second = site.told
    assert first["Status"] == "CREATE_COMPLETE"
    assert (first["StackId"], first["StackName"]) == (stack.id, stack.name)
    assert first["Outputs"][0]["OutputValue"].startswith("vpc-")
    assert second["Status"] == "DELETE_COMPLETE"
