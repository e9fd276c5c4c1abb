"""ClientTokens: the same call again gets the answer of the first (facts: ros-api, section 1.7)."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from opsctl.localcloud.cloud import Cloud
from opsctl.localcloud.errors import ApiError, invalid_parameter
from opsctl.localcloud.gateway.app import Request
from opsctl.localcloud.models import Token

Answer = Mapping[str, Any]
_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,64}")


def once(cloud: Cloud, request: Request, prepare: Callable[[], Callable[[], Answer]]) -> Answer:
    """Check with ``prepare``, then do what it returned and write the token down, both or neither.

    Preparing may take long (a template is fetched), so it happens before the transaction that others wait for.
    """
    token = request.params.text("ClientToken")
    if not token:
        commit = prepare()
        with cloud.store.transaction():
            return commit()
    if not _TOKEN.fullmatch(token):
        raise invalid_parameter("ClientToken", "1 to 64 of [A-Za-z0-9_-]")
    digest = hashlib.sha256(json.dumps(sorted(request.params.items())).encode()).hexdigest()
    name = f"{request.action}/{token}"
    known = cloud.tokens.get(name)
    if known is None:
        commit = prepare()
        with cloud.store.transaction():
            known = cloud.tokens.get(name)
            if known is None:
                answer = commit()
                cloud.tokens.put(Token(name, digest, dict(answer), cloud.timestamp()))
                return answer
    if known.digest != digest:
        raise ApiError("InvalidIdempotenceParameter", "The specified parameters are different from before.")
    return known.answer
