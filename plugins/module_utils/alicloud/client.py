# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls to the Alibaba Cloud API through the official SDK's core, with retries and errors in our words.

The SDK's generic call is used rather than its generated product packages: those only wrap it in models, take half a
second to import (ECS), and turn 1,000 instance records into objects that would be turned back into records here.
"""

from __future__ import annotations

import os
import random
import re
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from urllib.request import proxy_bypass

from ansible_collections.opsctl.cloud.plugins.module_utils.alicloud import credentials
from ansible_collections.opsctl.cloud.plugins.module_utils.errors import CloudError, Invalid, Missing, Unreachable

LIBRARY = "alibabacloud-tea-openapi"
CONNECT, READ = 5_000, 30_000  # milliseconds; PreviewStack of a large template takes long
TRIES, TRIES_FIRST = 8, 3  # an endpoint that never answered is given up soon
PATIENCE = 60.0  # seconds after which a call is not tried again
FIRST, LONGEST = 0.25, 8.0  # seconds between tries
SIGNATURE = {
    "SignatureDoesNotMatch": "the secret does not belong to this access key id",
    "SignatureNonceUsed": "the same request came twice; does something repeat requests on the way?",
}
BUSY = re.compile(r"Throttling|^ServiceUnavailable$|^LastTokenProcessing$")


@dataclass(frozen=True)
class Product:
    """A cloud product: its API version and its public endpoint."""

    version: str
    endpoint: str


ROS = Product("2019-09-10", "ros.aliyuncs.com")
ECS = Product("2014-05-26", "ecs.{region}.aliyuncs.com")


class Client:
    """One account in one region. Safe for threads.

    ``endpoint`` is a URL used for every product; without it each product's public endpoint is used, by HTTPS.
    """

    def __init__(
        self,
        key: credentials.Credentials,
        region: str,
        endpoint: str | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        rand: Callable[[], float] = random.random,
    ) -> None:
        self.region = region
        self._key = key
        self._endpoint = endpoint
        self._clock = clock
        self._sleep = sleep
        self._rand = rand
        self._heard = False
        self._sdk: dict[str, _Sdk] = {}

    def call(
        self, product: Product, action: str, query: Mapping[str, Any], body: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Call ``action`` and return the answer's body.

        ``None`` values are left out; lists and objects are flattened by the SDK. Retried on throttling, 5xx and a
        missing answer: a call that writes needs a ClientToken or must bear being repeated.
        Raises :class:`CloudError`, its subclass :class:`Unreachable`, and :class:`Missing` without the SDK.
        """
        given = {"RegionId": self.region, **{k: v for k, v in query.items() if v is not None}}
        sdk = self._connection(product)
        start, tried, lost = self._clock(), 0, False
        while True:
            tried += 1
            try:
                answer = sdk.call(product.version, action, given, body)
            except CloudError as error:
                self._heard = self._heard or not isinstance(error, Unreachable)
                over = tried >= (TRIES if self._heard else TRIES_FIRST) or self._clock() - start > PATIENCE
                if over or not passing(error):
                    error.repeated = lost
                    raise
                lost = lost or isinstance(error, Unreachable) or error.status >= 500
            else:
                self._heard = True
                return answer
            self._sleep(min(LONGEST, FIRST * 2 ** (tried - 1)) * (0.5 + self._rand() / 2))

    def ros(self, action: str, body: Mapping[str, Any] | None = None, **query: Any) -> dict[str, Any]:
        """Call an action of the orchestration service."""
        return self.call(ROS, action, query, body)

    def ecs(self, action: str, **query: Any) -> dict[str, Any]:
        """Call an action of the compute service."""
        return self.call(ECS, action, query)

    def _connection(self, product: Product) -> _Sdk:
        url = self._endpoint or "https://" + product.endpoint.format(region=self.region)
        if url not in self._sdk:
            self._sdk[url] = _Sdk(url, self._key, self.region)
        return self._sdk[url]


def connect(options: Mapping[str, Any], env: Mapping[str, str] | None = None) -> Client:
    """A client from the options every module shares: access key, profile, region and endpoint."""
    env = os.environ if env is None else env
    key = credentials.find(options, env)
    region = options.get("region") or env.get("ALIBABA_CLOUD_REGION_ID") or key.region
    if not region:
        raise Invalid("No region: set the option region or ALIBABA_CLOUD_REGION_ID")
    return Client(key, str(region), options.get("endpoint") or env.get("OPSCTL_CLOUD_ENDPOINT"))


def passing(error: CloudError) -> bool:
    """Whether the same call may succeed a little later."""
    return isinstance(error, Unreachable) or error.status >= 500 or bool(BUSY.search(error.code))


