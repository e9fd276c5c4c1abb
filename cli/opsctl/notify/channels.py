"""What each kind of channel is sent over HTTP, how it is signed, and what its answers mean. Pure."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote_plus

from opsctl.notify.message import Message

_LIMITS = {"wecom": 2000, "dingtalk": 15_000, "feishu": 15_000, "slack": 15_000}
"""Bytes of text. WeCom takes 2,048 (https://developer.work.weixin.qq.com/document/path/91770), the others 20,000."""


@dataclass(frozen=True, slots=True)
class Post:
    """One HTTP request."""

    url: str = field(repr=False)
    body: bytes
    headers: dict[str, str]


def built(kind: str, message: Message, url: str, secret: str, seconds: float) -> Post:
    """The request that delivers a message; `seconds`: the present, since the epoch."""
    headers = {"Content-Type": "application/json; charset=utf-8", "User-Agent": "opsctl"}
    content: dict[str, Any]
    if kind == "dingtalk":
        content = {"msgtype": "text", "text": {"content": _cut(message.text, kind)}}
        url = _dingtalk(url, secret, seconds) if secret else url
    elif kind == "wecom":
        content = {"msgtype": "text", "text": {"content": _cut(message.text, kind)}}
    elif kind == "feishu":
        # In its texts <at user_id="all"> calls everybody.
        text = _cut(message.text.replace("<", "‹").replace(">", "›"), kind)
        content = {**(_feishu(secret, seconds) if secret else {}), "msg_type": "text", "content": {"text": text}}
    elif kind == "slack":
        content = {"text": _slack(_cut(message.text, kind))}
    else:
        content = message.plain()
    body = json.dumps(content, ensure_ascii=False).encode("utf-8", "replace")
    if kind == "webhook":
        headers |= {"X-Opsctl-Delivery": message.id, "X-Opsctl-Event": message.event}
        headers |= signed(body, secret, seconds) if secret else {}
    return Post(url, body, headers)


def signed(body: bytes, secret: str, seconds: float) -> dict[str, str]:
    """Headers that prove a generic webhook: HMAC-SHA256 over `TIMESTAMP.BODY`, so that neither can be changed."""
    time = str(int(seconds))
    mac = hmac.new(secret.encode(), f"{time}.".encode() + body, hashlib.sha256).hexdigest()
    return {"X-Opsctl-Timestamp": time, "X-Opsctl-Signature": f"sha256={mac}"}


def refused(kind: str, status: int, body: bytes) -> str:
    """Why an answer is no success; empty when it is one.

    DingTalk and WeCom answer 200 with `errcode`, Feishu with `code` (or `StatusCode`), Slack with its status alone
    (https://api.slack.com/changelog/2016-05-17-changes-to-errors-for-incoming-webhooks).
    """
    if 300 <= status < 400:
        return f"it answered with a redirect (HTTP {status}), which is not followed; configure the new URL"
    if not 200 <= status < 300:
        return f"it answered HTTP {status}{_said(body)}"
    if kind not in ("dingtalk", "wecom", "feishu"):
        return ""
    try:
        answer = json.loads(body)
        code = next(answer[name] for name in ("errcode", "code", "StatusCode") if name in answer)
    except (ValueError, TypeError, StopIteration):
        return f"it did not answer as {kind} does; is the URL right?"
    text = str(answer.get("errmsg") or answer.get("msg") or "")
    return "" if code == 0 else f"it answered with code {code}{_said(text.encode())}"


def _dingtalk(url: str, secret: str, seconds: float) -> str:
    """Source: https://help.dingtalk.io/open/dingstart/customize-robot-security-settings ("Sign request")."""
    time = str(round(seconds * 1000))
    mac = hmac.new(secret.encode(), f"{time}\n{secret}".encode(), hashlib.sha256).digest()
    joint = "&" if "?" in url else "?"
    return f"{url}{joint}timestamp={time}&sign={quote_plus(base64.b64encode(mac))}"


def _feishu(secret: str, seconds: float) -> dict[str, str]:
    """The key is `TIMESTAMP\\nSECRET` and the text is empty; seconds, good for an hour.

    Source: https://open.feishu.cn/document/client-docs/bot-v3/add-custom-bot ("signature verification").
    """
    time = str(int(seconds))
    mac = hmac.new(f"{time}\n{secret}".encode(), b"", hashlib.sha256).digest()
    return {"timestamp": time, "sign": base64.b64encode(mac).decode()}


def _slack(text: str) -> str:
    """Source: https://api.slack.com/reference/surfaces/formatting#escaping; else `<!channel>` calls everybody."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _cut(text: str, kind: str) -> str:
    raw = text.encode("utf-8", "replace")
    if len(raw) <= _LIMITS[kind]:
        return raw.decode()
    return raw[: _LIMITS[kind] - 4].decode("utf-8", "ignore") + "…"


def _said(body: bytes) -> str:
    text = " ".join(body[:200].decode("utf-8", "replace").split())
    return f": {text}" if text and text.isprintable() and not text.startswith("<") else ""
