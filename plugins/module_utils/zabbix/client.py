# Copyright: (c) 2026, The opsctl developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls to the API of Zabbix 6.0 to 8.0 that stand a bad day: tried again, logged in again, with typed errors."""

from __future__ import annotations

import contextlib
import itertools
import json
import random
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.opsctl.cloud.plugins.module_utils.zabbix import dialect
from ansible_collections.opsctl.cloud.plugins.module_utils.zabbix.errors import (
    Auth,
    Refused,
    Unavailable,
    Unsupported,
    ZabbixError,
    of_answer,
)
from ansible_collections.opsctl.cloud.plugins.module_utils.zabbix.wire import Answer, NoAnswer, NotSent, Untrusted, Wire

_PAGE = "api_jsonrpc.php"
_FIRST, _LONGEST = 0.1, 2.0  # seconds of pause between tries
_OPEN = {"apiinfo.version", "user.login", "user.checkAuthentication"}  # refused when somebody is logged in
_HARMLESS = {*_OPEN, "configuration.export"}
_BUSY = {429, 502, 503, 504}
_SECRET = {"password", "passwd", "current_passwd", "tls_psk", "token", "sessionid", "auth", "secret"}


@dataclass(frozen=True)
class Access:
    """Where Zabbix is and who we are: ``token``, or ``user`` with ``password``.

    ``url`` is that of the web pages. ``timeout``: seconds for one call. ``patience``: seconds during which a call is
    tried again, so that a call takes at most the sum of both.
    """

    url: str
    token: str = field(default="", repr=False)
    user: str = ""
    password: str = field(default="", repr=False)
    ca_file: str = ""
    verify: bool = True
    timeout: float = 10.0
    patience: float = 10.0

    def __post_init__(self) -> None:
        if "://" not in self.url:
            object.__setattr__(self, "url", f"http://{self.url}")
        try:
            parts = urlsplit(self.url)
            good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        except ValueError:
            good = False
        if not good:
            where = self.url.rpartition("@")[2][:80]
            raise Refused(f"{where} is no address of a Zabbix; say http://HOST/PATH or https://HOST/PATH")
        if self.timeout <= 0:
            raise Refused(f"{self.timeout:g} s is no time to wait for Zabbix")
        if parts.username or parts.password:
            raise Refused(f"The address of {parts.hostname} holds a user; give user and password by themselves")
        if self.token and (self.user or self.password):
            raise Refused("Give a token, or a user with a password, not both")
        if bool(self.user) != bool(self.password):
            raise Refused("A user needs a password, and a password a user")

    @property
    def page(self) -> str:
        """The address of the web pages, without a slash at its end."""
        return self.url.split("?")[0].removesuffix(_PAGE).rstrip("/")