class _Sdk:
    """The only user of the SDK: one endpoint, exactly one request a call."""

    def __init__(self, url: str, key: credentials.Credentials, region: str) -> None:
        parts = urlsplit(url if "//" in url else f"//{url}", scheme="https")
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/"):
            raise Invalid(f"{url} is not an endpoint: write it like https://ros.aliyuncs.com or http://127.0.0.1:8460")
        self._url = f"{parts.scheme}://{parts.netloc}"
        try:
            from alibabacloud_tea_openapi import utils_models
            from alibabacloud_tea_openapi.client import Client as OpenApi
            from alibabacloud_tea_openapi.utils import Utils
            from darabonba.exceptions import ResponseException
            from darabonba.runtime import RuntimeOptions
            from Tea.exceptions import TeaException, UnretryableException
        except ImportError:
            raise Missing(LIBRARY, traceback.format_exc()) from None
        self._models, self._flat, self._runtime = utils_models, Utils.query, RuntimeOptions
        self._refused, self._lost = ResponseException, (UnretryableException, TeaException)
        self._direct = _direct(parts.hostname)
        config = utils_models.Config(
            access_key_id=key.access_key_id,
            access_key_secret=key.access_key_secret,
            security_token=key.security_token,
            region_id=region,
            endpoint=parts.netloc,
            protocol=parts.scheme,
            connect_timeout=CONNECT,
            read_timeout=READ,
            user_agent="opsctl",
            http_proxy=None if self._direct else _proxy("HTTP_PROXY"),
            https_proxy=None if self._direct else _proxy("HTTPS_PROXY"),
        )
        self._client = OpenApi(config)

    def call(
        self, version: str, action: str, query: Mapping[str, Any], body: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        params = self._models.Params(
            action=action,
            version=version,
            protocol="HTTPS",
            pathname="/",
            method="POST",
            auth_type="AK",
            style="RPC",
            req_body_type="formData",
            body_type="json",
        )
        request = self._models.OpenApiRequest(query=self._flat(dict(query)), body=dict(body) if body else None)
        try:
            with _without_proxy() if self._direct else nullcontext():
                answer = self._client.call_api(params, request, self._runtime())["body"]
        except self._refused as error:
            data = error.data or {}
            code, text = str(error.code), str(data.get("Message") or data.get("message") or "no reason given")
            if "Signature" in code:
                # the service repeats the whole request, with the secrets among its parameters and headers
                text = SIGNATURE.get(code, "the signature is not accepted")
            raise CloudError(action, code, text, int(error.statusCode or 0), _id(data)) from None
        except self._lost as error:
            # its text quotes the URL, where parameters with secrets are
            raise Unreachable(action, self._url, _reason(str(error))) from None
        if not isinstance(answer, dict):
            raise Unreachable(action, self._url, "the answer is not a JSON object")
        return answer


def _id(data: Mapping[str, Any]) -> str:
    return str(data.get("RequestId") or data.get("requestId") or "")


REASONS = {
    "Connection refused": "connection refused; does anything listen there?",
    "Name or service not known": "the host name is not known",
    "Temporary failure in name resolution": "the host name cannot be resolved",
    "No route to host": "no route to the host",
    "Network is unreachable": "the network is unreachable",
    "CERTIFICATE_VERIFY_FAILED": "its certificate is not trusted",
    "WRONG_VERSION_NUMBER": "it does not speak HTTPS; is it an http:// endpoint?",
    "ProxyError": "the proxy does not answer",
    "Unable to connect to proxy": "the proxy does not answer",
    "timed out": "time ran out",
    "Connection aborted": "the connection was cut",
    "Remote end closed": "the connection was cut",
    "Connection reset": "the connection was cut",
    "Expecting value": "the answer is not JSON",
}


def _reason(text: str) -> str:
    return next((words for mark, words in REASONS.items() if mark in text), "the connection failed")


def _direct(host: str) -> bool:
    """Whether a proxy must not be used; the SDK heeds no NO_PROXY and sends even loopback through a proxy."""
    return host in ("localhost", "::1") or host.startswith("127.") or bool(proxy_bypass(host))


def _proxy(name: str) -> str | None:
    """The proxy variable's value, also while it is hidden."""
    with _lock:
        found = {**os.environ, **_saved}
    return found.get(name) or found.get(name.lower())


PROXIES = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy")
_lock = threading.Lock()
_inside: list[bool] = []
_saved: dict[str, str] = {}


@contextmanager
def _without_proxy() -> Iterator[None]:
    """Hide the proxy variables while any thread is inside: the SDK reads them at each request, with no switch."""
    with _lock:
        if not _inside:
            _saved.update({name: os.environ.pop(name) for name in PROXIES if name in os.environ})
        _inside.append(True)
    try:
        yield
    finally:
        with _lock:
            _inside.pop()
            if not _inside:
                os.environ.update(_saved)
                _saved.clear()
