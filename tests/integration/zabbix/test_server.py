"""The server that the other tests build on is what they take it for."""

from __future__ import annotations

import pytest
from zabbix_utils import Sender

from .server import Refused, Server


def test_the_api_answers_for_a_zabbix_of_the_distribution(zabbix: Server) -> None:
    assert zabbix.call("apiinfo.version", [], token="").startswith("6.0.")
    assert zabbix.call("host.get", {"filter": {"host": ["Zabbix server"]}, "output": ["host"]})


def test_a_wrong_token_is_refused(zabbix: Server) -> None:
    with pytest.raises(Refused, match="Not authorized"):
        zabbix.call("host.get", {"output": ["host"]}, token="0" * 64)


def test_the_server_takes_values(zabbix: Server) -> None:
    host, port = zabbix.trapper
    answer = Sender(server=host, port=port).send_value("no such host", "no.such.item", 1)
    assert (answer.processed, answer.failed) == (0, 1)


def test_redis_stays_down_when_it_is_killed(zabbix: Server) -> None:
    zabbix.run("systemctl", "start", "redis-server")
    try:
        assert zabbix.run("redis-cli", "ping") == "PONG"
        zabbix.run("systemctl", "kill", "--signal", "KILL", "redis-server")
        assert zabbix.run("sh", "-c", "sleep 0.5; systemctl is-active redis-server || true") in ("failed", "inactive")
    finally:
        zabbix.run("systemctl", "stop", "redis-server")
