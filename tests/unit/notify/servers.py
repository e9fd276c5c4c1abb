"""Small real servers on loopback: HTTP and HTTPS that behave as told, and a mail server."""

from __future__ import annotations

import base64
import datetime
import ipaddress
import socket
import socketserver
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass
class Got:
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


@dataclass
class Hook:
    """An HTTP server. `answers`: status and body for each request; the last one stays."""

    port: int
    scheme: str = "http"
    got: list[Got] = field(default_factory=list)
    answers: list[tuple[int, bytes]] = field(default_factory=lambda: [(200, b'{"errcode": 0, "code": 0}')])
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0
    drip: bool = False

    def url(self, path: str = "/hook/canary-path-0123456789?key=canary-query-0123456789") -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}{path}"


@contextmanager
def hook(tls: Path | None = None) -> Iterator[Hook]:
    """An HTTP server; HTTPS with the certificate and key in the file `tls`."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            known.got.append(Got(parts.path, query, dict(self.headers), body))
            time.sleep(known.delay)
            status, answer = known.answers.pop(0) if len(known.answers) > 1 else known.answers[0]
            self.send_response(status)
            for name, value in known.headers.items():
                self.send_header(name, value)
            self.end_headers()
            for byte in answer if known.drip else ():
                try:
                    self.wfile.write(bytes([byte]))
                except OSError:
                    return
                time.sleep(0.3)
            if not known.drip:
                self.wfile.write(answer)

        def log_message(self, *_: Any) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            pass

    server = Quiet(("127.0.0.1", 0), Handler)
    if tls is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    known = Hook(server.server_port, "https" if tls else "http")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield known
    finally:
        server.shutdown()
        server.server_close()


def closed_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def certificate(folder: Path) -> Path:
    """A file with a certificate for 127.0.0.1, signed by itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "server.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
    return path


@dataclass
class Post:
    """A mail server."""

    port: int
    mails: list[Message] = field(default_factory=list)
    logins: list[tuple[str, str]] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)
    refuse: frozenset[str] = frozenset()
    delay: float = 0
    greeting: str = "220 test"


@contextmanager
def post(tls: Path | None = None, *, at_once: bool = False) -> Iterator[Post]:
    """A mail server; with STARTTLS when there is a certificate, or TLS from the first byte (`at_once`)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if tls is not None:
        context.load_cert_chain(tls)

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            try:
                self.talk()
            except OSError:
                return

        def talk(self) -> None:
            stream: Any = context.wrap_socket(self.request, server_side=True) if at_once else self.request
            encrypted, file = at_once, stream.makefile("rwb")

            def say(text: str) -> None:
                file.write(text.encode() + b"\r\n")
                file.flush()

            time.sleep(known.delay)
            say(known.greeting)
            while line := file.readline():
                words = line.decode().split()
                verb = words[0].upper() if words else ""
                if verb == "EHLO":
                    offers = ["test", *(["STARTTLS"] if tls and not encrypted else []), "AUTH PLAIN"]
                    for offer in offers[:-1]:
                        say(f"250-{offer}")
                    say(f"250 {offers[-1]}")
                elif verb == "STARTTLS":
                    say("220 go on")
                    stream = context.wrap_socket(stream, server_side=True)
                    encrypted, file = True, stream.makefile("rwb")
                elif verb == "AUTH":
                    _, user, password = base64.b64decode(words[2]).decode().split("\0")
                    known.logins.append((user, password))
                    say("535 wrong password" if "wrong" in password else "235 welcome")
                elif verb == "RCPT" and any(name in line.decode() for name in known.refuse):
                    say("550 no such user")
                elif verb == "DATA":
                    say("354 go on")
                    body = b""
                    while (part := file.readline()) != b".\r\n":
                        body += part
                    known.mails.append(message_from_bytes(body, policy=default))
                    known.encrypted.append(encrypted)
                    say("250 taken")
                elif verb == "QUIT":
                    say("221 bye")
                    return
                else:
                    say("250 ok")

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            pass

    server = Server(("127.0.0.1", 0), Handler)
    known = Post(int(server.server_address[1]))
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield known
    finally:
        server.shutdown()
        server.server_close()
