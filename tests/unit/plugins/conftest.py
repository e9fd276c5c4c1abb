# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import importlib
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.opsctl.cloud.plugins.module_utils import wait
from ansible_collections.opsctl.cloud.plugins.module_utils.alicloud import client as client_module
from ansible_collections.opsctl.cloud.plugins.module_utils.alicloud.client import Client
from ansible_collections.opsctl.cloud.plugins.module_utils.alicloud.credentials import Credentials
from ansible_collections.opsctl.cloud.plugins.module_utils.alicloud.stacks import Stacks

from tests.unit.plugins.server import Cloud, Server

SECRET = "CANARY-of-the-access-key"
KEY = {"access_key_id": "test-id", "access_key_secret": SECRET, "region": "cn-hangzhou"}

Play = Callable[..., dict[str, Any]]


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No credentials, proxies or home of the one who runs the tests, and no waiting."""
    for name in ("ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET", "ALIBABA_CLOUD_SECURITY_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name in ("ALIBABA_CLOUD_REGION_ID", "ALIBABA_CLOUD_PROFILE", "OPSCTL_CLOUD_ENDPOINT", "OPSCTL_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(wait, "FIRST", 0.002)
    monkeypatch.setattr(client_module, "FIRST", 0.002)
    monkeypatch.setattr(client_module, "LONGEST", 0.01)


@pytest.fixture
def cloud() -> Cloud:
    return Cloud()


@pytest.fixture
def url(cloud: Cloud) -> Iterator[str]:
    """The endpoint of ``cloud``."""
    server = Server(cloud)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield server.url
    server.shutdown()
    server.server_close()
    thread.join(5)


@pytest.fixture
def client(url: str) -> Client:
    return Client(Credentials("test-id", SECRET), "cn-hangzhou", url)


@pytest.fixture
def stacks(client: Client) -> Stacks:
    return Stacks(client)


@pytest.fixture
def play(url: str, capsys: pytest.CaptureFixture[str]) -> Play:
    """Run a module as Ansible does, with arguments, and return what it prints. ``check`` and ``diff`` are modes."""

    def run(which: str, /, check: bool = False, diff: bool = False, **given: Any) -> dict[str, Any]:
        module = importlib.import_module(f"ansible_collections.opsctl.cloud.plugins.modules.{which}")
        modes = {"_ansible_check_mode": check, "_ansible_diff": diff, "_ansible_verbosity": 3}
        with patch_module_args({**KEY, "endpoint": url, **given, **modes}), pytest.raises(SystemExit):
            module.main(module.run, **module.OPTIONS)
        return dict(json.loads(capsys.readouterr().out))

    return run
