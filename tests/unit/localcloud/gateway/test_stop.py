"""The server as a process: SIGTERM lets calls finish, but not for ever."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import textwrap
import time

import pytest

from .signer import Signer, exchange

PROGRAM = textwrap.dedent(
    """
    import os, socket, sys, time
    from opsctl.localcloud.gateway.app import create_app
    from opsctl.localcloud.gateway.serve import serve
    from opsctl.localcloud.gateway.signature import Key

    def wait(request):
        print("called", flush=True)
        time.sleep(float(request.params["Seconds"]))
        return {}

    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    ended = serve(create_app({("2019-09-10", "Wait"): wait}, {"ak": Key("ak", "sk")}.get), [listener], grace=1)
    print("ended" if ended else "cut off", flush=True)
    os._exit(0)
    """
)


@pytest.mark.parametrize(("seconds", "said"), [("0.5", "ended"), ("60", "cut off")])
def test_sigterm_waits_for_calls_within_bounds(seconds: str, said: str) -> None:
    with subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        with socket.create_connection(("127.0.0.1", port), timeout=10) as peer:
            peer.sendall(bytes(Signer("ak", "sk").acs3("Wait", {"Seconds": seconds})))
            assert process.stdout.readline() == "called\n"
            started = time.monotonic()
            process.send_signal(signal.SIGTERM)
            status = peer.recv(64)[9:12]
            assert process.stdout.readline() == f"{said}\n"
        assert process.wait(timeout=10) == 0
        assert time.monotonic() - started < 5
        assert status == (b"200" if said == "ended" else b"500")


def test_an_idle_client_does_not_hold_up_the_end() -> None:
    with subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        with socket.create_connection(("127.0.0.1", port), timeout=10) as peer:
            exchange(port, bytes(Signer("ak", "sk").acs3("Wait", {"Seconds": "0"})))
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=10) == 0
            assert peer.recv(1) == b""
