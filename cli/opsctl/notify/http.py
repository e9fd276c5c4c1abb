"""Sends one HTTP request. Its errors never say the URL, which is a secret."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import requests
from requests.auth import AuthBase

from opsctl.errors import OpsctlError
from opsctl.notify.channels import Post

_MOST = 64 * 1024
"""Bytes of an answer that are read."""


class Undelivered(OpsctlError):
    """A message was not taken; says why, and nothing secret."""

    def __init__(self, why: str, wait: float = 0) -> None:
        """`wait`: seconds the other side asked for."""
        super().__init__(why)
        self.wait = wait


class _Nobody(AuthBase):
    """Keeps ~/.netrc from being asked, while proxies of the environment are used."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


def send(post: Post, timeout: float, authorities: Path | None) -> tuple[int, bytes]:
    """The answer's status and the beginning of its body. A redirect is an answer, too: it is not followed.

    Raises:
        Undelivered: there was no answer.
    """
    end = time.monotonic() + timeout
    try:
        with requests.post(
            post.url,
            data=post.body,
            headers=post.headers,
            timeout=timeout,
            allow_redirects=False,
            stream=True,
            auth=_Nobody(),
            verify=str(authorities) if authorities else True,
        ) as answer:
            body = b""
            for part in answer.iter_content(4096):
                body += part
                if len(body) > _MOST or time.monotonic() > end:
                    break
            if answer.status_code == 429:
                raise Undelivered("it answered HTTP 429: too many messages", _wait(answer.headers.get("Retry-After")))
            return answer.status_code, body
    except requests.Timeout:
        raise Undelivered(f"no answer within {timeout:.0f} s") from None
    except (requests.RequestException, OSError, ValueError) as error:
        raise Undelivered(reason(error)) from None


def _wait(header: str | None) -> float:
    return min(float(header), 3600) if header and header.isdecimal() else 0


def reason(error: BaseException) -> str:
    """Why a connection failed, from the innermost error: the outer ones quote the URL."""
    chain = list(_causes(error))
    if found := next(filter(None, map(_tls, chain)), ""):
        return found
    if any(type(each).__name__ in ("NameResolutionError", "gaierror") for each in chain):
        return "the name of its host cannot be resolved"
    if any(isinstance(each, TimeoutError) for each in chain):
        return "no answer in time"
    for each in chain:
        if isinstance(each, OSError) and not isinstance(each, requests.RequestException) and each.strerror:
            return f"no connection: {each.strerror.lower()}"
    if any(isinstance(each, requests.exceptions.InvalidSchema | requests.exceptions.MissingSchema) for each in chain):
        return "its URL must begin with https:// or http://"
    return "the connection broke, or its URL cannot be used"


def _tls(error: BaseException) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"no TLS connection: {str(error.reason or 'handshake failed').lower().replace('_', ' ')}"
    return ""


def _causes(error: BaseException) -> Iterator[BaseException]:
    todo: list[object] = [error]
    seen: set[int] = set()
    while todo:
        each = todo.pop(0)
        if isinstance(each, BaseException) and id(each) not in seen:
            seen.add(id(each))
            yield each
            todo += [each.__cause__, each.__context__, getattr(each, "reason", None), *each.args]
