from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator

import pytest
from ansible_collections.opsctl.cloud.plugins.module_utils.redis_wire import Connection, Lost, Refused
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

Answering = Callable[..., Connection]


@pytest.fixture
def answering() -> Iterator[Answering]:
    """A connection to a server that says these bytes to whoever comes, and then hangs up."""
    servers: list[socket.socket] = []

    def connect(answer: bytes, password: str | None = None) -> Connection:
        server = socket.create_server(("127.0.0.1", 0))
        servers.append(server)
        threading.Thread(target=serve, args=(server, answer), daemon=True).start()
        return Connection("127.0.0.1", server.getsockname()[1], password, timeout=5)

    def serve(server: socket.socket, answer: bytes) -> None:
        client, _ = server.accept()
        with client:
            client.sendall(answer)
            client.shutdown(socket.SHUT_WR)
            while client.recv(65536):
                pass

    yield connect
    for server in servers:
        server.close()


def written(value: object) -> bytes:
    """A value as a Redis server writes it."""
    if value is None:
        return b"$-1\r\n"
    if isinstance(value, int):
        return b":%d\r\n" % value
    if isinstance(value, str):
        raw = value.encode()
        return b"$%d\r\n%s\r\n" % (len(raw), raw)
    assert isinstance(value, list)
    return b"*%d\r\n" % len(value) + b"".join(map(written, value))


VALUES = st.recursive(st.none() | st.integers(-(2**63), 2**63 - 1) | st.text(), st.lists, max_leaves=20)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(VALUES, min_size=1, max_size=5))
def test_answers_are_read_as_they_were_meant(answering: Answering, values: list[object]) -> None:
    with answering(b"".join(map(written, values))) as connection:
        assert connection.pipeline([["GET", "x"]] * len(values)) == values


def test_an_error_is_a_value_in_a_pipeline_and_raised_by_a_call(answering: Answering) -> None:
    with answering(b"+OK\r\n-MOVED 7 10.0.0.1:6379\r\n-CLUSTERDOWN no\r\n") as connection:
        done, moved = connection.pipeline([["SET", "a", 1], ["SET", "b", 2]])
        assert done == "OK"
        assert (moved.code, moved.text) == ("MOVED", "MOVED 7 10.0.0.1:6379")
        with pytest.raises(Refused, match=r"^127\.0\.0\.1:\d+ answered: CLUSTERDOWN no$"):
            connection.call("GET", "a")


@pytest.mark.parametrize("answer", [b"", b"$5\r\nab", b"*2\r\n:1\r\n", b"+OK"])
def test_a_broken_answer_is_a_lost_connection(answering: Answering, answer: bytes) -> None:
    with answering(answer) as connection, pytest.raises(Lost, match="it was closed"):
        connection.call("PING")


def test_another_protocol_is_said_to_be_one(answering: Answering) -> None:
    with answering(b"SSH-2.0-OpenSSH_9.2\r\n") as connection, pytest.raises(Lost, match="does not speak the Redis"):
        connection.call("PING")


def test_a_wrong_password_is_not_repeated(answering: Answering) -> None:
    refusal = b"-WRONGPASS invalid username-password pair or user is disabled.\r\n"
    with pytest.raises(Refused, match="Give the password that the node was set up with") as caught:
        answering(refusal, "CANARY-of-a-password")
    assert "CANARY" not in str(caught.value)


def test_nobody_there_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(Lost, match=rf"^Cannot reach Redis at 127\.0\.0\.1:{port}: Connection refused$"):
        Connection("127.0.0.1", port)
