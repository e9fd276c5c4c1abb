"""Wait conditions: handles, their signed addresses, the signals that come in (facts: ros-template, section 6)."""

from __future__ import annotations

import hashlib
import hmac
import json
import urllib.parse
from collections.abc import Mapping
from typing import Any

from opsctl.localcloud.cloud import REGION, Cloud
from opsctl.localcloud.errors import ApiError
from opsctl.localcloud.hosts.firewall import SIGNALS
from opsctl.localcloud.models import Signal

VALID_SECONDS = 86400
STATUSES = ("SUCCESS", "FAILURE", "WARNING")


def handle_key(stack_id: str, logical_id: str) -> str:
    return f"{stack_id}/{logical_id}"


def url(cloud: Cloud, stack_id: str, stack_name: str, logical_id: str) -> str:
    """The address a host posts its signal to; good for a day."""
    expire = int(cloud.now().timestamp()) + VALID_SECONDS
    query = {
        "stackname": stack_name,
        "stackid": stack_id,
        "resource": logical_id,
        "expire": str(expire),
        "signature": _sign(cloud, stack_id, logical_id, str(expire)),
    }
    return f"http://{SIGNALS}/waitcondition?{urllib.parse.urlencode(query)}"


def curl(address: str) -> str:
    """CurlCli as the real one (unquoted: templates append ``-d ...``), patient while this one restarts."""
    headers = ("Content-Type: application/json", "Accept: application/json", f"x-acs-region-id: {REGION}")
    shown = " ".join(f"-H '{header}'" for header in headers)
    escaped = address.replace("&", "\\&")
    return f"curl -i -X POST --retry 60 --retry-delay 1 --retry-connrefused {shown} {escaped}"


def _sign(cloud: Cloud, stack_id: str, logical_id: str, expire: str) -> str:
    text = f"{stack_id}\n{logical_id}\n{expire}".encode()
    return hmac.new(cloud.signing_key.encode(), text, hashlib.sha1).hexdigest()


def receive(cloud: Cloud, query: Mapping[str, str], body: bytes) -> tuple[str, str, Signal]:
    """Check and store one posted signal: (stack id, logical id of the handle, the signal)."""
    stack_id, logical_id, expire = (query.get(name, "") for name in ("stackid", "resource", "expire"))
    wanted = _sign(cloud, stack_id, logical_id, expire)
    if not hmac.compare_digest(wanted.encode(), query.get("signature", "").encode(errors="replace")):
        raise ApiError("SignatureDoesNotMatch", "The signature of the wait condition's address does not match.", 403)
    if not expire.isdigit() or int(expire) < cloud.now().timestamp():
        raise ApiError("SignatureExpired", "The wait condition's address has expired.", 403)
    return stack_id, logical_id, store(cloud, stack_id, logical_id, _payload(body))


def _payload(body: bytes) -> dict[str, Any]:
    try:
        read = json.loads(body or b"{}")
    except ValueError:
        raise ApiError("InvalidParameter", "The body of a signal must be JSON.") from None
    if not isinstance(read, dict):
        raise ApiError("InvalidParameter", "The body of a signal must be a JSON object.")
    # Templates write Status, status, Data and data alike.
    return {str(key).lower(): value for key, value in read.items()}


def store(cloud: Cloud, stack_id: str, logical_id: str, payload: Mapping[str, Any]) -> Signal:
    status = str(payload.get("status") or "SUCCESS").upper()
    if status not in STATUSES:
        raise ApiError("InvalidParameter", f"status must be one of {', '.join(STATUSES)}.")
    handle = handle_key(stack_id, logical_id)
    resource = next((row for row in cloud.resources if row.stack_id == stack_id and row.logical_id == logical_id), None)
    if resource is None or resource.type != "ALIYUN::ROS::WaitConditionHandle":
        raise ApiError("ResourceNotFound", f"The Resource ({logical_id}) could not be found in Stack {stack_id}.", 404)
    with cloud.store.transaction():
        known = of(cloud, handle)
        number = len(known) + 1
        signal = Signal(
            handle=handle,
            id=str(payload.get("id") or number),
            status=status,
            reason=str(payload.get("reason") or f"Signal {number} received"),
            data=payload.get("data"),
            seq=max((each.seq for each in known), default=0) + 1,
        )
        cloud.signals.put(signal)
    with cloud.signalled:
        cloud.signalled.notify_all()
    return signal


def of(cloud: Cloud, handle: str) -> list[Signal]:
    return sorted(cloud.signals.find(lambda row: row.handle == handle), key=lambda row: row.seq)


def forget(cloud: Cloud, handle: str) -> None:
    for signal in of(cloud, handle):
        cloud.signals.delete(signal.key)
