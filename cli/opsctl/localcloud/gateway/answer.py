"""What goes back on the wire: JSON bodies with a RequestId, as the real service sends them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from opsctl.localcloud.errors import ApiError

PRODUCTS = {"2019-09-10": "ROS", "2019-06-01": "oos", "2014-05-26": "Ecs", "2016-04-28": "Vpc"}
"""API version to product, as the real troubleshooting links name it."""


class ThrottledError(ApiError):
    """A refusal that says when to come back: the SDKs raise ThrottlingException for it.

    ``retry_after`` is in milliseconds and goes into the header ``x-acs-retry-after``.
    """

    def __init__(self, code: str, message: str, *, retry_after: int, status: int = 400) -> None:
        super().__init__(code, message, status)
        self.retry_after = max(1, retry_after)


@dataclass(frozen=True)
class Answer:
    """One HTTP answer; ``code`` is the error code for the access log, empty when all went well."""

    status: int
    body: bytes = field(repr=False)
    content_type: str = "application/json;charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)
    code: str = ""


def success(result: Mapping[str, Any], request_id: str) -> Answer:
    """``result`` with the RequestId of this call; TypeError or ValueError when it is not JSON."""
    return Answer(200, _dump({**result, "RequestId": request_id}))


def failure(error: ApiError, request_id: str, host: str, product: str = "") -> Answer:
    """The error body of the real gateway: RequestId, HostId, Code, Message, Recommend."""
    link = f"https://api.aliyun.com/troubleshoot?q={error.code}&product={product}&requestId={request_id}"
    body = {"RequestId": request_id, "HostId": host, "Code": error.code, "Message": str(error), "Recommend": link}
    headers = {"x-acs-retry-after": str(error.retry_after)} if isinstance(error, ThrottledError) else {}
    return Answer(error.status, _dump(body), headers=headers, code=error.code)


def _dump(value: Mapping[str, Any]) -> bytes:
    # Lone surrogates cannot be UTF-8; escaping everything keeps any text a handler returns sendable.
    return json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode()
