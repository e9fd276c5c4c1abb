"""The package cache as hosts use it: one fetch, however many ask."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.integration.cloud.conftest import Town
from tests.integration.cloud.lab import Lab

pytestmark = pytest.mark.docker

DEB = b"a package " * 20_000


class Mirror(ThreadingHTTPServer):
    """A Debian mirror that counts what it is asked for."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.asked: Counter[str] = Counter()
        self.url = f"http://127.0.0.1:{self.server_port}/debian"


class _Answer(BaseHTTPRequestHandler):
    server: Mirror

    def do_GET(self) -> None:
        self.server.asked[self.path] += 1
        time.sleep(0.3)  # long enough for the others to ask too
        found = self.path.endswith((".deb", "InRelease"))
        self.send_response(200 if found else 404)
        self.send_header("Content-Length", str(len(DEB) if found else 0))
        self.end_headers()
        self.wfile.write(DEB if found else b"")

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    server = Mirror()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


PROXY = "$(sed -n 's/.*Proxy \"\\(.*\\)\";/\\1/p' /etc/apt/apt.conf.d/90opsctl-cache)"


def fetch(cloud: Lab, instance_id: str, *urls: str) -> str:
    """Begin to fetch, all at once, by way of the cache that apt is told to use."""
    tries = [f"curl -sS -x {PROXY} --noproxy '' '{url}' | sha256sum &" for url in urls]
    return cloud.start(instance_id, "\n".join([*tries, "wait"]))


def test_a_package_comes_from_its_mirror_once(cloud: Lab, town: Town, mirror: Mirror) -> None:
    url = f"{mirror.url}/pool/main/x/x_1%3a1.0+b1_all.deb"
    begun = [fetch(cloud, each, url, url) for each in town]
    wanted = f"{hashlib.sha256(DEB).hexdigest()}  -\n" * 2
    assert [cloud.result(each)["Output"] for each in begun] == [wanted] * 3
    assert sum(mirror.asked.values()) == 1
    cloud.kill()
    cloud.up()
    assert cloud.result(fetch(cloud, town.mail, url))["Output"] == wanted[: len(wanted) // 2]
    assert sum(mirror.asked.values()) == 1


def test_many_packages_at_once_are_all_whole(cloud: Lab, town: Town, mirror: Mirror) -> None:
    urls = [f"{mirror.url}/pool/main/m/m{number}.deb" for number in range(24)]
    told = cloud.result(fetch(cloud, town.mail, *urls))["Output"]
    assert told == f"{hashlib.sha256(DEB).hexdigest()}  -\n" * 24


def test_what_the_mirror_does_not_have_is_not_kept(cloud: Lab, town: Town, mirror: Mirror) -> None:
    url = f"{mirror.url}/dists/bookworm/main/nothing.gz"
    script = f"curl -s -o /dev/null -w '%{{http_code}} ' -x {PROXY} --noproxy '' '{url}'"
    assert cloud.run(town.mail, f"{script}; {script}")[1] == "404 404 "
    assert mirror.asked["/debian/dists/bookworm/main/nothing.gz"] == 2


def test_nothing_but_archives_is_fetched_and_for_hosts_only(cloud: Lab, town: Town, mirror: Mirror) -> None:
    script = f"curl -s -o /dev/null -w '%{{http_code}}' -x {PROXY} --noproxy '' '{mirror.url}/secret.txt'"
    assert cloud.run(town.mail, script)[1] == "403"
    assert not mirror.asked


def test_apt_installs_by_way_of_the_cache(cloud: Lab, town: Town) -> None:
    """With the archives of the host's own sources, where they can be reached."""
    code, told = cloud.run(
        town.mail, "apt-get update 2>&1 | tail -3; apt-get install -y --download-only hello 2>&1 | tail -3", Timeout=60
    )
    if "Could not" in told or "Failed to fetch" in told or "Unable to" in told:
        pytest.skip(f"no package archive answers: {told[-200:]}")
    assert code == 0
    assert cloud.run(town.mail, "ls /var/cache/apt/archives/hello_*.deb")[0] == 0