class Zabbix:
    """One Zabbix. Threads may share it.

    Raises :class:`~.errors.ZabbixError`, always in one line without secrets; the constructor reads the CA file only.
    """

    def __init__(
        self,
        access: Access,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.access = access
        self._clock, self._sleep = clock, sleep
        self._wire = Wire(f"{access.page}/{_PAGE}", access.timeout, _context(access))
        self._lock = threading.Lock()
        self._ids = itertools.count(1)
        self._version: dialect.Version | None = None
        self._session = ""

    @property
    def version(self) -> dialect.Version:
        """Major, minor and patch; asked for once."""
        return self._version or self._learn(self.call("apiinfo.version", {}))

    def call(
        self, method: str, params: Mapping[str, Any] | list[Any] | None = None, *, timeout: float | None = None
    ) -> Any:
        """The ``result`` of ``method``, such as ``"host.get"``. ``timeout``: another one than that of the access.

        Tried again while there is no usable answer: what only reads always, what writes only if nothing was done.
        """
        limit = self.access.timeout if timeout is None else timeout
        end = self._clock() + self.access.patience
        pause = _FIRST
        while True:
            try:
                return self._logged_in(method, {} if params is None else params, limit)
            except Unavailable as error:
                wait = pause * random.uniform(0.5, 1.0)  # noqa: S311
                if not (reads(method) or error.unsent) or self._clock() + wait >= end:
                    raise
                self._sleep(wait)
                pause = min(_LONGEST, pause * 2)

    def close(self) -> None:
        """Close the connections, and the session if a password opened it."""
        with self._lock:
            session, self._session = self._session, ""
        if session:
            with contextlib.suppress(ZabbixError):  # it ends by itself too
                self._exchange("user.logout", [], session)
        self._wire.close()

    def __enter__(self) -> Zabbix:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _logged_in(self, method: str, params: Any, timeout: float) -> Any:
        if method in _OPEN:
            return self._exchange(method, params, "")
        session = self._prepared()
        try:
            return self._exchange(method, params, session, timeout)
        except Auth:
            if self.access.token:
                raise
            return self._exchange(method, params, self._prepared(lost=session), timeout)
        except Refused as error:
            if 'unexpected parameter "auth"' not in str(error):
                raise
            self._learn(self._exchange("apiinfo.version", {}, ""))  # it was upgraded meanwhile
            return self._exchange(method, params, session, timeout)

    def _prepared(self, lost: str = "") -> str:
        """A session to call with, after the version is known. What fails here keeps the call itself from being sent."""
        try:
            if self._version is None:
                self._learn(self._exchange("apiinfo.version", {}, ""))
            return self._open(lost)
        except Unavailable as error:
            error.unsent = True
            raise

    def _learn(self, result: Any) -> dialect.Version:
        version = dialect.parse(str(result))
        if version is None:
            raise Unsupported(f"{self.access.page} is no Zabbix that we know: it calls its version {result!r:.40}")
        if version < dialect.OLDEST:
            raise Unsupported(f"Zabbix {result} at {self.access.page} is too old: 6.0 is the oldest that works")
        self._version = version
        return version

    def _open(self, lost: str = "") -> str:
        """The token or the session; another one if ``lost`` is the one we have."""
        if self.access.token:
            return self.access.token
        if not self.access.user:
            raise Auth(f"Zabbix at {self.access.page} needs a token, or a user with a password")
        with self._lock:
            if not self._session or self._session == lost:
                who = {"username": self.access.user, "password": self.access.password}
                self._session = str(self._exchange("user.login", who, ""))
            return self._session

    def _exchange(self, method: str, params: Any, session: str, timeout: float | None = None) -> Any:
        """One request and its answer."""
        number = next(self._ids)
        call: dict[str, Any] = {"jsonrpc": "2.0", "method": method, "params": params, "id": number}
        headers = {"Content-Type": "application/json-rpc", "Accept": "application/json", "User-Agent": "opsctl"}
        if session and self._version is not None and dialect.bearer(self._version):
            headers["Authorization"] = f"Bearer {session}"
        elif session:
            call["auth"] = session
        try:
            body, fresh = json.dumps(call).encode(), not reads(method)
            answer = self._wire.post(body, headers, timeout or self.access.timeout, fresh)
        except Untrusted as error:
            raise Refused(f"Zabbix at {self.access.page} cannot be trusted: {error}") from None
        except NotSent as error:
            raise Unavailable(f"Zabbix at {self.access.page} cannot be reached: {error}", unsent=True) from None
        except NoAnswer as error:
            raise Unavailable(f"Zabbix at {self.access.page} did not answer {method}: {error}") from None
        refusal, result = self._parse(method, answer)
        if refusal is not None:
            raise of_answer(method, refusal, [session, *_secrets(params)])
        return result

    def _parse(self, method: str, answer: Answer) -> tuple[Mapping[str, Any] | None, Any]:
        """The error or the result of an answer."""
        page = self.access.page
        if answer.status in {401, 403}:
            raise Auth(f"The web server of {page} refuses {method} (HTTP {answer.status})")
        if answer.status == 412 or (answer.status == 404 or answer.status // 100 == 3):
            to = f" and points to {answer.location.split('?')[0]}" if answer.location else ""
            raise Refused(f"There is no API of Zabbix at {page}: HTTP {answer.status}{to}; check the address")
        if answer.status in _BUSY or answer.status >= 500:
            raise Unavailable(f"Zabbix at {page} is not up: HTTP {answer.status} to {method}")
        try:
            said = json.loads(answer.body)
        except ValueError:
            said = None
        if not isinstance(said, dict) or ("result" not in said and not isinstance(said.get("error"), dict)):
            raise Unavailable(f"Zabbix at {page} answered {method} with something that is no JSON-RPC")
        return said.get("error"), said.get("result")


def reads(method: str) -> bool:
    """Whether a call changes nothing, so that it may be made twice."""
    return method.endswith(".get") or method in _HARMLESS


def _context(access: Access) -> ssl.SSLContext | None:
    if not access.url.startswith("https:"):
        return None
    try:
        context = ssl.create_default_context(cafile=access.ca_file or None)
    except (OSError, ssl.SSLError) as error:
        reason = error.strerror or "it holds no certificates"
        raise Refused(f"Cannot read the certificates in {access.ca_file}: {reason}") from None
    if not access.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _secrets(params: Any) -> list[str]:
    """Values that nobody may read in an error, wherever they stand in the parameters."""
    if isinstance(params, list):
        return [one for item in params for one in _secrets(item)]
    if not isinstance(params, Mapping):
        return []
    found = [str(value) for key, value in params.items() if key in _SECRET and isinstance(value, str)]
    if str(params.get("type")) == "1" and "macro" in params:
        found.append(str(params.get("value", "")))
    return [*found, *(one for value in params.values() for one in _secrets(value))]
