"""Both signatures made by hand, from their description and without the code under test; and bytes over a socket."""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

_nonces = itertools.count(1)
_PLAIN = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~"


def percent(text: str) -> str:
    return "".join(chr(byte) if byte in _PLAIN else f"%{byte:02X}" for byte in text.encode())


def encoded(params: Mapping[str, str]) -> str:
    """As SDKs send them: a space is a plus sign."""
    return "&".join(f"{percent(name)}={percent(value).replace('%20', '+')}" for name, value in params.items())


def stamp(moment: datetime | None = None) -> str:
    return (moment or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class Wire:
    """A request as it goes out."""

    method: str
    query: str
    headers: dict[str, str]
    body: bytes = b""
    path: str = "/"

    def __bytes__(self) -> bytes:
        headers = {**self.headers, "content-length": str(len(self.body))}
        head = f"{self.method} {self.path}?{self.query} HTTP/1.1\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return head.encode("latin-1") + b"\r\n" + self.body


@dataclass
class Signer:
    """Signs as ``key_id``; ``headers`` replace the usual ones (None leaves one out)."""

    key_id: str
    secret: str
    host: str = "127.0.0.1"
    version: str = "2019-09-10"
    unsigned: set[str] = field(default_factory=set)

    def acs3(
        self,
        action: str,
        query: Mapping[str, str],
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str | None] | None = None,
        method: str = "POST",
    ) -> Wire:
        body = encoded(form).encode() if form else b""
        wanted: dict[str, str | None] = {
            "host": self.host,
            "x-acs-action": action,
            "x-acs-version": self.version,
            "x-acs-date": stamp(),
            "x-acs-signature-nonce": f"acs3-{next(_nonces)}",
            "x-acs-content-sha256": hashlib.sha256(body).hexdigest(),
            "content-type": "application/x-www-form-urlencoded" if body else None,
            **(headers or {}),
        }
        sent = {name: value for name, value in wanted.items() if value is not None}
        names = sorted(set(sent) - self.unsigned)
        lines = [
            method,
            "/",
            "&".join(f"{name}={percent(query[name])}" for name in sorted(query)),
            *(f"{name}:{sent[name]}" for name in names),
            "",
            ";".join(names),
            hashlib.sha256(body).hexdigest(),
        ]
        digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
        signature = hmac.new(self.secret.encode(), f"ACS3-HMAC-SHA256\n{digest}".encode(), hashlib.sha256).hexdigest()
        signed = f"SignedHeaders={';'.join(names)},Signature={signature}"
        sent["authorization"] = f"ACS3-HMAC-SHA256 Credential={self.key_id},{signed}"
        return Wire(method, encoded(query), sent, body)

    def rpc(
        self,
        action: str,
        query: Mapping[str, str],
        form: Mapping[str, str] | None = None,
        common: Mapping[str, str | None] | None = None,
        method: str = "POST",
    ) -> Wire:
        wanted: dict[str, str | None] = {
            "Action": action,
            "Version": self.version,
            "Format": "JSON",
            "Timestamp": stamp(),
            "SignatureNonce": f"rpc-{next(_nonces)}",
            "SignatureMethod": "HMAC-SHA1",
            "SignatureType": "",
            "SignatureVersion": "1.0",
            "AccessKeyId": self.key_id,
            **(common or {}),
            **query,
        }
        sent = {name: value for name, value in wanted.items() if value is not None}
        every = {**sent, **(form or {})}
        pairs = "&".join(f"{percent(name)}={percent(every[name])}" for name in sorted(every))
        text = f"{method}&%2F&{percent(pairs)}"
        digest = hmac.new(f"{self.secret}&".encode(), text.encode(), hashlib.sha1).digest()
        sent["Signature"] = base64.b64encode(digest).decode()
        # As the official command line sends it: action and version in headers too, which must not confuse anyone.
        headers = {"host": self.host, "x-acs-action": action, "x-acs-version": self.version}
        body = encoded(form).encode() if form else b""
        if body:
            headers["content-type"] = "application/x-www-form-urlencoded"
        return Wire(method, encoded(sent), headers, body)


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def exchange(port: int, data: bytes, timeout: float = 10) -> Reply:
    """Send bytes, read one answer; ConnectionError when there is none."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as peer:
        peer.sendall(data)
        return receive(peer)


def receive(peer: socket.socket) -> Reply:
    with peer.makefile("rb") as stream:
        line = stream.readline()
        if not line:
            raise ConnectionError("no answer")
        headers: dict[str, str] = {}
        while (field_line := stream.readline().strip()) != b"":
            name, _, value = field_line.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        return Reply(int(line.split()[1]), headers, stream.read(int(headers["content-length"])))
