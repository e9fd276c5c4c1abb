#!/usr/bin/env python3
"""Webhooks into the inbox: how long a sender waits at 200 a second, and a storm of 5,000 alerts in 10 seconds.

    python benchmarks/alerts_intake.py

The receiver is a process of its own. Each message comes over a connection of its own, signed, as Zabbix sends them; an
answer means that the alert is on the disk. The peer does the same with Python's http.server and one plain INSERT into
SQLite a message, synchronous as well, without checks and without looking for what it has already.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import multiprocessing
import os
import random
import sqlite3
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from common import figure

SECRET = "a secret of sufficient length"
RATE, SECONDS = 200, 10
STORM, WITHIN, DOUBLED = 5000, 10, 0.1
ROUNDS = 3
SENDERS = 32
"""At once: Zabbix has a bounded number of alerters as well."""

Result = tuple[list[float], float, float]


def message(number: int) -> bytes:
    tags = [{"tag": "opsctl_stack", "value": "cache"}, {"tag": "opsctl_problem", "value": "redis-process-down"}]
    problem = {
        **{"version": 1, "source": "zabbix", "eventid": str(number), "value": "1", "update": "0", "r_eventid": ""},
        **{"trigger_id": str(number % 500), "name": f"Redis is down on cache-{number % 500}", "severity": "4"},
        **{"host": f"cache-{number % 500}", "host_id": "1", "address": "192.168.0.1", "tags": tags, "opdata": "0"},
        **{"clock": 1_795_262_400, "r_clock": 0, "groups": ["cache", "cache/redis"], "acknowledged": False},
    }
    return json.dumps(problem).encode()


def post(port: int, body: bytes) -> None:
    """Until it was taken. A sender that is asked to come again does, signing anew."""
    for _ in range(30):
        stamp = str(int(time.time()))
        mac = hmac.new(SECRET.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
        headers = {"X-Opsctl-Timestamp": stamp, "X-Opsctl-Signature": f"sha256={mac}", "Connection": "close"}
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("POST", "/v1/alerts/zabbix", body, headers)
        answer = connection.getresponse()
        answer.read()
        connection.close()
        if answer.status == 202:
            return
        # 403: the same message was signed in the same second.
        assert answer.status in (403, 408, 503), answer.status
        time.sleep(1)
    raise TimeoutError(f"not taken: HTTP {answer.status}")


def ours(home: str, told: Connection) -> None:
    """The receiver, and at the end the memory it had at most."""
    from opsctl.alerts.config import Source
    from opsctl.alerts.inbox import Inbox
    from opsctl.alerts.receiver import Receiver
    from opsctl.alerts.receiver.app import Intake

    os.environ["BENCH_SECRET"] = SECRET
    source = Source(name="zabbix", kind="zabbix", secret_env="BENCH_SECRET")
    with Inbox(Path(home)) as inbox, Receiver(Intake(inbox, [source], Path(home)), ("127.0.0.1", 0)) as receiver:
        told.send(int(receiver.url.rsplit(":", 1)[1]))
        told.recv()
    lines = Path("/proc/self/status").read_text().splitlines()
    told.send(next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024)


def peer(home: str, told: Connection) -> None:
    """The least that does the job."""
    path = f"{home}/plain.db"
    with sqlite3.connect(path) as made:
        made.execute("PRAGMA journal_mode=WAL")
        made.execute("CREATE TABLE alerts (id INTEGER PRIMARY KEY, body BLOB)")
    lock = threading.Lock()
    kept = sqlite3.connect(path, check_same_thread=False)
    kept.execute("PRAGMA synchronous=FULL")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            with lock, kept:
                kept.execute("INSERT INTO alerts (body) VALUES (?)", (body,))
            self.send_response(202)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    class Server(ThreadingHTTPServer):
        request_queue_size = 1024

    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    told.send(server.server_address[1])
    told.recv()
    told.send(0.0)


def paced(port: int, bodies: list[bytes], rate: float) -> tuple[list[float], float]:
    """How long each message waited from the moment it was due, and how long all took."""
    waits: list[float] = []
    numbers = iter(range(len(bodies)))
    began = time.perf_counter()

    def send() -> None:
        # Iterators of range are safe between threads; a sender that was held up makes the next messages late, too,
        # and that counts: the time is from when they were due.
        for number in numbers:
            due = began + number / rate
            time.sleep(max(0.0, due - time.perf_counter()))
            post(port, bodies[number])
            waits.append(time.perf_counter() - due)

    threads = [threading.Thread(target=send) for _ in range(SENDERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return waits, time.perf_counter() - began


def measured(
    serve: Callable[[str, Connection], None], check: Callable[[str], None]
) -> tuple[list[float], float, float]:
    """Waits at the steady rate, seconds of the storm, MB."""
    with tempfile.TemporaryDirectory() as home:
        here, there = multiprocessing.Pipe()
        process = multiprocessing.get_context("spawn").Process(target=serve, args=(home, there))
        process.start()
        port = here.recv()
        paced(port, [message(number) for number in range(1, 51)], RATE)
        waits, _ = paced(port, [message(1000 + number) for number in range(RATE * SECONDS)], RATE)
        chance = random.Random(1)  # noqa: S311
        doubled = [chance.randrange(STORM) for _ in range(int(STORM * DOUBLED))]
        bodies = [message(100_000 + number) for number in [*range(STORM), *doubled]]
        chance.shuffle(bodies)
        _, took = paced(port, bodies, len(bodies) / WITHIN)
        here.send("end")
        memory = here.recv()
        process.join(30)
        check(home)
    return waits, took, memory


def whole(home: str) -> None:
    """All are there, each once."""
    with sqlite3.connect(f"{home}/alerts.db") as connection:
        (count,) = connection.execute("SELECT count(*) FROM alerts WHERE state = 'firing'").fetchone()
        (heard,) = connection.execute("SELECT sum(count) FROM alerts").fetchone()
    told = 50 + RATE * SECONDS + STORM
    assert count == told, f"{count} alerts of {told}"
    assert heard >= told + int(STORM * DOUBLED), heard


def main() -> None:
    found: dict[str, list[Result]] = {"ours": [], "peer": []}
    for _ in range(ROUNDS):
        found["ours"].append(measured(ours, whole))
        found["peer"].append(measured(peer, lambda home: None))
    for name, results in found.items():
        waits = sorted(wait * 1000 for waits, _, _ in results for wait in waits)
        figures = f"{statistics.median(waits):.1f} / {waits[int(len(waits) * 0.99)]:.1f} / {waits[-1]:.0f} ms"
        figure(f"{name}: taken at {RATE}/s, median / p99 / most", figures, "p99 < 50 ms")
        figure(f"{name}: {STORM} alerts in {WITHIN} s, until the last", f"{max(r[1] for r in results):.1f} s", "~10 s")
    figure("ours: memory at most", f"{max(r[2] for r in found['ours']):.0f} MB", "< 300 MB")


if __name__ == "__main__":
    main()
