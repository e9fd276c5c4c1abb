# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest
from ansible_collections.opsctl.cloud.plugins.module_utils.alicloud import client as module
from ansible_collections.opsctl.cloud.plugins.module_utils.alicloud.client import Client, connect
from ansible_collections.opsctl.cloud.plugins.module_utils.alicloud.credentials import Credentials
from ansible_collections.opsctl.cloud.plugins.module_utils.errors import CloudError, Invalid, Unreachable

from tests.unit.plugins.conftest import KEY, SECRET

EMPTY = {"Resources": {}}


@pytest.fixture
def nobody():
    """The URL of an endpoint where nothing listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@pytest.mark.parametrize("fault", ["throttle", "error", "busy", "html", "lost"])
def test_a_passing_fault_is_tried_again(cloud, client, fault):
    cloud.faults.extend([("ListStacks", fault)] * 2)
    assert client.ros("ListStacks")["TotalCount"] == 0
    assert cloud.count("ListStacks") == 3


def test_there_is_an_end_to_trying(cloud, client):
    cloud.faults.extend([("ListStacks", "throttle")] * 99)
    with pytest.raises(CloudError, match=r"ListStacks refused with Throttling\.User: Request was denied"):
        client.ros("ListStacks")
    assert cloud.count("ListStacks") == module.TRIES


def test_pauses_grow_and_differ_at_random(cloud, url):
    slept = []
    client = Client(Credentials("a", "b"), "r", url, sleep=slept.append, rand=lambda: 0.5)
    cloud.faults.extend([("ListStacks", "throttle")] * 4)
    client.ros("ListStacks")
    assert slept == pytest.approx([0.0015, 0.003, 0.006, 0.0075])


def test_patience_ends_by_the_clock_too(cloud, url):
    now = iter(range(0, 10_000, 40))
    client = Client(Credentials("a", "b"), "r", url, clock=lambda: next(now), sleep=lambda _seconds: None)
    cloud.faults.extend([("ListStacks", "error")] * 99)
    with pytest.raises(CloudError):
        client.ros("ListStacks")
    assert cloud.count("ListStacks") == 2


def test_a_refusal_is_not_tried_again_and_keeps_code_and_text(cloud, client):
    with pytest.raises(CloudError) as caught:
        client.ros("GetStack", StackId="none")
    assert (caught.value.code, caught.value.status) == ("StackNotFound", 404)
    assert caught.value.text == "The Stack (none) could not be found."
    assert cloud.count("GetStack") == 1


def test_where_nothing_listens_is_given_up_soon_and_said_plainly(nobody):
    slept = []
    client = Client(Credentials("a", "b"), "r", nobody, sleep=slept.append)
    with pytest.raises(Unreachable, match=f"No answer to ListStacks from {nobody}: connection refused"):
        client.ros("ListStacks")
    assert len(slept) == module.TRIES_FIRST - 1


def test_no_parameter_shows_in_the_error_of_a_lost_call(nobody):
    client = Client(Credentials("a", SECRET), "r", nobody)
    with pytest.raises(Unreachable) as caught:
        client.ros("CreateStack", Parameters=[{"ParameterKey": "P", "ParameterValue": "CANARY-of-a-parameter"}])
    chain, error = "", caught.value
    while error is not None:
        chain += repr(error) + str(error)
        error = None if error.__suppress_context__ else error.__context__
    assert "CANARY" not in chain


def test_a_refused_signature_does_not_repeat_the_request(cloud, client):
    cloud.faults.append(("CreateStack", "unsigned"))
    with pytest.raises(CloudError, match="SignatureDoesNotMatch: the secret does not belong") as caught:
        client.ros("CreateStack", Parameters=[{"ParameterKey": "P", "ParameterValue": "CANARY-of-a-parameter"}])
    assert "CANARY" not in str(caught.value)


def test_a_proxy_is_not_used_for_loopback_and_the_environment_is_as_before(cloud, client, nobody, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, nobody)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _n: client.ros("ListStacks"), range(40)))
    assert len(answers) == 40
    assert all(os.environ[name] == nobody for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"))


def test_a_proxy_is_used_for_other_endpoints_unless_no_proxy_names_them(cloud, url, monkeypatch):
    monkeypatch.setenv("http_proxy", url)
    client = Client(Credentials("a", "b"), "r", "http://ros.example.invalid")
    assert client.ros("ListStacks")["TotalCount"] == 0
    monkeypatch.setenv("no_proxy", "example.invalid")
    client = Client(Credentials("a", "b"), "r", "http://ros.example.invalid")
    with pytest.raises(Unreachable):
        client.ros("ListStacks")


def test_the_template_goes_in_the_body_and_the_rest_in_the_query(cloud, client):
    client.ros("ValidateTemplate", {"TemplateBody": '{"Resources": {}}' + " " * 100_000})
    action, query = cloud.calls[-1]
    assert action == "ValidateTemplate"
    assert query["RegionId"] == "cn-hangzhou"
    assert len(query["TemplateBody"]) > 100_000


@pytest.mark.parametrize("url", ["http://", "ftp://x", "http://x/path", "::"])
def test_an_endpoint_that_is_none_is_named(url):
    with pytest.raises(Invalid, match="is not an endpoint"):
        Client(Credentials("a", "b"), "r", url).ros("ListStacks")


def test_without_an_endpoint_the_public_ones_are_used(monkeypatch):
    seen = []
    monkeypatch.setattr(module, "_Sdk", lambda url, _key, _region: seen.append(url) or _Silent())
    client = Client(Credentials("a", "b"), "cn-x")
    client.ros("ListStacks")
    client.ecs("DescribeInstances")
    assert seen == ["https://ros.aliyuncs.com", "https://ecs.cn-x.aliyuncs.com"]


class _Silent:
    def call(self, *_given):
        return {}


def test_region_and_endpoint_come_from_the_options_or_the_environment():
    env = {"ALIBABA_CLOUD_REGION_ID": "cn-env", "OPSCTL_CLOUD_ENDPOINT": "http://127.0.0.1:1"}
    options = {**KEY, "region": None}
    assert connect(options, env).region == "cn-env"
    assert connect(KEY, env).region == "cn-hangzhou"
    with pytest.raises(Invalid, match="No region"):
        connect(options, {})
